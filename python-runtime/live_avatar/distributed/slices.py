"""Slices of the work for cards of any kind, as even in time as their memory allows. No torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import LEAD, Cut, CutKind, cut_balanced, cut_by_layers, cut_by_steps
from live_avatar.distributed.rank_plans import RankPlan, Role, best_rank_plan
from live_avatar.distributed.sharing import Cost, balanced_counts
from live_avatar.fast.task import Card, Take, Wishes
from live_avatar.layer_span import LayerSpan

_UNITS_BETWEEN = 5


@dataclass(slots=True)
class Slices:
    """One take on some cards with one set of numbers; remembers what each kind of card can do with each role.

    Attributes:
        cards: in the order of their ranks; family: the numbers, with everything on the card; steps: that are run.
    """

    take: Take
    cards: tuple[Card, ...]
    wishes: Wishes
    family: ComputePlan
    steps: int
    _known: dict[tuple[Card, Role], RankPlan | None] = field(default_factory=dict)

    def with_cards(self, cards: tuple[Card, ...]) -> Slices:
        """The same for other cards; what is known stays known."""
        return Slices(self.take, cards, self.wishes, self.family, self.steps, self._known)

    def rank_plan(self, rank: int, role: Role) -> RankPlan | None:
        """How a rank has a role, or ``None`` if it has no room for it."""
        key = (self.cards[rank], role)
        if key not in self._known:
            self._known[key] = best_rank_plan(self.take, self.cards[rank], role, self.family, self.wishes)
        return self._known[key]

    def cut(self, kind: CutKind, *, alone: bool) -> Cut | None:
        """The most even cut of a kind, or ``None`` if there is no room for any.

        Args:
            alone: the lead only decodes; it may come to that otherwise too.
        """
        ranks, layers = len(self.cards), self._layers
        total = layers if kind == "layers" else self.steps if kind == "steps" else layers * self.steps
        costs = [self._cost(rank, kind) for rank in range(ranks)]
        if alone:
            if math.isinf(costs[LEAD](0)):
                return None
            costs[LEAD] = _nothing
        counts = _evenest_steps(total, costs) if kind == "steps" else balanced_counts(total, costs)
        return None if counts is None else self.made(kind, counts)

    def made(self, kind: CutKind, counts: tuple[int, ...]) -> Cut:
        """The cut of given slices.

        Raises:
            ValueError: they are not all of the work, or leave a follower without any.
        """
        if kind == "layers":
            return cut_by_layers(self.steps, counts)
        if kind == "steps":
            return cut_by_steps(self._layers, counts)
        return cut_balanced(self.steps, self._layers, counts)

    @property
    def _layers(self) -> int:
        return self.take.sizes.config.num_layers

    def _cost(self, rank: int, kind: CutKind) -> Cost:
        role_of: Callable[[bool, int], Role] = self._layer_role if kind == "layers" else self._unit_role
        each = self._layers if kind == "steps" else 1

        def seconds(count: int) -> float:
            plan = self.rank_plan(rank, role_of(rank == LEAD, count * each))
            return math.inf if plan is None else plan.block_seconds

        return _interpolated(seconds, max(1, self._layers // _UNITS_BETWEEN)) if kind == "balanced" else seconds

    def _layer_role(self, lead: bool, count: int) -> Role:
        """Layers somewhere in the network: with as many injectors as any run of that length has."""
        if count == 0:
            return Role(lead, LayerSpan(0, 0), (), 0)
        inject = self.take.sizes.config.audio_inject_layers
        starts = range(self._layers - count + 1)
        start = max(starts, key=lambda first: sum(first <= layer < first + count for layer in inject))
        return Role(lead, LayerSpan(start, start + count), (count,) * self.steps, count)

    def _unit_role(self, lead: bool, units: int) -> Role:
        """Units anywhere in the row of steps and layers: all weights, for the conditions run through all layers."""
        whole, rest = divmod(units, self._layers)
        items = (self._layers,) * whole + ((rest,) if rest else ())
        held = LayerSpan(0, self._layers if units else 0)
        return Role(lead, held, items, len(held))


def _interpolated(cost: Cost, grid: int) -> Cost:
    """A cost that is asked for at multiples of ``grid`` only: units are many, and a plan for each takes time."""

    def seconds(count: int) -> float:
        below, beyond = divmod(count, grid)
        if beyond == 0:
            return cost(count)
        low, high = cost(below * grid), cost((below + 1) * grid)
        return high if math.isinf(high) else low + (high - low) * beyond / grid

    return seconds


def _nothing(count: int) -> float:
    """The cost of one that may have no units."""
    return 0.0 if count == 0 else math.inf


def _evenest_steps(total: int, costs: list[Cost]) -> tuple[int, ...] | None:
    """Steps are few: all ways to share them out are tried."""
    best, least = None, math.inf
    for cuts in itertools.combinations(range(total + 1), len(costs) - 1):
        edges = (0, *cuts, total)
        counts = tuple(last - first for first, last in itertools.pairwise(edges))
        if min(counts[1:], default=1) < 1:
            continue
        seconds = max(cost(count) for cost, count in zip(costs, counts, strict=True))
        if seconds < least:
            best, least = counts, seconds
    return best
