"""Goes on with another team when a rank runs out of memory, as one card goes on with another plan."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import torch

from live_avatar.distributed.cut import LEAD
from live_avatar.distributed.faults import RankFault
from live_avatar.distributed.fleet import find_fleet
from live_avatar.distributed.team_plan import TeamPlan
from live_avatar.errors import UserError
from live_avatar.fast.card import usable_bytes
from live_avatar.fast.ladder import Descent
from live_avatar.fast.out_of_memory import device_lost, fault_of, first_line, return_device_memory

_Result = TypeVar("_Result")


class Ladder(Protocol):
    """Gives the team after one that failed: :class:`live_avatar.distributed.team_ladder.TeamLadder`."""

    def below(self, failed: TeamPlan, rank: int, free: Sequence[int] | None = None) -> TeamPlan | None:
        """The next team, or ``None``."""

    def descent(self, failed: TeamPlan, lower: TeamPlan, rank: int, why: str) -> Descent:
        """What to tell of a step."""


def survive_rank_out_of_memory(
    run: Callable[[TeamPlan], _Result],
    team: TeamPlan,
    ladder: Ladder,
    *,
    release: Callable[[], None],
    tell: Callable[[Descent], None],
    free: Callable[[TeamPlan], Sequence[int] | None] = lambda team: None,
) -> _Result:
    """Do ``run(team)``; when any rank runs out of memory, let all ranks go and do it again with the next team.

    Args:
        run: puts the team up, goes on from the last saved state, and returns when all is done.
        ladder: gives the next team.
        release: ends all ranks, and drops every reference to what the failed run left on the lead's card.
        tell: told of each step down before it is taken.
        free: bytes of each rank's card that may be taken, asked for after everything was let go.

    Raises:
        UserError: ``DEVICE_LOST`` of the lead; and whatever ``run`` raises, running out of memory with no team left
            included.
    """
    while True:
        try:
            return run(team)
        except (RankFault, RuntimeError) as error:
            rank, why = _who_ran_out(error)
            if rank is None:
                raise
            failure: Exception = error
            # The frames of the failed run hold its tensors.
            traceback.clear_frames(error.__traceback__)
        # Not inside the handler, where the interpreter itself would keep them alive.
        failure = failure.with_traceback(None)
        failure.__context__ = failure.__cause__ = None
        release()
        return_device_memory()
        lower = ladder.below(team, rank, free(team))
        if lower is None:
            raise failure
        tell(ladder.descent(team, lower, rank, why))
        team = lower


def free_on_cards(team: TeamPlan, limit: int | None) -> tuple[int, ...] | None:
    """Bytes that may be taken of each rank's card while none of them is there; ``None`` if that cannot be told.

    Args:
        limit: bytes of each card that a rank may take at most, or ``None``.
    """
    if team.found is None or not all(device.startswith("cuda") for device in team.devices):
        return None
    fleet = team.found.fleet
    lead = replace(fleet.cards[LEAD], free=usable_bytes(torch.device(team.devices[LEAD]), limit))
    try:
        now = find_fleet(lead, team.devices, fleet.wiring.hosts, limit)
    except UserError:
        # A card that is gone is told when a team is put up on it.
        return None
    return tuple(card.free for card in now.cards)


def _who_ran_out(error: RankFault | RuntimeError) -> tuple[int | None, str]:
    """The rank that ran out of memory, or ``None``; and what the system said.

    Raises:
        UserError: ``DEVICE_LOST``.
    """
    if isinstance(error, RankFault):
        return (error.rank if error.fault == "memory" else None), error.why.rstrip(".")
    fault = fault_of(error)
    if fault == "lost":
        raise device_lost(error) from error
    return (LEAD if fault == "memory" else None), first_line(error)
