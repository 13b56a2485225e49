"""How one rank of several computes its part: what is on its card, what that takes, how fast it is. No torch.

The parts of a single card's planner are asked about a network of only this rank's layers (:mod:`live_avatar.fast`).
What only the lead has is taken away from the others: the codec, the encoders, and most of what is before the layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from live_avatar.checkpoint.config import DitConfig
from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import LEAD, Cut
from live_avatar.distributed.stage_times import RankTimes
from live_avatar.fast.memory import PlanMemory, pass_count, plan_memory
from live_avatar.fast.placement import Placement
from live_avatar.fast.rungs import all_rungs
from live_avatar.fast.speed_model import block_time
from live_avatar.fast.task import Card, Take, Wishes
from live_avatar.footprint import ModelSizes, operations
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.layer_span import LayerSpan

# What must stay free of host memory for the rest of the program and the system (as in fast.rungs).
HOST_RESERVE = 4 * 10**9
# Patches and head, and the tables of steps: what of the network's own weights a follower has.
_FOLLOWER_NETWORK = 40 * 10**6


@dataclass(frozen=True, slots=True)
class Role:
    """What a rank has to do with.

    Attributes:
        lead: whether it also decodes, and computes conditions.
        held: layers whose weights it holds.
        items: layers that it does of each step that it has to do with; keys and values are held for these.
        prefill: layers that its prefill runs through.
    """

    lead: bool
    held: LayerSpan
    items: tuple[int, ...]
    prefill: int

    @classmethod
    def of(cls, cut: Cut, rank: int) -> Role:
        """What ``cut`` gives a rank."""
        items = [len(span) for step in range(len(cut.steps)) if (span := cut.share_of(rank, step)) is not None]
        chains = [share for chain in cut.prefill_chains for share in chain if share.rank == rank]
        prefill = sum(len(share.span) for share in chains)
        return cls(rank == LEAD, cut.held_by(rank), tuple(items), prefill)


@dataclass(frozen=True, slots=True)
class RankPlan:
    """One rank's way.

    Attributes:
        role: its part; plan: how it computes; memory: what that takes; times: how fast it should be.
    """

    role: Role
    plan: ComputePlan
    memory: PlanMemory
    times: RankTimes

    @property
    def block_seconds(self) -> float:
        """Work on a block with a full window."""
        return self.times.block_seconds(self.role.items)

    @property
    def hidden(self) -> bool:
        """Whether the computation hides all that is copied to the card."""
        times = self.times
        return times.item == 0 and times.copies <= times.layer

    def fits(self, card: Card) -> bool:
        """Whether there is room on the card and in host memory."""
        held = self.memory.host
        return self.memory.peak <= card.free and (held == 0 or held <= card.host_free - HOST_RESERVE)

    def words(self) -> str:
        """What is not on the card, in words; empty if everything is."""
        placement, count = self.plan.placement, len(self.role.held)
        parts = []
        if placement.resident_layers is not None and placement.resident_layers < count:
            parts.append(f"{count - placement.resident_layers} of {count} layers streamed")
        if self.plan.streamed_cache and count:
            parts.append("cache streamed")
        hosted = [name for name, there in (("text", placement.host_text), ("audio", placement.host_audio)) if there]
        if hosted and count:
            parts.append(f"{' and '.join(hosted)} weights on the host")
        if self.role.lead and self.plan.text_encoder != "device":
            parts.append("text encoder on the processor" if self.plan.text_encoder == "host" else "int8 text encoder")
        return ", ".join(parts)


def families_of(take: Take, cards: list[Card], wishes: Wishes) -> list[tuple[int, ComputePlan]]:
    """Numbers that all cards may compute with, by how far they are from the wanted ones; everything on the card.

    All ranks have to compute alike, or pictures would depend on where a cut is.
    """
    common: dict[str, tuple[int, ComputePlan]] | None = None
    for card in dict.fromkeys(cards):
        found: dict[str, tuple[int, ComputePlan]] = {}
        for rung in all_rungs(take, card, replace(wishes, steps="sequential")):
            if rung.plan.text_encoder == "int8":
                continue
            base = everything_on_card(rung.plan)
            if base.numerics not in found or found[base.numerics][0] > rung.standing:
                found[base.numerics] = (rung.standing, base)
        if common is None:
            common = found
        else:
            worse = {key: max(common[key][0], found[key][0]) for key in common.keys() & found.keys()}
            common = {key: (standing, common[key][1]) for key, standing in worse.items()}
    return sorted((common or {}).values(), key=lambda entry: entry[0])


def everything_on_card(plan: ComputePlan) -> ComputePlan:
    """A plan's numbers, with all of it on the card and its steps in sequence."""
    placement = Placement(conditions=plan.placement.conditions)
    return replace(
        plan, placement=placement, streamed_cache=False, steps="sequential", graphs=True, text_encoder="device"
    )


