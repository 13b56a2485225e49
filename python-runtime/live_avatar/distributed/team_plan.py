"""How several ranks share a take: planned for cards, in even parts on processors and in fp32. No torch for those."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from live_avatar.compute_plan import ComputePlan
from live_avatar.compute_wishes import ComputeWishes, limit_of
from live_avatar.distributed.cut import LEAD, Cut, cut_balanced, cut_by_layers, cut_by_steps, even_counts
from live_avatar.distributed.launch import torchrun_place
from live_avatar.distributed.simulated_order import Order
from live_avatar.distributed.wishes import CutWishes, check_counts_fit
from live_avatar.errors import UserError
from live_avatar.fast.described_card import DESCRIBED_DEVICE
from live_avatar.geometry import SIZE_MULTIPLE, LatentShape
from live_avatar.take import Precision

if TYPE_CHECKING:
    from live_avatar.distributed.multi_planner import Fleet, MultiPlan, Option
    from live_avatar.distributed.team_ladder import TeamLadder
    from live_avatar.fast.task import Card, Take, Wishes
    from live_avatar.machine import Machine

# Putting up another team loads all weights anew, so it has to make a render so much quicker.
_WORTH_LOADING = 1.1
_AHEAD = 1


@dataclass(frozen=True, slots=True)
class TeamPlan:
    """What a team is to be like.

    Attributes:
        cut: who does what; devices: of each rank, as its own machine numbers them; order: of the blocks.
        asked: what the user fixed.
        plans: how each rank computes; ``None``: all in the same way, which the processor or fp32 leaves no choice of.
        accepted: numerics that finished clips may have instead.
        found: what the way was chosen from; option: the way itself; ladder: which team comes after this one if a rank
            runs out of memory; ``None`` where there was nothing to plan.
    """

    cut: Cut
    devices: tuple[str, ...]
    order: Order
    asked: CutWishes
    plans: tuple[ComputePlan, ...] | None = None
    accepted: frozenset[str] = frozenset()
    found: MultiPlan | None = None
    option: Option | None = None
    ladder: TeamLadder | None = None

    @property
    def lead(self) -> ComputePlan | None:
        """How this process computes its part."""
        return None if self.plans is None else self.plans[LEAD]

    @property
    def caches(self) -> int | None:
        """Bytes of keys and values on all ranks, which a saved state holds; ``None`` if not known."""
        if self.option is None:
            return None
        return sum(rank.memory.cache + rank.memory.pinned_cache for rank in self.option.ranks)

    @property
    def speed_identity(self) -> str:
        """What of the plan decides the speed, as a key for measured ones."""
        lead = self.lead
        return f"{self.cut.ranks} ranks {self.cut.words()} {'plain' if lead is None else lead.numerics}"

    def words(self) -> list[str]:
        """Lines for people."""
        if self.found is None:
            return [f"{self.cut.ranks} ranks on {', '.join(dict.fromkeys(self.devices))}, {self.cut.words()}"]
        from live_avatar.distributed.multi_words import plan_lines

        return plan_lines(self.found)

    def as_dict(self) -> dict[str, Any]:
        """JSON values: the ranks, and of cards how fast they should be and the other ways."""
        values: dict[str, Any] = {
            "ranks": [
                {
                    "rank": rank,
                    "device": device,
                    "layers": len(self.cut.span_of(rank)),
                    "units": self.cut.units_of(rank),
                }
                for rank, device in enumerate(self.devices)
            ],
            "summary": self.cut.words(),
            "kind": self.cut.kind,
            "decoding_alone": self.cut.units_of(LEAD) == 0,
            "frames_per_second": None,
            "first_picture_seconds": None,
            "options": [],
            "refused": [],
        }
        if self.option is None or self.found is None:
            return values
        from live_avatar.distributed.multi_words import option_words

        for rank, plan in zip(values["ranks"], self.option.ranks, strict=True):
            rank |= {"peak": plan.memory.peak, "host": plan.memory.host}
        return values | {
            "summary": option_words(self.option),
            "frames_per_second": self.option.run.frames_per_second,
            "first_picture_seconds": self.option.run.first_frame,
            "options": [
                {"summary": option_words(each), "frames_per_second": each.run.frames_per_second}
                for each in self.found.options
            ],
            "refused": [{"summary": name, "why": why} for name, why in self.found.refused],
        }


def plan_team(
    take: Take,
    machine: Machine,
    precision: Precision,
    wishes: ComputeWishes,
    card: Card | None,
    loaded: TeamPlan | None = None,
    found: MultiPlan | None = None,
) -> TeamPlan:
    """The team for a take, of as many ranks as ``wishes`` say.

    Args:
        card: the lead's, or ``None`` where the plain engine computes.
        loaded: the team that is in memory: kept if it is about as fast.
        found: the ways for these ranks, if they were looked for already (:func:`find_sharing`).

    Raises:
        UserError: ``RANKS_INVALID``, ``LAYERS_INVALID``, ``DEVICE_UNAVAILABLE``, ``SIZE_TOO_LARGE_FOR_MEMORY``,
            ``MEMORY_TOO_SMALL``.
    """
    asked = wishes.cut
    ranks = asked.ranks
    assert ranks is not None
    if wishes.steps == "packed":
        raise _invalid(
            "Packed steps cannot be shared by several ranks.",
            "All steps in one pass leave nothing for the others to do meanwhile.",
            "Leave --step_order out.",
            "steps",
        )
    devices, hosts = _places(machine, ranks)
    if card is None:
        return TeamPlan(_even_cut(take, asked, wishes), devices, Order(ranks + 1, None, _AHEAD), asked)
    from live_avatar.distributed.multi_planner import plan_fleet
    from live_avatar.distributed.team_ladder import TeamLadder
    from live_avatar.fast.rungs import accepted_numerics
    from live_avatar.fast.task import Wishes

    on_cards = Wishes.of(precision, wishes)
    if loaded is not None and (loaded.asked != asked or loaded.devices != devices or loaded.found is None):
        loaded = None
    if found is None:
        # What the cards had free before a team was put up: all of it would be there again for another.
        known = None if loaded is None or loaded.found is None else loaded.found.fleet
        fleet = _fleet(machine, card, devices, hosts, wishes) if known is None else known
        found = plan_fleet(take, fleet, on_cards, asked)
    fleet = found.fleet
    if not found.options:
        raise _no_room(take, fleet, on_cards, asked, found)
    chosen = found.options[0]
    kept = None if loaded is None else _kept(take, fleet, on_cards, loaded, chosen)
    if kept is not None:
        chosen, found = kept, replace(found, options=(kept, *found.options))
    return TeamPlan(
        chosen.cut,
        devices,
        chosen.order,
        asked,
        tuple(rank.plan for rank in chosen.ranks),
        accepted_numerics(take.sizes.config, card, on_cards),
        found,
        chosen,
        # The processes that torchrun started form one team only.
        TeamLadder(take, on_cards) if torchrun_place() is None else None,
    )


def find_sharing(
    take: Take, machine: Machine, precision: Precision, wishes: ComputeWishes, card: Card, loaded: TeamPlan | None
) -> tuple[MultiPlan | None, str | None]:
    """The ways of the cards that make a take sooner together than one alone; ``None`` where none do.

    With them a sentence if others could not be looked at, which nobody asked for.

    Args:
        loaded: the team that is in memory: its cards are taken again as long as they have room for the take.

    Raises:
        UserError: ``MEMORY_LIMIT_INVALID``.
    """
    if wishes.steps == "packed":
        # They leave nothing for others to do meanwhile.
        return None, None
    from live_avatar.distributed.multi_planner import plan_fleet
    from live_avatar.fast.task import Wishes

    on_cards = Wishes.of(precision, wishes)
    if loaded is not None and loaded.found is not None and loaded.devices[:1] == _places(machine, 1)[0]:
        again = plan_fleet(take, loaded.found.fleet, on_cards, CutWishes(ranks=loaded.cut.ranks))
        return (again if again.options else None), None
    ranks = min(wishes.cut.most, cards_from(machine))
    if ranks < 2:
        return None, None
    try:
        fleet = _fleet(machine, card, *_places(machine, ranks), wishes)
    except UserError as error:
        if error.code != "DEVICE_UNAVAILABLE":
            raise
        return None, f"Only {machine.device} renders. {error.what} {error.why}"
    found = plan_fleet(take, fleet, on_cards)
    if found.chosen is None:
        return None, None
    count = found.chosen.cut.ranks
    if count < ranks:
        # Of fewer cards not every way was tried.
        found = plan_fleet(take, fleet.first(count), on_cards, CutWishes(ranks=count))
    return found, None


def cards_from(machine: Machine) -> int:
    """Cards of this computer from the machine's own on; 1 for one that is not here, and for a processor."""
    if not machine.on_cuda or machine.device == DESCRIBED_DEVICE:
        return 1
    import torch

    return torch.cuda.device_count() - int(machine.device.partition(":")[2] or 0)


