"""A worker whose libraries misbehave: renders print to standard output in every way, and read standard input."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Started with -I, which leaves the folder of the sources out of the path.
    sys.path.insert(0, str(Path(__file__).parent.parent))

import live_avatar.render
from live_avatar.events import EventSink
from live_avatar.worker import main

if TYPE_CHECKING:
    from live_avatar.pipeline import Pipeline

NOISE = ("noise of python", "noise of a descriptor", "noise of a child", "noise of C", "Geräusch 噪音")
quiet_render = live_avatar.render.render


def noisy_render(
    job: live_avatar.render.RenderJob,
    pipeline: Pipeline,
    on_event: EventSink,
    should_stop: Callable[[], bool],
) -> live_avatar.render.RenderResult:
    """Make every kind of noise, then render."""
    print(NOISE[0])
    os.write(1, f"{NOISE[1]}\n".encode())
    subprocess.run([sys.executable, "-I", "-S", "-c", f"print({NOISE[2]!r})"], check=True)
    ctypes.CDLL(None).puts(NOISE[3].encode())
    ctypes.CDLL(None).fflush(None)
    print(NOISE[4])
    # A library that asks a question gets no answer, and takes no request away.
    assert sys.stdin.read() == ""
    assert os.read(0, 1) == b""
    return quiet_render(job, pipeline, on_event, should_stop)


if __name__ == "__main__":
    live_avatar.render.render = noisy_render
    sys.exit(main([]))