def best_rank_plan(take: Take, card: Card, role: Role, family: ComputePlan, wishes: Wishes) -> RankPlan | None:
    """The fastest way of a family in which a card can have this role, or ``None`` if it has no room for it.

    Of equally fast ways the one that copies least.
    """
    best: RankPlan | None = None
    for plan in _ways(take, card, role, family, wishes):
        if plan.plan.streamed_cache and best is not None and best.hidden:
            # No way computes less, and those that follow copy more.
            break
        if plan.fits(card) and (best is None or _order(plan) < _order(best)):
            best = plan
    return best


def _order(plan: RankPlan) -> tuple[float, ...]:
    seconds = plan.block_seconds
    return (round(math.log(max(seconds, 1e-9)), 2), plan.times.copies, plan.memory.host, seconds)


def _ways(take: Take, card: Card, role: Role, family: ComputePlan, wishes: Wishes) -> Iterator[RankPlan]:
    whole = _with_encoder(take, card, role, family)
    if wishes.layers != "host" and wishes.cache != "host":
        yield whole
        if whole.fits(card):
            # Nothing that waits in host memory could make it faster.
            return
    for streamed in (False, True):
        if (streamed and wishes.cache == "device") or (not streamed and wishes.cache == "host"):
            continue
        for text, audio in ((False, False), (True, False), (True, True)):
            if text and wishes.layers == "device":
                continue
            placement = replace(family.placement, host_text=text, host_audio=audio)
            plan = replace(family, placement=placement, streamed_cache=streamed, graphs=not streamed)
            yield from _with_residents(take, card, role, plan, wishes)


def _with_residents(take: Take, card: Card, role: Role, plan: ComputePlan, wishes: Wishes) -> Iterator[RankPlan]:
    """All layers on the card if they fit, otherwise as many as do."""
    if wishes.layers != "host":
        whole = _with_encoder(take, card, role, plan)
        if whole.fits(card):
            yield whole
            return
    if wishes.layers == "device":
        return
    best: RankPlan | None = None
    low, high = 0, 0 if wishes.layers == "host" else len(role.held) - 1
    while low <= high:
        middle = (low + high) // 2
        placement = replace(plan.placement, resident_layers=middle)
        found = _with_encoder(take, card, role, replace(plan, placement=placement, graphs=False))
        if found.fits(card):
            best, low = found, middle + 1
        else:
            high = middle - 1
    if best is not None:
        yield best


def _with_encoder(take: Take, card: Card, role: Role, plan: ComputePlan) -> RankPlan:
    """The text encoder on the lead's card if there is room while the prompt is read, else on its processor."""
    found = make_rank_plan(take, card, role, plan)
    if not role.lead or found.memory.moments["prompt"] <= card.free:
        return found
    return make_rank_plan(take, card, role, replace(plan, text_encoder="host"))


