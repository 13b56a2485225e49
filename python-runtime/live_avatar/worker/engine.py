"""The engine as the worker uses it: one model kept warm, one render at a time, plans at any time."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.compare import Comparer, Comparison
from live_avatar.errors import UserError
from live_avatar.events import DeviceMemory, EventSink, RenderEvent
from live_avatar.machine import Machine
from live_avatar.numerics import choose_device, device_memory
from live_avatar.pipeline import Pipeline, PipelineOptions, identify_weights
from live_avatar.planner import Plan, plan
from live_avatar.protocol.messages import LoadedModel
from live_avatar.protocol.requests import ModelChoice
from live_avatar.render import RenderJob, RenderResult, render
from live_avatar.speed_record import SpeedMeter, write_speed
from live_avatar.worker.facts import memory_bytes

_Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Warm:
    """A loaded model, what it was loaded for, and the files as they were then."""

    choice: ModelChoice
    pipeline: Pipeline
    signature: _Signature
    load_seconds: float


class Engine:
    """Keeps the weights of the last load. :meth:`load` and :meth:`render` are called from one thread."""

    def __init__(self) -> None:
        self._warm: _Warm | None = None
        self._comparer = Comparer()

    @property
    def model(self) -> LoadedModel | None:
        """The weights in memory."""
        warm = self._warm
        if warm is None:
            return None
        pipeline = warm.pipeline
        return {
            "ckpt_dir": str(warm.choice.ckpt_dir),
            "lora": None if pipeline.lora_path is None else str(pipeline.lora_path),
            "device": str(pipeline.device),
            "denoiser_precision": _name(pipeline.precisions.denoiser),
            "vae_precision": _name(pipeline.precisions.vae),
            "weights_fingerprint": pipeline.weights_fingerprint,
        }

    def load(self, choice: ModelChoice, on_event: EventSink) -> bool:
        """Have these weights in memory; false if they were there already. Other weights are dropped before.

        Raises:
            UserError: the checkpoint, LoRA or device cannot be used. A folder or device that is not there leaves the
                old weights in memory; anything later does not.
        """
        warm = self._warm
        if warm is not None and warm.choice == choice and warm.signature == _signature(warm.pipeline):
            return False
        CheckpointLayout.find(choice.ckpt_dir)
        choose_device(choice.device)
        # Both at once might not fit.
        self._warm = warm = None
        self.release_memory()
        started = time.monotonic()
        options = PipelineOptions(choice.ckpt_dir, choice.lora, choice.device, choice.precision)
        pipeline = Pipeline.load(options, on_event)
        self._warm = _Warm(choice, pipeline, _signature(pipeline), time.monotonic() - started)
        return True

    def render(self, job: RenderJob, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
        """Render with the weights in memory; see :func:`live_avatar.render.render`.

        Raises:
            ValueError: nothing is loaded.
        """
        warm = self._warm
        if warm is None:
            raise ValueError("render before load")
        # As if loaded for this job, so that the record stands for a start from nothing.
        meter = SpeedMeter(time.monotonic() - warm.load_seconds)

        def observed(event: RenderEvent) -> None:
            meter.observe(event)
            on_event(event)

        result = render(job, warm.pipeline, observed, should_stop)
        self._remember_speed(warm, job, meter)
        return result

    def plan(self, choice: ModelChoice, job: RenderJob) -> Plan:
        """Plan a render, from any thread.

        Raises:
            UserError: see :func:`live_avatar.planner.plan`.
        """
        machine = Machine.detect(choice.device)
        # What this process holds now would serve the render, or be dropped for it.
        held = torch.cuda.memory_reserved(machine.device) if machine.on_cuda else memory_bytes()
        available = min(machine.memory_total, machine.memory_available + held)
        machine = replace(machine, memory_available=available)
        return plan(job, choice.ckpt_dir, choice.lora, machine, precision=choice.precision)

    def compare(self, choice: ModelChoice | None, job: RenderJob) -> Comparison:
        """Say what a render would keep, from one thread other than that of :meth:`render`.

        Raises:
            UserError: see :func:`live_avatar.compare.Comparer.compare`.
        """
        return self._comparer.compare(job, self._fingerprint(choice))

    def device_memory(self) -> DeviceMemory | None:
        """Memory held on the card of the loaded model; ``None`` without one."""
        warm = self._warm
        return None if warm is None else device_memory(warm.pipeline.device)

    def release_memory(self) -> None:
        """Give back what nothing uses any more, for example after a failure."""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _fingerprint(self, choice: ModelChoice | None) -> str | None:
        """Identity of the weights asked about; of those in memory if none are named, ``None`` if nothing is loaded."""
        warm = self._warm
        if choice is None:
            return None if warm is None else warm.pipeline.weights_fingerprint
        if warm is not None and warm.choice == choice and warm.signature == _signature(warm.pipeline):
            return warm.pipeline.weights_fingerprint
        options = PipelineOptions(choice.ckpt_dir, choice.lora, choice.device, choice.precision)
        return identify_weights(options).fingerprint

    def _remember_speed(self, warm: _Warm, job: RenderJob, meter: SpeedMeter) -> None:
        speed = meter.speed()
        if speed is None:
            return
        # The video is done; a forecast for the next one is not worth an error.
        with contextlib.suppress(UserError, OSError):
            write_speed(self.plan(warm.choice, job).speed_key, speed)


def _signature(pipeline: Pipeline) -> _Signature:
    """Names, sizes and times of the weight files; empty if one is gone."""
    lora = [] if pipeline.lora_path is None else [pipeline.lora_path]
    try:
        return tuple(_describe(path) for path in [*pipeline.layout.files, *lora])
    except (OSError, UserError):
        return ()


def _describe(path: Path) -> tuple[str, int, int]:
    facts = path.stat()
    return str(path), facts.st_size, facts.st_mtime_ns


def _name(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype]
