"""Renders 32 short clips in a fresh process and prints its memory: ``python -m tests.memory_of_render FOLDER``.

A process that ran other tests before has holes in its heap, which fill in their own time.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import torch

from live_avatar.events import ClipEvent, RenderEvent
from live_avatar.render import render
from live_avatar.state_store import StateStore
from tests.render_material import golden_pipeline, make_job, never, voice, write_wav


def main(folder: Path) -> None:
    """Prints {"memory": bytes after each clip, "tensors": number of them early and late}."""
    write_wav(folder / "a.wav", voice(32 * 12 / 25))
    memory: list[int] = []
    tensors: list[int] = []

    def measure(event: RenderEvent) -> None:
        if isinstance(event, ClipEvent):
            memory.append(event.memory_bytes)
            if event.clip in (8, 30):
                gc.collect()
                tensors.append(sum(type(thing) is torch.Tensor for thing in gc.get_objects()))

    # States are not what is measured; the disk cache of them would be.
    StateStore.due = lambda self, size=0: False  # type: ignore[method-assign]
    render(make_job(folder / "video.mp4", audio=(folder / "a.wav",)), golden_pipeline(), measure, never)
    print(json.dumps({"memory": memory, "tensors": tensors}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
