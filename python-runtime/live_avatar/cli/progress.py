"""Progress of a render on a terminal (a bar) or in a file (a line per clip)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TextIO

from live_avatar.cli.words import duration, size
from live_avatar.events import BlockEvent, ClipEvent, RenderEvent, StageEvent
from live_avatar.geometry import BLOCK_FRAMES, clips_for_frames

if TYPE_CHECKING:
    from tqdm import tqdm

_BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} frames, {remaining} left{postfix}"


class ProgressView:
    """Draws the events of one render on ``stream``.

    Args:
        frames: length of the video; infer_frames: frames per clip.
    """

    def __init__(self, frames: int, infer_frames: int, stream: TextIO) -> None:
        self.frames = frames
        self.infer_frames = infer_frames
        self.clips = clips_for_frames(frames, infer_frames)
        self._stream = stream
        self._on_terminal = stream.isatty()
        self._bar: tqdm[Any] | None = None
        self._stage = ""
        self._pace = Pace()

    def observe(self, event: RenderEvent) -> None:
        """Show one event."""
        if isinstance(event, StageEvent):
            # What saving cost is told after it.
            if event.stage != "save" and event.text != self._stage:
                self._stage = event.text
                self.write(event.text)
        elif isinstance(event, BlockEvent):
            reached = min(self.frames, event.clip * self.infer_frames + (event.block + 1) * BLOCK_FRAMES)
            self._pace.block(reached, event.seconds)
            self._draw(reached, f"Clip {event.clip + 1} of {self.clips}", None)
        elif isinstance(event, ClipEvent):
            reached = event.first_frame + event.frames
            self._pace.start_from(reached if event.reused else 0)
            if not event.reused:
                self._clip_done(event, reached)

    def state_saved(self, cost: str) -> None:
        """The state was saved, at the given cost."""
        if self._on_terminal and self._bar is not None:
            self._bar.set_postfix_str(f"{self._pace.text()}, state saved: {cost}")

    def write(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _clip_done(self, event: ClipEvent, reached: int) -> None:
        memory = size(event.memory_bytes)
        if self._on_terminal:
            self._draw(reached, f"Clip {event.clip + 1} of {event.clips}", memory)
            return
        left = self._pace.seconds_left(self.frames - reached)
        rest = "" if left is None or reached >= self.frames else f", {duration(left)} left"
        self.write(
            f"Clip {event.clip + 1} of {event.clips}: {reached} of {self.frames} frames"
            f"{rest}, {self._pace.text()}, memory {memory}"
        )

    def _draw(self, reached: int, description: str, memory: str | None) -> None:
        if not self._on_terminal:
            return
        if self._bar is None:
            from tqdm import tqdm

            # tqdm counts its rate from ``initial``, so reused clips do not look like speed.
            self._bar = tqdm(
                total=self.frames,
                initial=self._pace.first,
                file=self._stream,
                bar_format=_BAR,
                dynamic_ncols=True,
                leave=False,
            )
        self._bar.set_description_str(description, refresh=False)
        self._bar.set_postfix_str(self._pace.text() + (f", memory {memory}" if memory else ""), refresh=False)
        self._bar.update(max(0, reached - self._bar.n))
        self._bar.refresh()


class Pace:
    """Frames made per second in this run."""

    def __init__(self) -> None:
        self.first = 0
        self._began: float | None = None
        self._made = 0

    def start_from(self, frame: int) -> None:
        """Frames before ``frame`` were there already."""
        self.first = max(self.first, frame)

    def block(self, reached: int, seconds: float) -> None:
        """A block that ends at frame ``reached`` took ``seconds``."""
        if self._began is None:
            self._began = time.monotonic() - seconds
        self._made += BLOCK_FRAMES

    @property
    def frames_per_second(self) -> float | None:
        """Frames made per second of waiting, or ``None`` before the first block."""
        if self._began is None:
            return None
        return self._made / max(1e-6, time.monotonic() - self._began)

    def seconds_left(self, frames: int) -> float | None:
        """Time for ``frames`` more."""
        speed = self.frames_per_second
        return None if speed is None else frames / speed

    def text(self) -> str:
        """For example ``2.31 fps``."""
        speed = self.frames_per_second
        return "" if speed is None else f"{speed:.2f} fps"
