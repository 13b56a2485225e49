"""The memory model against what is allocated, and against peaks measured on a card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.compute_plan import CacheForm, ComputePlan, Weights
from live_avatar.fast.cache import CacheBuffers
from live_avatar.fast.memory import cache_bytes, plan_memory
from live_avatar.fast.placement import Placement, streamed_indices
from live_avatar.fast.streamed_fast_cache import StreamedFastCache
from live_avatar.fast.weight_groups import weight_groups
from live_avatar.fast.weight_only import small_codes
from live_avatar.fast.weight_sizes import classify, weight_sizes
from live_avatar.fast.weights import layer_tensors, make_layer
from live_avatar.geometry import LatentShape
from live_avatar.layer_span import HeldUnits
from tests.test_planner import PUBLISHED, PUBLISHED_SIZES

CPU = torch.device("cpu")
SMALL = DitConfig.read(Path(__file__).parent / "golden" / "ckpt" / "config.json")
SHAPE = LatentShape.of_picture(128, 64, 48)
FLOAT8 = ComputePlan("flat", "float8", "bfloat16", "float8", "cudnn-float8")
WIDE = replace(FLOAT8, cache="wide", attention="sdpa")


@pytest.mark.parametrize(
    ("size", "plan", "weights", "peak"),
    [
        ((704, 384), FLOAT8, 20.0, 46.9),
        ((384, 256), FLOAT8, 20.0, 30.6),
        ((704, 384), WIDE, 20.0, 72.0),
        ((384, 256), WIDE, 20.0, 39.7),
    ],
)
def test_peaks_measured_on_an_h200(size: tuple[int, int], plan: ComputePlan, weights: float, peak: float) -> None:
    memory = plan_memory(PUBLISHED_SIZES, LatentShape.of_picture(*size, 48), 4, plan)
    assert memory.weights / 1e9 == pytest.approx(weights, rel=0.01)
    assert memory.denoiser_peak / 1e9 == pytest.approx(peak, rel=0.02)
    assert memory.peak > memory.denoiser_peak


@pytest.mark.parametrize("config", [SMALL, PUBLISHED])
def test_tensors_are_counted_where_the_loader_puts_them(config: DitConfig) -> None:
    names = list(dit_shapes(config))
    for group in weight_groups(config, names):
        # What only a lead of several ranks needs is in a file of its own, and counts like the rest.
        kind = "network" if group.kind == "lead" else group.kind
        assert {classify(config, name) for name in group.names} == {(kind, group.layer)}


@pytest.mark.parametrize("form", ["float8", "bfloat16", "float32"])
def test_layers_have_the_bytes_that_are_said(form: Weights) -> None:
    dtype = torch.float32 if form == "float32" else torch.bfloat16
    shapes = dit_shapes(SMALL)
    real = [
        sum(
            tensor.nbytes
            for tensor in layer_tensors(
                make_layer(SMALL, layer, lambda name: torch.zeros(shapes[name], dtype=dtype), form)
            ).values()
        )
        for layer in range(SMALL.num_layers)
    ]
    plan = ComputePlan("flat", form, "bfloat16")
    assert weight_sizes(SMALL, plan).resident == sum(real)
    streamed = streamed_indices(SMALL.num_layers, 1)
    sizes = weight_sizes(SMALL, replace(plan, placement=Placement(resident_layers=1)))
    assert sizes.moved == sizes.pinned == sum(real[layer] for layer in streamed)
    assert sizes.slots == 2 * max(real[layer] for layer in streamed)


def test_condition_weights_have_the_bytes_that_are_said() -> None:
    shapes = dit_shapes(SMALL)
    sizes = {"wide": 0, "int8": 0}
    for name, shape in shapes.items():
        if classify(SMALL, name)[0] in ("text", "audio"):
            tensor = torch.zeros(shape, dtype=torch.bfloat16)
            sizes["wide"] += tensor.nbytes
            parts = small_codes(tensor, "int8") if len(shape) == 2 else (tensor,)
            sizes["int8"] += sum(part.nbytes for part in parts)
    for conditions in ("wide", "int8"):
        placement = Placement(conditions=conditions)
        found = weight_sizes(SMALL, replace(FLOAT8, placement=placement))
        assert found.device_conditions == sizes[conditions]
        hosted = weight_sizes(SMALL, replace(FLOAT8, placement=replace(placement, host_text=True, host_audio=True)))
        assert (hosted.device_conditions, hosted.pinned) == (0, sizes[conditions])


@pytest.mark.parametrize(("cache", "dtype"), [("float8", torch.float8_e4m3fn), ("wide", torch.bfloat16)])
@pytest.mark.parametrize("last_step", ["run", "skip"])
def test_caches_have_the_bytes_that_are_said(cache: CacheForm, dtype: torch.dtype, last_step: str) -> None:
    steps = 4 if last_step == "run" else 3
    units = HeldUnits.whole(steps, SMALL.num_layers)
    buffers = CacheBuffers.allocate(SMALL, SHAPE, units, dtype, torch.bfloat16, CPU)
    real = sum(getattr(buffers, name).nbytes for name in ("key", "value", "reference_key", "scale_rows"))
    sizes = replace(PUBLISHED_SIZES, config=SMALL)
    plan = ComputePlan("flat", "bfloat16", "bfloat16", cache, last_step=last_step)  # type: ignore[arg-type]
    assert plan_memory(sizes, SHAPE, 4, plan).cache == real
    streamed = StreamedFastCache(SMALL, SHAPE, units, dtype, torch.bfloat16, CPU).streamed
    found = cache_bytes(sizes, SHAPE, steps, replace(plan, streamed_cache=True))
    assert found.pinned == streamed.key.nbytes + streamed.value.nbytes
    assert found.slots == sum(slot.data.nbytes for slot in streamed._slots)
    visible = SHAPE.condition_tokens + SHAPE.ring_tokens
    assert found.moved == streamed.pass_bytes(steps, visible)


def test_what_is_streamed_leaves_the_card() -> None:
    shape = LatentShape.of_picture(704, 384, 48)
    whole = plan_memory(PUBLISHED_SIZES, shape, 4, replace(FLOAT8, graphs=False))
    streamed = plan_memory(
        PUBLISHED_SIZES,
        shape,
        4,
        replace(FLOAT8, graphs=False, placement=Placement(resident_layers=20), streamed_cache=True),
    )
    assert streamed.pinned == pytest.approx(whole.layers / 2 + whole.cache, rel=0.02)
    saved = whole.moments["blocks"] - streamed.moments["blocks"]
    assert saved == pytest.approx((streamed.pinned - streamed.slots) * 1.02, rel=0.01)
    # A graph holds the prompt a second time, and what lies between its kernels for good.
    graphs = plan_memory(PUBLISHED_SIZES, shape, 4, FLOAT8)
    more = graphs.moments["prefill"] - whole.moments["prefill"]
    assert more == pytest.approx(1.02 * (graphs.one_text + graphs.kept_passes), rel=0.01)


def test_packed_passes_hold_more() -> None:
    shape = LatentShape.of_picture(384, 256, 48)
    one = plan_memory(PUBLISHED_SIZES, shape, 4, FLOAT8)
    four = plan_memory(PUBLISHED_SIZES, shape, 4, replace(FLOAT8, steps="packed"))
    assert four.passes == 4 * one.passes
    assert four.cache == one.cache
