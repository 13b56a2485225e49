"""What the flat pass does to rows of activations between its products; here in plain PyTorch, on any device.

:mod:`live_avatar.fast.row_kernels` does the same with one kernel each. Tables of factors have one row for every group
of equally many consecutive rows of activations (a sample, a latent frame); one row in all holds for every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor

from live_avatar.fast.products import RowValues, quantise_rows, to_e4m3


@dataclass(slots=True)
class Affine:
    """What follows a layer norm: ``normed * factor + shift``; both [G, D] float32."""

    factor: Tensor
    shift: Tensor


@dataclass(slots=True)
class Update:
    """An addition to the residual stream that the next norm performs.

    Attributes:
        values: [M, D], a product's result.
        gate: [G, D] float32 factors, or ``None`` for one.
    """

    values: Tensor
    gate: Tensor | None = None


@dataclass(slots=True)
class StoredWindow:
    """Where a pass writes its keys and values: views of a cache, one layer, the steps of the batch.

    Attributes:
        key, value: [B, S, heads, head_dim].
        index: int64 [B, T] rows to write.
        value_scale: float32 scalar tensor; stored values are divided by it.
    """

    key: Tensor
    value: Tensor
    index: Tensor
    value_scale: Tensor


class RowOperations(Protocol):
    """Operations between products. ``float8`` asks for e4m3 with a scale per row, else rows come in ``dtype``."""

    dtype: torch.dtype
    float8: bool

    def norm(self, residual: Tensor, update: Update | None, affine: Affine, eps: float) -> RowValues:
        """Add ``update`` to ``residual`` [M, D] in place, then layer norm and affine."""

    def gelu(self, values: Tensor) -> RowValues:
        """tanh-GELU of [M, F]."""

    def rows(self, values: Tensor) -> RowValues:
        """[M, K] as a product takes it."""

    def rms(self, values: Tensor, weight: Tensor, eps: float) -> Tensor:
        """RMS norm over the full width of [M, D] times ``weight`` [D], in ``dtype``."""

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
        """RMS norm queries and keys, rotate them, and write keys and values into the cache.

        Args:
            qkv: [B * T, 3 * D]; pairs of each head of q and k lie half a head apart (:func:`rotate_split`).
            table: [B, T, head_dim / 2, 2] float32 (cos, sin).

        Returns:
            Rotated queries [B, T, heads, head_dim] in ``query_dtype``.
        """

    def place(self, source: Tensor, table: Tensor, target: Tensor) -> None:
        """Rotate the reference keys of all layers into their cache rows.

        Args:
            source: unrotated [layers, N, heads, head_dim].
            table: [B, N, head_dim / 2, 2] float32.
            target: view [B, layers, N, heads, head_dim] of the cache.
        """


class PlainRows:
    """The reference implementation.

    Args:
        dtype: of unquantised rows.
        float8: whether products get e4m3 rows.
    """

    def __init__(self, dtype: torch.dtype, *, float8: bool) -> None:
        self.dtype = dtype
        self.float8 = float8

    def norm(self, residual: Tensor, update: Update | None, affine: Affine, eps: float) -> RowValues:
        """See :class:`RowOperations`."""
        if update is not None:
            values = update.values.float()
            if update.gate is not None:
                values = values * _spread(update.gate, len(residual))
            residual.copy_(residual.float() + values)
        normed = functional.layer_norm(residual.float(), residual.shape[-1:], eps=eps)
        count = len(residual)
        return self._rows(torch.addcmul(_spread(affine.shift, count), normed, _spread(affine.factor, count)))

    def gelu(self, values: Tensor) -> RowValues:
        """See :class:`RowOperations`."""
        return self._rows(functional.gelu(values.float(), approximate="tanh"))

    def rows(self, values: Tensor) -> RowValues:
        """See :class:`RowOperations`."""
        return self._rows(values)

    def rms(self, values: Tensor, weight: Tensor, eps: float) -> Tensor:
        """See :class:`RowOperations`."""
        return rms_norm(values, weight, eps).to(self.dtype)

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
        """See :class:`RowOperations`."""
        batch, tokens = table.shape[:2]
        query, key, value = qkv.view(batch, tokens, 3, *window.key.shape[2:]).unbind(2)
        query = rotate_split(_heads_norm(query, query_weight, eps), table)
        key = rotate_split(_heads_norm(key, key_weight, eps), table)
        value = value.float() / window.value_scale
        for row in range(batch):
            index = window.index[row]
            _write(window.key[row], index, key[row])
            _write(window.value[row], index, value[row])
        return _cast(query, query_dtype)

    def place(self, source: Tensor, table: Tensor, target: Tensor) -> None:
        """See :class:`RowOperations`."""
        rotated = rotate_split(source.float(), table.unsqueeze(1))
        target.copy_(_cast(rotated, target.dtype))

    def _rows(self, values: Tensor) -> RowValues:
        return quantise_rows(values) if self.float8 else RowValues(values.to(self.dtype))


def rms_norm(values: Tensor, weight: Tensor, eps: float) -> Tensor:
    """RMS norm over the last axis of [..., D] times ``weight``, float32."""
    wide = values.float()
    return wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps) * weight.float()


def rotate_split(states: Tensor, table: Tensor) -> Tensor:
    """Rotate pairs (j, j + head_dim / 2) of each head.

    Args:
        states: [..., tokens, heads, head_dim].
        table: [..., tokens, head_dim / 2, 2] float32 (cos, sin).

    Returns:
        The same shape, float32.
    """
    first, second = states.float().chunk(2, dim=-1)
    cos, sin = table.unsqueeze(-3).unbind(-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def _heads_norm(states: Tensor, weight: Tensor, eps: float) -> Tensor:
    return rms_norm(states.flatten(-2), weight, eps).view(states.shape)


def _spread(table: Tensor, rows: int) -> Tensor:
    """A table [G, D] as a factor for ``rows`` rows."""
    return table if len(table) == 1 else table.repeat_interleave(rows // len(table), dim=0)


def _cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    return to_e4m3(values) if dtype == torch.float8_e4m3fn else values.to(dtype)


def _write(cache: Tensor, index: Tensor, rows: Tensor) -> None:
    """``cache[index] = rows``; e4m3 goes as bytes, for which torch has the operation on every device."""
    cast = _cast(rows, cache.dtype)
    if cast.dtype == torch.float8_e4m3fn:
        cache, cast = cache.view(torch.uint8), cast.view(torch.uint8)
    cache.index_copy_(0, index, cast)
