"""What each process of a render does, for whoever shows it: its card, its part of the network, how fast it gets on."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from live_avatar.distributed.cut import LEAD, Cut
from live_avatar.distributed.hired import RankStatus
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.geometry import BLOCK_FRAMES
from live_avatar.numerics import device_memory
from live_avatar.pipeline import Pipeline
from live_avatar.protocol.messages import Portion, Rank, RankMemory
from live_avatar.worker.facts import driver_uuid

# The pace is that of about so many seconds; longer ones would hide that a rank has begun to wait.
_PACE_SECONDS = 10.0


@dataclass(slots=True)
class _Pace:
    """Frames that a rank has got through, at the times when they were found to be more than before."""

    seen: float | None = None
    steps: deque[tuple[float, float]] = field(default_factory=deque)

    def at(self, now: float, frames: float) -> float:
        """Frames a second of late: between the last two steps at least, however slow; 0 once nothing comes any more."""
        if self.seen is None or frames < self.seen:
            # Another team counts from nothing. What was before the first step was no pace.
            self.steps.clear()
        elif frames > self.seen:
            self.steps.append((now, frames))
        self.seen = frames
        steps = self.steps
        while len(steps) > 2 and now - steps[1][0] >= _PACE_SECONDS:
            steps.popleft()
        if len(steps) < 2:
            return 0.0
        (first, low), (before, _), (last, high) = steps[0], steps[-2], steps[-1]
        if now - last > max(_PACE_SECONDS, 2 * (last - before)):
            return 0.0
        return (high - low) / (last - first)


class RankWatch:
    """Looks at the processes that compute together; this one is rank 0.

    Args:
        clock: seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._paces: dict[int, _Pace] = {}
        self._blocks = 0

    def begin(self) -> None:
        """Another render begins."""
        self._paces = {}
        self._blocks = 0

    def block_done(self) -> None:
        """A block's pictures are there."""
        self._blocks += 1

    def look(self, pipeline: Pipeline, steps: int) -> list[Rank]:
        """All ranks now, this process first; from any thread.

        Args:
            steps: that a block takes where one process does them all.
        """
        cut = pipeline.formation.cut if isinstance(pipeline, TeamPipeline) else None
        own = RankStatus(LEAD, str(pipeline.device), "ready", self._blocks)
        layers = pipeline.denoiser.config.num_layers
        return [self._rank(status, cut, layers, steps) for status in (own, *pipeline.ranks())]

    def _rank(self, status: RankStatus, cut: Cut | None, layers: int, steps: int) -> Rank:
        whole = range(steps)
        share = whole if cut is None else cut.steps_of(status.rank)
        span = range(layers)
        if cut is not None:
            held = cut.span_of(status.rank)
            span = range(held.first, held.last)
        # A follower counts the steps it has its share of; the lead, blocks that are done.
        blocks = status.done / max(1, len(share)) if status.rank != LEAD else status.done
        pace = self._paces.setdefault(status.rank, _Pace())
        return {
            "rank": status.rank,
            "device": status.device,
            "uuid": _uuid_of(status.device),
            "phase": status.phase,
            "done": status.done,
            "layers": _portion(span, layers),
            "steps": _portion(share, steps if cut is None else len(cut.steps)),
            "frames_per_second": round(pace.at(self._clock(), blocks * BLOCK_FRAMES), 3),
            "memory": _memory_of(status),
        }


def _portion(part: range, whole: int) -> Portion:
    return {"first": part.start if len(part) else 0, "count": len(part), "of": whole}


def _memory_of(status: RankStatus) -> RankMemory | None:
    if status.rank != LEAD:
        memory = status.memory
        return None if memory is None else {"allocated": memory[0], "reserved": memory[1], "total": memory[2]}
    device = torch.device(status.device)
    held = device_memory(device)
    if held is None:
        return None
    total = torch.cuda.get_device_properties(device).total_memory
    return {"allocated": held.allocated, "reserved": held.reserved, "total": total}


def _uuid_of(device: str) -> str | None:
    """The card's name in the driver's tools; ``None`` on a processor, and for a card of another machine."""
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    index = 0 if match is None else int(match[1] or 0)
    if match is None or not torch.cuda.is_available() or index >= torch.cuda.device_count():
        return None
    return driver_uuid(torch.cuda.get_device_properties(index))
