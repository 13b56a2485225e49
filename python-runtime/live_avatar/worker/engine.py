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
from live_avatar.compute_plan import LastStep
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.errors import UserError
from live_avatar.events import BlockEvent, DeviceMemory, EventSink, RenderEvent, WarningEvent
from live_avatar.file_facts import read_model_sizes
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND
from live_avatar.machine import Machine
from live_avatar.numerics import choose_device, device_memory
from live_avatar.pipeline import Pipeline, PipelineOptions, identify_weights
from live_avatar.planner import Plan, make_plan
from live_avatar.protocol.messages import LoadedModel, Rank
from live_avatar.protocol.requests import ModelChoice
from live_avatar.render import RenderJob, RenderResult
from live_avatar.speed_record import SpeedMeter, write_speed
from live_avatar.warm_model import WarmModel, with_own_memory
from live_avatar.worker.ranks import RankWatch

_Signature = tuple[tuple[str, int, int], ...]
# What of a plan a render tells its client, who may not have asked for the plan.
_TOLD = frozenset(("WISH_WITHOUT_EFFECT", "LAST_STEP_LEFT_OUT", "CARDS_UNUSED"))


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a load with no job known prepares for."""

    size: tuple[int, int] = (704, 384)
    infer_frames: int = 48
    sample_steps: int = 4
    last_step: LastStep = "run"

    @property
    def steps(self) -> int:
        """That are run of the schedule."""
        return self.sample_steps - 1 if self.last_step == "skip" and self.sample_steps > 1 else self.sample_steps


@dataclass(frozen=True, slots=True)
class _Warm:
    """A loaded model, what it was loaded for, and the files as they were then."""

    choice: ModelChoice
    model: WarmModel
    signature: _Signature


class Engine:
    """Keeps the weights of the last load. :meth:`load` and :meth:`render` are called from one thread."""

    def __init__(self) -> None:
        self._warm: _Warm | None = None
        self._comparer = Comparer()
        self._last = _Kind()
        self._watch = RankWatch()

    @property
    def model(self) -> LoadedModel | None:
        """The weights in memory; of a model whose render failed, until it is loaded anew, ``None``."""
        pipeline = self._pipeline
        if self._warm is None or pipeline is None:
            return None
        return {
            "ckpt_dir": str(self._warm.choice.ckpt_dir),
            "lora": None if pipeline.lora_path is None else str(pipeline.lora_path),
            "device": str(pipeline.device),
            "denoiser_precision": _name(pipeline.precisions.denoiser),
            "vae_precision": _name(pipeline.precisions.vae),
            "weights_fingerprint": pipeline.weights_fingerprint,
        }

    def load(self, choice: ModelChoice, on_event: EventSink) -> bool:
        """Have these weights in memory; false if they were there already. Other weights are dropped before.

        On a card they are loaded as suits a render like the last one, at first one of 704x384; where that does not fit,
        the largest that does.

        Raises:
            UserError: the checkpoint, LoRA or device cannot be used. A folder or device that is not there leaves the
                old weights in memory; anything later does not.
        """
        warm, pipeline = self._warm, self._pipeline
        same = warm is not None and _same_weights(warm.choice, choice)
        if same and warm is not None and pipeline is not None and warm.signature == _signature(pipeline):
            # Wishes may have changed: a render loads anew if it must.
            self._warm = replace(warm, choice=choice)
            return False
        CheckpointLayout.find(choice.ckpt_dir)
        choose_device(choice.device)
        # Both at once might not fit.
        if warm is not None:
            warm.model.drop()
        self._warm = warm = None
        pipeline = None
        self.release_memory()
        model = WarmModel(_options(choice))
        pipeline = model.load(self._plan_to_load(model, choice), choice.wishes, on_event)
        self._warm = _Warm(choice, model, _signature(pipeline))
        return True

    def render(
        self,
        job: RenderJob,
        on_event: EventSink,
        should_stop: Callable[[], bool],
        wishes: ComputeWishes | None = None,
    ) -> RenderResult:
        """Render with the weights in memory, loaded anew if the job needs them otherwise.

        Args:
            wishes: those of the load if left out.

        Raises:
            ValueError: nothing is loaded.
            Cancelled, UserError: see :meth:`live_avatar.warm_model.WarmModel.render`.
        """
        warm = self._warm
        if warm is None:
            raise ValueError("render before load")
        wishes = wishes or warm.choice.wishes
        self._last = _Kind(job.size, job.infer_frames, job.sample_steps, wishes.last_step)
        self._watch.begin()
        chosen = warm.model.plan(job, wishes, self._machine(warm.choice))
        told = [warning for warning in chosen.warnings if warning[0] in _TOLD]
        for code, text in told:
            on_event(WarningEvent(code, text))
        # As if loaded for this job, so that the record stands for a start from nothing.
        meter = SpeedMeter(time.monotonic() - warm.model.load_seconds)

        def observed(event: RenderEvent) -> None:
            meter.observe(event)
            if isinstance(event, BlockEvent):
                self._watch.block_done()
            on_event(event)

        result = warm.model.render(job, chosen, wishes, observed, should_stop)
        speed = meter.speed()
        # Of a way that failed in between nothing can be said.
        if speed is not None and warm.model.kept_to_plan:
            # The video is done; a forecast for the next one is not worth an error.
            with contextlib.suppress(OSError):
                write_speed(chosen.speed_key, speed)
        return replace(result, warnings=(*told, *result.warnings))

    def plan(self, choice: ModelChoice, job: RenderJob) -> Plan:
        """Plan a render, from any thread.

        Raises:
            UserError: see :func:`live_avatar.planner.plan`.
        """
        return self._model_for(choice).plan(job, choice.wishes, self._machine(choice))

    def compare(self, choice: ModelChoice | None, job: RenderJob) -> Comparison:
        """Say what a render would keep, from one thread other than that of :meth:`render`.

        Raises:
            UserError: see :func:`live_avatar.compare.Comparer.compare`.
        """
        return self._comparer.compare(job, *self._fingerprints(choice, job))

    def device_memory(self) -> DeviceMemory | None:
        """Memory held on the card of the loaded model; ``None`` without one."""
        pipeline = self._pipeline
        return None if pipeline is None else device_memory(pipeline.device)

    def ranks(self) -> list[Rank]:
        """What each process of a render does, this one first; empty without a model. From any thread."""
        pipeline = self._pipeline
        return [] if pipeline is None else self._watch.look(pipeline, self._last.steps)

    def release_memory(self) -> None:
        """Give back what nothing uses any more, for example after a failure."""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def _pipeline(self) -> Pipeline | None:
        return None if self._warm is None else self._warm.model.pipeline

    def _model_for(self, choice: ModelChoice) -> WarmModel:
        """The model in memory if it is the one meant, else one that is not loaded."""
        warm = self._warm
        if warm is not None and _same_weights(warm.choice, choice):
            return warm.model
        return WarmModel(_options(choice))

    def _machine(self, choice: ModelChoice) -> Machine:
        return with_own_memory(Machine.detect(choice.device))

    def _plan_to_load(self, model: WarmModel, choice: ModelChoice) -> Plan | None:
        """How to load with no job known, or ``None`` where there is nothing to choose."""
        machine = self._machine(choice)
        card = model.card(machine, choice.wishes)
        if card is None and not choice.wishes.cut.several:
            return None
        sizes, kind = read_model_sizes(CheckpointLayout.find(choice.ckpt_dir)), self._last
        width, height = kind.size
        while True:
            try:
                return make_plan(
                    sizes,
                    machine,
                    image=(width, height),
                    audio_seconds=BLOCK_FRAMES / FRAMES_PER_SECOND,
                    requested=(width, height),
                    infer_frames=kind.infer_frames,
                    sample_steps=kind.sample_steps,
                    num_clip=None,
                    disk_available=0,
                    precision=choice.precision,
                    card=card,
                    wishes=choice.wishes,
                )
            except UserError as error:
                if error.code != "SIZE_TOO_LARGE_FOR_MEMORY":
                    raise
                width, height = width * 3 // 4, height * 3 // 4

    def _fingerprints(self, choice: ModelChoice | None, job: RenderJob) -> tuple[str | None, frozenset[str]]:
        """Identity of the weights asked about, and those that finished clips may have instead.

        Of the weights in memory if none are named, ``None`` if nothing is loaded.
        """
        warm, pipeline = self._warm, self._pipeline
        if choice is None:
            if warm is None or pipeline is None:
                return None, frozenset()
            choice = warm.choice
        # Only on a card does the job say what is computed with.
        planned = choice.precision != "fp32" and Machine.detect(choice.device).on_cuda
        chosen = self.plan(choice, job) if planned else None
        compute = self._model_for(choice).compute_of(chosen, choice.wishes)
        identity = None
        if warm is not None and pipeline is not None and _same_weights(warm.choice, choice):
            identity = pipeline.identity if warm.signature == _signature(pipeline) else None
        if identity is None:
            identity = identify_weights(replace(_options(choice), plan=compute)).identity
        accepted = frozenset() if chosen is None else frozenset(map(identity.fingerprint, chosen.accepted_numerics))
        return identity.fingerprint(compute.numerics), accepted


def _options(choice: ModelChoice) -> PipelineOptions:
    return PipelineOptions(choice.ckpt_dir, choice.lora, choice.device, choice.precision)


def _same_weights(one: ModelChoice, other: ModelChoice) -> bool:
    return replace(one, wishes=ComputeWishes()) == replace(other, wishes=ComputeWishes())


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
