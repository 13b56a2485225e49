"""A model kept warm on a real card: loaded as planned, within a limit, put together anew, and rescued."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.events import RenderEvent, WarningEvent
from live_avatar.fast.card import apply_memory_limit
from live_avatar.fast.transformer import FastTransformer
from live_avatar.file_facts import read_model_sizes
from live_avatar.footprint import CUDA_CONTEXT_BYTES
from live_avatar.machine import Machine
from live_avatar.pipeline import Pipeline, PipelineOptions
from live_avatar.planner import Plan, make_plan
from live_avatar.warm_model import WarmModel

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")
DEVICE = torch.device("cuda", 0)
CHECKPOINT = Path(__file__).parents[1] / "golden" / "ckpt"
LIMIT = 6 * 10**9


@pytest.fixture(autouse=True)
def own_cache_and_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
    yield
    apply_memory_limit(DEVICE, None)


def plan_of(model: WarmModel, wishes: ComputeWishes) -> Plan:
    machine = Machine.detect("cuda:0")
    return make_plan(
        read_model_sizes(CheckpointLayout.find(CHECKPOINT)),
        machine,
        image=(384, 256),
        audio_seconds=2.0,
        requested=(384, 256),
        infer_frames=48,
        sample_steps=4,
        num_clip=None,
        disk_available=10**12,
        precision="bf16",
        card=model.card(machine, wishes),
        wishes=wishes,
    )


def test_what_is_planned_is_what_is_loaded_and_the_limit_holds() -> None:
    wishes = ComputeWishes(memory_limit=LIMIT)
    model = WarmModel(PipelineOptions(CHECKPOINT, None, "cuda:0", "bf16"))
    chosen = plan_of(model, wishes)
    pipeline = model.load(chosen, wishes, lambda event: None)
    assert pipeline.plan == chosen.compute
    assert torch.cuda.memory_allocated(DEVICE) < chosen.memory.peak < LIMIT
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(LIMIT, dtype=torch.uint8, device=DEVICE)
    # Lifted by the next load that names none.
    unlimited = ComputeWishes()
    model.load(plan_of(model, unlimited), unlimited, lambda event: None)
    assert torch.empty(LIMIT, dtype=torch.uint8, device=DEVICE).numel() == LIMIT


def test_the_same_weights_serve_every_arrangement() -> None:
    wishes = ComputeWishes()
    model = WarmModel(PipelineOptions(CHECKPOINT, None, "cuda:0", "bf16"))
    chosen = plan_of(model, wishes)
    assert chosen.compute is not None
    pipeline = model.load(chosen, wishes, lambda event: None)
    assert isinstance(pipeline.denoiser, FastTransformer)
    network = pipeline.denoiser.network
    for changes in ({"graphs": False}, {"graphs": False, "streamed_cache": True}, {"graphs": True, "steps": "packed"}):
        pipeline.replan(replace(chosen.compute, **changes))
        assert isinstance(pipeline.denoiser, FastTransformer)
        assert pipeline.denoiser.network is network


def test_a_full_card_is_left_for_a_plan_that_needs_less() -> None:
    wishes = ComputeWishes(memory_limit=LIMIT)
    model = WarmModel(PipelineOptions(CHECKPOINT, None, "cuda:0", "bf16"))
    chosen = plan_of(model, wishes)
    told: list[RenderEvent] = []
    runs: list[int] = []

    def act(pipeline: Pipeline) -> int:
        runs.append(torch.cuda.memory_allocated(DEVICE))
        held = torch.empty(10**9, dtype=torch.uint8, device=DEVICE)
        if len(runs) == 1:
            # More than the limit leaves: a real failure of torch's allocator.
            torch.empty(LIMIT - CUDA_CONTEXT_BYTES, dtype=torch.uint8, device=DEVICE)
        return held.numel()

    assert model._rescued(chosen, wishes, told.append, act) == 10**9
    codes = [event.code for event in told if isinstance(event, WarningEvent)]
    assert codes[-1] in ("MEMORY_STEPPED_DOWN", "PRECISION_LOWERED")
    assert len(runs) == 2
    assert model.pipeline is not None
    assert model.pipeline.plan != chosen.compute
    # Nothing of the failed run is left.
    assert torch.cuda.memory_allocated(DEVICE) < 10**9
