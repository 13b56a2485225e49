"""How long one rank takes for its part of a take, measured alone: its own code, with nobody at the ends."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from live_avatar.card_queue import queued_copy
from live_avatar.denoiser import Denoiser
from live_avatar.distributed.cut import LEAD, Cut
from live_avatar.distributed.links import Parcel
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.parcels import ParcelLayout
from live_avatar.distributed.stage import Ends, Stage, TakeTimes
from live_avatar.distributed.stage_times import RankTimes
from live_avatar.fast.card import apply_memory_limit
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.model.transformer import TimeConditions
from live_avatar.models import load_denoiser
from live_avatar.noise import SeededDraws, reference_frame
from live_avatar.numerics import choose_device, current_card
from live_avatar.pipeline import PipelineOptions, identify_weights
from live_avatar.session_inputs import Conditions
from live_avatar.take_passes import PassItem, PassSettings

# Graphs are captured once the ring is full; then a few blocks until clocks are steady.
_SETTLING_BLOCKS = 4
_AHEAD = 10
_SEED = 3


@dataclass(slots=True)
class SharedInputs:
    """What the lead makes of a take's conditions and sends to all, on the processor."""

    times: TakeTimes
    text: Tensor
    tokens: Tensor
    audio: AudioTokens

    def on(self, device: torch.device) -> SharedInputs:
        """The same on a device."""
        times = TakeTimes(_moved(self.times.schedule, device), _moved(self.times.conditions, device))
        audio = AudioTokens(self.audio.local.to(device), self.audio.whole.to(device))
        return SharedInputs(times, self.text.to(device), self.tokens.to(device), audio)


@dataclass(frozen=True, slots=True)
class RankMeasurement:
    """What was measured of one rank.

    Attributes:
        items: seconds of its part of each step that it has to do with, as the cut orders them, with a full window.
        prefill: seconds of its part of one prefill.
        begin: seconds that a block takes beyond its items, when nobody waits between them.
        weights: bytes of weights after loading; cache: of keys and values.
        peak: bytes of tensors on the card at most; 0 without a card.
    """

    rank: int
    layers: tuple[int, ...]
    items: tuple[float, ...]
    prefill: float
    begin: float
    weights: int
    cache: int
    peak: int

    def times(self, windowed: float, prefill_layers: int, decode: float = 0.0) -> RankTimes:
        """For the simulator.

        Args:
            windowed: share of a layer's time that goes with the window, from a model.
            prefill_layers: that its prefill runs through.
        """
        layers = sum(self.layers)
        layer = sum(self.items) / layers if layers else 0.0
        prefill = self.prefill / prefill_layers if prefill_layers else 0.0
        return RankTimes(layer, windowed * layer, prefill=prefill, begin=self.begin, decode=decode)


@dataclass(frozen=True, slots=True)
class _Times:
    """See :class:`RankMeasurement`."""

    items: tuple[float, ...] = ()
    prefill: float = 0.0
    begin: float = 0.0
    cache: int = 0


class _Nobody:
    """The far side of a sending end: what is sent is lost."""

    def send(self, tensors: Sequence[Tensor]) -> None:
        """See :class:`live_avatar.distributed.links.SendingEnd`."""

    def close(self) -> None:
        """See there."""


class _Noise:
    """The far side of a receiving end: what is expected is there at once, and is noise."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._expected: list[ParcelLayout] = []
        self._made: dict[ParcelLayout, tuple[Tensor, ...]] = {}

    def expect(self, layout: ParcelLayout) -> None:
        """See :class:`live_avatar.distributed.links.ReceivingEnd`."""
        self._expected.append(layout)

    def take(self) -> Parcel:
        """See there."""
        layout = self._expected.pop(0)
        if layout not in self._made:
            self._made[layout] = tuple(
                torch.randn(shape, device=self._device).to(dtype)
                for shape, dtype in zip(layout.shapes, layout.dtypes, strict=True)
            )
        # A pass may write over what it is given.
        return Parcel(tuple(tensor.clone() for tensor in self._made[layout]), lambda: None)

    def close(self) -> None:
        """See there."""


@torch.inference_mode()
def shared_inputs(denoiser: Denoiser, settings: PassSettings, conditions: Conditions) -> SharedInputs:
    """What the lead's denoiser makes of the conditions."""
    device = denoiser.device
    tokens = denoiser.condition_tokens(conditions.reference.to(device), conditions.motion.to(device))
    times = TakeTimes(
        denoiser.time_conditions(torch.tensor(settings.schedule.timesteps)), denoiser.time_conditions(torch.zeros(1))
    )
    text = denoiser.embed_text(conditions.context("prompt"))
    made = SharedInputs(times, text, tokens, denoiser.audio_tokens(conditions.audio(0)))
    return made.on(torch.device("cpu"))


