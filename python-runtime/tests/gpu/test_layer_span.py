"""Runs of layers on a card, with kernels and graphs: bit for bit what one pass over all layers gives."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from live_avatar.bench.random_network import PUBLISHED, Network, random_network, random_session
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.denoiser import Denoiser
from live_avatar.fast.assembly import FastSettings, fast_transformer
from live_avatar.fast.graphs import GraphedTransformer
from live_avatar.fast.streamed_layers import StreamedLayers, host_layer
from live_avatar.fast.weights import LayerStore, ResidentLayers, layer_tensors
from live_avatar.geometry import LatentShape
from live_avatar.layer_span import HeldUnits, LayerSpan
from live_avatar.take_passes import LocalPasses, PassSettings
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.model import VideoVae
from tests.span_material import SplitDenoiser, spans_between

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")

DEVICE = torch.device("cuda", 0)
CONFIG = replace(
    PUBLISHED, dim=512, num_heads=4, ffn_dim=1024, num_layers=5, audio_dim=64, audio_inject_layers=(0, 3), text_dim=128
)
SHAPE = LatentShape.of_picture(192, 128, 48)
# A clip, the anchor, and enough for graphs of every step to be captured and replayed.
BLOCKS = 10


@functools.cache
def vae() -> VideoVae:
    return VideoVae(VaeConfig.of_width(8)).to(DEVICE)


@functools.cache
def weights_of(form: str) -> Network:
    return random_network(CONFIG, form, DEVICE, Drawing(1))  # type: ignore[arg-type]


def part_of(weights: Network, settings: FastSettings, span: LayerSpan, *, streamed: bool = False) -> Denoiser:
    """A rank with some of the layers."""
    network = copy.copy(weights.network)
    network.span = span
    layers = list(weights.layers.walk(span))
    store: LayerStore = ResidentLayers(layers, span.first)
    if streamed:
        hosted = [host_layer(layer_tensors(layer), DEVICE) for layer in layers]
        store = StreamedLayers(list(hosted), DEVICE, span.first)
    return fast_transformer(network, settings, store)


def split(settings: FastSettings, cuts: Sequence[int], **options: Any) -> SplitDenoiser:
    weights = weights_of(settings.weights)
    spans = spans_between(cuts, CONFIG.num_layers)
    return SplitDenoiser([part_of(weights, settings, span, **options) for span in spans], spans)


@torch.inference_mode()
def latents_of(denoiser: Any, *, packed: bool = False, blocks: int = BLOCKS) -> Tensor:
    session = random_session(denoiser, SHAPE, vae(), packed=packed)
    return torch.cat([session.denoise_block() for _ in range(blocks)])


FORMS = [
    FastSettings(weights="float8"),
    FastSettings(weights="float8", attention="sdpa"),
    FastSettings(weights="bfloat16", attention="sdpa", cache_float8=False),
    FastSettings(weights="float32", attention="sdpa", cache_float8=False),
]


@pytest.mark.parametrize("settings", FORMS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_anywhere_changes_no_bit(settings: FastSettings, packed: bool) -> None:
    weights = weights_of(settings.weights)
    blocks = BLOCKS + 4 if packed else BLOCKS
    whole = fast_transformer(weights.network, settings, weights.layers)
    assert isinstance(whole, GraphedTransformer)
    wanted = latents_of(whole, packed=packed, blocks=blocks)
    assert bool(wanted.isfinite().all())
    for cuts in ([1], [2], [3], [4], [1, 4]):
        found = latents_of(split(settings, cuts), packed=packed, blocks=blocks)
        assert torch.equal(found, wanted), cuts


def test_graphs_of_parts_change_nothing() -> None:
    settings = FastSettings(weights="float8")
    assert torch.equal(latents_of(split(settings, [2])), latents_of(split(replace(settings, graphs=False), [2])))


@torch.inference_mode()
def test_blocks_in_flight_change_nothing() -> None:
    """Graphs of several steps are replayed in turns, with the conditions of several blocks."""
    settings = FastSettings(weights="float8")
    denoiser = split(settings, [2])
    wanted = latents_of(denoiser, blocks=14)
    for room, ahead in ((3, 1), (5, 1)):
        alone = random_session(denoiser, SHAPE, vae(), packed=False)
        passes = LocalPasses(denoiser, PassSettings(SHAPE, alone.schedule), packed=False)
        passes.room, passes.ahead = room, ahead
        session = random_session(denoiser, SHAPE, vae(), packed=False, passes=passes)
        assert torch.equal(torch.cat([session.denoise_block() for _ in range(14)]), wanted)


@pytest.mark.parametrize("packed", [False, True])
def test_streamed_parts_change_no_bit(packed: bool) -> None:
    settings = FastSettings(weights="float8", graphs=False)
    wanted = latents_of(split(settings, [3]), packed=packed, blocks=BLOCKS + 4)
    for streamed_cache in (False, True):
        asked = replace(settings, streamed_cache=streamed_cache)
        found = latents_of(split(asked, [3], streamed=True), packed=packed, blocks=BLOCKS + 4)
        assert torch.equal(found, wanted)


def test_a_part_takes_its_share_of_the_memory() -> None:
    settings = FastSettings(weights="float8")
    parts = split(settings, [2]).parts
    units = [HeldUnits((LayerSpan(0, 2),) * 4), HeldUnits((LayerSpan(2, 5),) * 4)]
    sizes = []
    for part, held in zip(parts, units, strict=True):
        before = torch.cuda.memory_allocated()
        cache = part.new_cache(SHAPE, 4, units=held)
        sizes.append(torch.cuda.memory_allocated() - before)
        assert cache.bytes <= sizes[-1]
        del cache
    assert sizes[0] / sizes[1] == pytest.approx(2 / 3, rel=0.02)
