"""The row operations of the flat pass as Triton kernels: one program a row, the row held in registers, read once."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from live_avatar.fast.products import RowValues
from live_avatar.fast.row_operations import Affine, StoredWindow, Update
from live_avatar.prebuilt_triton import use_prebuilt_module

use_prebuilt_module()

_E4M3_MAX = tl.constexpr(448.0)
_SMALLEST_AMPLITUDE = tl.constexpr(1e-12)


@triton.jit  # type: ignore[untyped-decorator]
def _write_row(values, valid, columns, row, width, target, scales, FLOAT8: tl.constexpr):  # type: ignore[no-untyped-def]
    """Write one row, as e4m3 with its own scale or as it is."""
    place = target + row.to(tl.int64) * width + columns
    if FLOAT8:
        # What lies beyond the row is zero, so it is never the largest.
        amplitude = tl.maximum(tl.max(tl.abs(values), axis=0), _SMALLEST_AMPLITUDE)
        tl.store(scales + row, amplitude / _E4M3_MAX)
        codes = tl.minimum(tl.maximum(values * (_E4M3_MAX / amplitude), -_E4M3_MAX), _E4M3_MAX)
        tl.store(place, codes.to(target.dtype.element_ty), mask=valid)
    else:
        tl.store(place, values.to(target.dtype.element_ty), mask=valid)


@triton.jit  # type: ignore[untyped-decorator]
def _norm_kernel(  # type: ignore[no-untyped-def]
    residual,
    update,
    gate,
    factor,
    shift,
    target,
    scales,
    width,
    gate_rows,
    affine_rows,
    eps,
    HAS_UPDATE: tl.constexpr,
    HAS_GATE: tl.constexpr,
    FLOAT8: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    valid = columns < width
    start = row.to(tl.int64) * width
    values = tl.load(residual + start + columns, mask=valid, other=0.0).to(tl.float32)
    if HAS_UPDATE:
        added = tl.load(update + start + columns, mask=valid, other=0.0).to(tl.float32)
        if HAS_GATE:
            added *= tl.load(gate + (row // gate_rows) * width + columns, mask=valid, other=0.0)
        kept = (values + added).to(residual.dtype.element_ty)
        tl.store(residual + start + columns, kept, mask=valid)
        # The next reader sees the stored value; so does this norm.
        values = kept.to(tl.float32)
    mean = tl.sum(values, axis=0) / width
    centred = tl.where(valid, values - mean, 0.0)
    normed = centred * tl.rsqrt(tl.sum(centred * centred, axis=0) / width + eps)
    table = (row // affine_rows) * width + columns
    normed = normed * tl.load(factor + table, mask=valid, other=0.0) + tl.load(shift + table, mask=valid, other=0.0)
    _write_row(normed, valid, columns, row, width, target, scales, FLOAT8)


@triton.jit  # type: ignore[untyped-decorator]
def _gelu_kernel(values, target, scales, width, FLOAT8: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    valid = columns < width
    x = tl.load(values + row.to(tl.int64) * width + columns, mask=valid, other=0.0).to(tl.float32)
    # (1 + tanh(y)) / 2 is the logistic function of 2 y.
    doubled = x * (1.5957691216057308 + 0.07135481282721524 * x * x)
    _write_row(x * tl.sigmoid(doubled), valid, columns, row, width, target, scales, FLOAT8)


@triton.jit  # type: ignore[untyped-decorator]
def _rows_kernel(values, target, scales, width, FLOAT8: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    valid = columns < width
    x = tl.load(values + row.to(tl.int64) * width + columns, mask=valid, other=0.0).to(tl.float32)
    _write_row(x, valid, columns, row, width, target, scales, FLOAT8)


@triton.jit  # type: ignore[untyped-decorator]
def _rms_kernel(values, weight, target, width, eps, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    valid = columns < width
    start = row.to(tl.int64) * width
    x = tl.load(values + start + columns, mask=valid, other=0.0).to(tl.float32)
    normed = x * tl.rsqrt(tl.sum(x * x, axis=0) / width + eps)
    normed *= tl.load(weight + columns, mask=valid, other=0.0).to(tl.float32)
    tl.store(target + start + columns, normed.to(target.dtype.element_ty), mask=valid)


@triton.jit  # type: ignore[untyped-decorator]
def _saturated(values, FLOAT8: tl.constexpr):  # type: ignore[no-untyped-def]
    if FLOAT8:
        values = tl.minimum(tl.maximum(values, -_E4M3_MAX), _E4M3_MAX)
    return values


@triton.jit
def _normed_halves(source, weight, lanes, half, valid, width, eps):  # type: ignore[no-untyped-def]
    """Both members of every pair of one row's heads, RMS normed over the whole row."""
    a = tl.load(source + lanes, mask=valid, other=0.0).to(tl.float32)
    b = tl.load(source + lanes + half, mask=valid, other=0.0).to(tl.float32)
    inverse = tl.rsqrt(tl.sum(a * a + b * b, axis=0) / width + eps)
    a *= inverse * tl.load(weight + lanes, mask=valid, other=0.0).to(tl.float32)
    b *= inverse * tl.load(weight + lanes + half, mask=valid, other=0.0).to(tl.float32)
    return a, b


