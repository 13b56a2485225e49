"""What the fast decoder does to activations between two convolutions, here in plain PyTorch on any device.

:mod:`live_avatar.vae.fast_kernels` does the same in one kernel per call. Activations are [frames, height, width,
channels] in memory, one row of channels per pixel; they are read once and written once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor

from live_avatar.vae.norm import SMALLEST_NORM
from live_avatar.vae.timeline import CONTEXT

TAPS = CONTEXT + 1
COLOURS = 3

# How the values lie in ``Unfinished.source``: as they are; four phases of an enlarged picture side by side,
# [T, h+1, w+1, 4C]; two frames side by side, [T/2, h, w, 2C].
Arrangement = Literal["plain", "phases", "pairs"]
# What the next operation reads: the rows alone, [T,H,W,C]; with two context frames before them, [2+T,H,W,C]; or every
# row with the two before it in time beside it, [T,H,W,3C].
ConvolutionInput = Literal["rows", "stacked", "folded"]


@dataclass(slots=True)
class Unfinished:
    """A sum that the next operation completes while it reads it.

    Attributes:
        source: what a convolution gave, without its bias.
        bias: float32 [C], [2C] for pairs, or ``None``.
        residual: [T,H,W,C] to add, or ``None``.
        arrangement: how ``source`` lies.
    """

    source: Tensor
    bias: Tensor | None = None
    residual: Tensor | None = None
    arrangement: Arrangement = "plain"

    def release(self) -> None:
        """Let go of the memory: the sum was completed, but a caller's frame may hold this object for a while yet."""
        self.source, self.residual = self.source.new_empty(0), None

    def shape(self) -> tuple[int, int, int, int]:
        """(frames, height, width, channels) of the sum."""
        frames, height, width, channels = self.source.shape
        if self.arrangement == "phases":
            return frames, 2 * (height - 1), 2 * (width - 1), channels // 4
        if self.arrangement == "pairs":
            return 2 * frames, height, width, channels // 2
        return frames, height, width, channels


@dataclass(slots=True)
class Step:
    """What becomes of the sum.

    Attributes:
        keep: whether the sum itself is wanted; it takes the place of the residual, if there is one.
        gamma: float32 [C], scale of the RMS norm, or ``None`` for no norm.
        silu: whether SiLU follows the norm.
        target: what is written of the result, or ``None``.
        cache: [2,H,W,C], the last two rows in time before these, read and replaced by the last two of these; needed
            for the targets with context.
    """

    keep: bool = False
    gamma: Tensor | None = None
    silu: bool = False
    target: ConvolutionInput | None = None
    cache: Tensor | None = None


class Finished(NamedTuple):
    """The sum [T,H,W,C], and the next operation's input; ``None`` where not asked for."""

    kept: Tensor | None
    target: Tensor | None


class Rows(Protocol):
    """The operations between convolutions."""

    def finish(self, unfinished: Unfinished, step: Step) -> Finished:
        """Complete a sum, keep it, normalise it, and write the next operation's input behind its context."""

    def pictures(self, partial: Tensor, bias: Tensor, taps: int, frames: Tensor, values: Tensor) -> None:
        """Finish the last convolution.

        Args:
            partial: [taps-1+T, H, W, >= 3 * taps]; channel 3k+o holds what tap k gives to colour o. Its frames are
                added along the taps.
            bias: float32 [3].
            frames: uint8 [T,H,W,3], written: 0..255 for -1..1, cut off, truncated (spec 7.7).
            values: float32 [3,T,H,W], written: not cut off; may be a slice of a longer video.
        """


class PlainRows:
    """:class:`Rows` in PyTorch operations, arithmetic in float32."""

    def finish(self, unfinished: Unfinished, step: Step) -> Finished:
        """See :class:`Rows`."""
        dtype = unfinished.source.dtype
        total = _spread(unfinished)
        kept: Tensor | None = None
        if step.keep:
            kept = total.to(dtype) if unfinished.residual is None else unfinished.residual.copy_(total)
        if step.target is None:
            return Finished(kept, None)
        if step.gamma is not None:
            norm = torch.linalg.vector_norm(total, dim=-1, keepdim=True).clamp_min(SMALLEST_NORM)
            total = total * (math.sqrt(total.shape[-1]) / norm) * step.gamma
        if step.silu:
            total = functional.silu(total)
        rows = total.to(dtype)
        if step.target == "rows":
            return Finished(kept, rows.contiguous())
        assert step.cache is not None
        stacked = torch.cat([step.cache, rows])
        step.cache.copy_(stacked[-CONTEXT:])
        if step.target == "stacked":
            return Finished(kept, stacked)
        frames = len(rows)
        return Finished(kept, torch.cat([stacked[tap : tap + frames] for tap in range(TAPS)], dim=-1))

    def pictures(self, partial: Tensor, bias: Tensor, taps: int, frames: Tensor, values: Tensor) -> None:
        """See :class:`Rows`."""
        count = len(frames)
        total = bias.expand(*frames.shape).clone()
        for tap in range(taps):
            total += partial[tap : tap + count, ..., COLOURS * tap : COLOURS * (tap + 1)]
        values.copy_(total.permute(3, 0, 1, 2))
        frames.copy_(((total.clamp(-1.0, 1.0) + 1.0) / 2.0 * 255.0).to(torch.uint8))


def _spread(unfinished: Unfinished) -> Tensor:
    """The sum in float32, [T,H,W,C]."""
    frames, height, width, channels = unfinished.shape()
    source = unfinished.source.float()
    bias = unfinished.bias
    if unfinished.arrangement == "pairs":
        # The bias is that of both frames side by side.
        pairs = source if bias is None else source + bias
        halves = pairs.view(frames // 2, height, width, 2, channels)
        source = halves.permute(0, 3, 1, 2, 4).reshape(frames, height, width, channels)
        bias = None
    if unfinished.arrangement == "phases":
        phases = source.unflatten(-1, (2, 2, channels))
        spread = source.new_empty(frames, height, width, channels)
        for down in range(2):
            for right in range(2):
                window = phases[:, down : down + height // 2, right : right + width // 2, down, right]
                spread[:, down::2, right::2] = window
        source = spread
    if bias is not None:
        source = source + bias
    return source if unfinished.residual is None else source + unfinished.residual.float()
