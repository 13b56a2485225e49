"""A team of the miniature model, a rank of which runs out of memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.team_ladder import TeamLadder
from live_avatar.distributed.team_plan import TeamPlan
from live_avatar.events import RenderEvent, WarningEvent
from tests import forgetful_follower


def stream_layers(plan: ComputePlan) -> ComputePlan:
    return replace(plan, graphs=False, placement=replace(plan.placement, resident_layers=0))


def stream_cache(plan: ComputePlan) -> ComputePlan:
    return replace(plan, graphs=False, streamed_cache=True)


class ShortLadder(TeamLadder):
    """Layers wait on the host, then the caches too: of a model so small the planner's own steps would save nothing."""

    def below(self, failed: TeamPlan, rank: int, free: Sequence[int] | None = None) -> TeamPlan | None:
        assert failed.plans is not None
        plans = list(failed.plans)
        if plans[rank].streamed_cache:
            return None
        plans[rank] = (stream_layers if plans[rank].placement.resident_layers is None else stream_cache)(plans[rank])
        return replace(failed, plans=tuple(plans))


def forgetful(monkeypatch: pytest.MonkeyPatch, folder: Path, moments: str) -> None:
    """Rank 1 runs out of memory after these blocks."""
    monkeypatch.setattr(
        "live_avatar.distributed.launch._command", lambda *_: [sys.executable, "-m", forgetful_follower.__name__]
    )
    monkeypatch.setenv(forgetful_follower.MOMENTS, moments)
    monkeypatch.setenv(forgetful_follower.COUNT, str(folder / "count"))
    monkeypatch.setenv(forgetful_follower.RANK, "1")
    monkeypatch.chdir(Path(__file__).parents[1])


def steps_down(events: list[RenderEvent]) -> list[str]:
    """What was said of memory; nothing else may be said but of the inputs and of the machine."""
    told = [event for event in events if isinstance(event, WarningEvent)]
    found = [event for event in told if event.code not in ("IMAGE_SMALL", "ENCODER_FALLBACK")]
    assert {event.code for event in found} <= {"MEMORY_STEPPED_DOWN"}, found
    return [event.text for event in found]
