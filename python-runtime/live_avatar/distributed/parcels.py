"""What travels as one message: a few tensors in one run of bytes, so that a hand-over is one transfer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Copies and kernels like their tensors to begin at such multiples.
_ALIGNMENT = 256


@dataclass(frozen=True, slots=True)
class ParcelLayout:
    """Shapes and dtypes of the tensors in a parcel, in order."""

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype, ...]

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> ParcelLayout:
        """The layout that holds tensors like these."""
        return cls(tuple(tuple(tensor.shape) for tensor in tensors), tuple(tensor.dtype for tensor in tensors))

    @property
    def bytes(self) -> int:
        """Size of a parcel."""
        return sum(_aligned(size) for size in self._sizes())

    def views(self, buffer: Tensor) -> tuple[Tensor, ...]:
        """The tensors in ``buffer`` uint8 [at least ``bytes``]."""
        views, start = [], 0
        for shape, dtype, size in zip(self.shapes, self.dtypes, self._sizes(), strict=True):
            views.append(buffer[start : start + size].view(dtype).view(shape))
            start += _aligned(size)
        return tuple(views)

    def _sizes(self) -> list[int]:
        pairs = zip(self.shapes, self.dtypes, strict=True)
        return [math.prod(shape) * torch.empty((), dtype=dtype).element_size() for shape, dtype in pairs]


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
