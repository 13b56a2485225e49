"""Linear layers whose weights are kept small, or away from the card, and made whole for each product."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from live_avatar.fast.products import quantise_rows

SmallForm = Literal["float8", "int8"]
_INT8_MAX = 127.0
_SMALLEST_AMPLITUDE = 1e-12


class WeightOnlyLinear(nn.Module):
    """``x W^T + b`` with one byte a weight and a scale per output channel; activations keep their precision.

    The codes are widened to the input's type (exact for 8 bits in bfloat16), the scale is applied to the result.
    Weights on another device than the input, such as pinned memory, are copied there for each product.

    Attributes:
        weight: int8 [out, in]; for ``float8`` the bits of e4m3 codes. An integer type on purpose: transformers casts
            activations to a floating-point type that it finds here.
        scale: [out] float32; bias: [out] or ``None``.
    """

    def __init__(self, outputs: int, inputs: int, bias: bool, form: SmallForm) -> None:
        super().__init__()
        self.form = form
        empty = torch.empty(outputs, inputs, dtype=torch.int8, device="meta")
        self.weight = nn.Parameter(empty, requires_grad=False)
        self.register_buffer("scale", torch.empty(outputs, device="meta"), persistent=False)
        self.scale: Tensor
        wide = torch.empty(outputs, device="meta")
        self.bias = nn.Parameter(wide, requires_grad=False) if bias else None

    def forward(self, states: Tensor) -> Tensor:
        """[..., in] -> [..., out] in the input's dtype."""
        device = states.device
        codes = self.weight.to(device, non_blocking=True)
        if self.form == "float8":
            codes = codes.view(torch.float8_e4m3fn)
        products = functional.linear(states, codes.to(states.dtype)).float() * self.scale.to(device, non_blocking=True)
        if self.bias is not None:
            products = products + self.bias.to(device, torch.float32, non_blocking=True)
        return products.to(states.dtype)


def small_codes(weight: Tensor, form: SmallForm) -> tuple[Tensor, Tensor]:
    """``weight`` [out, in] as (int8 [out, in], scale float32 [out]) of :class:`WeightOnlyLinear`."""
    if form == "float8":
        rows = quantise_rows(weight)
        assert rows.scale is not None
        return rows.values.view(torch.int8), rows.scale.flatten()
    wide = weight.float()
    scale = wide.abs().amax(-1).clamp_min(_SMALLEST_AMPLITUDE) / _INT8_MAX
    return (wide / scale.unsqueeze(-1)).round_().to(torch.int8), scale


class HostedLinear(nn.Linear):
    """A linear layer whose weights are copied to where its input is, for each product."""

    def forward(self, states: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        weight = self.weight.to(states.device, non_blocking=True)
        bias = None if self.bias is None else self.bias.to(states.device, non_blocking=True)
        return functional.linear(states, weight, bias)


def quantising(module: nn.Module, names: Iterable[str], form: SmallForm) -> Callable[[str, Tensor], Tensor]:
    """A ``transform`` for strict loading into a module whose linear layers ``names`` were replaced in ``form``."""
    weights = {f"{name}.weight": name for name in names}

    def transform(key: str, tensor: Tensor) -> Tensor:
        if key not in weights:
            return tensor
        codes, scale = small_codes(tensor, form)
        layer = module.get_submodule(weights[key])
        assert isinstance(layer, WeightOnlyLinear)
        layer.scale = scale
        return codes

    return transform


def replace_linears(module: nn.Module, names: Iterable[str], form: SmallForm | None) -> None:
    """Put empty stand-ins in place of the linear layers ``names`` of a module on the meta device.

    :class:`WeightOnlyLinear` in ``form``, or :class:`HostedLinear` for ``None``.
    """
    for name in names:
        owner, _, last = name.rpartition(".")
        old = module.get_submodule(name)
        assert isinstance(old, nn.Linear)
        outputs, inputs, bias = old.out_features, old.in_features, old.bias is not None
        new = (
            HostedLinear(inputs, outputs, bias, device="meta")
            if form is None
            else WeightOnlyLinear(outputs, inputs, bias, form)
        )
        setattr(module.get_submodule(owner), last, new)
