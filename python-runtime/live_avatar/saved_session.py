"""A session as plain tensors and integers, between a session and a file."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class SlicedTensor:
    """A tensor that nobody holds as a whole: it comes slice by slice from whoever has them, so few are here at once.

    Attributes:
        shape, dtype: of the whole.
        slices: begins to give them, on any device: each contiguous, all of them one after the other in the order of
            a contiguous whole. Close it if it is given up before its end.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    slices: Callable[[], Generator[Tensor]]


@dataclass(slots=True)
class SavedSession:
    """All that a session needs to go on; restoring it continues bit for bit.

    Attributes:
        flight_steps: next step of every block that is begun and not made, the first of them ``block``; their number
            for a block that has taken all.
        slices: further tensors, which other ranks hold. One that was read from a file has none.
    """

    tensors: dict[str, Tensor]
    block: int
    prefilled_prompt: str
    anchored: bool = field(default=False)
    flight_steps: tuple[int, ...] = ()
    slices: dict[str, SlicedTensor] = field(default_factory=dict)
