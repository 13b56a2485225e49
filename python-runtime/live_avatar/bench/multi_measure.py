"""One take on several ranks, measured: every rank alone, then all of them together, and the simulator in between."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from live_avatar.bench.card_sinks import ClipSink, FrameTaker, Sink
from live_avatar.bench.card_take import percentiles, take_block
from live_avatar.bench.multi_job import Job
from live_avatar.bench.random_network import random_conditions
from live_avatar.bench.rank_timing import RankMeasurement, SharedInputs, measure_rank, seconds_of
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.distributed.cut import LEAD
from live_avatar.distributed.multi_planner import Fleet, Option, setting_of
from live_avatar.distributed.multi_words import option_words
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.simulated_order import acts_of
from live_avatar.distributed.simulation import simulate
from live_avatar.distributed.team import Formation
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.distributed.time_line import Simulation
from live_avatar.numerics import choose_device, current_card, precisions_of
from live_avatar.sampler import make_schedule
from live_avatar.session import PRIMING_LATENTS, Session
from live_avatar.take_passes import PassSettings
from live_avatar.vae.frame_copies import Frame, PendingFrames

_GB = 1e9
_SETTLING_BLOCKS = 4
_DECODES = 8
_FIRST_PICTURES = 3
_MEMORY_SAMPLES = 16


def measure_option(job: Job, option: Option, size: tuple[int, int]) -> dict[str, Any]:
    """One way: each rank alone, then all together, and what the simulator says of the parts' times."""
    cut, shape, formation = option.cut, job.take.shape, job.formation(option)
    ranks, extras = _measure_parts(job, option, formation.models, size)
    times = tuple(
        found.times(
            0.0 if plan.times.layer == 0 else plan.times.windowed / plan.times.layer,
            plan.role.prefill,
            extras["decode"] if found.rank == LEAD else 0.0,
        )
        for found, plan in zip(ranks, option.ranks, strict=True)
    )
    fleet, order = Fleet(job.cards, job.wiring), option.order
    setting = replace(setting_of(job.take, fleet, cut, option.ranks), times=times, encode=0.0, cores=job.cores)
    # Through the first clip, until blocks in flight are spread evenly, and on.
    count = max(4 * shape.clip_blocks, 3 * order.room) + job.blocks
    acts = [*acts_of(count, len(cut.steps), order, anchor=shape.clip_blocks, more=True)]
    predicted = simulate(setting, acts)
    compressed = simulate(replace(setting, encode=extras["encode"]), acts) if extras["encode"] else None
    together = _measure_together(job, formation, size)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return {
        "summary": option_words(option),
        "cut": cut.as_dict(),
        "order": {"room": order.room, "gap": order.gap, "ahead": order.ahead},
        "held": _held([(found.weights + found.cache) / _GB for found in ranks]),
        "parts": [_part_values(found, plan.memory.weights) for found, plan in zip(ranks, option.ranks, strict=True)],
        "decode_ms": extras["decode"] * 1000,
        "encode_ms": None if not extras["encode"] else extras["encode"] * 1000,
        "measured": together,
        # A new take shows its decoder the portrait first, beside whatever else there is to wait for.
        "predicted": _run_values(predicted, extras["prime"]),
        "predicted_encoded": None if compressed is None else _run_values(compressed),
        "planned": _run_values(option.run),
    }


def _part_values(found: RankMeasurement, planned: int) -> dict[str, Any]:
    return {
        "rank": found.rank,
        "layers": list(found.layers),
        "item_ms": [seconds * 1000 for seconds in found.items],
        "prefill_ms": found.prefill * 1000,
        "begin_ms": found.begin * 1000,
        "weights_gb": found.weights / _GB,
        "planned_weights_gb": planned / _GB,
        "cache_gb": found.cache / _GB,
        "peak_gb": found.peak / _GB,
    }


def _held(held: list[float]) -> dict[str, Any]:
    """Weights, keys and values of each rank, and their ratio to an even share of all of them."""
    even = sum(held) / len(held)
    return {"gb": held, "of_even_share": [each / even if even else None for each in held]}


def _run_values(run: Simulation, before: float = 0.0) -> dict[str, Any]:
    return {
        "fps": run.frames_per_second,
        "p50": run.period(0.5) * 1000,
        "p95": run.period(0.95) * 1000,
        "p99": run.period(0.99) * 1000,
        "first_picture": before + run.first_frame,
        "idle": [run.idle(rank) for rank in range(run.ranks)],
    }


