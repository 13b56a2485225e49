"""What a user may ask of how a render is computed, beyond its precision. No torch."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Literal, get_args

from live_avatar.compute_plan import LastStep
from live_avatar.distributed.wishes import CutWishes
from live_avatar.errors import UserError
from live_avatar.footprint import CUDA_CONTEXT_BYTES

Place = Literal["auto", "device", "host"]
StepOrder = Literal["auto", "sequential", "packed"]
PLACES: tuple[Place, ...] = get_args(Place)
STEP_ORDERS: tuple[StepOrder, ...] = get_args(StepOrder)

_GB = 10**9
# Of a schedule of four steps on the demo model (docs/last-step.md).
_MEASURED_STEPS = 4

_ONE_RANK = CutWishes()


@dataclass(frozen=True, slots=True)
class ComputeWishes:
    """Choices that the planner of a card makes unless somebody does.

    Attributes:
        memory_limit: bytes of the card that this process may take in all; ``None`` for what is free.
        layers: ``device`` keeps every weight of the denoiser on the card, ``host`` streams all layers.
        cache: keys and values on the card, or in main memory.
        text_encoder: reads prompts on the card, or on the processor.
        steps: order of the denoising steps.
        last_step: whether the last of them is run; changes the pictures.
        live: somebody waits for each picture, so that latency counts as well as pace.
        weight_cache: where prepared weights are kept: ``on`` for the user's cache, ``off``, or a folder.
        cut: how many ranks share the work, and how; without a number of ranks there is one.
    """

    memory_limit: int | None = None
    layers: Place = "auto"
    cache: Place = "auto"
    text_encoder: Place = "auto"
    steps: StepOrder = "auto"
    last_step: LastStep = "run"
    live: bool = False
    weight_cache: str = "on"
    cut: CutWishes = _ONE_RANK


def memory_limit(asked: float | None = None) -> int | None:
    """Bytes of the card that this process may take in all, or ``None`` for no limit.

    Args:
        asked: gigabytes (10^9 bytes) from the command line; without it the environment is asked.

    Raises:
        UserError: ``MEMORY_LIMIT_INVALID``.
    """
    text = os.environ.get("LIVE_AVATAR_MEMORY_LIMIT", "").strip() if asked is None else f"{asked:g}"
    if not text:
        return None
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = math.nan
    if not 0 < gigabytes < math.inf or gigabytes * _GB <= CUDA_CONTEXT_BYTES:
        raise UserError(
            "MEMORY_LIMIT_INVALID",
            f'"{text}" is not a limit of memory.',
            f"A limit is a number of gigabytes above {CUDA_CONTEXT_BYTES / _GB:.1f}, which CUDA itself takes.",
            "Give for example --memory_limit 24, or take LIVE_AVATAR_MEMORY_LIMIT out of the environment.",
            field="memory_limit",
        )
    return int(gigabytes * _GB)


def limit_of(wishes: ComputeWishes) -> int | None:
    """The limit that was asked for, or that of the environment.

    Raises:
        UserError: ``MEMORY_LIMIT_INVALID``.
    """
    return memory_limit(None if wishes.memory_limit is None else wishes.memory_limit / _GB)


def wish_notes(wishes: ComputeWishes, *, on_card: bool, flat: bool, steps: int) -> list[tuple[str, str]]:
    """(code, sentence) of each wish that has consequences to know of, or none at all.

    Args:
        on_card: whether a card computes; flat: in the pass for cards, which alone can stream.
        steps: of the schedule.
    """
    notes = [("WISH_WITHOUT_EFFECT", text) for text in _without_effect(wishes, on_card=on_card, flat=flat)]
    if wishes.last_step == "skip" and steps == 1:
        notes.append(("WISH_WITHOUT_EFFECT", "A schedule of one step has no last step to leave out."))
    elif wishes.last_step == "skip":
        cost = (
            "On the demo model nobody sees it: 59.7 dB to all four steps"
            if steps == _MEASURED_STEPS
            else f"What that costs was measured for {_MEASURED_STEPS} steps only"
        )
        text = f"The last of {steps} denoising steps is left out, as asked: {steps - 1} of {steps} of the work. {cost}."
        notes.append(("LAST_STEP_LEFT_OUT", text))
    return notes


def _without_effect(wishes: ComputeWishes, *, on_card: bool, flat: bool) -> list[str]:
    found: list[str] = []
    if not on_card:
        if wishes.memory_limit is not None:
            found.append("The limit of card memory changes nothing: no card is used.")
        placed = (
            (wishes.layers, "of the weights"),
            (wishes.cache, "of the caches"),
            (wishes.text_encoder, "of the text encoder"),
        )
        found += [f"The place {name} changes nothing: the processor's memory is the only one used."
                  for place, name in placed if place != "auto"]  # fmt: skip
    elif not flat:
        if wishes.layers == "device":
            found.append("In fp32 all weights are on the card anyway.")
        if wishes.cache == "device":
            found.append("In fp32 the caches are on the card anyway.")
    if wishes.weight_cache not in ("on", "off") and not flat:
        found.append("The folder for prepared weights is not used: only the form for cards is prepared.")
    return found


def check_plain_on_card(wishes: ComputeWishes) -> None:
    """Refuse what only the pass for cards can do.

    Raises:
        UserError: ``CHOICE_NEEDS_FLAT_PASS``.
    """
    for place, name, field in ((wishes.layers, "weights", "layers"), (wishes.cache, "caches", "cache")):
        if place == "host":
            raise UserError(
                "CHOICE_NEEDS_FLAT_PASS",
                f"In fp32 the {name} cannot wait in main memory.",
                "fp32 computes the network as published, which needs everything on the card.",
                "Use the precision auto, fp8 or bf16, or leave that place to the planner.",
                field=field,
            )
