"""Who did what when, and the figures that follow. No torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from live_avatar.geometry import BLOCK_FRAMES

Work = Literal["pass", "prefill", "decode", "encode", "transfer", "wait"]
# The lead's processor, which compresses; cards are their ranks.
ENCODER = -1


@dataclass(frozen=True, slots=True)
class Span:
    """A bar of the time line.

    Attributes:
        rank: whose; ``ENCODER`` for the compressing of the lead; a transfer's source.
        work: what; block: of which block; step: of which step, or ``None``. A rank that waits knows of neither.
        start, end: seconds; target: of a transfer.
    """

    rank: int
    work: Work
    block: int
    step: int | None
    start: float
    end: float
    target: int | None = None

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it.

    Attributes:
        ranks: cards; spans: everything that was done, in the order it was issued.
        pictures: when the frames of each block were in the lead's memory; done: when they were compressed.
        settled: the block since which the pace is regular: window full, anchor and prompts as they stay.
    """

    ranks: int
    spans: tuple[Span, ...]
    pictures: tuple[float, ...]
    done: tuple[float, ...]
    settled: int

    @property
    def first_frame(self) -> float:
        """Seconds to the first picture, conditions being ready."""
        return self.pictures[0]

    @property
    def frames_per_second(self) -> float:
        """Pace of a running take, or of the whole if it is too short to run."""
        first = self.settled if len(self.done) - self.settled > 1 else 0
        blocks = len(self.done) - 1 - first
        begun = self.done[first] if blocks else 0.0
        return BLOCK_FRAMES * max(1, blocks) / (self.done[-1] - begun)

    @property
    def seconds(self) -> float:
        """Of the whole take."""
        return self.done[-1]

    def period(self, share: float) -> float:
        """Quantile of the seconds between blocks of a running take, such as 0.5 or 0.99."""
        first = self.settled if len(self.done) - self.settled > 1 else 0
        ends = self.done[first:]
        periods = sorted(later - earlier for earlier, later in itertools.pairwise(ends))
        return quantile(periods, share) if periods else self.done[-1]

    def idle(self, rank: int) -> float:
        """Share of the running take in which a card does nothing."""
        first = self.settled if len(self.done) - self.settled > 1 else 0
        # Until the first card has nothing more to do: what comes then is the end of the simulation, not of the take.
        lasts = {span.rank: span.end for span in self.spans if span.work == "pass"}
        begin, end = self.pictures[first], min(self.pictures[-1], *lasts.values())
        return 1.0 - self.busy(rank, begin, end) if end > begin else 0.0

    def busy(self, rank: int, begin: float, end: float) -> float:
        """Share of the time from ``begin`` to ``end`` in which a card computes."""
        return self._share(rank, begin, end, frozenset({"pass", "prefill", "decode", "encode"}))

    def waits(self, rank: int, begin: float, end: float) -> float:
        """Share of the time from ``begin`` to ``end`` in which a rank waits for another; known of measured runs."""
        return self._share(rank, begin, end, frozenset({"wait"}))

    def _share(self, rank: int, begin: float, end: float, works: frozenset[Work]) -> float:
        inside = [
            (max(span.start, begin), min(span.end, end))
            for span in self.spans
            if span.rank == rank and span.work in works and span.end > begin and span.start < end
        ]
        return _covered(sorted(inside)) / (end - begin)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of sorted numbers, by interpolation; ``share`` from 0 to 1."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _covered(bars: Sequence[tuple[float, float]]) -> float:
    """Length of the union of sorted intervals."""
    total, reached = 0.0, -math.inf
    for start, end in bars:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
