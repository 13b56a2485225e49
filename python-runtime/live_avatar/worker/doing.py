"""What the worker is at, told from the events of what runs, so that a hang can be named."""

from __future__ import annotations

import time
from collections.abc import Callable

from live_avatar.events import BlockEvent, ClipEvent, DoneEvent, RenderEvent, StageEvent, StateEvent
from live_avatar.protocol.messages import Doing


class DoingTracker:
    """Fed with the events of one load or render; :meth:`now` says what goes on since the last of them.

    Args:
        text: what is said before the first event.
        clock: seconds, rising.
    """

    def __init__(self, text: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._stage = "start"
        self._text = text
        self._clip: int | None = None
        self._clips: int | None = None
        self._block: int | None = None

    def observe(self, event: RenderEvent) -> None:
        """Something began or was done."""
        match event:
            case StageEvent():
                self._stage, self._text = event.stage, event.text
            case BlockEvent():
                # The next one is under way; after a clip's last one the next clip begins.
                last = event.block + 1 == event.blocks_per_clip
                self._clip = event.clip + 1 if last else event.clip
                self._block = 0 if last else event.block + 1
                self._make_blocks()
            case ClipEvent():
                self._clips = event.clips
                if event.reused:
                    self._clip, self._block = event.clip + 1, 0
            case StateEvent():
                self._make_blocks()
            case DoneEvent():
                self._stage, self._text = "done", "Finishing"
            case _:
                return
        self._since = self._clock()

    def now(self) -> Doing:
        """What goes on, and for how many seconds without news."""
        return {
            "stage": self._stage,
            "text": self._text,
            "clip": self._clip,
            "clips": self._clips,
            "block": self._block,
            "seconds": round(self._clock() - self._since, 3),
        }

    def _make_blocks(self) -> None:
        over = self._clips is not None and self._clip == self._clips
        self._stage = "block"
        self._text = "Writing the last clip" if over else "Making pictures"
