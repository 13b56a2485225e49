"""What several runs over one job did in all: a render that stepped down is told as one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from live_avatar.events import BlockEvent, ClipEvent, EventSink, RenderEvent, StateEvent, WarningEvent
from live_avatar.geometry import BLOCK_FRAMES

if TYPE_CHECKING:
    from live_avatar.render import RenderResult


class RenderTally:
    """Adds up what several runs over one job did. Passes their events on."""

    def __init__(self, on_event: EventSink) -> None:
        self._on_event = on_event
        self._started = time.monotonic()
        self._warnings: list[tuple[str, str]] = []
        self._runs = 0
        self._blocks = 0
        self._reused = 0
        self._state_seconds = 0.0

    def begin(self) -> None:
        """Another run begins."""
        self._runs += 1

    def observe(self, event: RenderEvent) -> None:
        """Count an event and pass it on, unless another has told it already."""
        match event:
            case WarningEvent("PRECISION_LOWERED" | "MEMORY_STEPPED_DOWN" | "CARDS_UNUSED"):
                self._warnings.append((event.code, event.text))
            case WarningEvent("NUMBERS_CHANGED") if self._stepped_down:
                # The step down has told it already.
                return
            case BlockEvent():
                self._blocks += 1
            case ClipEvent() if event.reused and self._runs == 1:
                self._reused += 1
            case StateEvent():
                self._state_seconds += event.seconds
        self._on_event(event)

    def whole(self, last: RenderResult) -> RenderResult:
        """The result of all runs, of which ``last`` is the last one's."""
        if self._runs <= 1:
            return replace(last, warnings=(*self._warnings, *last.warnings))
        own = [each for each in last.warnings if each[0] != "NUMBERS_CHANGED" or not self._stepped_down]
        return replace(
            last,
            seconds=time.monotonic() - self._started,
            reused_clips=self._reused,
            generated_frames=self._blocks * BLOCK_FRAMES,
            state_seconds=self._state_seconds,
            warnings=(*self._warnings, *own),
        )

    @property
    def _stepped_down(self) -> bool:
        """Whether it was told that less memory is used, and what becomes of the numbers by that."""
        return any(code != "CARDS_UNUSED" for code, _ in self._warnings)
