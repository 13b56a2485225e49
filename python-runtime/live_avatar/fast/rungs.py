"""The ways a card can compute a take, each with what it needs and how fast it should be. No torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from live_avatar.checkpoint.config import DitConfig
from live_avatar.compute_plan import CacheForm, ComputePlan, EncoderPlace, Steps
from live_avatar.fast.memory import PlanMemory, plan_memory
from live_avatar.fast.placement import Placement
from live_avatar.fast.speed_model import BlockTime, block_time
from live_avatar.fast.task import Card, Take, Wishes

# The published network is 5,120 wide; below this its products are too small to gain by e4m3.
LARGE_WIDTH = 2048
# What must stay free of host memory for the rest of the program and the system.
_HOST_RESERVE = 4 * 10**9


@dataclass(frozen=True, slots=True)
class Rung:
    """One way.

    Attributes:
        standing: 0 for the numbers that the user asked for; the higher, the farther from them.
        memory, time: what it needs and takes.
    """

    plan: ComputePlan
    standing: int
    memory: PlanMemory
    time: BlockTime

    def fits(self, card: Card) -> bool:
        """Whether there is room on the card and in host memory."""
        held = self.memory.host
        return self.memory.peak <= card.free and (held == 0 or held <= card.host_free - _HOST_RESERVE)

    def cost(self, *, live: bool) -> float:
        """Seconds to choose by: of a block, and for somebody who waits the time to its picture as well."""
        return self.time.seconds + (self.time.latency if live else 0.0)

    def order(self, *, live: bool) -> tuple[float, ...]:
        """The better, the smaller; speeds within a percent are alike."""
        return (self.standing, round(math.log(self.cost(live=live)), 2), self.time.copies, self.cost(live=live))

    def words(self, config: DitConfig) -> str:
        """How it differs from everything being on the card, in words."""
        return ", ".join(self.plan.words(config.num_layers))


def make_rung(take: Take, card: Card, plan: ComputePlan, standing: int = 0) -> Rung:
    """A plan with its needs."""
    memory = plan_memory(take.sizes, take.shape, take.steps, plan, multiplies_float8=card.multiplies_float8)
    time = block_time(take.sizes, take.shape, take.steps, plan, card.rates, card.float8_attention)
    return Rung(plan, standing, memory, time)


def all_rungs(take: Take, card: Card, wishes: Wishes, first: ComputePlan | None = None) -> list[Rung]:
    """Every sensible way; of those that stream layers the one with the most layers on the card that fits, or none.

    Args:
        first: a plan whose numbers come before all others.
    """
    families = list(_families(take.sizes.config, card, wishes))
    if first is not None:
        others = [(standing + 1, family) for standing, family in families if family.numerics != first.numerics]
        placement = Placement(conditions=first.placement.conditions)
        families = [(0, replace(first, placement=placement, keep_primed=False)), *others]
    rungs: list[Rung] = []
    for standing, family in families:
        for plan in _arrangements(family, wishes):
            rungs += _with_residents(take, card, plan, standing, wishes)
    return rungs


def rungs_of_loaded(take: Take, card: Card, wishes: Wishes, loaded: ComputePlan) -> list[Rung]:
    """The ways that need no other weights in memory than ``loaded`` does; none if they are not among those wished."""
    standings = {family.numerics: standing for standing, family in _families(take.sizes.config, card, wishes)}
    standing = standings.get(replace(loaded, text_encoder="device").numerics)
    placement = loaded.placement
    streams = placement != Placement(conditions=placement.conditions)
    if standing is None or (wishes.layers == "device" and streams):
        return []
    if wishes.layers == "host" and placement.resident_layers != 0:
        return []
    rungs: list[Rung] = []
    # An encoder in int8 is itself a way of loading.
    encoder: EncoderPlace = "int8" if loaded.text_encoder == "int8" else "device"
    family = replace(loaded, text_encoder=encoder, graphs=False)
    for plan in dict.fromkeys(replace(way, placement=placement) for way in _arrangements(family, wishes)):
        may_capture = placement.resident_layers is None and not plan.streamed_cache
        for graphs in (True, False) if may_capture else (False,):
            rung = _place_text_encoder(take, card, replace(plan, graphs=graphs), standing, wishes)
            if rung.plan.loading == loaded.loading:
                rungs.append(rung)
    return rungs


def leanest(take: Take, card: Card, wishes: Wishes) -> Rung:
    """The way that needs least of the card."""
    rungs = (
        make_rung(take, card, _all_streamed(family, wishes), standing)
        for standing, family in _families(take.sizes.config, card, wishes)
    )
    return min(rungs, key=lambda rung: rung.memory.peak)


def _all_streamed(family: ComputePlan, wishes: Wishes) -> ComputePlan:
    """The family with everything streamed that may be."""
    placement = family.placement
    if wishes.layers != "device":
        placement = replace(placement, resident_layers=0, host_text=True, host_audio=True)
    return replace(
        family,
        placement=placement,
        streamed_cache=wishes.cache != "device",
        graphs=False,
        steps=wishes.steps or "sequential",
        text_encoder="int8" if wishes.text_encoder == "device" else "host",
    )


def accepted_numerics(config: DitConfig, card: Card, wishes: Wishes) -> frozenset[str]:
    """Every :attr:`ComputePlan.numerics` that a take may be computed with under ``wishes``, and so may change to."""
    families = [family for _, family in _families(config, card, wishes)]
    small = [replace(family, text_encoder="int8") for family in families]
    return frozenset(family.numerics for family in (*families, *small))


def _families(config: DitConfig, card: Card, wishes: Wishes) -> Iterator[tuple[int, ComputePlan]]:
    """Numbers that may be computed with, by their standing."""
    float8 = wishes.precision == "fp8" or (
        wishes.precision == "auto" and card.multiplies_float8 and config.dim >= LARGE_WIDTH
    )
    forms: list[tuple[int, ComputePlan]] = []

    def add(standing: int, weights: str, cache: CacheForm, conditions: Literal["wide", "int8"] = "wide") -> None:
        form: ComputePlan = ComputePlan(
            "flat",
            "float8" if weights == "float8" else "bfloat16",
            wishes.vae,
            cache,
            placement=Placement(conditions=conditions),
            last_step=wishes.last_step,
        )
        forms.append((standing, form))

    if float8:
        add(0, "float8", "float8")
        if not card.float8_attention:
            # Attention in bfloat16 reads a wide cache as it is; an e4m3 one has to be widened for every pass.
            add(0, "float8", "wide")
        add(1, "float8", "float8", "int8")
    else:
        add(0, "bfloat16", "wide")
        add(1, "bfloat16", "float8")
        add(2, "bfloat16", "float8", "int8")
        if wishes.precision == "auto":
            add(3, "float8", "float8", "int8")
    yield from forms


def _arrangements(family: ComputePlan, wishes: Wishes) -> Iterator[ComputePlan]:
    """A family with all its caches, orders and places of condition weights; all layers on the card."""
    orders: tuple[Steps, ...] = ("sequential", "packed") if wishes.steps is None else (wishes.steps,)
    caches = {"auto": (False, True), "device": (False,), "host": (True,)}[wishes.cache]
    hosts = {
        "auto": ((False, False), (True, False), (True, True)),
        "device": ((False, False),),
        "host": ((True, True),),
    }[wishes.layers]
    for order, streamed, (text, audio) in itertools.product(orders, caches, hosts):
        placement = replace(family.placement, host_text=text, host_audio=audio)
        yield replace(family, steps=order, streamed_cache=streamed, placement=placement, graphs=False)


def _with_residents(take: Take, card: Card, plan: ComputePlan, standing: int, wishes: Wishes) -> Iterator[Rung]:
    def with_resident(count: int) -> Rung:
        placement = replace(plan.placement, resident_layers=count)
        return _place_text_encoder(take, card, replace(plan, placement=placement), standing, wishes)

    if wishes.layers == "host":
        yield with_resident(0)
        return
    if not plan.streamed_cache:
        yield _place_text_encoder(take, card, replace(plan, graphs=True), standing, wishes)
    whole = _place_text_encoder(take, card, plan, standing, wishes)
    yield whole
    if whole.fits(card) or wishes.layers == "device":
        return
    best: Rung | None = None
    low, high = 0, take.sizes.config.num_layers - 1
    while low <= high:
        middle = (low + high) // 2
        rung = with_resident(middle)
        if rung.fits(card):
            best, low = rung, middle + 1
        else:
            high = middle - 1
            if middle == 0:
                best = best or rung
    if best is not None:
        yield best


def _place_text_encoder(take: Take, card: Card, plan: ComputePlan, standing: int, wishes: Wishes) -> Rung:
    """The plan with the text encoder where there is room for it; in int8 only where the processor has none either."""
    rung = make_rung(take, card, plan, standing)
    hosted = make_rung(take, card, replace(plan, text_encoder="host"), standing)
    if wishes.text_encoder == "host" and plan.text_encoder != "int8":
        return hosted
    # In int8 it computes other numbers, so it is not moved.
    if rung.memory.moments["prompt"] <= card.free or plan.text_encoder == "int8":
        return rung
    if wishes.text_encoder == "auto" and hosted.memory.host <= card.host_free - _HOST_RESERVE:
        return hosted
    small = make_rung(take, card, replace(plan, text_encoder="int8"), standing + 1)
    return small if small.memory.moments["prompt"] <= card.free or wishes.text_encoder == "device" else hosted


def best_of(rungs: Iterable[Rung], card: Card, *, live: bool) -> Rung | None:
    """The fastest of those that fit and are nearest to the wanted numbers, or ``None``.

    Of equally fast ones the one that copies least: a model of speed errs most there.
    """
    fitting = [rung for rung in rungs if rung.fits(card)]
    return min(fitting, key=lambda rung: rung.order(live=live), default=None)
