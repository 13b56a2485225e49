"""How long it takes before anything happens: the command's help, and what is imported for a render. No torch here."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

from live_avatar.bench.command import child_environment
from live_avatar.bench.figures import Figure, at_most
from live_avatar.bench.settings import Setup

HELP_BAR_SECONDS = 0.5
_IMPORTS = """
import time
started = time.perf_counter()
import torch
torch_there = time.perf_counter()
import live_avatar.pipeline, live_avatar.models, live_avatar.render_run
engine_there = time.perf_counter()
from transformers import UMT5EncoderModel, Wav2Vec2Model
print(torch_there - started, engine_there - torch_there, time.perf_counter() - engine_there)
"""


def measure_start(setup: Setup) -> Iterator[Figure]:
    """Times of fresh processes; the median of several, so that the disk's cache is warm."""
    helps = [_run(["-m", "live_avatar", "--help"])[0] for _ in range(setup.repeats)]
    note = f"first {helps[0]:.2f} s, slowest {max(helps):.2f} s of {len(helps)} processes"
    yield at_most("live-avatar --help", median(helps), "s", HELP_BAR_SECONDS, note)
    yield Figure("python alone", median(_run(["-c", "pass"])[0] for _ in range(setup.repeats)), "s")
    runs = [[float(part) for part in _run(["-c", _IMPORTS])[1].split()] for _ in range(min(3, setup.repeats))]
    names = ("import torch", "import the engine", "import text and speech encoders")
    for name, times in zip(names, zip(*runs, strict=True), strict=True):
        yield Figure(name, median(times), "s")


def _run(arguments: Sequence[str]) -> tuple[float, str]:
    """Seconds of a Python process, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, env=child_environment()
    )
    return time.perf_counter() - started, done.stdout
