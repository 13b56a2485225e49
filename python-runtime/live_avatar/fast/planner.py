"""Chooses how a card computes a take: the fastest way that fits, told with the ways that were not taken. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from live_avatar.checkpoint.config import DitConfig
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.memory import PlanMemory
from live_avatar.fast.rungs import Rung, accepted_numerics, all_rungs, best_of, leanest, make_rung, rungs_of_loaded
from live_avatar.fast.task import Card, Take, Wishes
from live_avatar.footprint import MemoryUse
from live_avatar.sentence import Said, Sentence, gigabytes, said, say

_SHOWN = 8
_GB = 1e9
# By the moment at which a card would be too small.
_NEEDS_MORE = {
    "load": ("NEEDS_MORE_FOR_LOADING", "needs {more} GB more of the card while weights are prepared"),
    "prompt": ("NEEDS_MORE_FOR_PROMPT", "needs {more} GB more of the card while the prompt is read"),
    "portrait": ("NEEDS_MORE_FOR_PORTRAIT", "needs {more} GB more of the card while the portrait is encoded"),
    "sound": ("NEEDS_MORE_FOR_SOUND", "needs {more} GB more of the card while the sound is heard"),
}
_NEEDS_MORE_FOR_BLOCKS = ("NEEDS_MORE_FOR_BLOCKS", "needs {more} GB more of the card while blocks are made")
# Loading anew has to make a render so much quicker.
_WORTH_LOADING = 1.1


@dataclass(frozen=True, slots=True)
class Rejected:
    """A way that was not taken, and why in words."""

    rung: Rung
    why: Sentence


@dataclass(frozen=True, slots=True)
class CardPlan:
    """The way that was chosen, and the best of the others; of what, where, and for which wishes."""

    take: Take
    chosen: Rung
    rejected: tuple[Rejected, ...]
    card: Card
    wishes: Wishes

    @property
    def config(self) -> DitConfig:
        """Sizes of the network."""
        return self.take.sizes.config

    @property
    def plan(self) -> ComputePlan:
        """What the pipeline is told."""
        return self.chosen.plan

    @property
    def accepted_numerics(self) -> frozenset[str]:
        """What a take may change to under the same wishes; its finished clips stay."""
        return accepted_numerics(self.config, self.card, self.wishes)

    def with_plan(self, plan: ComputePlan) -> Rung:
        """Needs and speed of another way to compute the same."""
        return make_rung(self.take, self.card, plan)

    @property
    def speed_identity(self) -> str:
        """What of the plan decides the speed, as a key for measured ones."""
        plan, placement = self.plan, self.plan.placement
        parts = (plan.numerics, plan.steps, plan.graphs, plan.streamed_cache, placement.resident_layers)
        return " ".join(map(str, (*parts, placement.host_text, placement.host_audio)))

    @property
    def memory(self) -> MemoryUse:
        """The parts as every plan of a render has them."""
        return memory_parts(self.chosen.memory)

    def as_dict(self) -> dict[str, Any]:
        """JSON values for the plan of a render."""
        return {
            "plan": self.plan.as_dict(),
            "summary": self.chosen.words(self.config),
            "words": self._words(self.chosen),
            "peak": self.chosen.memory.peak,
            "worst_moment": self.chosen.memory.worst_moment,
            "host": self.chosen.memory.host,
            "frames_per_second": self.chosen.time.frames_per_second,
            "first_picture_seconds": self.chosen.time.first,
            "rates": self.card.rates.source,
            "rejected": [
                {
                    "summary": each.rung.words(self.config),
                    "words": self._words(each.rung),
                    "peak": each.rung.memory.peak,
                    "frames_per_second": each.rung.time.frames_per_second,
                    "why": each.why,
                    "reason": said(each.why),
                }
                for each in self.rejected
            ],
        }

    def _words(self, rung: Rung) -> list[Said]:
        return [said(word) for word in rung.plan.words(self.config.num_layers)]


def plan_for_card(take: Take, card: Card, wishes: Wishes, loaded: ComputePlan | None = None) -> CardPlan | None:
    """The fastest way that fits and computes with the wanted numbers, or the nearest to them; ``None`` if none fits.

    Args:
        loaded: what weights are in memory for: a way that needs no others is taken if it is about as fast.
    """
    rungs = all_rungs(take, card, wishes)
    chosen = best_of(rungs, card, live=wishes.live)
    if chosen is None:
        return None
    if loaded is not None and loaded.loading != chosen.plan.loading:
        kept = best_of(rungs_of_loaded(take, card, wishes, loaded), card, live=wishes.live)
        if kept is not None and kept.standing <= chosen.standing:
            worth = _WORTH_LOADING * chosen.cost(live=wishes.live)
            chosen = kept if kept.cost(live=wishes.live) <= worth else chosen
    rejected = tuple(_rejected(rungs, chosen, card, wishes))
    # It costs room and no time, so it is no way of its own.
    roomy = make_rung(take, card, replace(chosen.plan, keep_primed=True), chosen.standing)
    return CardPlan(take, roomy if roomy.fits(card) else chosen, rejected, card, wishes)


def memory_parts(found: PlanMemory) -> MemoryUse:
    """The parts as every plan of a render has them; what has no name of its own is in ``process``."""
    moments = found.moments
    parts = MemoryUse(
        denoiser=found.weights + found.slots,
        vae=found.codec,
        text_encoder=found.text_encoder,
        speech_encoder=found.speech,
        kv_cache=found.cache + found.text,
        activations=found.kept_passes + max(found.passes - found.kept_passes, found.prefill),
        vae_work=found.decoder,
        process=0,
    )
    running = max(size for name, size in moments.items() if name != "prompt")
    parts = replace(parts, process=max(running - parts.render, 0))
    return replace(parts, held=max(moments["prompt"] - parts.prepare, 0))


def fits_somehow(take: Take, card: Card, wishes: Wishes) -> bool:
    """Whether any way fits; quicker than choosing one."""
    return leanest(take, card, wishes).fits(card)


def card_lines(plan: CardPlan) -> list[str]:
    """The choice as a table for people."""
    card, chosen, config = plan.card, plan.chosen, plan.config
    lines = [
        f"{card.name}: {card.free / _GB:.1f} GB may be used; rates: {card.rates.source}",
        f"{'':2}{'GB':>6} {'host GB':>8} {'frames/s':>9} {'first picture':>14}  how",
        _line("*", chosen, chosen.words(config)),
    ]
    lines += [_line(" ", each.rung, f"{each.rung.words(config)}: {each.why}") for each in plan.rejected]
    parts = sorted(chosen.memory.moments.items(), key=lambda entry: -entry[1])
    lines.append("Needs, moment by moment: " + ", ".join(f"{name} {size / _GB:.1f} GB" for name, size in parts))
    return lines


def _line(mark: str, rung: Rung, words: str) -> str:
    return (
        f"{mark:2}{rung.memory.peak / _GB:6.1f} {rung.memory.host / _GB:8.1f} {rung.time.frames_per_second:9.1f} "
        f"{rung.time.first:12.2f} s  {words}"
    )


def _rejected(rungs: list[Rung], chosen: Rung, card: Card, wishes: Wishes) -> list[Rejected]:
    """The quickest of those that do not fit, and the nearest of those that do."""
    others = [rung for rung in rungs if rung.plan != chosen.plan]
    others.sort(key=lambda rung: rung.order(live=wishes.live))
    found: list[Rejected] = []
    for fits in (False, True):
        of_kind = [rung for rung in others if rung.fits(card) == fits]
        found += [Rejected(rung, _why(rung, chosen, card, wishes)) for rung in of_kind[: _SHOWN // 2]]
    return found


def _why(rung: Rung, chosen: Rung, card: Card, wishes: Wishes) -> Sentence:
    if rung.memory.peak > card.free:
        code, english = _NEEDS_MORE.get(rung.memory.worst_moment, _NEEDS_MORE_FOR_BLOCKS)
        return say(code, english, more=gigabytes(rung.memory.peak - card.free))
    if not rung.fits(card):
        needed, free = gigabytes(rung.memory.host), gigabytes(card.host_free)
        return say(
            "NEEDS_HOST_MEMORY", "needs {needed} GB of host memory, {free} GB are free", needed=needed, free=free
        )
    if rung.standing > chosen.standing:
        return say("COARSER_NUMBERS", "computes with coarser numbers")
    if wishes.live and rung.time.latency > chosen.time.latency:
        return say("PICTURES_LATER", "its pictures come later")
    if rung.cost(live=wishes.live) < 0.99 * chosen.cost(live=wishes.live):
        return say("NOT_WORTH_LOADING", "a little faster, but weights would be loaded anew")
    if rung.cost(live=wishes.live) <= 1.001 * chosen.cost(live=wishes.live):
        return say("NO_FASTER", "no faster")
    return say("IS_SLOWER", "slower")
