from __future__ import annotations

import pytest
import torch
from torch import Tensor

from live_avatar.fp8 import E4M3_MAX, linear, quantise

# Half the distance between neighbours in e4m3: relative for normal numbers, absolute below 2**-6.
RELATIVE_ERROR = 2.0**-4
SMALLEST_STEP = 2.0**-9


def nearest_code(value: float) -> float:
    """The e4m3 number nearest to a value, ties to even: found by looking at all of them."""
    codes = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    codes = codes[codes.isfinite()].unique()
    distance = (codes - value).abs()
    near = codes[distance == distance.min()]
    # Of two neighbours the one with an even mantissa, that is, an even byte.
    even = [code for code in near if int(code.to(torch.float8_e4m3fn).view(torch.uint8)) % 2 == 0]
    return float(near[0] if len(near) == 1 else even[0])


def spread(dtype: torch.dtype) -> Tensor:
    torch.manual_seed(0)
    return (torch.randn(64, 48) * torch.logspace(-4, 2, 48)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_codes_are_the_nearest_ones(dtype: torch.dtype) -> None:
    values = spread(dtype)[:8]
    quantised = quantise(values)
    # In bfloat16 the scaled value is rounded to bfloat16 first.
    scaled = (values.float() * (E4M3_MAX / values.float().abs().max())).to(dtype).float()
    wanted = torch.tensor([nearest_code(float(value)) for value in scaled.flatten()]).view_as(scaled)
    assert torch.equal(quantised.codes.float(), wanted)


def test_quantising_is_as_exact_as_e4m3_allows() -> None:
    values = spread(torch.float32)
    quantised = quantise(values)
    assert quantised.codes.dtype == torch.float8_e4m3fn
    assert quantised.codes.float().abs().max() == E4M3_MAX
    error = (quantised.codes.float() * quantised.scale - values).abs()
    limit = torch.maximum(values.abs() * RELATIVE_ERROR, SMALLEST_STEP / 2 * quantised.scale)
    assert bool((error <= limit * (1 + 1e-6)).all())


@pytest.mark.parametrize(
    ("amplitude", "scale"), [(896.0, 2.0), (448.0, 1.0), (1.0, 1 / 448), (0.5, 1 / 448), (0.0, 1 / 448)]
)
def test_the_factor_is_capped_so_that_small_tensors_stay_small(amplitude: float, scale: float) -> None:
    quantised = quantise(torch.tensor([amplitude, -amplitude / 2]))
    assert float(quantised.scale) == pytest.approx(scale, rel=1e-7)
    assert (quantised.codes.float() * quantised.scale).tolist() == pytest.approx([amplitude, -amplitude / 2], rel=1e-6)


def test_linear_is_the_product_of_the_codes() -> None:
    torch.manual_seed(1)
    values, weight, bias = torch.randn(5, 32), torch.randn(7, 32) / 6, torch.randn(7)
    made = linear(quantise(values), quantise(weight), bias)
    assert made.dtype == torch.bfloat16
    exact = values @ weight.T + bias
    assert (made.float() - exact).norm() / exact.norm() < 0.05
    # With values that e4m3 holds exactly, nothing but the last rounding is left.
    values, weight = torch.randint(-4, 5, (5, 32)) * 64.0, torch.randint(-4, 5, (7, 32)) * 64.0
    values[0, 0] = weight[0, 0] = E4M3_MAX
    made = linear(quantise(values), quantise(weight), bias)
    assert torch.equal(made, (values.double() @ weight.double().T + bias.bfloat16().double()).bfloat16())