@triton.jit  # type: ignore[untyped-decorator]
def _write_pair(target, a, b, half, valid, FLOAT8: tl.constexpr):  # type: ignore[no-untyped-def]
    kind = target.dtype.element_ty
    tl.store(target, _saturated(a, FLOAT8).to(kind), mask=valid)
    tl.store(target + half, _saturated(b, FLOAT8).to(kind), mask=valid)


@triton.jit  # type: ignore[untyped-decorator]
def _store_kernel(  # type: ignore[no-untyped-def]
    qkv,
    query_weight,
    key_weight,
    table,
    index,
    value_scale,
    query,
    key_cache,
    value_cache,
    width,
    tokens,
    batch_stride,
    eps,
    HALF: tl.constexpr,
    QUERY_FLOAT8: tl.constexpr,
    CACHE_FLOAT8: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    lanes = tl.arange(0, BLOCK)
    valid = lanes < width // 2
    pair = lanes % HALF
    first = (lanes // HALF) * (2 * HALF) + pair
    source = qkv + row.to(tl.int64) * (3 * width)
    angle = table + (row.to(tl.int64) * HALF + pair) * 2
    cos = tl.load(angle, mask=valid, other=0.0)
    sin = tl.load(angle + 1, mask=valid, other=0.0)
    place = (row // tokens).to(tl.int64) * batch_stride + tl.load(index + row) * width + first

    a, b = _normed_halves(source, query_weight, first, HALF, valid, width, eps)
    target = query + row.to(tl.int64) * width + first
    _write_pair(target, a * cos - b * sin, a * sin + b * cos, HALF, valid, QUERY_FLOAT8)

    a, b = _normed_halves(source + width, key_weight, first, HALF, valid, width, eps)
    _write_pair(key_cache + place, a * cos - b * sin, a * sin + b * cos, HALF, valid, CACHE_FLOAT8)

    inverse = 1.0 / tl.load(value_scale)
    a = tl.load(source + 2 * width + first, mask=valid, other=0.0).to(tl.float32) * inverse
    b = tl.load(source + 2 * width + first + HALF, mask=valid, other=0.0).to(tl.float32) * inverse
    _write_pair(value_cache + place, a, b, HALF, valid, CACHE_FLOAT8)


@triton.jit  # type: ignore[untyped-decorator]
def _place_kernel(  # type: ignore[no-untyped-def]
    source,
    table,
    target,
    width,
    tokens,
    layers,
    batch_stride,
    layer_stride,
    HALF: tl.constexpr,
    FLOAT8: tl.constexpr,
    BLOCK: tl.constexpr,
):
    program = tl.program_id(0)
    token = program % tokens
    layer = (program // tokens) % layers
    sample = program // (tokens * layers)
    lanes = tl.arange(0, BLOCK)
    valid = lanes < width // 2
    pair = lanes % HALF
    first = (lanes // HALF) * (2 * HALF) + pair
    angle = table + ((sample * tokens + token).to(tl.int64) * HALF + pair) * 2
    cos = tl.load(angle, mask=valid, other=0.0)
    sin = tl.load(angle + 1, mask=valid, other=0.0)
    read = source + (layer * tokens + token).to(tl.int64) * width + first
    a = tl.load(read, mask=valid, other=0.0).to(tl.float32)
    b = tl.load(read + HALF, mask=valid, other=0.0).to(tl.float32)
    place = target + sample.to(tl.int64) * batch_stride + layer.to(tl.int64) * layer_stride + token * width + first
    kind = target.dtype.element_ty
    tl.store(place, _saturated(a * cos - b * sin, FLOAT8).to(kind), mask=valid)
    tl.store(place + HALF, _saturated(a * sin + b * cos, FLOAT8).to(kind), mask=valid)


class FusedRows:
    """The operations of :class:`live_avatar.fast.row_operations.RowOperations`, each one kernel.

    Args:
        dtype: of unquantised rows.
        float8: whether products get e4m3 rows.
    """

    def __init__(self, dtype: torch.dtype, *, float8: bool) -> None:
        self.dtype = dtype
        self.float8 = float8

    def norm(self, residual: Tensor, update: Update | None, affine: Affine, eps: float) -> RowValues:
        """Add, layer norm, affine, quantise."""
        rows, width = residual.shape
        target, scales = self._target(residual)
        gate = None if update is None or update.gate is None else update.gate.contiguous()
        factor, shift = affine.factor.contiguous(), affine.shift.contiguous()
        gate_rows, affine_rows = rows if gate is None else rows // len(gate), rows // len(factor)
        _norm_kernel[(rows,)](
            residual,
            residual if update is None else update.values.contiguous(),
            factor if gate is None else gate,
            factor,
            shift,
            target,
            target if scales is None else scales,
            width,
            gate_rows,
            affine_rows,
            eps,
            HAS_UPDATE=update is not None,
            HAS_GATE=gate is not None,
            FLOAT8=self.float8,
            BLOCK=triton.next_power_of_2(width),
            num_warps=_warps(width),
        )
        return RowValues(target, scales)

    def gelu(self, values: Tensor) -> RowValues:
        """tanh-GELU, quantise."""
        return self._row_by_row(_gelu_kernel, values)

    def rows(self, values: Tensor) -> RowValues:
        """Quantise."""
        if not self.float8 and values.dtype == self.dtype:
            return RowValues(values)
        return self._row_by_row(_rows_kernel, values)

    def rms(self, values: Tensor, weight: Tensor, eps: float) -> Tensor:
        """RMS norm over the full width."""
        rows, width = values.shape
        target = torch.empty(rows, width, dtype=self.dtype, device=values.device)
        block = triton.next_power_of_2(width)
        _rms_kernel[(rows,)](values, weight, target, width, eps, BLOCK=block, num_warps=_warps(width))
        return target

    def store(
        self,
        qkv: Tensor,
        query_weight: Tensor,
        key_weight: Tensor,
        eps: float,
        table: Tensor,
        window: StoredWindow,
        query_dtype: torch.dtype,
    ) -> Tensor:
        """Norms, rotation and cache write."""
        batch, tokens = table.shape[:2]
        heads, head_dim = window.key.shape[2:]
        width = heads * head_dim
        query = torch.empty(batch, tokens, heads, head_dim, dtype=query_dtype, device=qkv.device)
        _store_kernel[(batch * tokens,)](
            qkv,
            query_weight,
            key_weight,
            table,
            window.index,
            window.value_scale,
            query,
            window.key,
            window.value,
            width,
            tokens,
            window.key.stride(0),
            eps,
            HALF=head_dim // 2,
            QUERY_FLOAT8=query_dtype == torch.float8_e4m3fn,
            CACHE_FLOAT8=window.key.dtype == torch.float8_e4m3fn,
            BLOCK=triton.next_power_of_2(width // 2),
            num_warps=_warps(width),
        )
        return query

    def place(self, source: Tensor, table: Tensor, target: Tensor) -> None:
        """Rotate the reference keys of all layers into the cache."""
        layers, tokens, heads, head_dim = source.shape
        width = heads * head_dim
        _place_kernel[(len(table) * layers * tokens,)](
            source,
            table,
            target,
            width,
            tokens,
            layers,
            target.stride(0),
            target.stride(1),
            HALF=head_dim // 2,
            FLOAT8=target.dtype == torch.float8_e4m3fn,
            BLOCK=triton.next_power_of_2(width // 2),
            num_warps=_warps(width),
        )

    def _row_by_row(self, kernel: triton.JITFunction, values: Tensor) -> RowValues:
        rows, width = values.shape
        target, scales = self._target(values)
        block = triton.next_power_of_2(width)
        kernel[(rows,)](
            values,
            target,
            target if scales is None else scales,
            width,
            FLOAT8=self.float8,
            BLOCK=block,
            num_warps=_warps(width),
        )
        return RowValues(target, scales)

    def _target(self, like: Tensor) -> tuple[Tensor, Tensor | None]:
        """Room for the rows of ``like`` and, for e4m3, their scales."""
        dtype = torch.float8_e4m3fn if self.float8 else self.dtype
        target = torch.empty(like.shape, dtype=dtype, device=like.device)
        return target, torch.empty(len(like), 1, device=like.device) if self.float8 else None


def _warps(width: int) -> int:
    """Warps a row: measured best for 5,120 and 13,824 columns, fewer for the small models' rows."""
    if width > 8192:
        return 16
    return 8 if width > 1024 else 4
