"""How fast this computer rendered before: a small file in the user's cache, read by the planner.

Losing it costs nothing but the forecast, so every fault of the disk is passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live_avatar.events import BlockEvent, RenderEvent

_FILE_NAME = "speed.json"
_MOST_ENTRIES = 200


def cache_folder() -> Path:
    """Folder for what may be deleted at any time: ``avatar-studio`` in the user's cache; it may not exist."""
    base = os.environ.get("AVATAR_STUDIO_CACHE")
    if base:
        return Path(base)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "avatar-studio" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "avatar-studio"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "avatar-studio"


@dataclass(frozen=True, slots=True)
class SpeedKey:
    """What a speed holds for.

    Attributes:
        device: name of processor or card.
        threads: processor threads.
        precision: of the denoiser.
        parameters: of the denoiser; stands for the model.
        width, height, infer_frames, sample_steps: settings of the render.
    """

    device: str
    threads: int
    precision: str
    parameters: int
    width: int
    height: int
    infer_frames: int
    sample_steps: int

    @property
    def name(self) -> str:
        """The key in the file."""
        parts = (self.device, self.threads, self.precision, self.parameters, self.width, self.height)
        text = repr((*parts, self.infer_frames, self.sample_steps))
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds per block of 12 frames, and seconds before the first block (loading, conditions)."""

    seconds_per_block: float
    start_seconds: float


def read_speed(key: SpeedKey, folder: Path | None = None) -> Speed | None:
    """The speed measured for ``key``, or ``None``."""
    entry = _read(_path(folder)).get(key.name)
    if not isinstance(entry, dict):
        return None
    try:
        speed = Speed(float(entry["seconds_per_block"]), float(entry["start_seconds"]))
    except (KeyError, TypeError, ValueError):
        return None
    return speed if speed.seconds_per_block > 0 else None


def write_speed(key: SpeedKey, speed: Speed, folder: Path | None = None) -> bool:
    """Remember ``speed``; false when the cache cannot be written."""
    path = _path(folder)
    entries = _read(path)
    entries.pop(key.name, None)
    entries[key.name] = {"seconds_per_block": speed.seconds_per_block, "start_seconds": speed.start_seconds}
    while len(entries) > _MOST_ENTRIES:
        del entries[next(iter(entries))]
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(entries, indent=1), "utf-8")
        temporary.replace(path)
    except OSError:
        return False
    return True


def _path(folder: Path | None) -> Path:
    return (cache_folder() if folder is None else folder) / _FILE_NAME


def _read(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


@dataclass(slots=True)
class SpeedMeter:
    """Fed with the events of one render, knows its speed afterwards. Make it when the run begins."""

    started: float = field(default_factory=time.monotonic)
    _start_seconds: float | None = None
    _blocks: deque[float] = field(default_factory=lambda: deque(maxlen=500))

    def observe(self, event: RenderEvent) -> None:
        """Take note of one event."""
        if not isinstance(event, BlockEvent):
            return
        if self._start_seconds is None:
            # The first block is not typical: nothing is warm yet.
            self._start_seconds = max(0.0, time.monotonic() - self.started - event.seconds)
        else:
            self._blocks.append(event.seconds)

    def speed(self) -> Speed | None:
        """Median speed, or ``None`` before the third block."""
        if len(self._blocks) < 2 or self._start_seconds is None:
            return None
        return Speed(statistics.median(self._blocks), self._start_seconds)
