"""Whether a long render holds ever more memory or leaves anything on the disk. No torch here."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live_avatar.bench.command import Run, generate
from live_avatar.bench.figures import Figure
from live_avatar.bench.settings import Setup
from live_avatar.bench.sound import write_looped
from live_avatar.geometry import FRAMES_PER_SECOND

# A process is at its full size once it has heard two segments of speech, of a minute each (``speech_track``).
_SETTLING_MINUTES = 2.0
_FEWEST_SAMPLES = 8
# In a shorter run one step of the allocator outweighs everything.
_SHORTEST_MINUTES = 4.0
_NEGLIGIBLE_PER_MINUTE = 0.001
_FRAMES_PER_MINUTE = 60 * FRAMES_PER_SECOND
_KB = 1000.0


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through samples, by least squares.

    Attributes:
        slope, error: change per unit of x, and its standard error.
        mean: of the samples.
    """

    slope: float
    error: float
    mean: float

    @property
    def is_flat(self) -> bool:
        """Indistinguishable from zero: within two standard errors, or under 0.1 % of the mean per unit of x."""
        return abs(self.slope) < 2 * self.error or abs(self.slope) < _NEGLIGIBLE_PER_MINUTE * self.mean


def trend(x: Sequence[float], y: Sequence[float]) -> Trend | None:
    """The line through (x, y); ``None`` with under 8 samples."""
    count = len(x)
    if count < _FEWEST_SAMPLES:
        return None
    middle, mean = sum(x) / count, sum(y) / count
    spread = sum((at - middle) ** 2 for at in x)
    slope = sum((at - middle) * (value - mean) for at, value in zip(x, y, strict=True)) / spread
    residual = sum((value - mean - slope * (at - middle)) ** 2 for at, value in zip(x, y, strict=True))
    return Trend(slope, math.sqrt(residual / (count - 2) / spread), mean)


@dataclass(slots=True)
class MemoryRun:
    """What was seen at every clip: minutes of video made, resident bytes of the process, bytes of its files."""

    minutes: list[float]
    resident: list[float]
    on_disk: list[float]


def measure_memory(setup: Setup, samples: list[dict[str, float]]) -> Iterator[Figure]:
    """Render ``setup.minutes`` of sound at ``setup.memory_size``; every sample is also put into ``samples``.

    Raises:
        UserError: as ``live-avatar generate`` answers.
    """
    seen = MemoryRun([], [], [])
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as sounds, tempfile.TemporaryDirectory() as folder:
        sound, output = Path(sounds) / "sound.wav", Path(folder) / "video.mp4"
        write_looped(setup.audio, setup.minutes * 60, sound)

        def watch(record: dict[str, Any]) -> None:
            if record.get("kind") == "clip":
                seen.minutes.append((record["first_frame"] + record["frames"]) / _FRAMES_PER_MINUTE)
                seen.resident.append(float(record["memory_bytes"]))
                seen.on_disk.append(float(_bytes_in(Path(folder))))

        run = generate(setup, sound, setup.memory_size, output, watch)
        left, video = _bytes_in(Path(folder)), output.stat().st_size
    samples += [
        {"minute": minute, "resident_bytes": resident, "disk_bytes": disk}
        for minute, resident, disk in zip(seen.minutes, seen.resident, seen.on_disk, strict=True)
    ]
    yield from _figures(setup, run, seen, left, video)


def _figures(setup: Setup, run: Run, seen: MemoryRun, left: int, video: int) -> Iterator[Figure]:
    settled = sum(minute < _SETTLING_MINUTES for minute in seen.minutes)
    line = trend(seen.minutes[settled:], seen.resident[settled:])
    clips = f"{len(seen.minutes)} clips, {run.size}, {setup.minutes:g} min of sound"
    bar = "zero"
    if line is None:
        yield Figure("memory slope", math.nan, "kB/min", bar=bar, note=f"too few clips to say; {clips}")
    else:
        met: bool | None = line.is_flat
        verdict = "indistinguishable from zero" if met else "not zero"
        if setup.minutes < _SHORTEST_MINUTES:
            verdict, met = f"not judged under {_SHORTEST_MINUTES:g} minutes", None
        note = f"{verdict}; standard error {line.error / _KB:.1f}; {clips}"
        yield Figure("memory slope", line.slope / _KB, "kB/min", bar=bar, met=met, note=note)
        note = f"mean {line.mean / 1e6:,.1f} MB; the first {_SETTLING_MINUTES:g} minutes are left out of the slope"
        yield Figure("memory after the last clip", seen.resident[-1] / 1e6, "MB", note=note)
    yield Figure("most memory of the process", run.peak_bytes / 1e6, "MB")
    yield Figure(
        "most disk during the render", max(seen.on_disk, default=0.0) / 1e6, "MB", note="segments, sound, states"
    )
    note = f"beside the video of {video / 1e6:.2f} MB"
    yield Figure("disk left behind", float(left - video), "bytes", bar="0", met=left == video, note=note)
    rate = int(run.result["generated_frames"]) / float(run.result["seconds"])
    yield Figure("frames a second, model loaded", rate, "frames/s", note=f"{run.seconds:,.0f} s in all")


def _bytes_in(folder: Path) -> int:
    """Bytes of all files below ``folder``; those that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
