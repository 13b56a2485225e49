"""Which sizes fit into memory, and what is said when the wanted one does not. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from live_avatar.errors import UserError
from live_avatar.footprint import MemoryUse, ModelSizes
from live_avatar.geometry import SIZE_MULTIPLE, LatentShape, choose_output_size
from live_avatar.machine import Machine

if TYPE_CHECKING:
    from live_avatar.compute_plan import ComputePlan
    from live_avatar.fast.planner import CardPlan
    from live_avatar.fast.rungs import Card, Take, Wishes


def largest_size(
    image: tuple[int, int], size: tuple[int, int], fits: Callable[[int, int], bool]
) -> tuple[int, int] | None:
    """The largest real size with the portrait's aspect below ``size`` for which ``fits(width, height)``, or ``None``.

    Asking for the returned size gives exactly that size.
    """
    step = SIZE_MULTIPLE * SIZE_MULTIPLE
    area = size[0] * size[1]
    while area >= step:
        width, height = choose_output_size(area, *image)
        if choose_output_size(width * height, *image) == (width, height) and fits(width, height):
            return width, height
        # Sizes thin out as they grow, so large areas may be passed in larger steps.
        area = min(width * height, area) - max(step, area // 64 // step * step)
    return None


def plan_on_card(
    sizes: ModelSizes,
    card: Card,
    size: tuple[int, int],
    image: tuple[int, int],
    infer_frames: int,
    sample_steps: int,
    wishes: Wishes,
    loaded: ComputePlan | None = None,
) -> CardPlan:
    """The way a card computes pictures of ``size``; ``loaded``: see :func:`live_avatar.fast.planner.plan_for_card`.

    Raises:
        UserError: ``CHOICE_DOES_NOT_FIT``, ``SIZE_TOO_LARGE_FOR_MEMORY``, ``MEMORY_TOO_SMALL``.
    """
    from live_avatar.fast.planner import fits_somehow, plan_for_card
    from live_avatar.fast.rungs import Take, leanest

    def take_of(width: int, height: int) -> Take:
        return Take(sizes, LatentShape.of_picture(width, height, infer_frames), sample_steps)

    found = plan_for_card(take_of(*size), card, wishes, loaded)
    if found is not None:
        return found
    if wishes.forced:
        _refuse_choice(take_of(*size), card, wishes)
        wishes = wishes.lifted()
    needed = leanest(take_of(*size), card, wishes).memory
    if needed.peak > card.free:
        what, there = f"at least {needed.peak / 1e9:.1f} GB of the card", f"{card.free / 1e9:.1f} GB may be used"
    else:
        what, there = (
            f"{needed.host / 1e9:.1f} GB of main memory for what does not fit on the card",
            f"{card.host_free / 1e9:.1f} GB are free",
        )
    largest = largest_size(image, size, lambda w, h: fits_somehow(take_of(w, h), card, wishes))
    if largest is None:
        raise UserError(
            "MEMORY_TOO_SMALL",
            "This model does not fit into the free memory at any size.",
            f"It needs {what} even with everything streamed that can be; {there}.",
            "Close other programs, raise --memory_limit if you gave one, or use a smaller model or another device.",
            field="ckpt_dir",
        )
    raise UserError(
        "SIZE_TOO_LARGE_FOR_MEMORY",
        f"Pictures of {size[0]}x{size[1]} do not fit into memory.",
        f"They need {what} even with everything streamed that can be; {there}.",
        f'The largest that fits with this portrait is --size "{largest[0]}*{largest[1]}".',
        field="size",
    )


def _refuse_choice(take: Take, card: Card, wishes: Wishes) -> None:
    """Say that the forced choices are at fault, if they are.

    Raises:
        UserError: ``CHOICE_DOES_NOT_FIT``.
    """
    from live_avatar.fast.planner import plan_for_card
    from live_avatar.fast.rungs import leanest

    other = plan_for_card(take, card, wishes.lifted())
    if other is None:
        return
    needed = leanest(take, card, wishes).memory
    words = " and ".join(text for _, text in wishes.forced)
    lack = (
        f"it needs at least {needed.peak / 1e9:.1f} GB of the card; {card.free / 1e9:.1f} GB may be used"
        if needed.peak > card.free
        else f"it needs {needed.host / 1e9:.1f} GB of main memory; {card.host_free / 1e9:.1f} GB are free"
    )
    chosen = other.chosen
    raise UserError(
        "CHOICE_DOES_NOT_FIT",
        f"The render does not fit with {words}.",
        f"With that {lack}.",
        f"Leave that choice to the planner. What fits: {chosen.words(other.config)} "
        f"({chosen.memory.peak / 1e9:.1f} GB, {chosen.time.frames_per_second:.1f} frames a second).",
        field=wishes.forced[0][0],
    )


def too_large(size: tuple[int, int], memory: MemoryUse, machine: Machine, largest: tuple[int, int] | None) -> UserError:
    """What to say of the plain engine; ``largest`` is the largest size that fits, if any does."""
    available = f"{machine.memory_available / 1e9:.1f} GB are free on {machine.device}"
    if largest is None:
        without_pictures = max(memory.prepare, memory.process + memory.denoiser + memory.vae + memory.speech_encoder)
        return UserError(
            "MEMORY_TOO_SMALL",
            "This model does not fit into the free memory at any size.",
            f"The program and its weights alone take about {without_pictures / 1e9:.1f} GB; {available}.",
            "Close other programs, or use a smaller model or another device.",
            field="ckpt_dir",
        )
    return UserError(
        "SIZE_TOO_LARGE_FOR_MEMORY",
        f"Pictures of {size[0]}x{size[1]} do not fit into memory.",
        f"They need about {memory.peak / 1e9:.1f} GB; {available}.",
        f'The largest that fits with this portrait is --size "{largest[0]}*{largest[1]}".',
        field="size",
    )
