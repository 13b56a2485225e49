"""The demo model gives the same pictures on the processor and in every way a card computes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from live_avatar.bench.demo_takes import DemoTake, Frames, conditions_of, demo_takes, load_demo_model, pictures
from live_avatar.bench.picture_measures import compare
from live_avatar.bench.settings import DEMO_MODEL
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.placement import Placement
from live_avatar.fast.weight_cache import CacheSettings
from live_avatar.models import load_denoiser, load_vae
from live_avatar.numerics import repeatable
from live_avatar.pipeline import PipelineOptions, identify_weights
from live_avatar.sampler import make_schedule
from live_avatar.session_inputs import Conditions
from live_avatar.vae.block_decoder import make_decoder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")

CARD = torch.device("cuda", 0)
BLOCKS = 6
STEPS = 4
WIDE = ComputePlan("flat", "bfloat16", "bfloat16", graphs=False)
SMALL = ComputePlan("flat", "float8", "bfloat16", "float8", graphs=False)
EXACT = ComputePlan("plain", "float32", "float32", graphs=False)


@dataclass(frozen=True, slots=True)
class Way:
    """A plan, and how near its pictures are to the processor's: dB on average, and of the worst frame."""

    plan: ComputePlan
    mean: float
    worst: float


# The envelopes of docs/precision.md, with 3 dB to spare.
WAYS = {
    "plain, float32": Way(EXACT, 60, 55),
    "flat, float32": Way(replace(EXACT, engine="flat"), 60, 55),
    "bf16": Way(WIDE, 45, 40),
    "bf16, graphs": Way(replace(WIDE, graphs=True), 45, 40),
    "bf16, packed": Way(replace(WIDE, steps="packed", graphs=True), 45, 40),
    "bf16, streamed layers": Way(replace(WIDE, placement=Placement(resident_layers=1)), 45, 40),
    "bf16, streamed cache": Way(replace(WIDE, streamed_cache=True), 45, 40),
    "fp8": Way(SMALL, 38, 33),
    "fp8, graphs": Way(replace(SMALL, graphs=True), 38, 33),
    "fp8, packed": Way(replace(SMALL, steps="packed", graphs=True), 38, 33),
    "fp8, streamed layers and cache, packed": Way(
        replace(SMALL, steps="packed", placement=Placement(resident_layers=1), streamed_cache=True), 38, 33
    ),
}
# What only moves weights and caches, or launches them otherwise, changes nothing at all.
SAME = {
    "bf16, graphs": "bf16",
    "bf16, streamed layers": "bf16",
    "bf16, streamed cache": "bf16",
    "fp8, graphs": "fp8",
}


@dataclass(frozen=True, slots=True)
class Material:
    take: DemoTake
    conditions: Conditions
    reference: Frames


@pytest.fixture(scope="module")
def material() -> Material:
    """A take, and its pictures by the plain network in float32 on the processor."""
    model = load_demo_model(torch.device("cpu"))
    take = next(iter(demo_takes(1)))
    conditions = conditions_of(take, model)
    reference = pictures(take, conditions, model.denoiser, model.vae, make_schedule(STEPS), BLOCKS)
    return Material(take, conditions, reference)


@pytest.fixture(scope="module")
def videos(material: Material) -> dict[str, Frames]:
    """The same take in every way."""
    with repeatable(CARD):
        return {name: made_with(way.plan, material) for name, way in WAYS.items()}


def made_with(plan: ComputePlan, material: Material) -> Frames:
    lora = str(DEMO_MODEL / "liveavatar.safetensors")
    weights = identify_weights(PipelineOptions(DEMO_MODEL, lora, "cuda", plan=plan))
    denoiser = load_denoiser(weights, CacheSettings(enabled=False))
    vae = load_vae(weights.layout, weights.precisions.vae, CARD)
    decoder = make_decoder(vae, "fast" if plan.engine == "flat" else "plain")
    packed = plan.steps == "packed"
    conditions = replace(
        material.conditions,
        reference=material.conditions.reference.to(CARD),
        motion=material.conditions.motion.to(CARD),
    )
    schedule = make_schedule(STEPS)
    return pictures(material.take, conditions, denoiser, vae, schedule, BLOCKS, packed=packed, decoder=decoder)


@pytest.mark.parametrize("name", WAYS)
def test_pictures_are_those_of_the_processor(name: str, videos: dict[str, Frames], material: Material) -> None:
    found = compare(videos[name], material.reference)
    print(f"{name:40} {found.psnr:6.1f} dB, worst frame {found.worst_psnr:6.1f} dB, SSIM {found.ssim:.4f}")
    assert found.psnr >= WAYS[name].mean
    assert found.worst_psnr >= WAYS[name].worst


@pytest.mark.parametrize(("name", "like"), SAME.items())
def test_where_things_lie_does_not_change_a_bit(name: str, like: str, videos: dict[str, Frames]) -> None:
    assert np.array_equal(videos[name], videos[like])
