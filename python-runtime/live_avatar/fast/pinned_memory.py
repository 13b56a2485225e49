"""Host memory that a card reads on its own, in exactly the size asked for.

torch's own pinned memory is rounded up to a power of two, which would cost gigabytes for layers of 320 MB.
"""

from __future__ import annotations

import weakref

import torch
from torch import Tensor


class HostBuffer:
    """Flat host memory, pinned for the card if ``device`` is one and the system allows it.

    Attributes:
        data: uint8 [bytes]; valid while this object lives.
        pinned: whether copies to the card run on their own. Without it they are correct and slow.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.data: Tensor = torch.empty(size, dtype=torch.uint8)
        self.pinned = device.type == "cuda" and size > 0 and _register(self.data)
        if self.pinned:
            # The memory must be given up by the card before it is given up by the process.
            weakref.finalize(self, _unregister, self.data).atexit = False


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
