"""The memory plan and the way down on a real card, with four layers of the published widths."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from live_avatar.bench.card_pipeline import CardPipeline
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.card import apply_memory_limit, detect_card, usable_bytes
from live_avatar.fast.ladder import Descent, OutOfMemoryLadder
from live_avatar.fast.memory import plan_memory
from live_avatar.fast.out_of_memory import fault_of, survive_out_of_memory
from live_avatar.fast.placement import Placement
from live_avatar.fast.planner import plan_for_card
from live_avatar.fast.task import Take, Wishes
from live_avatar.footprint import CUDA_CONTEXT_BYTES
from live_avatar.geometry import LatentShape

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")

DEVICE = torch.device("cuda", 0)
SHAPE = LatentShape.of_picture(384, 256, 48)
BASE = ComputePlan("flat", "float8", "bfloat16", "float8")
BLOCKS = 7


@pytest.fixture(scope="module")
def pipeline() -> Iterator[CardPipeline]:
    with CardPipeline(DEVICE, "slice") as made:
        yield made


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    yield
    apply_memory_limit(DEVICE, None)


@torch.inference_mode()
def latents(pipeline: CardPipeline, plan: ComputePlan) -> Tensor:
    session = pipeline.session(pipeline.denoiser(plan), SHAPE, plan, 4)
    return torch.cat([session.denoise_block() for _ in range(BLOCKS)]).cpu()


@pytest.mark.parametrize(
    "plan",
    [
        BASE,
        replace(BASE, graphs=False),
        replace(BASE, steps="packed"),
        replace(BASE, cache="wide"),
        replace(BASE, weights="bfloat16", cache="wide"),
        replace(BASE, graphs=False, placement=Placement(resident_layers=1)),
        replace(BASE, graphs=False, streamed_cache=True),
        replace(BASE, placement=Placement(conditions="int8", host_text=True)),
        replace(BASE, last_step="skip"),
    ],
    ids=str,
)
def test_the_peak_is_as_planned(pipeline: CardPipeline, plan: ComputePlan) -> None:
    pipeline.release()
    # Libraries keep the work space that tests before this one made them take.
    before = torch.cuda.memory_allocated(DEVICE)
    pipeline.denoiser(plan)
    torch.cuda.synchronize()
    planned = plan_memory(pipeline.sizes, SHAPE, 4, plan)
    held = torch.cuda.memory_allocated(DEVICE) - before
    # Slots are made with the weights, or with the cache.
    assert planned.weights * 0.98 < held < (planned.weights + planned.slots) * 1.02 + 5e7
    torch.cuda.reset_peak_memory_stats(DEVICE)
    latents(pipeline, plan)
    peak = torch.cuda.max_memory_allocated(DEVICE) - before
    print(f"\n{plan}: planned {planned.denoiser_peak / 1e9:.3f} GB, measured {peak / 1e9:.3f} on {before / 1e9:.3f}")
    # Of four layers the work space of libraries is a larger share than of forty.
    assert abs(peak - planned.denoiser_peak) < 0.05 * peak + 1.5e8


def test_the_limit_holds() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    limit = CUDA_CONTEXT_BYTES + torch.cuda.memory_reserved(DEVICE) + 10**9
    apply_memory_limit(DEVICE, limit)
    assert usable_bytes(DEVICE, limit) <= limit - CUDA_CONTEXT_BYTES
    part = torch.empty(8 * 10**8, dtype=torch.uint8, device=DEVICE)
    with pytest.raises(RuntimeError) as caught:
        torch.empty(8 * 10**8, dtype=torch.uint8, device=DEVICE)
    assert fault_of(caught.value) == "memory"
    del part


def test_a_take_survives_a_card_that_is_too_small(pipeline: CardPipeline) -> None:
    wishes = Wishes(steps="sequential")
    pipeline.release()
    take = Take(pipeline.sizes, SHAPE, 4)
    card = detect_card(DEVICE)
    chosen = plan_for_card(take, card, wishes)
    assert chosen is not None
    wanted = latents(pipeline, chosen.plan)
    pipeline.release()
    memory = chosen.chosen.memory
    limit = CUDA_CONTEXT_BYTES + memory.weights + memory.cache // 2 + 7 * 10**8
    apply_memory_limit(DEVICE, limit)
    told: list[Descent] = []
    found = survive_out_of_memory(
        lambda plan: latents(pipeline, plan),
        chosen.plan,
        OutOfMemoryLadder(take, card, wishes),
        release=pipeline.release,
        tell=told.append,
    )
    for descent in told:
        print(descent.warning()[1])
    assert told
    assert not any(descent.changes_numbers for descent in told)
    error = float((found - wanted).norm() / wanted.norm())
    print(f"difference {error:.2e}")
    assert error < 0.02
