"""Many tensors in one flat buffer: what a transfer moves at once, and what a cache file holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

# Every tensor begins at a multiple of this: enough for the widest loads and for the operands of matrix products.
ALIGNMENT = 256
_SUM_COLUMNS = ALIGNMENT // torch.int64.itemsize
# An odd number without a pattern, below 2^63.
_MIX = 0x1E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class FlatEntry:
    """One tensor of a buffer; ``offset`` in bytes."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    offset: int

    @property
    def bytes(self) -> int:
        """Its size."""
        return math.prod(self.shape) * self.dtype.itemsize

    def view(self, buffer: Tensor) -> Tensor:
        """The tensor inside ``buffer``."""
        return buffer[self.offset : self.offset + self.bytes].view(self.dtype).view(self.shape)


@dataclass(frozen=True, slots=True)
class FlatLayout:
    """Where tensors lie in a buffer of ``bytes`` bytes (a multiple of :data:`ALIGNMENT`)."""

    entries: tuple[FlatEntry, ...]
    bytes: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> FlatLayout:
        """The layout of the given tensors, in their order."""
        entries, position = [], 0
        for name, tensor in tensors.items():
            entry = FlatEntry(name, tensor.dtype, tuple(tensor.shape), position)
            entries.append(entry)
            position += -(-entry.bytes // ALIGNMENT) * ALIGNMENT
        return cls(tuple(entries), position)

    def views(self, buffer: Tensor) -> dict[str, Tensor]:
        """The tensors of ``buffer``, uint8 [bytes], which they share their memory with."""
        return {entry.name: entry.view(buffer) for entry in self.entries}

    def pack(self, tensors: Mapping[str, Tensor], buffer: Tensor) -> None:
        """Copy tensors from any device into ``buffer``; the gaps between them become zeros."""
        end = 0
        for entry in self.entries:
            buffer[end : entry.offset].zero_()
            entry.view(buffer).copy_(tensors[entry.name])
            end = entry.offset + entry.bytes
        buffer[end:].zero_()


def content_sum(buffer: Tensor) -> Tensor:
    """A check sum of uint8 [bytes], ``bytes`` a multiple of :data:`ALIGNMENT`: 0-dim int64 on its device.

    The same on every device (integers modulo 2^64), at the speed of its memory. Every changed bit shows, and so do
    pieces that changed places; it is no protection against intent.
    """
    words = buffer.view(torch.int64).view(-1, _SUM_COLUMNS)
    # A word counts times an odd number, of its row, plus an even one, of its column: no bit of a change is lost.
    rows, columns = words.sum(1), words.sum(0)
    by_row = (rows * (2 * _numbers(rows) + 1)).sum()
    return by_row + (columns * (2 * _numbers(columns))).sum() * _MIX


def _numbers(like: Tensor) -> Tensor:
    return torch.arange(len(like), dtype=torch.int64, device=like.device)