def check_ranks(asked: CutWishes) -> None:
    """Refuse a cut for one rank, or for nobody knows how many.

    Raises:
        UserError: ``RANKS_INVALID``.
    """
    if not asked.several and asked.any and asked != CutWishes(ranks=1):
        number = (
            "How many cards are to share the work is not said" if asked.ranks is None else "One card shares nothing"
        )
        raise _invalid(
            f"{number}.",
            "A cut, or a card that only decodes, is for several cards.",
            "Give --num_gpus_dit with the number of cards that denoise, or leave the rest out.",
            "num_gpus_dit",
        )


def _places(machine: Machine, ranks: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Device and machine of each rank: cards in a row from the chosen one on, or the processor for all."""
    place = torchrun_place()
    here = ranks if place is None else min(ranks, int(os.environ.get("LOCAL_WORLD_SIZE", ranks)))
    hosts = tuple(rank // here for rank in range(ranks))
    if not machine.on_cuda:
        return (machine.device,) * ranks, hosts
    if machine.device == DESCRIBED_DEVICE:
        return tuple(f"cuda:{rank}" for rank in range(ranks)), hosts
    first, count = int(machine.device.partition(":")[2] or 0), cards_from(machine)
    if here > count:
        raise _invalid(
            f"{here} cards are asked for, and there are {count} from {machine.device} on.",
            "Each rank on this machine computes on a card of its own.",
            "Ask for fewer with --num_gpus_dit; live-avatar doctor lists the cards.",
            "num_gpus_dit",
        )
    return tuple(f"cuda:{first + rank % here}" for rank in range(ranks)), hosts


def _fleet(
    machine: Machine, card: Card, devices: tuple[str, ...], hosts: tuple[int, ...], wishes: ComputeWishes
) -> Fleet:
    from live_avatar.distributed.fleet import find_fleet, fleet_of_described

    if machine.device == DESCRIBED_DEVICE:
        return fleet_of_described(card, len(devices))
    return find_fleet(card, devices, hosts, limit_of(wishes))


def _even_cut(take: Take, asked: CutWishes, wishes: ComputeWishes) -> Cut:
    """As even as whole layers or steps allow."""
    layers = take.sizes.config.num_layers
    steps = take.steps - 1 if wishes.last_step == "skip" and take.steps > 1 else take.steps
    kind, ranks = asked.kind or "layers", asked.ranks or 1
    total = {"layers": layers, "steps": steps, "balanced": layers * steps}[kind]
    if asked.counts is not None:
        check_counts_fit(asked.counts, kind, layers, steps)
        counts = asked.counts
    else:
        if ranks - bool(asked.decoding_alone) > total:
            raise _invalid(
                f"{ranks} ranks cannot share {total} {'steps' if kind == 'steps' else 'layers'}.",
                "Each has at least one.",
                "Ask for fewer with --num_gpus_dit, or leave --cut out.",
                "num_gpus_dit",
            )
        counts = even_counts(total, ranks, [0.0 if asked.decoding_alone else 1.0] + [1.0] * (ranks - 1))
    if kind == "layers":
        return cut_by_layers(steps, counts)
    return cut_by_steps(layers, counts) if kind == "steps" else cut_balanced(steps, layers, counts)


def _kept(take: Take, fleet: Fleet, wishes: Wishes, loaded: TeamPlan, chosen: Option) -> Option | None:
    """The team in memory, if it has room for the take and is about as fast with it, its blocks in an order of now."""
    from live_avatar.distributed.multi_planner import Option, best_order, setting_of
    from live_avatar.distributed.rank_plans import Role, make_rank_plan, passes_of

    assert loaded.plans is not None
    cut = loaded.cut
    if len(cut.steps) != passes_of(take, wishes) or loaded.plans[LEAD].numerics != chosen.ranks[LEAD].plan.numerics:
        return None
    ranks = tuple(
        make_rank_plan(take, fleet.cards[rank], Role.of(cut, rank), plan) for rank, plan in enumerate(loaded.plans)
    )
    if not all(plan.fits(fleet.cards[rank]) for rank, plan in enumerate(ranks)):
        return None
    order, run = best_order(setting_of(take, fleet, cut, ranks), len(cut.steps), live=wishes.live)
    if run.frames_per_second * _WORTH_LOADING < chosen.run.frames_per_second:
        return None
    return Option(cut, ranks, order, chosen.standing, run)


def _no_room(take: Take, fleet: Fleet, wishes: Wishes, asked: CutWishes, found: MultiPlan) -> UserError:
    from live_avatar.distributed.multi_planner import plan_fleet

    reasons = "; ".join(f"{name}: {why}" for name, why in found.refused[:3]) or "no cut of it can be made"
    smallest = replace(
        take, shape=LatentShape.of_picture(4 * SIZE_MULTIPLE, 4 * SIZE_MULTIPLE, take.shape.infer_frames)
    )
    if plan_fleet(smallest, fleet, wishes, asked).options:
        return UserError(
            "SIZE_TOO_LARGE_FOR_MEMORY",
            f"Pictures of this size do not fit into the memory of these {len(fleet.cards)} cards.",
            f"Tried without success: {reasons}.",
            "Choose a smaller --size, or more cards.",
            field="size",
        )
    return UserError(
        "MEMORY_TOO_SMALL",
        f"This model does not fit into the memory of these {len(fleet.cards)} cards.",
        f"Tried without success: {reasons}.",
        "Close other programs, use more cards, or leave --cut and --layers out.",
        field="num_gpus_dit",
    )


def _invalid(what: str, why: str, hint: str, field: str) -> UserError:
    return UserError("RANKS_INVALID", what, why, hint, field=field)
