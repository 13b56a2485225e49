"""Per-tensor e4m3 quantisation of linear layers (spec section 1.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

E4M3_MAX = 448.0
_SMALLEST_AMPLITUDE = 1e-12


@dataclass(frozen=True, slots=True)
class QuantisedTensor:
    """e4m3 codes and the factor that undoes their scaling.

    Attributes:
        codes: float8_e4m3fn, the shape of the source.
        scale: 0-dim float32; ``codes.float() * scale`` is the value.
    """

    codes: Tensor
    scale: Tensor


def quantise(values: Tensor) -> QuantisedTensor:
    """Quantise with one scale for the whole tensor.

    The product with the scale is formed in the dtype of ``values``: bfloat16 input is rounded to bfloat16 before the
    e4m3 cast, as the published code does in eager mode.
    """
    amplitude = values.abs().amax().float().clamp_min(_SMALLEST_AMPLITUDE)
    factor = (E4M3_MAX / amplitude).clamp_max(E4M3_MAX)
    scaled = (values.float() * factor).to(values.dtype)
    codes = scaled.clamp(-E4M3_MAX, E4M3_MAX).to(torch.float8_e4m3fn)
    return QuantisedTensor(codes, factor.reciprocal())


def linear(values: QuantisedTensor, weight: QuantisedTensor, bias: Tensor) -> Tensor:
    """Reference product [rows, in] x [out, in]: exact sum of the codes, scaled, plus bias, rounded to bfloat16.

    Accumulates in float64, so it is the truth that a device kernel is compared with, not a fast path.
    """
    product = values.codes.double() @ weight.codes.double().T
    scaled = product * (values.scale.double() * weight.scale.double())
    return (scaled + bias.to(torch.bfloat16).double()).to(torch.bfloat16)
