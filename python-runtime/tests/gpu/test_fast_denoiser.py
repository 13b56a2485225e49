"""The flat pass on a card, in each of its forms, against the plain network in float32 on the same card."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from live_avatar.bench.random_network import PUBLISHED, random_network, random_session
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.fast.assembly import FastSettings, fast_transformer
from live_avatar.fast.attention import AttentionName, available_attention, make_attention, plain_attention
from live_avatar.fast.products import RowValues, make_linear, product, quantise_rows
from live_avatar.fast.row_operations import Affine, PlainRows, StoredWindow, Update
from live_avatar.geometry import LatentShape
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.model import VideoVae

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")

DEVICE = torch.device("cuda", 0)
CONFIG = replace(
    PUBLISHED, dim=512, num_heads=4, ffn_dim=1024, num_layers=4, audio_dim=64, audio_inject_layers=(0, 2), text_dim=128
)
SHAPE = LatentShape.of_picture(192, 128, 48)
BLOCKS = 8


def distance(found: Tensor, wanted: Tensor) -> float:
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


@functools.cache
def vae() -> VideoVae:
    return VideoVae(VaeConfig.of_width(8)).to(DEVICE)


@torch.inference_mode()
def latents(settings: FastSettings, *, packed: bool = False, blocks: int = BLOCKS) -> Tensor:
    weights = random_network(CONFIG, settings.weights, DEVICE, Drawing(1))
    session = random_session(fast_transformer(weights.network, settings, weights.layers), SHAPE, vae(), packed=packed)
    return torch.cat([session.denoise_block() for _ in range(blocks)])


@functools.cache
@torch.inference_mode()
def reference() -> Tensor:
    """The plain network in float32 on the same, bfloat16-rounded, weights."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    drawing = Drawing(1)
    network = CausalAvatarTransformer(CONFIG).to(DEVICE)
    for name, shape in dit_shapes(CONFIG).items():
        network.get_parameter(name).data.copy_(drawing.of(name, shape, torch.bfloat16)(DEVICE))
    session = random_session(network.requires_grad_(False).eval(), SHAPE, vae(), packed=False)
    return torch.cat([session.denoise_block() for _ in range(BLOCKS)])


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        (FastSettings(weights="bfloat16", attention="sdpa"), 0.03),
        (FastSettings(weights="float8", attention="sdpa"), 0.12),
        (FastSettings(weights="float8", attention="sdpa-float8-cache"), 0.15),
        (FastSettings(weights="float8", attention="auto"), 0.15),
        (FastSettings(weights="float8", attention="sdpa", kernels="plain"), 0.12),
    ],
)
@pytest.mark.parametrize("graphs", [False, True])
def test_every_form_stays_in_its_envelope(settings: FastSettings, limit: float, graphs: bool) -> None:
    error = distance(latents(replace(settings, graphs=graphs)), reference())
    print(f"{settings} graphs={graphs}: {error:.4f}")
    assert 1e-4 < error < limit


def test_graphs_change_nothing() -> None:
    assert torch.equal(latents(FastSettings(graphs=True)), latents(FastSettings(graphs=False)))


def test_it_repeats() -> None:
    assert torch.equal(latents(FastSettings()), latents(FastSettings()))


@pytest.mark.parametrize("weights", ["bfloat16", "float8"])
def test_packed_steps_stay_as_near_as_the_precision(weights: str) -> None:
    """Other kernels are picked for other sizes: their rounding differs, and quantised, codes flip."""
    settings = FastSettings(weights=weights, attention="sdpa")  # type: ignore[arg-type]
    error = distance(latents(settings, packed=True, blocks=14), latents(settings, blocks=14))
    print(f"{weights}: {error:.5f}")
    assert error < (0.02 if weights == "bfloat16" else 0.08)


@torch.inference_mode()
def test_a_second_take_uses_the_captured_graphs() -> None:
    weights = random_network(CONFIG, "float8", DEVICE, Drawing(1))
    denoiser = fast_transformer(weights.network, FastSettings(), weights.layers)
    takes = []
    for _ in range(3):
        session = random_session(denoiser, SHAPE, vae(), packed=False)
        takes.append(torch.cat([session.denoise_block() for _ in range(BLOCKS)]))
        del session
    assert torch.equal(takes[0], takes[1])
    assert torch.equal(takes[0], takes[2])


@torch.inference_mode()
def test_two_takes_at_once_do_not_share_memory() -> None:
    weights = random_network(CONFIG, "float8", DEVICE, Drawing(1))
    denoiser = fast_transformer(weights.network, FastSettings(), weights.layers)
    alone = random_session(denoiser, SHAPE, vae(), packed=False)
    wanted = torch.cat([alone.denoise_block() for _ in range(BLOCKS)])
    one, other = (random_session(denoiser, SHAPE, vae(), packed=False) for _ in range(2))
    found: list[list[Tensor]] = [[], []]
    for _ in range(BLOCKS):
        found[0].append(one.denoise_block())
        found[1].append(other.denoise_block())
    assert all(torch.equal(torch.cat(blocks), wanted) for blocks in found)


