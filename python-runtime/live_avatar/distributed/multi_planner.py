"""Chooses how several cards share a take: cut, slices, precision, what waits in host memory. No torch.

Every option is run through the simulator, so that the figures hold what the schedule costs as well: hand-overs, the
decoder's turn on the lead, the encoder, the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import LEAD, Cut, CutKind, whole
from live_avatar.distributed.rank_plans import HOST_RESERVE, RankPlan, Role, families_of, passes_of
from live_avatar.distributed.simulated_order import Order, acts_of
from live_avatar.distributed.simulation import Setting, simulate
from live_avatar.distributed.slices import Slices
from live_avatar.distributed.stage_times import parcels_of, windows_of
from live_avatar.distributed.time_line import Simulation
from live_avatar.distributed.transfer_model import Wiring
from live_avatar.distributed.turn_flights import blocks_in_turns
from live_avatar.distributed.wishes import CutWishes, check_counts_fit
from live_avatar.fast.memory import item_bytes
from live_avatar.fast.planner import CardPlan, plan_for_card
from live_avatar.fast.task import Card, Take, Wishes
from live_avatar.geometry import BLOCK_FRAMES

# Pixels a second that x264 compresses with the settings of a render on two threads of a server processor: measured.
_ENCODED_PIXELS = 52e6
_PIXELS_PER_POSITION = 64
_GB = 1e9
_NO_ROOM = "there is no room for all weights and caches"
_KINDS: tuple[CutKind, ...] = ("layers", "balanced", "steps")
_NAMES: dict[CutKind, str] = {"layers": "by layers", "steps": "by steps", "balanced": "by steps, balanced"}
_LEAST_BLOCKS = 40
# Speeds that differ by less are alike.
_ALIKE = 0.015
# Of orders: a simulated take ends somewhere between two landings, which tells up to so much too much of those in which
# pictures come in bunches.
_ALIKE_ORDERS = 0.025
_WORTH_WAITING = 0.05
# Seconds by which pictures have to come sooner or more evenly for more blocks to be in flight.
_NOTICED = 0.002
# Blocks asked for beyond the one that is awaited (live_avatar.distributed.team.Formation).
_AHEAD = 1


@dataclass(frozen=True, slots=True)
class Fleet:
    """Cards in the order of their ranks, and the ways between them."""

    cards: tuple[Card, ...]
    wiring: Wiring

    def first(self, ranks: int) -> Fleet:
        """The same with fewer."""
        return Fleet(self.cards[:ranks], Wiring(self.wiring.hosts[:ranks], self.wiring.within, self.wiring.between))


@dataclass(frozen=True, slots=True)
class Option:
    """One way for several cards.

    Attributes:
        cut: who does what; ranks: how each computes; order: of the blocks; standing: of the numbers (0: as wished).
        run: what the simulator says.
    """

    cut: Cut
    ranks: tuple[RankPlan, ...]
    order: Order
    standing: int
    run: Simulation

    @property
    def decoding_alone(self) -> bool:
        """Whether the lead has no layers."""
        return self.cut.units_of(LEAD) == 0


@dataclass(frozen=True, slots=True)
class MultiPlan:
    """The choice, and what it was chosen from.

    Attributes:
        options: the ways for several cards, the best first; refused: those that have no room, in words.
        single: the best that one card can do alone, with its rank; ``None`` if it fits on none.
    """

    fleet: Fleet
    options: tuple[Option, ...]
    refused: tuple[tuple[str, str], ...]
    single: tuple[int, CardPlan] | None = None

    @property
    def chosen(self) -> Option | None:
        """The fastest; ``None`` if several cards have no room, or are no faster than one alone."""
        best = self.options[0] if self.options else None
        if best is None or self.single is None:
            return best
        alone = self.single[1].chosen.time.frames_per_second
        return best if best.run.frames_per_second > alone * (1 + _ALIKE) else None


def plan_fleet(
    take: Take,
    fleet: Fleet,
    wishes: Wishes,
    choice: CutWishes | None = None,
    *,
    turns: bool = False,
    numbers: ComputePlan | None = None,
) -> MultiPlan:
    """The best ways for these cards, with fewer of them too; numbers farther from the wanted ones only if none fits.

    Args:
        choice: what of the cut is fixed; nothing if left out. With something fixed, one card alone is no way.
        turns: see :func:`best_order`.
        numbers: a plan with everything on the card, whose numbers no way may change.

    Raises:
        UserError: ``LAYERS_INVALID``: given slices are not those of this network and schedule.
        ValueError: more ranks are fixed than there are cards.
    """
    choice = choice or CutWishes()
    single = None if choice.any else _best_single(take, fleet, wishes)
    if choice.counts is not None:
        check_counts_fit(choice.counts, choice.kind or "layers", take.sizes.config.num_layers, passes_of(take, wishes))
    if (choice.ranks or 0) > len(fleet.cards):
        raise ValueError(f"{choice.ranks} ranks for {len(fleet.cards)} cards")
    refused: dict[str, str] = {}
    options: list[Option] = []
    families = families_of(take, list(fleet.cards), wishes)
    if numbers is not None:
        families = [(standing, numbers) for standing, family in families if family.numerics == numbers.numerics]
    for standing, family in families:
        slices = Slices(take, fleet.cards, wishes, family, passes_of(take, wishes))
        for ranks in _rank_counts(len(fleet.cards), choice):
            fewer = fleet.first(ranks)
            for name, cut in _cuts(slices.with_cards(fewer.cards), choice, ranks == len(fleet.cards)):
                found = _NO_ROOM if cut is None else _option(slices, fewer, cut, standing, turns)
                if isinstance(found, str):
                    refused[name] = found
                else:
                    options.append(found)
        if options or (single is not None and single[1].chosen.standing <= standing):
            break
    return MultiPlan(fleet, tuple(_best_first(options, wishes)), tuple(refused.items()), single)


def single_option(take: Take, fleet: Fleet, wishes: Wishes) -> Option | None:
    """One card in the same terms: its best way with steps in sequence, as a cut of one rank."""
    for standing, family in families_of(take, [fleet.cards[LEAD]], wishes):
        slices = Slices(take, fleet.cards[:1], wishes, family, passes_of(take, wishes))
        found = _option(slices, fleet.first(1), whole(slices.steps, take.sizes.config.num_layers), standing, False)
        if not isinstance(found, str):
            return found
    return None


def setting_of(take: Take, fleet: Fleet, cut: Cut, ranks: tuple[RankPlan, ...]) -> Setting:
    """What the simulator is told of a cut."""
    config, plan = take.sizes.config, ranks[0].plan
    pixels = take.shape.width * take.shape.height * _PIXELS_PER_POSITION * BLOCK_FRAMES
    parcels = parcels_of(
        take.shape, config.dim, config.in_dim, item=2 if plan.weights == "float8" else item_bytes(plan)
    )
    times = tuple(rank.times for rank in ranks)
    return Setting(cut, times, fleet.wiring, parcels, windows_of(take.shape), pixels / _ENCODED_PIXELS)


def best_order(setting: Setting, steps: int, *, turns: bool = False, live: bool = False) -> tuple[Order, Simulation]:
    """How many blocks in flight, and in what order, with the run of the best.

    Args:
        turns: blocks take turns evenly (:mod:`live_avatar.distributed.turn_flights`); otherwise that or rounds over all
            in flight (:mod:`live_avatar.flights`), whichever is better.
        live: somebody waits for each picture.
    """
    ranks = setting.cut.ranks
    if ranks == 1:
        return Order(1), simulated(setting, steps, Order(1))
    gaps = sorted({1, max(1, steps - 1), ranks, ranks + 1})
    orders = [Order(blocks_in_turns(steps, gap), gap, _AHEAD) for gap in gaps]
    if not turns:
        rooms = sorted({1, ranks + 1, steps, steps + ranks, 2 * ranks})
        orders = [Order(room, None, _AHEAD) for room in rooms] + orders
    runs = [(order, simulated(setting, steps, order)) for order in orders]
    most = max(run.frames_per_second for _, run in runs)
    enough = most * (1 - (_WORTH_WAITING if live else _ALIKE_ORDERS))

    def cost(entry: tuple[Order, Simulation]) -> tuple[int, int]:
        order, run = entry
        # Pictures that come evenly are worth as much as pictures that come soon.
        return round((run.first_frame + run.period(0.95)) / _NOTICED), order.room

    return min((entry for entry in runs if entry[1].frames_per_second >= enough), key=cost)


def simulated(setting: Setting, steps: int, order: Order) -> Simulation:
    """A take long enough to show its pace."""
    blocks = max(_LEAST_BLOCKS, 4 * order.room + len(setting.windows))
    return simulate(setting, acts_of(blocks, steps, order, anchor=len(setting.windows), more=True))


def _best_first(options: Sequence[Option], wishes: Wishes) -> list[Option]:
    """Of ways as fast as the fastest: fewer cards, then less copying, where a model errs most, then less memory.

    All have the same numbers.
    """

    def cost(option: Option) -> float:
        return BLOCK_FRAMES / option.run.frames_per_second + (option.run.first_frame if wishes.live else 0.0)

    enough = min(map(cost, options), default=0.0) * (1 + _ALIKE)

    def rank(option: Option) -> tuple[float, ...]:
        slower = 0.0 if cost(option) <= enough else cost(option)
        copied = sum(rank.times.copies * sum(rank.role.items) for rank in option.ranks)
        held = max(rank.memory.peak for rank in option.ranks)
        return (slower, option.cut.ranks, copied, held, option.run.first_frame)

    return sorted(options, key=rank)


def _best_single(take: Take, fleet: Fleet, wishes: Wishes) -> tuple[int, CardPlan] | None:
    found: list[tuple[int, CardPlan]] = []
    seen: set[Card] = set()
    for rank, card in enumerate(fleet.cards):
        if card not in seen and (plan := plan_for_card(take, card, wishes)) is not None:
            found.append((rank, plan))
        seen.add(card)
    return min(found, key=lambda entry: entry[1].chosen.order(live=wishes.live), default=None)


def _rank_counts(cards: int, choice: CutWishes) -> Iterable[int]:
    if choice.counts is not None:
        return (len(choice.counts),)
    if choice.ranks is not None:
        return (choice.ranks,)
    # Fewer cards are shown where that is a plan of its own, not each of 63.
    halves = {cards, *(cards // divisor for divisor in (2, 4)), cards - 1}
    return sorted((count for count in halves if count >= 2), reverse=True)


def _cuts(slices: Slices, choice: CutWishes, all_cards: bool) -> Iterator[tuple[str, Cut | None]]:
    """Every sensible cut with its name; ``None`` where there is no room."""
    ranks = len(slices.cards)
    if choice.counts is not None:
        yield "as given", slices.made(choice.kind or "layers", choice.counts)
        return
    kinds = _KINDS if all_cards else ("layers",)
    seen: set[object] = set()
    for kind in kinds if choice.kind is None else (choice.kind,):
        for alone in (False, True) if choice.decoding_alone is None else (choice.decoding_alone,):
            least = slices.steps if kind == "steps" else slices.take.sizes.config.num_layers
            if ranks - int(alone) > least * (slices.steps if kind == "balanced" else 1):
                continue
            cut = slices.cut(kind, alone=alone)
            # With two cards of which one only decodes all kinds are the same.
            if cut is None or cut.steps not in seen:
                yield f"{ranks} cards {_NAMES[kind]}{', the lead only decodes' if alone else ''}", cut
                seen.add(None if cut is None else cut.steps)


def _option(slices: Slices, fleet: Fleet, cut: Cut, standing: int, turns: bool) -> Option | str:
    """A cut with all that follows, or why it cannot be."""
    plans: list[RankPlan] = []
    for rank in range(cut.ranks):
        plan = slices.rank_plan(rank, Role.of(cut, rank))
        if plan is None:
            return f"rank {rank} has no room for its part ({fleet.cards[rank].free / _GB:.1f} GB may be used)"
        plans.append(plan)
    for host in sorted(set(fleet.wiring.hosts[: cut.ranks])):
        there = [rank for rank in range(cut.ranks) if fleet.wiring.hosts[rank] == host]
        needed = sum(plans[rank].memory.host for rank in there)
        free = min(fleet.cards[rank].host_free for rank in there) - HOST_RESERVE
        if needed > max(0, free):
            return f"{needed / _GB:.0f} GB of main memory would be needed on one host, {free / _GB:.0f} GB may be used"
    setting = setting_of(slices.take, fleet, cut, tuple(plans))
    order, run = best_order(setting, slices.steps, turns=turns, live=slices.wishes.live)
    return Option(cut, tuple(plans), order, standing, run)
