"""What the lead knows of every rank, and what it concludes: at work, dead, hung. No torch, no clock of its own."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from live_avatar.distributed.cut import LEAD, Cut

# A rank that has not been heard of for so long is stopped, or its machine is gone; beats come every second.
SILENT_SECONDS = 15.0
# Nobody hears of a rank that is being started; importing libraries from a slow disk stops its beats, too.
STARTING_SECONDS = 180.0
# Nothing has moved anywhere for the larger of these.
STALLED_SECONDS = 20.0
STALLED_ITEMS = 20
# Reading weights from a slow disk.
LOADING_SECONDS = 600.0
# A request outside the row of items: a piece of a state, a measurement.
ANSWER_SECONDS = 60.0
_REMEMBERED_TIMES = 64

Fault = Literal["lost", "hung", "memory"]
Phase = Literal["starting", "loading", "ready"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rank that cannot go on, and why, in words without a full stop."""

    rank: int
    fault: Fault
    why: str


@dataclass(slots=True)
class RankNews:
    """The last that was heard of a rank.

    Attributes:
        heard_at: when; moved_at: when ``done`` or ``progress`` was another than before.
        done: items finished, on its card too.
        progress: rises with anything else it does.
        asked_at: since when it owes an answer, or ``None``.
    """

    heard_at: float
    moved_at: float
    phase: Phase = "starting"
    done: int = 0
    progress: int = 0
    asked_at: float | None = None


@dataclass(slots=True)
class _Issued:
    """Numbers of items that ranks have a share of, in their order, as far as they matter."""

    numbers: deque[int] = field(default_factory=deque)
    finished: int = 0


class Board:
    """News of all ranks of one team. The caller serialises the calls.

    Args:
        cut: who does what.
        now: the present time in seconds, of any monotonic clock that later calls use too.
    """

    def __init__(self, cut: Cut, now: float) -> None:
        self._cut = cut
        self.news = {rank: RankNews(now, now) for rank in range(cut.ranks)}
        self.news[LEAD].phase = "ready"
        self._issued = {rank: _Issued() for rank in range(cut.ranks)}
        self._steps: dict[int, int | None] = {}
        self._count = 0
        self._moved_at = now
        self._intervals: deque[float] = deque(maxlen=_REMEMBERED_TIMES)

    def issue(self, step: int | None, now: float) -> None:
        """An item of ``step`` is under way on all ranks that have a share of it; ``None``: every rank has."""
        if not self._outstanding():
            # Nothing could move before.
            self._moved_at = now
        number = self._count
        self._count += 1
        self._steps[number] = step
        for rank, issued in self._issued.items():
            if step is None or self._cut.share_of(rank, step) is not None:
                issued.numbers.append(number)

    def hear(self, rank: int, now: float, phase: Phase, done: int, progress: int) -> None:
        """A beat of a rank came, or the lead did something itself."""
        news = self.news[rank]
        news.heard_at = now
        news.phase = phase
        if progress != news.progress:
            news.progress, news.moved_at = progress, now
        issued = self._issued[rank]
        fresh = done - issued.finished
        if fresh <= 0:
            return
        for _ in range(min(fresh, len(issued.numbers))):
            issued.numbers.popleft()
        issued.finished = news.done = done
        news.moved_at = now
        if self._moved_at < now:
            self._intervals.append((now - self._moved_at) / fresh)
        self._moved_at = now
        oldest = min((queue.numbers[0] for queue in self._issued.values() if queue.numbers), default=self._count)
        for number in [number for number in self._steps if number < oldest]:
            del self._steps[number]

    def ask(self, rank: int, now: float) -> None:
        """A rank owes an answer from now on."""
        self.news[rank].asked_at = now

    def answered(self, rank: int) -> None:
        """It came."""
        self.news[rank].asked_at = None

    def verdict(self, now: float) -> Verdict | None:
        """The first follower that cannot be waited for any longer."""
        for rank, news in self.news.items():
            if rank == LEAD:
                continue
            silent = now - news.heard_at
            if silent > (STARTING_SECONDS if news.phase == "starting" else SILENT_SECONDS):
                return Verdict(rank, "hung", f"It has not been heard of for {silent:.0f} s")
            if news.phase == "loading" and now - news.moved_at > LOADING_SECONDS:
                return Verdict(rank, "hung", f"It has read no weights for {now - news.moved_at:.0f} s")
            if news.asked_at is not None and now - max(news.asked_at, news.moved_at) > ANSWER_SECONDS:
                return Verdict(rank, "hung", f"It has not answered for {now - news.asked_at:.0f} s")
        still = now - self._moved_at
        if self._outstanding() and still > self.stalled_after():
            rank = self._holding_up()
            # The lead may wait for a disk or for whoever takes its pictures; it knows that itself.
            if rank != LEAD:
                return Verdict(rank, "hung", f"It beats, but has done nothing of its work for {still:.0f} s")
        return None

    def stalled_after(self) -> float:
        """Seconds without any movement after which a rank hangs, by the pace so far."""
        if not self._intervals:
            # The first items compile kernels.
            return 3 * STALLED_SECONDS
        return max(STALLED_SECONDS, STALLED_ITEMS * statistics.median(self._intervals))

    def _outstanding(self) -> bool:
        return any(issued.numbers for issued in self._issued.values())

    def _holding_up(self) -> int:
        """The rank that everything waits for: the first one on the way of the oldest item that is not done."""
        number = min(issued.numbers[0] for issued in self._issued.values() if issued.numbers)
        step = self._steps[number]
        way: Iterable[int] = self._issued if step is None else (share.rank for share in self._cut.steps[step])
        return next(rank for rank in way if self._issued[rank].numbers and self._issued[rank].numbers[0] == number)
