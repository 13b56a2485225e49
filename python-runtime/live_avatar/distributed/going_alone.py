"""Goes on with the lead's card when a team that nobody asked for cannot be put up, or falls apart."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from live_avatar.distributed.cut import LEAD
from live_avatar.errors import UserError
from live_avatar.fast.out_of_memory import return_device_memory

if TYPE_CHECKING:
    from live_avatar.planner import Plan

_Result = TypeVar("_Result")
# What another rank, or the way to it, may be blamed for. Bad weights are as bad for one card.
_OF_OTHERS = frozenset(("LINKS_UNUSABLE", "DEVICE_UNAVAILABLE", "RANK_LOST", "RANK_HUNG", "RANK_OUT_OF_MEMORY"))


def survive_without_others(
    run: Callable[[Plan], _Result], chosen: Plan, *, release: Callable[[], None], tell: Callable[[str], None]
) -> _Result:
    """Do ``run(chosen)``, with a team; if that fails by other ranks, do it again with the lead's card alone.

    Args:
        run: loads what a plan says, goes on from the last saved state, and returns when all is done.
        release: ends all ranks, and drops every reference to what the failed run left on the lead's card.
        tell: told why, before one card goes on.

    Raises:
        UserError: whatever ``run`` raises, a fault of others included if one card has no room for it all.
    """
    try:
        return run(chosen)
    except UserError as error:
        alone = plan_alone(chosen) if error.code in _OF_OTHERS else None
        if alone is None:
            raise
        why = f"Only {chosen.device} renders from here on. {error.what} {error.why}"
        # The frames of the failed run hold its tensors.
        traceback.clear_frames(error.__traceback__)
    release()
    return_device_memory()
    tell(why)
    return run(alone)


def plan_alone(chosen: Plan) -> Plan | None:
    """The plan of a team as its lead alone would carry it out; ``None`` if it has no room for it all."""
    team = chosen.team
    assert team is not None
    if team.found is None or team.ladder is None:
        return replace(chosen, team=None)
    from live_avatar.fast.planner import plan_for_card

    on_card = plan_for_card(team.ladder.take, team.found.fleet.cards[LEAD], team.ladder.wishes)
    return None if on_card is None else replace(chosen, team=None, on_card=on_card)