@torch.inference_mode()
def measure_rank(
    cut: Cut,
    rank: int,
    model: RankModel,
    settings: PassSettings,
    conditions: Conditions,
    inputs: SharedInputs | None,
    blocks: int,
) -> tuple[RankMeasurement, SharedInputs]:
    """Load a rank's part onto its card, which is to be the current one, run its part of a take, let everything go.

    Args:
        inputs: of the lead, which is measured first; ``None`` for the lead itself.
    """
    device = choose_device(model.device)
    on_card = device.type == "cuda"
    if on_card:
        apply_memory_limit(device, model.memory_limit)
        torch.cuda.reset_peak_memory_stats(device)
    options = PipelineOptions(
        model.ckpt_dir, model.lora, model.device, plan=model.plan, weight_cache=model.weight_cache
    )
    denoiser = load_denoiser(identify_weights(options), model.weight_cache, part=cut.part_of(rank))
    weights = torch.cuda.memory_allocated(device) if on_card else _parameter_bytes(denoiser)
    given = inputs or shared_inputs(denoiser, settings, conditions)
    times = _Times()
    if cut.units_of(rank):
        times = _LoneTake(denoiser, cut, rank, settings, conditions, given.on(device)).measure(blocks)
    peak = torch.cuda.max_memory_allocated(device) if on_card else 0
    layers = tuple(len(span) for step in range(len(cut.steps)) if (span := cut.share_of(rank, step)) is not None)
    del denoiser
    gc.collect()
    if on_card:
        torch.cuda.empty_cache()
        apply_memory_limit(device, None)
    return RankMeasurement(rank, layers, times.items, times.prefill, times.begin, weights, times.cache, peak), given


class _LoneTake:
    """One rank's part of a take, with nobody at the ends."""

    def __init__(
        self,
        denoiser: Denoiser,
        cut: Cut,
        rank: int,
        settings: PassSettings,
        conditions: Conditions,
        given: SharedInputs,
    ) -> None:
        self._denoiser = denoiser
        self._cut = cut
        self._rank = rank
        self._steps = settings.schedule.steps
        self._shape = settings.shape
        self._conditions = conditions
        self._given = given
        self._draws = SeededDraws(_SEED)
        ends = Ends(
            {edge: _Nobody() for edge in cut.edges if edge.source == rank},
            {edge: _Noise(denoiser.device) for edge in cut.edges if edge.target == rank},
        )
        self._stage = Stage(denoiser, cut, rank, settings, given.times, ends, lambda: None)
        self._stage.use_text(given.text)

    def measure(self, blocks: int) -> _Times:
        """Run it: items one by one for so many blocks with a full window, then as many blocks without a wait."""
        device, stage = self._denoiser.device, self._stage
        stage.prefill(self._given.tokens)
        prefill = seconds_of(device, partial(stage.prefill, self._given.tokens))
        taken: dict[int, list[float]] = {}
        settled = self._shape.clip_blocks + _SETTLING_BLOCKS
        for block in range(settled + blocks):
            self._begin(block)
            for step in range(self._steps):
                seconds = seconds_of(device, partial(self._advance, block, step))
                if block >= settled and self._cut.share_of(self._rank, step) is not None:
                    taken.setdefault(step, []).append(seconds)
            self._land(block)
        items = tuple(statistics.median(times) for _, times in sorted(taken.items()))
        following = range(settled + blocks, settled + 2 * blocks)
        whole = seconds_of(device, partial(self._go_on, following)) / blocks
        stage.finish()
        return _Times(items, prefill, max(0.0, whole - sum(items)), stage.cache_bytes)

    def _go_on(self, blocks: range) -> None:
        for block in blocks:
            self._begin(block)
            for step in range(self._steps):
                self._advance(block, step)
            self._land(block)

    def _begin(self, block: int) -> None:
        """As a session does on the lead; the others are sent what comes of it."""
        lead = self._rank == LEAD
        audio = self._denoiser.audio_tokens(self._conditions.audio(block)) if lead else self._given.audio
        clip = self._draws.clip_noise(0, self._denoiser.config.in_dim, self._shape)
        noise = queued_copy(clip[:, :LATENT_FRAMES_PER_BLOCK].unsqueeze(0), self._denoiser.device)
        self._stage.begin(block, 0, noise, audio, None)

    def _advance(self, block: int, step: int) -> None:
        self._stage.advance(PassItem(block, step, reference_frame(block, _AHEAD)))

    def _land(self, block: int) -> None:
        if self._rank == LEAD:
            self._stage.take_latents(block)


def _parameter_bytes(denoiser: Denoiser) -> int:
    """Of the parts that are there of a network in PyTorch, which a rank on the processor is."""
    if not isinstance(denoiser, nn.Module):
        return 0
    return sum(part.numel() * part.element_size() for part in denoiser.parameters() if not part.is_meta)


def seconds_of(device: torch.device, act: Callable[[], object]) -> float:
    """Seconds of something, on the card's own clock if it runs there."""
    if device.type != "cuda":
        started = time.perf_counter()
        act()
        return time.perf_counter() - started
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    with current_card(device):
        begin.record()
        act()
        end.record()
        end.synchronize()
    return float(begin.elapsed_time(end)) / 1000


def _moved(times: TimeConditions, device: torch.device) -> TimeConditions:
    return TimeConditions(times.head.to(device), times.block.to(device))
