"""How the passes of a take are carried out: by one denoiser here, or by several ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from live_avatar.card_queue import RunAhead
from live_avatar.denoiser import Denoiser
from live_avatar.geometry import LatentShape
from live_avatar.layer_span import LayerSpan
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.model.audio_injector import InjectedAudio
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions, RotaryRounding
from live_avatar.model.transformer import BlockPositions, block_positions
from live_avatar.sampler import Schedule
from live_avatar.saved_session import SlicedTensor


@dataclass(frozen=True, slots=True)
class PassItem:
    """One step of one block; ``reference_frame`` is the latent-frame position of the reference in this pass."""

    block: int
    step: int
    reference_frame: int


@dataclass(frozen=True, slots=True)
class PassSettings:
    """Sizes and schedule of a take, as its passes need them.

    Attributes:
        routing: where each speaker's audio acts, [actors, 3N, 1], or None for one speaker.
    """

    shape: LatentShape
    schedule: Schedule
    rotary_rounding: RotaryRounding = "float16"
    cache_dtype: torch.dtype | None = None
    routing: Tensor | None = None


class TakePasses(Protocol):
    """Carries out what a session asks for, in the order it asks. Only :meth:`keep_pace`, :meth:`latents` and
    :meth:`land` wait.

    Attributes:
        room: blocks that may be in flight at once.
        packed: whether a pass takes several of them.
        ahead: blocks all of whose steps are asked for before the first of them is awaited.
    """

    @property
    def room(self) -> int:
        """See above."""

    @property
    def packed(self) -> bool:
        """See above."""

    @property
    def ahead(self) -> int:
        """See above."""

    def use_text(self, embedded: Tensor) -> None:
        """Everything asked for from here on is with this prompt, [1, text_len, D] from ``embed_text``."""

    def prefill(self, tokens: Tensor) -> None:
        """Fill the condition part of the caches from tokens [1, C, D]."""

    def begin(self, block: int, step: int, latents: Tensor, audio: AudioTokens, pose: Tensor | None) -> None:
        """A block is in flight: its latents float32 [1, 16, 3, h8, w8] before ``step``, its sound and its pose."""

    def advance(self, items: Sequence[PassItem]) -> None:
        """Take blocks one step further, in one pass. They stand one step apart, the oldest first."""

    def keep_pace(self) -> None:
        """Wait until the device has done every pass but the newest; asked before a block is begun."""

    def latents(self, block: int) -> Tensor:
        """Where a block in flight stands after all that was asked for: float32 [1, 16, 3, h8, w8]."""

    def land(self, block: int) -> Tensor:
        """As :meth:`latents`; the block is no longer in flight."""

    def cache_tensors(self) -> Mapping[str, Tensor | SlicedTensor]:
        """What a saved session needs of the caches, as ``KvCache.tensors`` says; as they are until the next request."""

    def load_cache(self, saved: dict[str, Tensor]) -> None:
        """Restore the caches; no block is in flight."""

    @property
    def cache_bytes(self) -> int:
        """Memory of the caches, on all ranks together."""

    @property
    def cache_dtype(self) -> torch.dtype:
        """Of keys and values."""


@dataclass(slots=True)
class _Inputs:
    """A block in flight."""

    latents: Tensor
    audio: dict[int, InjectedAudio]
    pose: Tensor | None


class LocalPasses:
    """All passes by one denoiser that holds all layers.

    Args:
        packed: all steps in one pass, each at another block: the same numbers, more work at once, later pictures.
    """

    def __init__(self, denoiser: Denoiser, settings: PassSettings, *, packed: bool) -> None:
        self.denoiser = denoiser
        self.shape = settings.shape
        self.schedule = settings.schedule
        device = denoiser.device
        self.rotary = RotaryPositions(denoiser.config.head_dim, settings.shape, settings.rotary_rounding, device)
        self.cache = denoiser.new_cache(settings.shape, self.schedule.steps, settings.cache_dtype)
        self.packed = packed
        self.room = self.schedule.steps if packed else 1
        self.ahead = 0
        self._span = LayerSpan(0, denoiser.config.num_layers)
        self._time = denoiser.time_conditions(torch.tensor(self.schedule.timesteps))
        self._condition_time = denoiser.time_conditions(torch.zeros(1))
        self._routing = None if settings.routing is None else settings.routing.to(device)
        self._text: dict[int, KeyValue] = {}
        self._flying: dict[int, _Inputs] = {}
        self._run_ahead = RunAhead(device)

    def use_text(self, embedded: Tensor) -> None:
        """See :class:`TakePasses`."""
        self._text = self.denoiser.text_memory(embedded)

    def prefill(self, tokens: Tensor) -> None:
        """See :class:`TakePasses`."""
        self.denoiser.prefill_span(
            tokens,
            self._span,
            self._condition_time,
            self._text,
            self.rotary,
            lambda layer, states: self.cache.write_conditions(layer, states, self.rotary),
        )

    def begin(self, block: int, step: int, latents: Tensor, audio: AudioTokens, pose: Tensor | None) -> None:
        """See :class:`TakePasses`."""
        self._flying[block] = _Inputs(latents, self.denoiser.audio_memory_of(audio), pose)

    def advance(self, items: Sequence[PassItem]) -> None:
        """See :class:`TakePasses`."""
        moved = self.velocity(items)
        for item, velocity in zip(items, moved.split(1), strict=True):
            flying = self._flying[item.block]
            flying.latents = flying.latents + self.schedule.delta(item.step) * velocity
        self._run_ahead.asked()

    def keep_pace(self) -> None:
        """See :class:`TakePasses`."""
        self._run_ahead.wait()

    def velocity(self, items: Sequence[PassItem]) -> Tensor:
        """Velocity [B, 16, 3, h8, w8] of blocks in flight, without moving them.

        Raises:
            ValueError: they do not stand one step apart.
        """
        # Later blocks are at earlier steps; the caches of a pass are a run of steps.
        ordered = sorted(items, key=lambda item: item.step)
        steps = slice(ordered[0].step, ordered[0].step + len(ordered))
        if [item.step for item in ordered] != list(range(steps.start, steps.stop)):
            raise ValueError("blocks in flight must stand one step apart")
        flying = [self._flying[item.block] for item in ordered]
        poses = [each.pose for each in flying if each.pose is not None]
        velocity = self.denoiser.denoise_span(
            _joined([each.latents for each in flying]),
            self._span,
            self._time,
            positions_of(ordered, self.rotary, self.cache),
            self.cache,
            steps,
            self._text,
            _joined_audio([each.audio for each in flying]),
            _joined(poses) if poses else None,
            self._routing,
        )
        assert isinstance(velocity, Tensor)
        return velocity if len(ordered) == 1 else velocity.flip(0)

    def latents(self, block: int) -> Tensor:
        """See :class:`TakePasses`."""
        return self._flying[block].latents

    def land(self, block: int) -> Tensor:
        """See :class:`TakePasses`."""
        return self._flying.pop(block).latents

    def cache_tensors(self) -> dict[str, Tensor]:
        """See :class:`TakePasses`."""
        return self.cache.tensors()

    def load_cache(self, saved: dict[str, Tensor]) -> None:
        """See :class:`TakePasses`."""
        self.cache.load_tensors(saved)
        self._flying.clear()

    @property
    def cache_bytes(self) -> int:
        """See :class:`TakePasses`."""
        return self.cache.bytes

    @property
    def cache_dtype(self) -> torch.dtype:
        """See :class:`TakePasses`."""
        return self.cache.key.dtype


def positions_of(items: Sequence[PassItem], rotary: RotaryPositions, cache: KvCache) -> BlockPositions:
    """Where the blocks of a pass stand; the host does not wait for the device."""
    blocks = [item.block for item in items]
    device = rotary.device
    positions = block_positions(
        rotary,
        cache,
        _on_device(blocks, device),
        _on_device([item.reference_frame for item in items], device),
        cache.visible_tokens(min(blocks)),
    )
    positions.blocks = tuple(blocks)
    return positions


def _on_device(values: list[int], device: torch.device) -> Tensor:
    """int64 [B]; the numbers travel as arguments of kernels, so the host does not wait for the device."""
    return torch.stack([torch.full((), value, dtype=torch.int64, device=device) for value in values])


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _joined_audio(blocks: list[dict[int, InjectedAudio]]) -> dict[int, InjectedAudio]:
    """Audio of several blocks as a batch, injector by injector."""
    if len(blocks) == 1:
        return blocks[0]
    return {index: _joined_injector([audio[index] for audio in blocks]) for index in blocks[0]}


def _joined_injector(parts: list[InjectedAudio]) -> InjectedAudio:
    keys, values = [part.memory.key for part in parts], [part.memory.value for part in parts]
    shift, scale = torch.cat([part.shift for part in parts]), torch.cat([part.scale for part in parts])
    return InjectedAudio(KeyValue(torch.cat(keys), torch.cat(values)), shift, scale)
