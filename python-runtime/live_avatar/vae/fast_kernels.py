"""The row operations of the fast decoder as Triton kernels. Importing this needs triton.

A program handles some pixels of one picture row in one frame, so that frame and row are single numbers, addresses are
plain sums, and the channels of a pixel are seen to lie side by side: that keeps loads and stores 16 bytes wide.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl
from torch import Tensor

from live_avatar.prebuilt_triton import use_prebuilt_module
from live_avatar.vae.fast_rows import TAPS, Finished, Step, Unfinished
from live_avatar.vae.norm import SMALLEST_NORM
from live_avatar.vae.timeline import CONTEXT

use_prebuilt_module()

_SMALLEST_NORM = tl.constexpr(SMALLEST_NORM)
_PLAIN, _PHASES, _PAIRS = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
_NOTHING, _ROWS, _STACKED, _FOLDED = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2), tl.constexpr(3)
_ARRANGEMENTS = {"plain": _PLAIN.value, "phases": _PHASES.value, "pairs": _PAIRS.value}
_TARGETS = {None: _NOTHING.value, "rows": _ROWS.value, "stacked": _STACKED.value, "folded": _FOLDED.value}

# Addresses within a frame are 32-bit numbers; frames are told apart by 64-bit ones.
_LARGEST_OFFSET = 2**31 - 1
# Pixels of one program of the last kernel.
_PICTURE_TILE = 256


@triton.jit  # type: ignore[untyped-decorator]
def _place(  # type: ignore[no-untyped-def]
    rows, inside, target, index, frames, pixels, pixel, column, C: tl.constexpr, FOLDED: tl.constexpr
):
    """Write rows that stand at ``index`` in time, counted from the first context frame, where a convolution reads."""
    if FOLDED:
        for tap in tl.static_range(3):
            frame = index - tap
            start = target + frame.to(tl.int64) * pixels * (3 * C) + tap * C
            seen = inside & (frame >= 0) & (frame < frames)
            tl.store(start + (pixel[:, None] * (3 * C) + column[None, :]), rows, mask=seen)
    else:
        start = target + index.to(tl.int64) * pixels * C
        tl.store(start + (pixel[:, None] * C + column[None, :]), rows, mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def finish_kernel(  # type: ignore[no-untyped-def]
    source,
    bias,
    residual,
    kept,
    gamma,
    target,
    cache,
    frames,
    height,
    width,
    root,
    C: tl.constexpr,
    BLOCK_C: tl.constexpr,
    TILE: tl.constexpr,
    ARRANGEMENT: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    KEEP: tl.constexpr,
    NORM: tl.constexpr,
    SILU: tl.constexpr,
    TARGET: tl.constexpr,
    ONE_FRAME: tl.constexpr,
):
    """See :meth:`live_avatar.vae.fast_rows.Rows.finish`; grid (tiles of a picture row, height, frames)."""
    x = tl.program_id(0) * TILE + tl.arange(0, TILE)
    y = tl.program_id(1)
    frame = tl.program_id(2)
    column = tl.arange(0, BLOCK_C)
    inside = (x < width)[:, None] & (column < C)[None, :]
    pixels = height * width
    pixel = y * width + x
    within = pixel[:, None] * C + column[None, :]
    plane = frame.to(tl.int64) * pixels * C

    if ARRANGEMENT == _PHASES:
        # Height and width of the source's grid are one more than half of the picture's.
        down, across = y % 2, width // 2 + 1
        line = (frame.to(tl.int64) * (height // 2 + 1) + y // 2 + down) * across * (4 * C) + down * (2 * C)
        right = x % 2
        place = ((x // 2 + right) * 4 + right)[:, None] * C + column[None, :]
        rows = tl.load(source + line + place, mask=inside, other=0.0).to(tl.float32)
    elif ARRANGEMENT == _PAIRS:
        half = (frame % 2) * C
        line = (frame // 2).to(tl.int64) * pixels * (2 * C) + half
        place = pixel[:, None] * (2 * C) + column[None, :]
        rows = tl.load(source + line + place, mask=inside, other=0.0).to(tl.float32)
    else:
        rows = tl.load(source + plane + within, mask=inside, other=0.0).to(tl.float32)
    if HAS_BIAS:
        if ARRANGEMENT == _PAIRS:
            bias += (frame % 2) * C
        rows += tl.load(bias + column, mask=column < C, other=0.0)[None, :]
    if HAS_RESIDUAL:
        rows += tl.load(residual + plane + within, mask=inside, other=0.0).to(tl.float32)
    if KEEP:
        tl.store(kept + plane + within, rows.to(kept.dtype.element_ty), mask=inside)

    if TARGET != _NOTHING:
        if NORM:
            norm = tl.sqrt(tl.sum(rows * rows, axis=1))
            rows *= (root / tl.maximum(norm, _SMALLEST_NORM))[:, None]
            rows *= tl.load(gamma + column, mask=column < C, other=0.0)[None, :]
        if SILU:
            rows = rows / (1.0 + tl.exp(-rows))
        written = rows.to(target.dtype.element_ty)
        if TARGET == _ROWS:
            tl.store(target + plane + within, written, mask=inside)
        else:
            _place(written, inside, target, frame + 2, frames, pixels, pixel, column, C, TARGET == _FOLDED)
            # The program that writes the new context of a pixel has read the old one: no other program needs it.
            if ONE_FRAME:
                older = tl.load(cache + within, mask=inside)
                newer = tl.load(cache + pixels * C + within, mask=inside)
                _place(older, inside, target, frame, frames, pixels, pixel, column, C, TARGET == _FOLDED)
                _place(newer, inside, target, frame + 1, frames, pixels, pixel, column, C, TARGET == _FOLDED)
                tl.debug_barrier()
                tl.store(cache + within, newer, mask=inside)
                tl.store(cache + pixels * C + within, written, mask=inside)
            else:
                slot = frame - (frames - 2)
                if slot >= 0:
                    context = cache + slot.to(tl.int64) * pixels * C + within
                    old = tl.load(context, mask=inside)
                    _place(old, inside, target, slot, frames, pixels, pixel, column, C, TARGET == _FOLDED)
                    tl.debug_barrier()
                    tl.store(context, written, mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def pictures_kernel(  # type: ignore[no-untyped-def]
    partial,
    bias,
    bytes_out,
    values,
    pixels,
    colour_stride,
    CHANNELS: tl.constexpr,
    STEPS: tl.constexpr,
    TILE: tl.constexpr,
):
    """See :meth:`live_avatar.vae.fast_rows.Rows.pictures`; grid (tiles of a frame, frames)."""
    pixel = tl.program_id(0) * TILE + tl.arange(0, TILE)
    frame = tl.program_id(1).to(tl.int64)
    inside = pixel < pixels
    for colour in tl.static_range(3):
        total = tl.zeros([TILE], tl.float32) + tl.load(bias + colour)
        for tap in tl.static_range(STEPS):
            start = partial + (frame + tap) * pixels * CHANNELS + (3 * tap + colour)
            total += tl.load(start + pixel * CHANNELS, mask=inside, other=0.0).to(tl.float32)
        tl.store(values + frame * pixels + colour * colour_stride + pixel, total, mask=inside)
        # The order of operations is that of the plain conversion, so that both truncate alike.
        scaled = (tl.minimum(tl.maximum(total, -1.0), 1.0) + 1.0) * 0.5 * 255.0
        tl.store(bytes_out + frame * pixels * 3 + pixel * 3 + colour, scaled.to(tl.uint8), mask=inside)


class FusedRows:
    """:class:`live_avatar.vae.fast_rows.Rows`, each operation one kernel.

    Args:
        tile: numbers that one program holds; more than a warp's lanes take at once, since replicated lanes would race
            when the sum takes its residual's place.
        warps: of a program.
    """

    def __init__(self, tile: int = 4096, warps: int = 4) -> None:
        self.tile = tile
        self.warps = warps

    def finish(self, unfinished: Unfinished, step: Step) -> Finished:
        """Complete, keep, normalise, write."""
        shape = frames, height, width, channels = unfinished.shape()
        if TAPS * height * width * channels > _LARGEST_OFFSET:
            raise ValueError(f"{width}x{height} pixels of {channels} channels are beyond the kernels' addresses")
        source, residual = unfinished.source, unfinished.residual
        kept: Tensor | None = None
        if step.keep:
            kept = source.new_empty(shape) if residual is None else residual
        target: Tensor | None = None
        if step.target == "rows":
            target = source.new_empty(shape)
        elif step.target == "stacked":
            target = source.new_empty(CONTEXT + frames, height, width, channels)
        elif step.target == "folded":
            target = source.new_empty(frames, height, width, TAPS * channels)
        block = triton.next_power_of_2(channels)
        rows = max(1, self.tile // block)
        finish_kernel[(triton.cdiv(width, rows), height, frames)](
            source,
            _or(unfinished.bias, source),
            _or(residual, source),
            _or(kept, source),
            _or(step.gamma, source),
            _or(target, source),
            _or(step.cache, source),
            frames,
            height,
            width,
            math.sqrt(channels),
            C=channels,
            BLOCK_C=block,
            TILE=rows,
            ARRANGEMENT=_ARRANGEMENTS[unfinished.arrangement],
            HAS_BIAS=unfinished.bias is not None,
            HAS_RESIDUAL=residual is not None,
            KEEP=step.keep,
            NORM=step.gamma is not None,
            SILU=step.silu,
            TARGET=_TARGETS[step.target],
            ONE_FRAME=frames == 1,
            num_warps=self.warps,
        )
        return Finished(kept, target)

    def pictures(self, partial: Tensor, bias: Tensor, taps: int, frames: Tensor, values: Tensor) -> None:
        """Add the taps, convert."""
        count, height, width, _ = frames.shape
        pixels = height * width
        pictures_kernel[(triton.cdiv(pixels, _PICTURE_TILE), count)](
            partial,
            bias,
            frames,
            values,
            pixels,
            values.stride(0),
            CHANNELS=partial.shape[-1],
            STEPS=taps,
            TILE=_PICTURE_TILE,
            num_warps=self.warps,
        )


def _or(tensor: Tensor | None, other: Tensor) -> Tensor:
    """A kernel takes a pointer for what it does not read, too."""
    return other if tensor is None else tensor
