"""Which sizes fit into memory, and what is said when the wanted one does not. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from live_avatar.errors import UserError
from live_avatar.footprint import MemoryUse, ModelSizes
from live_avatar.geometry import SIZE_MULTIPLE, LatentShape, choose_output_size
from live_avatar.machine import Machine
from live_avatar.sentence import Sentence, fill, gigabytes

if TYPE_CHECKING:
    from live_avatar.compute_plan import ComputePlan
    from live_avatar.fast.planner import CardPlan
    from live_avatar.fast.task import Card, Take, Wishes


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
    from live_avatar.fast.rungs import leanest
    from live_avatar.fast.task import Take

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
        lack = "at least {needed} GB of the card even with everything streamed that can be; {free} GB may be used."
        figures = {"needed": gigabytes(needed.peak), "free": gigabytes(card.free)}
    else:
        lack = "{needed} GB of main memory for what does not fit on the card; {free} GB are free."
        figures = {"needed": gigabytes(needed.host), "free": gigabytes(card.host_free)}
    largest = largest_size(image, size, lambda w, h: fits_somehow(take_of(w, h), card, wishes))
    if largest is None:
        raise UserError(
            "MEMORY_TOO_SMALL",
            "This model does not fit into the free memory at any size.",
            fill(f"It needs {lack}", **figures),
            "Close other programs, raise --memory_limit if you gave one, or use a smaller model or another device.",
            field="ckpt_dir",
        )
    raise UserError(
        "SIZE_TOO_LARGE_FOR_MEMORY",
        _size_does_not_fit(size),
        fill(f"They need {lack}", **figures),
        _largest_that_fits(largest),
        field="size",
    )


def _size_does_not_fit(size: tuple[int, int]) -> Sentence:
    return fill("Pictures of {width}x{height} do not fit into memory.", width=size[0], height=size[1])


def _largest_that_fits(size: tuple[int, int]) -> Sentence:
    english = 'The largest that fits with this portrait is --size "{largest_width}*{largest_height}".'
    return fill(english, largest_width=size[0], largest_height=size[1])


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
    if needed.peak > card.free:
        lack = "With that it needs at least {needed} GB of the card; {free} GB may be used."
        figures = {"needed": gigabytes(needed.peak), "free": gigabytes(card.free)}
    else:
        lack = "With that it needs {needed} GB of main memory; {free} GB are free."
        figures = {"needed": gigabytes(needed.host), "free": gigabytes(card.host_free)}
    chosen = other.chosen
    raise UserError(
        "CHOICE_DOES_NOT_FIT",
        f"The render does not fit with {words}.",
        fill(lack, **figures),
        f"Leave that choice to the planner. What fits: {chosen.words(other.config)} "
        f"({chosen.memory.peak / 1e9:.1f} GB, {chosen.time.frames_per_second:.1f} frames a second).",
        field=wishes.forced[0][0],
    )


def too_large(size: tuple[int, int], memory: MemoryUse, machine: Machine, largest: tuple[int, int] | None) -> UserError:
    """What to say of the plain engine; ``largest`` is the largest size that fits, if any does."""
    free = gigabytes(machine.memory_available)
    if largest is None:
        without_pictures = max(memory.prepare, memory.process + memory.denoiser + memory.vae + memory.speech_encoder)
        return UserError(
            "MEMORY_TOO_SMALL",
            "This model does not fit into the free memory at any size.",
            fill(
                "The program and its weights alone take about {needed} GB; {free} GB are free on {device}.",
                needed=gigabytes(without_pictures),
                free=free,
                device=machine.device,
            ),
            "Close other programs, or use a smaller model or another device.",
            field="ckpt_dir",
        )
    return UserError(
        "SIZE_TOO_LARGE_FOR_MEMORY",
        _size_does_not_fit(size),
        fill(
            "They need about {needed} GB; {free} GB are free on {device}.",
            needed=gigabytes(memory.peak),
            free=free,
            device=machine.device,
        ),
        _largest_that_fits(largest),
        field="size",
    )
