"""How the host keeps a card busy: it asks for work ahead of it, but not far ahead."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor


def queued_copy(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor`` on ``device``. The copy to a card waits its turn there, and nobody waits for it: a plain ``to`` would
    stop the host until the card has done all it was asked for before."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.contiguous().pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class RunAhead:
    """Bounds how far the host is ahead of a card: never out of work, and yet a stop is soon obeyed.

    One thread uses it. On a processor work is done when it is asked for, and nothing is noted.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._asked: deque[torch.cuda.Event] = deque(maxlen=2)

    def asked(self) -> None:
        """A pass is queued on the current stream."""
        if self._device.type == "cuda":
            event = torch.cuda.Event(blocking=True)
            event.record(torch.cuda.current_stream(self._device))
            self._asked.append(event)

    def wait(self) -> None:
        """Wait until the card has done every pass but the newest."""
        if len(self._asked) == 2:
            self._asked[0].synchronize()
