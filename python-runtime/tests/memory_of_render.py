"""Renders 32 short clips in a fresh process and prints what it holds: ``python -m tests.memory_of_render FOLDER``.

Counted is what the program has asked the C library for and not given back. The resident size tells less: the system
takes pages away and the C library keeps freed ones, by tens of megabytes and in their own time.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path

import torch

from live_avatar.events import ClipEvent, RenderEvent
from live_avatar.render import render
from live_avatar.state_store import StateStore
from tests.render_material import golden_pipeline, make_job, never, voice, write_wav


class _HeapFacts(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]  # fmt: skip


def heap_bytes() -> int:
    """Bytes allocated and not freed, on all heaps and in mappings of their own."""
    facts_of = ctypes.CDLL(None).mallinfo2
    facts_of.restype = _HeapFacts
    facts = facts_of()
    return int(facts.uordblks + facts.hblkhd)


def main(folder: Path) -> None:
    """Prints {"memory": bytes after each clip, "tensors": number of them after each}."""
    write_wav(folder / "a.wav", voice(32 * 12 / 25))
    memory: list[int] = []
    tensors: list[int] = []

    def measure(event: RenderEvent) -> None:
        if isinstance(event, ClipEvent):
            gc.collect()
            memory.append(heap_bytes())
            tensors.append(sum(type(thing) is torch.Tensor for thing in gc.get_objects()))

    # States are not what is measured; the disk cache of them would be.
    StateStore.due = lambda self, size=0: False  # type: ignore[method-assign]
    render(make_job(folder / "video.mp4", audio=(folder / "a.wav",)), golden_pipeline(), measure, never)
    print(json.dumps({"memory": memory, "tensors": tensors}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
