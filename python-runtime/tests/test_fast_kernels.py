"""Every row kernel against plain PyTorch, through Triton's interpreter; sizes that fill no power of two."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import tests.triton_on_cpu  # isort: skip  # noqa: F401
from live_avatar.fast.products import E4M3_MAX, RowValues
from live_avatar.fast.row_kernels import FusedRows
from live_avatar.fast.row_operations import Affine, PlainRows, StoredWindow, Update

EPS = 1e-6
# One step of e4m3: sums in another order may round to the neighbouring code.
CODE = 0.13


def both(dtype: torch.dtype, float8: bool) -> tuple[FusedRows, PlainRows]:
    return FusedRows(dtype, float8=float8), PlainRows(dtype, float8=float8)


def assert_same(found: RowValues, wanted: RowValues) -> None:
    assert found.values.dtype == wanted.values.dtype
    if wanted.scale is None:
        assert found.scale is None
        torch.testing.assert_close(found.values, wanted.values, atol=2e-5, rtol=1e-2)
        return
    assert found.scale is not None
    torch.testing.assert_close(found.scale, wanted.scale, atol=0, rtol=1e-5)
    error = (found.wide(torch.float32) - wanted.wide(torch.float32)).abs()
    assert bool((error <= CODE * wanted.wide(torch.float32).abs() + wanted.scale / 256).all())
    assert float((found.values.view(torch.uint8) != wanted.values.view(torch.uint8)).float().mean()) < 0.01
    assert float(found.values.float().abs().amax(-1).min()) == E4M3_MAX


@pytest.mark.parametrize("float8", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_norm_adds_the_update_and_quantises(groups: int, float8: bool) -> None:
    torch.manual_seed(0)
    fused, plain = both(torch.bfloat16, float8)
    residual = torch.randn(12, 80) * 3
    # Halves of one product, as an adaptive norm gives them: strided.
    affine = Affine(*(torch.randn(groups, 160) + 0.5).chunk(2, dim=-1))
    update = Update(torch.randn(12, 80).bfloat16(), torch.randn(groups, 80))
    for change in (None, Update(update.values), update):
        ours, theirs = residual.clone(), residual.clone()
        assert_same(fused.norm(ours, change, affine, EPS), plain.norm(theirs, change, affine, EPS))
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("float8", [False, True])
def test_gelu_and_quantising(float8: bool) -> None:
    torch.manual_seed(1)
    fused, plain = both(torch.float32, float8)
    values = torch.randn(7, 200).bfloat16() * 4
    values[0, :2] = torch.tensor([120.0, -120.0])
    assert_same(fused.gelu(values), plain.gelu(values))
    assert_same(fused.rows(values), plain.rows(values))


def test_rms_norm() -> None:
    torch.manual_seed(2)
    fused, plain = both(torch.float32, False)
    values, weight = torch.randn(5, 96).bfloat16(), torch.rand(96) + 0.5
    torch.testing.assert_close(fused.rms(values, weight, EPS), plain.rms(values, weight, EPS), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn])
def test_keys_and_values_go_to_their_places(dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    batch, tokens, heads, head_dim, length = 2, 6, 3, 16, 20
    qkv = torch.randn(batch * tokens, 3 * heads * head_dim).bfloat16()
    weights = [torch.rand(heads * head_dim) + 0.5 for _ in range(2)]
    angles = torch.randn(batch, tokens, head_dim // 2)
    table = torch.stack([angles.cos(), angles.sin()], dim=-1)
    index = torch.stack([torch.randperm(length)[:tokens] for _ in range(batch)])
    stores = []
    for rows in both(torch.float32, False):
        # A view into a larger cache, as the step caches are.
        cache = torch.zeros(2, batch, 2, length, heads, head_dim).to(dtype)
        window = StoredWindow(cache[0, :, 1], cache[1, :, 1], index, torch.tensor(0.5))
        query = rows.store(qkv, weights[0], weights[1], EPS, table, window, dtype)
        stores.append((query.float(), cache.float()))
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float8_e4m3fn: CODE}[dtype]
    floor = 2.0**-9 if dtype == torch.float8_e4m3fn else 1e-5
    for found, wanted in zip(*stores, strict=True):
        torch.testing.assert_close(found, wanted, atol=floor, rtol=tolerance)
    written = stores[1][1]
    assert float(written[:, :, 0].abs().max()) == 0
    untouched = [row for row in range(length) if row not in index[0].tolist()]
    assert float(written[:, 0, 1, untouched].abs().max()) == 0


def test_values_too_large_for_e4m3_are_limited() -> None:
    qkv = torch.full((1, 3 * 16), 3e4).bfloat16()
    caches = []
    for rows in both(torch.float32, False):
        cache = torch.zeros(2, 1, 1, 1, 16).to(torch.float8_e4m3fn)
        window = StoredWindow(cache[0], cache[1], torch.zeros(1, 1, dtype=torch.long), torch.tensor(1.0))
        ones = torch.ones(16) * 1000
        table = torch.zeros(1, 1, 8, 2)
        rows.store(qkv, ones, ones, EPS, table + torch.tensor([1.0, 0.0]), window, torch.float8_e4m3fn)
        caches.append(cache.float())
    assert all(bool((cache == E4M3_MAX).all()) for cache in caches)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_the_reference_is_placed_in_every_layer(dtype: torch.dtype) -> None:
    torch.manual_seed(4)
    layers, tokens, heads, head_dim, batch = 3, 5, 2, 16, 2
    source = torch.randn(layers, tokens, heads, head_dim).bfloat16()
    angles = torch.randn(batch, tokens, head_dim // 2)
    table = torch.stack([angles.cos(), angles.sin()], dim=-1)
    placed: list[Tensor] = []
    for rows in both(torch.float32, False):
        cache = torch.zeros(4, layers, 9, heads, head_dim).to(dtype)
        rows.place(source, table, cache[1:3, :, :tokens])
        placed.append(cache.float())
    torch.testing.assert_close(placed[0], placed[1], atol=2.0**-9, rtol=CODE)
    assert float(placed[1][[0, 3]].abs().max()) == 0
    assert float(placed[1][1:3, :, tokens:].abs().max()) == 0
