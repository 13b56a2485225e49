"""One take on a card, measured: passes, pace with decoding and compressing, first picture, memory, kernels, power."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from live_avatar.bench.card_pipeline import CardPipeline
from live_avatar.bench.card_sensors import CardSensors
from live_avatar.bench.card_sinks import ClipSink, FrameTaker, Sink
from live_avatar.bench.profile import kind_of
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.memory import pass_count, plan_memory
from live_avatar.fast.transformer import FastTransformer
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.media.newest_picture import PICTURE_NAME, write_picture
from live_avatar.portrait import Portrait
from live_avatar.portrait_conditions import PortraitMemory
from live_avatar.session import Session
from live_avatar.vae.frame_copies import Frame

_GB = 1e9
_SETTLING_BLOCKS = 3


@dataclass(frozen=True, slots=True)
class CardCase:
    """What to measure.

    Attributes:
        name: for the table.
        size: (width, height); steps: of the schedule; plan: how it is computed.
        blocks: measured one by one; start: first block, to begin far on in a long take.
        profiled: count kernels and their kinds.
    """

    name: str
    size: tuple[int, int]
    steps: int
    plan: ComputePlan
    blocks: int
    start: int = 0
    profiled: bool = False

    @property
    def shape(self) -> LatentShape:
        """Of its latents."""
        return LatentShape.of_picture(*self.size, 48)


@torch.inference_mode()
def measure_take(pipeline: CardPipeline, case: CardCase, note: Callable[[str], None]) -> dict[str, Any]:
    """Run a take and return its figures."""
    device = pipeline.device
    denoiser = pipeline.denoiser(case.plan)
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    found: dict[str, Any] = {"name": case.name, "size": list(case.size), "attention": denoiser.attention.name}
    started = time.perf_counter()
    session = pipeline.session(denoiser, case.shape, case.plan, case.steps)
    session.block = case.start
    take_block(session)
    found["first_picture_cold"] = time.perf_counter() - started
    for _ in range(case.shape.clip_blocks + _SETTLING_BLOCKS):
        take_block(session)
    found["denoiser_peak_gb"] = torch.cuda.max_memory_allocated(device) / _GB
    passes = pass_count(case.steps, case.plan)
    with CardSensors(device.index or 0) as sensors:
        times = _denoising(session, case.blocks)
        found |= {"block_ms": statistics.median(times), "step_ms": statistics.median(times) / passes}
        found["decode_ms"] = _decoding(session, case)
        sink = FrameTaker()
        found["pace"] = _pace(session, sink, sink.times, case.blocks)
        found["pace_encoded"] = _encoded_pace(session, case, note)
    found["card"] = sensors.summary()
    memory = plan_memory(pipeline.sizes, case.shape, case.steps, case.plan)
    found["memory"] = {
        "allocated_gb": torch.cuda.max_memory_allocated(device) / _GB,
        "reserved_gb": torch.cuda.max_memory_reserved(device) / _GB,
        "predicted_allocated_gb": (memory.denoiser_peak + memory.codec + memory.decoder) / _GB,
        "predicted_free_needed_gb": memory.moments["blocks"] / _GB,
        "predicted_weights_gb": memory.weights / _GB,
    }
    if case.profiled:
        found["kernels"] = kernel_shares(session)
    del session
    found |= first_pictures(pipeline, denoiser, case)
    return found


def take_block(session: Session) -> list[Frame]:
    """One block from noise to frames in host memory."""
    return session.decode_frames(session.denoise_block()).take()


def percentiles(times: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile of the periods between moments, in ms, and frames a second."""
    periods = np.diff(np.asarray(times)) * 1000
    p50, p95, p99 = (float(value) for value in np.percentile(periods, (50, 95, 99)))
    seconds = times[-1] - times[0]
    return {"p50": p50, "p95": p95, "p99": p99, "fps": BLOCK_FRAMES * len(periods) / seconds}


def _denoising(session: Session, blocks: int) -> list[float]:
    times = []
    for _ in range(blocks):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        session.denoise_block()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return times