@pytest.mark.parametrize("name", available_attention(DEVICE) if torch.cuda.is_available() else [])
@pytest.mark.parametrize("visible", [14, 29])
def test_attention_back_ends(name: AttentionName, visible: int) -> None:
    torch.manual_seed(0)
    batch, tokens, heads, head_dim, unit = 2, 48, 4, 128, 16
    attention = make_attention(name, torch.bfloat16, DEVICE)
    query = torch.randn(batch, tokens, heads, head_dim, device=DEVICE).to(attention.query_dtype)
    cache = torch.randn(2, 4, 3, 29 * unit, heads, head_dim, device=DEVICE).to(attention.cache_dtype)
    key, value = cache[0, 1:3, 1, : visible * unit], cache[1, 1:3, 1, : visible * unit]
    scale = torch.full((batch * tokens, 1), 2.0, device=DEVICE)
    result = attention.attend(query, key, value, scale)
    found = result.wide(torch.float32) if isinstance(result, RowValues) else result.float()
    factor = 2.0 if attention.cache_dtype == torch.float8_e4m3fn else 1.0
    wanted = factor * plain_attention(query.float(), key.float(), value.float()).flatten(0, 1).flatten(1)
    assert distance(found, wanted) < (0.05 if "float8" in name and "sdpa" not in name else 0.01)


@pytest.mark.parametrize("rows", [1152, 600, 15])
def test_float8_products(rows: int) -> None:
    torch.manual_seed(0)
    values, weight = torch.randn(rows, 512, device=DEVICE), torch.randn(768, 512, device=DEVICE)
    bias = torch.randn(768, device=DEVICE).bfloat16()
    linear, quantised = make_linear(weight, bias, "float8"), quantise_rows(values)
    wanted = quantised.wide(torch.float64) @ linear.wide(torch.float64).T + bias.double()
    assert distance(product(quantised, linear, torch.bfloat16), wanted) < 5e-3


@pytest.mark.parametrize("float8", [False, True])
@pytest.mark.parametrize("width", [512, 5120, 13824])
def test_row_kernels(width: int, float8: bool) -> None:
    from live_avatar.fast.row_kernels import FusedRows

    torch.manual_seed(0)
    fused, plain = FusedRows(torch.bfloat16, float8=float8), PlainRows(torch.bfloat16, float8=float8)
    residual = torch.randn(96, width, device=DEVICE) * 3
    affine = Affine(torch.rand(2, width, device=DEVICE), torch.randn(2, width, device=DEVICE))
    update = Update(torch.randn(96, width, device=DEVICE).bfloat16(), torch.randn(2, width, device=DEVICE))
    ours, theirs = residual.clone(), residual.clone()
    pairs = [(fused.norm(ours, update, affine, 1e-6), plain.norm(theirs, update, affine, 1e-6))]
    pairs += [(fused.gelu(update.values), plain.gelu(update.values))]
    pairs += [(fused.rows(update.values), plain.rows(update.values))]
    assert distance(ours, theirs) < 1e-6
    for found, wanted in pairs:
        # A sum in another order may round to the neighbouring code.
        assert distance(found.wide(torch.float32), wanted.wide(torch.float32)) < 5e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_store_and_place(dtype: torch.dtype) -> None:
    from live_avatar.fast.row_kernels import FusedRows

    torch.manual_seed(0)
    batch, tokens, heads, head_dim, length = 4, 48, 40, 128, 200
    qkv = torch.randn(batch * tokens, 3 * heads * head_dim, device=DEVICE).bfloat16()
    weights = [torch.rand(heads * head_dim, device=DEVICE).bfloat16() for _ in range(2)]
    angles = torch.randn(batch, tokens, head_dim // 2, device=DEVICE)
    table = torch.stack([angles.cos(), angles.sin()], dim=-1)
    index = torch.stack([torch.randperm(length, device=DEVICE)[:tokens] for _ in range(batch)])
    source = torch.randn(3, tokens, heads, head_dim, device=DEVICE).bfloat16()
    results = []
    for rows in (FusedRows(torch.bfloat16, float8=True), PlainRows(torch.bfloat16, float8=True)):
        cache = torch.zeros(2, batch, 3, length, heads, head_dim, device=DEVICE).to(dtype)
        window = StoredWindow(cache[0, :, 1], cache[1, :, 1], index, torch.tensor(0.5, device=DEVICE))
        query = rows.store(qkv, weights[0], weights[1], 1e-6, table, window, dtype)
        rows.place(source, table, cache[0, :, :, :tokens])
        results.append((query, cache))
    for found, wanted in zip(*results, strict=True):
        assert distance(found, wanted) < (4e-3 if dtype == torch.float8_e4m3fn else 2e-3)
