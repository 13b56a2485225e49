"""Time and what else the machine did meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def timed(act: Callable[[], _Result], on_cuda: bool = False) -> tuple[float, _Result]:
    """Seconds that ``act`` takes, a card's work included, and what it returns."""
    started = settled_time(on_cuda)
    result = act()
    return settled_time(on_cuda) - started, result


def settled_time(on_cuda: bool) -> float:
    """The time in seconds, once the card has done what it was told."""
    if on_cuda:
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


class OtherPrograms:
    """How busy other programs keep the processors from the making of this object on."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._busy = _machine_busy_seconds()
        self._own = _own_seconds()

    def processors(self) -> float | None:
        """Processors kept busy by others on average; ``None`` where the system does not count children's time.

        Child processes count once they have been waited for.
        """
        if os.name == "nt":
            return None
        busy = _machine_busy_seconds() - self._busy - (_own_seconds() - self._own)
        return max(0.0, busy / max(1e-9, time.monotonic() - self._started))


def _machine_busy_seconds() -> float:
    import psutil

    times = psutil.cpu_times()
    # A virtual machine's time is counted in user and nice already.
    idle = sum(getattr(times, name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    return float(sum(times) - idle)


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
