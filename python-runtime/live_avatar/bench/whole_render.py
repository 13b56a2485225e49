"""A whole render as a user starts it: one process from the command to the finished video. No torch here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from live_avatar.bench.command import Run, generate
from live_avatar.bench.figures import Figure, at_most
from live_avatar.bench.settings import Setup
from live_avatar.bench.sound import write_looped

TOTAL_BAR_SECONDS, FIRST_CLIP_BAR_SECONDS, PEAK_BAR_GB = 90.0, 30.0, 3.0


def measure_render(setup: Setup) -> Iterator[Figure]:
    """Render ``setup.seconds`` of sound with ``live-avatar generate``; the bars hold for two processor cores.

    Raises:
        UserError: as the command answers.
    """
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
        sound, output = Path(folder) / "sound.wav", Path(folder) / "video.mp4"
        write_looped(setup.audio, setup.seconds, sound)
        run = generate(setup, sound, setup.size, output)
        size = output.stat().st_size
    yield from _figures(setup, run, size)


def _figures(setup: Setup, run: Run, output_bytes: int) -> Iterator[Figure]:
    def bar(limit: float) -> float | None:
        return limit if setup.has_bars else None

    frames = int(run.result["generated_frames"])
    made = f"{frames} frames of {run.size}, {output_bytes / 1e6:.1f} MB"
    yield at_most(f"{setup.seconds:g} s of sound, start to end", run.seconds, "s", bar(TOTAL_BAR_SECONDS), made)
    loaded = next(at for at, record in run.of_kind("stage") if record["stage"] == "load" and _complete(record))
    first_clip = run.of_kind("clip")[0][0]
    note = f"the model is loaded after {loaded:.1f} s"
    yield at_most("first clip on disk after", first_clip, "s", bar(FIRST_CLIP_BAR_SECONDS), note)
    seconds = float(run.result["seconds"])
    yield Figure("frames a second, model loaded", frames / seconds, "frames/s", note="conditions and join included")
    planned = f"resident; the plan said {run.plan['memory']['peak'] / 1e9:.2f} GB"
    yield at_most("most memory of the process", run.peak_bytes / 1e9, "GB", bar(PEAK_BAR_GB), planned)
    states = [record for _, record in run.of_kind("state")]
    spent = float(run.result["state_seconds"])
    largest = max((state["bytes"] for state in states), default=0)
    note = f"{len(states)} saved, {largest / 1e6:.1f} MB each; {spent / seconds:.2%} of the render"
    yield Figure("saving states", spent, "s", note=note)


def _complete(record: dict[str, object]) -> bool:
    return record["done"] == record["total"]
