"""Where the frames of a measured take go: away, or into clips, in a thread of their own as in a render."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from live_avatar.geometry import BLOCK_FRAMES
from live_avatar.vae.frame_copies import Frame, PendingFrames

_WAITING = 2


class Sink(Protocol):
    """Takes blocks of frames in a thread of its own, two waiting at most."""

    def add(self, frames: PendingFrames) -> None:
        """Hand over a block; waits while two are waiting."""

    def finish(self) -> None:
        """Wait until all are taken."""


@dataclass(slots=True)
class FrameTaker:
    """Takes frames off the card and lets them go; notes when each block was there."""

    times: list[float] = field(default_factory=list)
    _items: queue.Queue[PendingFrames | None] = field(default_factory=lambda: queue.Queue(_WAITING))
    _thread: threading.Thread | None = None

    def add(self, frames: PendingFrames) -> None:
        """See :class:`Sink`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="frame-taker", daemon=True)
            self._thread.start()
        self._items.put(frames)

    def finish(self) -> None:
        """See :class:`Sink`."""
        self._items.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            item.take()
            self.times.append(time.perf_counter())


class _Noted:
    """Frames that note when they are taken."""

    def __init__(self, frames: PendingFrames, times: list[float]) -> None:
        self._frames = frames
        self._times = times

    def take(self) -> list[Frame]:
        """As :meth:`PendingFrames.take`."""
        frames = self._frames.take()
        self._times.append(time.perf_counter())
        return frames


class ClipSink:
    """Compresses clips as a render does. Making one needs the libraries that renders need.

    Attributes:
        encoder: name of what compresses.
    """

    def __init__(self, folder: Path, size: tuple[int, int], clip_blocks: int) -> None:
        from live_avatar.bench.settings import EXAMPLE
        from live_avatar.clip_encoder import ClipEncoder
        from live_avatar.media.segments import SegmentWriter
        from live_avatar.media.viewer_sound import ViewerSound

        sound = ViewerSound(EXAMPLE / "voice.wav", "", folder)
        self._writer = SegmentWriter(folder / "clips", *size, sound.path())
        self.encoder = self._writer.encoder.name
        self._encoder = ClipEncoder(self._writer)
        self._clip_blocks = clip_blocks
        self._count = 0
        self.times: list[float] = []

    def add(self, frames: PendingFrames) -> None:
        """See :class:`Sink`."""
        clip, within = divmod(self._count, self._clip_blocks)
        if within == 0:
            self._encoder.begin(clip, 0)
        self._encoder.add(cast(PendingFrames, _Noted(frames, self.times)), BLOCK_FRAMES)
        if within == self._clip_blocks - 1:
            self._encoder.end()
        self._count += 1

    def finish(self) -> None:
        """See :class:`Sink`."""
        self._encoder.drain()
        self._encoder.__exit__()
        self._writer.close()
