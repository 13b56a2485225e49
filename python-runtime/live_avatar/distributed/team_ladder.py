"""The next way for a team, a rank of which ran out of memory. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import LEAD
from live_avatar.distributed.multi_planner import MultiPlan, Option, plan_fleet
from live_avatar.distributed.multi_words import option_words
from live_avatar.distributed.rank_plans import everything_on_card
from live_avatar.distributed.team_plan import TeamPlan
from live_avatar.distributed.wishes import CutWishes
from live_avatar.fast.ladder import Descent
from live_avatar.fast.task import Take, Wishes

# A rank that failed needed more than was thought, so it is to need clearly less (as in fast.ladder).
_STEP = 0.95


@dataclass(frozen=True, slots=True)
class TeamLadder:
    """Which team comes after one that failed: with the same pictures if any way is left, then the fastest.

    Attributes:
        take: what is made; wishes: as they were when the first team was planned.
    """

    take: Take
    wishes: Wishes

    def below(self, failed: TeamPlan, rank: int, free: Sequence[int] | None = None) -> TeamPlan | None:
        """The team with less on ``rank``, or ``None`` when there is no way left.

        What other ranks have been refused before stays refused. The work may be cut otherwise, unless the user cut it.

        Args:
            free: bytes that each rank's card has now, after everything was let go; ``None`` if unknown.
        """
        if failed.found is None or failed.option is None:
            return None
        fleet, needed = failed.found.fleet, failed.option.ranks[rank].memory.peak
        rooms = [card.free for card in fleet.cards] if free is None else list(free)
        rooms = [min(room, card.free) for room, card in zip(rooms, fleet.cards, strict=True)]
        rooms[rank] = min(rooms[rank], int(needed * _STEP))
        cards = tuple(replace(card, free=room) for card, room in zip(fleet.cards, rooms, strict=True))
        lower = replace(fleet, cards=cards)
        for wishes, cut, numbers in self._ways(failed):
            found = plan_fleet(self.take, lower, wishes, cut, numbers=numbers)
            if found.options:
                return _as_planned(failed, found)
        return None

    def descent(self, failed: TeamPlan, lower: TeamPlan, rank: int, why: str) -> Descent:
        """What to tell of a step from one team to another, because of what ``rank`` said."""
        assert failed.lead is not None
        assert lower.lead is not None
        assert lower.option is not None
        return Descent(failed.lead, lower.lead, _words(lower.option), f"rank {rank} on {failed.devices[rank]}: {why}")

    def _ways(self, failed: TeamPlan) -> Iterator[tuple[Wishes, CutWishes, ComputePlan | None]]:
        """What may be asked for, in order: what was asked for is given up before the pictures change."""
        assert failed.lead is not None
        asked, lifted = failed.asked, self.wishes.lifted()
        choices = [(self.wishes, asked), (lifted, asked), (lifted, CutWishes(ranks=failed.cut.ranks))]
        for numbers in (everything_on_card(failed.lead), None):
            for wishes, cut in dict.fromkeys(choices):
                yield wishes, cut, numbers


def _as_planned(failed: TeamPlan, found: MultiPlan) -> TeamPlan:
    """The team of the best of the ways found, with all that does not change."""
    option = found.options[0]
    plans = tuple(rank.plan for rank in option.ranks)
    return replace(failed, cut=option.cut, order=option.order, plans=plans, found=found, option=option)


def _words(option: Option) -> str:
    """The whole team, and what of it is not on the cards."""
    parts = [option_words(option)]
    parts += [f"rank {rank}: {words}" for rank, plan in enumerate(option.ranks) if (words := plan.words())]
    lead = option.ranks[LEAD].plan
    return "; ".join([*parts, f"{lead.weights} weights, {lead.cache} cache"])
