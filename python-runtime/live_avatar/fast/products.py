"""Matrix products of the flat pass: weights with a scale per output channel, activations with a scale per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as functional
from torch import Tensor

from live_avatar.numerics import FIRST_FLOAT8_CAPABILITY

E4M3_MAX = 448.0
_SMALLEST_AMPLITUDE = 1e-12
_ROW_MULTIPLE = 16

WeightFormat = Literal["float8", "bfloat16", "float32"]


@dataclass(slots=True)
class RowValues:
    """Activations as a product takes them.

    Attributes:
        values: [M, K], float8_e4m3fn with ``scale``, or a wider type without.
        scale: [M, 1] float32; ``values.float() * scale`` is meant.
    """

    values: Tensor
    scale: Tensor | None = None

    def wide(self, dtype: torch.dtype) -> Tensor:
        """The meant values [M, K] in ``dtype``."""
        if self.scale is None:
            return self.values.to(dtype)
        return (self.values.float() * self.scale).to(dtype)


@dataclass(slots=True)
class Linear:
    """Weights of one product.

    Attributes:
        weight: [out, in], float8_e4m3fn with ``scale``, or a wider type without.
        scale: [1, out] float32, one factor per output channel.
        bias: [out] in the type of the product, or ``None``.
    """

    weight: Tensor
    scale: Tensor | None
    bias: Tensor | None

    def wide(self, dtype: torch.dtype) -> Tensor:
        """The meant weight [out, in] in ``dtype``."""
        if self.scale is None:
            return self.weight.to(dtype)
        return (self.weight.float() * self.scale.T).to(dtype)


def to_e4m3(values: Tensor) -> Tensor:
    """Cast to float8_e4m3fn; what is too large becomes the largest value, where torch would make it NaN."""
    return values.float().clamp(-E4M3_MAX, E4M3_MAX).to(torch.float8_e4m3fn)


def quantise_rows(values: Tensor) -> RowValues:
    """e4m3 codes of [M, K] with a scale per row, chosen so that the largest of each row is 448."""
    wide = values.float()
    scale = wide.abs().amax(-1, keepdim=True).clamp_min(_SMALLEST_AMPLITUDE) / E4M3_MAX
    return RowValues(to_e4m3(wide / scale), scale)


def make_linear(weight: Tensor, bias: Tensor | None, form: WeightFormat) -> Linear:
    """Weights [out, in] and bias [out] in the wanted form, on the device they are on."""
    if form == "float8":
        rows = quantise_rows(weight)
        assert rows.scale is not None
        return Linear(rows.values, rows.scale.T.contiguous(), None if bias is None else bias.to(torch.bfloat16))
    dtype = torch.bfloat16 if form == "bfloat16" else torch.float32
    return Linear(weight.to(dtype), None, None if bias is None else bias.to(dtype))


def multiplies_float8(device: torch.device) -> bool:
    """Whether the device forms products of e4m3 operands itself."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= FIRST_FLOAT8_CAPABILITY


def product(rows: RowValues, linear: Linear, dtype: torch.dtype) -> Tensor:
    """``rows`` times the transposed weight, plus the bias: [M, out] in ``dtype``.

    Both e4m3: on the tensor cores. Else the weight is widened to ``dtype`` for this product.
    """
    if rows.scale is not None and linear.scale is not None and multiplies_float8(rows.values.device):
        return _float8_product(rows.values, rows.scale, linear.weight, linear.scale, linear.bias, dtype)
    bias = None if linear.bias is None else linear.bias.to(dtype)
    return functional.linear(rows.wide(dtype), linear.wide(dtype), bias)


def _float8_product(
    codes: Tensor, scale: Tensor, weight: Tensor, weight_scale: Tensor, bias: Tensor | None, dtype: torch.dtype
) -> Tensor:
    rows = codes.shape[0]
    short = -rows % _ROW_MULTIPLE
    if short:
        codes = functional.pad(codes.view(torch.uint8), (0, 0, 0, short)).view(torch.float8_e4m3fn)
        scale = functional.pad(scale, (0, 0, 0, short))
    result = torch._scaled_mm(
        codes,
        weight.T,
        scale_a=scale,
        scale_b=weight_scale,
        bias=bias,
        out_dtype=dtype,
        use_fast_accum=True,
    )
    return result[:rows] if short else result