def make_rank_plan(take: Take, card: Card, role: Role, plan: ComputePlan) -> RankPlan:
    """A role under a plan, with its needs."""
    sizes = slice_sizes(take.sizes, role)
    return RankPlan(role, plan, _memory(take, card, role, plan, sizes), _times(take, card, role, plan, sizes))


def slice_sizes(sizes: ModelSizes, role: Role) -> ModelSizes:
    """A network of only the held layers, at least one; without encoders where no conditions are computed."""
    span = role.held if len(role.held) else LayerSpan(0, 1)
    # A network has an injector at least; one too many where a slice has none is little.
    inject = tuple(layer - span.first for layer in sizes.config.audio_inject_layers if layer in span) or (0,)
    config: DitConfig = replace(sizes.config, num_layers=len(span), audio_inject_layers=inject)
    share = len(span) / sizes.config.num_layers
    sliced = replace(sizes, config=config, parameters=int(sizes.parameters * share))
    return sliced if role.lead else replace(sliced, text_parameters=0, speech_parameters=0)


def _memory(take: Take, card: Card, role: Role, plan: ComputePlan, sizes: ModelSizes) -> PlanMemory:
    """Of the parts that this rank has."""
    steps = max(1, len(role.items))
    # The steps given are those that are run.
    whole = replace(plan, last_step="run")
    found = plan_memory(sizes, take.shape, steps, whole, multiplies_float8=card.multiplies_float8)
    units, rectangle = sum(role.items), steps * sizes.config.num_layers
    if units < rectangle:
        share = units / rectangle
        pinned_cache = int(found.pinned_cache * share)
        found = replace(
            found,
            cache=int(found.cache * share),
            pinned=found.pinned - found.pinned_cache + pinned_cache,
            host=found.host - found.pinned_cache + pinned_cache,
            pinned_cache=pinned_cache,
        )
    if not role.items:
        nothing = ("conditions", "layers", "slots", "cache", "text", "one_text", "passes", "kept_passes", "prefill")
        host = found.host - found.pinned
        found = replace(found, **dict.fromkeys((*nothing, "pinned", "pinned_cache", "loading"), 0), host=host)
    if not role.lead:
        alone = dict.fromkeys(("codec", "decoder", "portrait", "between", "speech_work"), 0)
        found = replace(found, network=min(found.network, _FOLLOWER_NETWORK), **alone)
    return found


def _times(take: Take, card: Card, role: Role, plan: ComputePlan, sizes: ModelSizes) -> RankTimes:
    decode = operations(take.sizes, take.shape).decode / card.rates.decoding if role.lead else 0.0
    if not role.items:
        return RankTimes(0.0, decode=decode)
    layers, whole = sizes.config.num_layers, take.sizes.config.num_layers
    share = layers / whole
    rates = replace(
        card.rates, idle_seconds=card.rates.idle_seconds * share, launch_seconds=card.rates.launch_seconds * share
    )

    def passes(shape: LatentShape) -> tuple[float, float, float]:
        time = block_time(sizes, shape, 1, replace(plan, last_step="run"), rates, card.float8_attention)
        return time.compute, time.copies, time.serial

    compute, copies, serial = passes(take.shape)
    short = replace(take.shape, infer_frames=BLOCK_FRAMES)
    window = (short.condition_tokens + short.ring_tokens) / (take.shape.condition_tokens + take.shape.ring_tokens)
    windowed = 0.0 if window == 1 else (compute - passes(short)[0]) / (1 - window)
    rate = rates.bfloat16_products
    if plan.weights == "float8" and rates.float8_products is not None:
        rate = rates.float8_products
    return RankTimes(
        layer=compute / layers,
        windowed=windowed / layers,
        item=serial / len(role.items),
        copies=copies / layers,
        prefill=operations(take.sizes, take.shape).prefill / whole / rate,
        decode=decode,
    )


def passes_of(take: Take, wishes: Wishes) -> int:
    """Passes over the network for each block."""
    return pass_count(take.steps, ComputePlan("flat", "bfloat16", "bfloat16", last_step=wishes.last_step))