def _decoding(session: Session, case: CardCase) -> float:
    latents = session.denoise_block()
    times = []
    for _ in range(max(6, case.blocks // 4)):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        pending = session.decode_frames(latents)
        end.record()
        pending.take()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return float(statistics.median(times))


def _pace(session: Session, sink: Sink, times: list[float], blocks: int) -> dict[str, float]:
    for _ in range(blocks + 1):
        sink.add(session.decode_frames(session.denoise_block()))
    sink.finish()
    return percentiles(times)


def _encoded_pace(session: Session, case: CardCase, note: Callable[[str], None]) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
        try:
            sink = ClipSink(Path(folder), case.size, case.shape.clip_blocks)
        except ImportError as error:
            note(f"nothing was compressed: {error}")
            return None
        blocks = case.blocks // case.shape.clip_blocks * case.shape.clip_blocks
        return {"encoder": sink.encoder, **_pace(session, sink, sink.times, blocks - 1)}


def first_pictures(pipeline: CardPipeline, denoiser: FastTransformer, case: CardCase) -> dict[str, float]:
    """Seconds from a request to the first picture in a file, as a render puts it there, everything being loaded.

    Once with a portrait that is new, and once with that of the last take.
    """
    width, height = case.size
    found: dict[str, float] = {}
    memory = PortraitMemory(pipeline.vae(), pipeline.decoder(), keep_primed=case.plan.keep_primed)
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
        # The first time of each compiles and chooses kernels.
        for digest, name in (("one", None), ("two", "first_picture_warm"), ("two", "first_picture_cached")):
            portrait = Portrait(torch.zeros(3, height, width), width, height, digest, ())
            conditions = pipeline.conditions(case.shape)
            torch.cuda.synchronize(pipeline.device)
            started = time.perf_counter()
            known = memory.conditions(portrait)
            conditions.reference, conditions.motion, conditions.primed = known.reference, known.motion, known.primed
            session = pipeline.session(denoiser, case.shape, case.plan, case.steps, conditions)
            write_picture(Path(folder) / PICTURE_NAME, take_block(session)[0])
            if name is not None:
                found[name] = time.perf_counter() - started
            del session
    return found


def kernel_shares(session: Session) -> dict[str, float]:
    """Kernels of one block's denoising: how many, their time, and the share of each kind."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        session.denoise_block()
        torch.cuda.synchronize()
    times: dict[str, float] = {}
    count = 0
    for event in profiler.key_averages():
        if event.self_device_time_total > 0:
            kind = kind_of(event.key)
            times[kind] = times.get(kind, 0.0) + event.self_device_time_total / 1000
            count += event.count
    total = sum(times.values()) or 1.0
    return {"count": count, "ms": total, **{f"share_{kind}": spent / total for kind, spent in times.items()}}


@torch.inference_mode()
def measure_flatness(pipeline: CardPipeline, case: CardCase) -> dict[str, Any]:
    """A long stretch far on in a take: memory of card and host at its beginning and end, and the block period."""
    import psutil

    session = pipeline.session(pipeline.denoiser(case.plan), case.shape, case.plan, case.steps)
    session.block = case.start
    for _ in range(case.shape.clip_blocks + _SETTLING_BLOCKS):
        take_block(session)
    process = psutil.Process()
    memory, finite = [], True
    sink = FrameTaker()
    for index in range(case.blocks):
        latents = session.denoise_block()
        sink.add(session.decode_frames(latents))
        if index % max(1, case.blocks // 8) == 0 or index == case.blocks - 1:
            finite = finite and bool(latents.isfinite().all())
            row = (
                torch.cuda.memory_allocated(pipeline.device),
                torch.cuda.memory_reserved(pipeline.device),
                process.memory_info().rss,
            )
            memory.append(row)
    sink.finish()
    first, last = memory[1], memory[-1]
    names = ("allocated", "reserved", "host")
    pace = percentiles(sink.times)
    return {
        "name": case.name,
        "latent_frames": [3 * case.start, 3 * session.block],
        "finite": finite,
        "growth": {name: end / begin - 1 for name, begin, end in zip(names, first, last, strict=True)},
        "pace": pace,
        "p99_over_p50": pace["p99"] / pace["p50"],
    }
