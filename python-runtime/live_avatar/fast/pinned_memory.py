"""Host memory that a card reads on its own, in exactly the size asked for.

torch's own pinned memory is rounded up to a power of two, which would cost gigabytes for layers of 320 MB.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


class HostBuffer:
    """Flat host memory, pinned for the card if ``device`` is one and the system allows it.

    Attributes:
        data: uint8 [bytes]; valid while this object lives.
        pinned: whether copies to the card run on their own. Without it they are correct and slow.

    Args:
        zeroed: fill it with zeros; left out, it holds anything.
    """

    def __init__(self, size: int, device: torch.device, *, zeroed: bool = False) -> None:
        self.data: Tensor = torch.empty(size, dtype=torch.uint8)
        if zeroed:
            # Before it is pinned: several threads ask the system for its pages faster than the driver, which is one.
            self.data.zero_()
        self.pinned = device.type == "cuda" and size > 0 and _register(self.data)
        if self.pinned:
            # The memory must be given up by the card before it is given up by the process.
            weakref.finalize(self, _unregister, self.data).atexit = False


@dataclass(slots=True)
class _Kept:
    """Buffers, and who uses them."""

    buffers: tuple[HostBuffer, ...]
    user: weakref.ref[object]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(buffer.data.numel() for buffer in self.buffers)


class HostPool:
    """Host buffers that are kept when their user is gone, for the next one of the same sizes: pinning takes a second
    for a few gigabytes, and a take's keys and values are ten and more."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: list[_Kept] = []

    def take(self, sizes: Sequence[int], user: object) -> tuple[HostBuffer, ...]:
        """Buffers of these bytes for as long as ``user`` lives: zeros, or what the user before left there."""
        wanted = tuple(sizes)
        fitting = [kept for kept in self._kept if kept.sizes == wanted]
        if fitting and all(kept.user() is not None for kept in fitting):
            # A user in a circle of references is gone only once somebody looks.
            gc.collect()
        free = next((kept for kept in fitting if kept.user() is None), None)
        # The rest that is unused is given back first, so that the host never holds both.
        self._kept = [kept for kept in self._kept if kept is free or kept.user() is not None]
        fitting.clear()
        if free is None:
            free = _Kept(tuple(HostBuffer(size, self._device, zeroed=True) for size in wanted), weakref.ref(user))
            self._kept.append(free)
        elif self._device.type == "cuda":
            # Copies of the user before may be under way.
            torch.cuda.synchronize(self._device)
        free.user = weakref.ref(user)
        return free.buffers


def _register(data: Tensor) -> bool:
    try:
        if int(torch.cuda.cudart().cudaHostRegister(data.data_ptr(), data.numel(), 0)) == 0:
            return True
        # The refusal is remembered and would be taken for that of the next kernel: let one report it here.
        torch.zeros(1, device="cuda").add_(1)
    except RuntimeError:
        pass
    return False


def _unregister(data: Tensor) -> None:
    try:
        # Copies under way read it still.
        torch.cuda.synchronize()
        torch.cuda.cudart().cudaHostUnregister(data.data_ptr())
    except RuntimeError:
        pass  # the card is gone, and its claim on the memory with it