def _measure_parts(
    job: Job, option: Option, models: tuple[RankModel, ...], size: tuple[int, int]
) -> tuple[list[RankMeasurement], dict[str, float]]:
    """Every rank by itself, the lead first, whose conditions the others use; then decoding and compressing."""
    conditions = random_conditions(job.take.sizes.config, job.take.shape, torch.device("cpu"))
    settings = PassSettings(job.take.shape, make_schedule(job.take.steps))
    inputs: SharedInputs | None = None
    found = []
    blocks = max(3, job.blocks // 4)
    for rank, model in enumerate(models):
        print(f"  rank {rank} alone on {model.device}", flush=True)
        with current_card(choose_device(model.device)):
            measured, inputs = measure_rank(option.cut, rank, model, settings, conditions, inputs, blocks)
        found.append(measured)
    return found, _measure_decoding(job, models[LEAD], size)


@torch.inference_mode()
def _measure_decoding(job: Job, model: RankModel, size: tuple[int, int]) -> dict[str, float]:
    """Seconds to prepare the decoder, to decode a block on the lead, and to compress it; 0 where nothing compresses."""
    from live_avatar.models import load_vae
    from live_avatar.vae.block_decoder import make_decoder

    device, shape = choose_device(model.device), job.take.shape
    vae = load_vae(CheckpointLayout.find(job.folder), precisions_of(model.plan).vae, device)
    decoder = make_decoder(vae, "fast" if model.plan.engine == "flat" and device.type == "cuda" else "plain")
    conditions = random_conditions(job.take.sizes.config, shape, device)
    # The first one compiles kernels, or chooses them: no part of a take of a process that has done one.
    for _ in range(2):
        state = decoder.new_decoder_state()
        prime = seconds_of(device, partial(decoder.prime_decoder, conditions.motion[:, :, :PRIMING_LATENTS], state))
    latents = torch.randn(1, job.take.sizes.config.in_dim, 3, shape.height, shape.width, device=device)
    times: list[float] = []
    pending: list[PendingFrames] = []
    for _ in range(_DECODES):
        times.append(seconds_of(device, lambda: pending.append(decoder.stream_frames(latents, state))))
    frames = [each.take() for each in pending]
    return {
        "prime": prime,
        "decode": statistics.median(times[2:]),
        "encode": _encoding_seconds(frames, size, shape.clip_blocks),
    }


class _Ready:
    """Frames that are there."""

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames

    def take(self) -> list[Frame]:
        """As :meth:`PendingFrames.take`."""
        return self._frames


def _encoding_seconds(blocks: list[list[Frame]], size: tuple[int, int], clip_blocks: int) -> float:
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
        try:
            sink = ClipSink(Path(folder), size, clip_blocks)
        except ImportError:
            return 0.0
        clips = max(1, len(blocks) // clip_blocks)
        started = time.perf_counter()
        for index in range(clips * clip_blocks):
            sink.add(cast(PendingFrames, _Ready(blocks[index % len(blocks)])))
        sink.finish()
        return (time.perf_counter() - started) / (clips * clip_blocks)


def _measure_together(job: Job, formation: Formation, size: tuple[int, int]) -> dict[str, Any]:
    """All ranks on one take: pace with decoding, then with compressing, first pictures, memory of each rank."""
    started = time.perf_counter()
    pipeline = TeamPipeline.assemble(formation)
    found: dict[str, Any] = {"load_seconds": time.perf_counter() - started}
    try:
        first = [_first_picture(partial(job.new_session, pipeline)) for _ in range(_FIRST_PICTURES)]
        # Everything is compiled by the first of them, which is told apart.
        found |= {"first_picture_cold": first[0], "first_picture": min(first[1:])}
        session = job.new_session(pipeline)
        for _ in range(job.take.shape.clip_blocks + _SETTLING_BLOCKS):
            take_block(session)
        sink = FrameTaker()
        found |= _pace(session, sink, sink.times, job.blocks)
        found["encoded"] = _encoded_pace(session, job, size)
        found["memory_gb"] = _memory(pipeline)
        if job.long_blocks:
            found["long"] = _long_stretch(session, pipeline, job.long_blocks)
    finally:
        pipeline.close()
    return found


def _first_picture(new_session: Callable[[], Session]) -> float:
    """Seconds from a new take, whose conditions are ready, to its first frames in host memory."""
    started = time.perf_counter()
    take_block(new_session())
    return time.perf_counter() - started


def _pace(session: Session, sink: Sink, times: list[float], blocks: int) -> dict[str, float]:
    for _ in range(blocks + 1):
        sink.add(session.decode_frames(session.denoise_block()))
    sink.finish()
    return percentiles(times)


def _long_stretch(session: Session, pipeline: TeamPipeline, blocks: int) -> dict[str, Any]:
    """Period of many blocks, and each rank's memory on the way."""
    sink, memory = FrameTaker(), []
    for index in range(blocks + 1):
        sink.add(session.decode_frames(session.denoise_block()))
        if index % max(1, blocks // _MEMORY_SAMPLES) == 0:
            memory.append(_memory(pipeline))
    sink.finish()
    found: dict[str, Any] = dict(percentiles(sink.times))
    grown = [
        None if begin is None or end is None else end / begin - 1
        for begin, end in zip(memory[len(memory) // 4], memory[-1], strict=True)
    ]
    return found | {"blocks": blocks, "p99_over_p50": found["p99"] / found["p50"], "grown": grown, "memory_gb": memory}


def _encoded_pace(session: Session, job: Job, size: tuple[int, int]) -> dict[str, float] | None:
    clip = job.take.shape.clip_blocks
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
        try:
            sink = ClipSink(Path(folder), size, clip)
        except ImportError as error:
            print(f"  nothing is compressed: {error}", flush=True)
            return None
        return _pace(session, sink, sink.times, max(clip, job.blocks // clip * clip) - 1)


def _memory(pipeline: TeamPipeline) -> list[float | None]:
    """Gigabytes of tensors on each rank's card; ``None`` where there is none."""
    device = pipeline.device
    held: list[float | None] = [torch.cuda.memory_allocated(device) / _GB if device.type == "cuda" else None]
    return held + [None if rank.memory is None else rank.memory[0] / _GB for rank in pipeline.ranks()]
