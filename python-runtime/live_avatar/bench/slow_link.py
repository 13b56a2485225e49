"""A slower link between host and card than there is, for measuring what streaming costs elsewhere.

Every copy of weights or caches is followed, on its own stream and before it counts as done, by copies of some of the
same bytes to a place that nobody reads, so that the link is busy for as long as the slower one would be. The
computation sees nothing of it but later data. What it leaves out: the fixed cost of a copy does not grow, and condition
weights that are fetched from the host for each block come at full speed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from live_avatar.fast.transfers import Slot, Transfers, transfers_of

_SCRATCH_BYTES = 32 * 2**20

Parts = Iterable[tuple[Tensor, Tensor]]


@contextmanager
def slow_link(factor: float) -> Iterator[None]:
    """Stores made inside copy as if the link were ``factor`` times slower (1 changes nothing)."""
    if factor < 1:
        raise ValueError(f"a link cannot be made {1 / factor:.2f} times faster")

    class Slowed(_SlowTransfers):
        extra = factor - 1

    with transfers_of(Slowed):
        yield


class _SlowTransfers(Transfers):
    """Copies that take longer.

    Attributes:
        extra: bytes copied in vain for each real one.
    """

    extra = 0.0

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._there = torch.empty(_SCRATCH_BYTES, dtype=torch.uint8, device=device)
        self._here = torch.empty(_SCRATCH_BYTES, dtype=torch.uint8, pin_memory=device.type == "cuda")

    def fill(self, slot: Slot, content: Hashable, parts: Parts, after: torch.cuda.Event | None = None) -> None:
        """As :meth:`Transfers.fill`."""
        super().fill(slot, content, self._lengthened(parts, self._there), after)

    def drain(self, parts: Parts, slot: Slot | None = None) -> torch.cuda.Event | None:
        """As :meth:`Transfers.drain`."""
        return super().drain(self._lengthened(parts, self._here), slot)

    def _lengthened(self, parts: Parts, scratch: Tensor) -> list[tuple[Tensor, Tensor]]:
        found = []
        for target, source in parts:
            found.append((target, source))
            data = source.reshape(-1).view(torch.uint8)
            left = int(len(data) * self.extra)
            while left > 0:
                size = min(left, len(data), len(scratch))
                found.append((scratch[:size], data[:size]))
                left -= size
        return found
