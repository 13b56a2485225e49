"""Goes on with another plan when a card runs out of memory, and stops in words when it is lost."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

import torch

from live_avatar.compute_plan import ComputePlan
from live_avatar.errors import UserError
from live_avatar.fast.ladder import Descent
from live_avatar.fast.rungs import Rung

_Result = TypeVar("_Result")
Fault = Literal["memory", "lost"]

# What libraries on a card say, each in its own way, when an allocation fails. torch's allocator has a type of its own.
_NO_MEMORY = (
    "cuda out of memory",
    "cuda error: out of memory",
    "cudaerrormemoryallocation",
    "cuda_error_out_of_memory",
    "[cuda]: out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "device_allocation_failed",
    "cufft_alloc_failed",
)
# After these the process can do nothing more on the card.
_LOST = (
    "unspecified launch failure",
    "device-side assert",
    "illegal memory access",
    "misaligned address",
    "illegal instruction",
    "launch timed out",
    "ecc error",
    "cudaerroreccuncorrectable",
    "hardware stack error",
    "gpu is lost",
    "device lost",
    "device has been removed",
    "busy or unavailable",
    "cudaerrordevicesunavailable",
    "no cuda-capable device",
    "driver shutting down",
    "cudaerrorcontained",
    "nvlink error",
)


def fault_of(error: BaseException) -> Fault | None:
    """What kind of fault of a card ``error`` is; ``None`` for every other."""
    if isinstance(error, torch.OutOfMemoryError):
        return "memory"
    if not isinstance(error, RuntimeError):
        return None
    text = str(error).lower()
    # A lost card makes every later call fail, with words of both kinds.
    if any(words in text for words in _LOST):
        return "lost"
    return "memory" if any(words in text for words in _NO_MEMORY) else None


def device_lost(error: BaseException) -> UserError:
    """A lost card in words. The process has to end before the card can be used again."""
    return UserError(
        "DEVICE_LOST",
        "The card stopped working.",
        f"The system says: {first_line(error)}",
        "Start the render again: it goes on after the last finished clip. If this happens again, look at the card's "
        "temperature, power and driver, or render on another device.",
        field="device",
    )


def out_of_memory(error: BaseException) -> UserError:
    """No way is left that needs less memory, in words."""
    return UserError(
        "OUT_OF_MEMORY",
        "The memory was not enough.",
        f"The system says: {first_line(error)}.",
        "Choose a smaller size, close other programs, or use another device; finished clips are kept.",
        field="size",
    )


class Ladder(Protocol):
    """Gives the plan after one that failed: :class:`live_avatar.fast.ladder.OutOfMemoryLadder`."""

    def below(self, failed: ComputePlan, free: int | None = None) -> Rung | None:
        """The next way, or ``None``."""

    def descent(self, failed: ComputePlan, rung: Rung, why: str) -> Descent:
        """What to tell of a step to ``rung``."""


def survive_out_of_memory(
    run: Callable[[ComputePlan], _Result],
    plan: ComputePlan,
    ladder: Ladder,
    *,
    release: Callable[[], None],
    tell: Callable[[Descent], None],
    free: Callable[[], int | None] = lambda: None,
) -> _Result:
    """Do ``run(plan)``; when the card runs out of memory, let everything go and do it again with the next plan.

    Args:
        run: builds what the plan asks for, goes on from the last saved state, and returns when all is done. What it
            made before it failed must be found by the next call.
        ladder: gives the next plan.
        release: drops every reference to what the failed run left on the card, the pipeline above all.
        tell: told of each step down before it is taken.
        free: bytes of the card that may be taken, asked for after everything was let go.

    Raises:
        UserError: ``DEVICE_LOST``; and whatever ``run`` raises, running out of memory with no plan left included.
    """
    while True:
        try:
            return run(plan)
        except RuntimeError as error:
            fault = fault_of(error)
            if fault is None:
                raise
            if fault == "lost":
                raise device_lost(error) from error
            failure = error
            # The frames of the failed run hold its tensors.
            traceback.clear_frames(error.__traceback__)
        # Not inside the handler, where the interpreter itself would keep them alive.
        last, why = failure.with_traceback(None), first_line(failure)
        last.__context__ = last.__cause__ = None
        release()
        return_device_memory()
        rung = ladder.below(plan, free())
        if rung is None:
            raise last
        tell(ladder.descent(plan, rung, why))
        plan = rung.plan


def return_device_memory() -> None:
    """Give back what nobody refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def first_line(error: BaseException) -> str:
    """The first line of an error's words, without the full stop at its end."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
