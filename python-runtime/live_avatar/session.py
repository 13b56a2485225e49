"""A session owns all streaming state of one take: caches, decoder, position (design: house section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.errors import Cancelled
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.model.audio_injector import InjectedAudio
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions, RotaryRounding
from live_avatar.model.transformer import BlockPositions, ConditionSink, TimeConditions, block_positions
from live_avatar.noise import reference_frame
from live_avatar.sampler import Schedule
from live_avatar.vae.block_decoder import BlockDecoder
from live_avatar.vae.frame_copies import PendingFrames

# Motion latents fed through the decoder before the first block, their pictures unseen (spec 8.2).
PRIMING_LATENTS = 7


class Draws(Protocol):
    """Source of random numbers of a take."""

    def clip_noise(self, clip: int, channels: int, shape: LatentShape) -> Tensor:
        """float32 [channels, latent frames per clip, h8, w8]."""

    def reference_ahead(self, block: int, step: int) -> int:
        """Latent frames that the reference stands ahead of the block, 4..30."""


class Denoiser(Protocol):
    """What a session asks of a denoiser: :class:`live_avatar.model.transformer.CausalAvatarTransformer`, or the same
    function arranged for a card."""

    @property
    def config(self) -> DitConfig:
        """Sizes of the network."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def time_conditions(self, timesteps: Tensor) -> TimeConditions:
        """Embed timesteps [S]."""

    def embed_text(self, context: Tensor) -> Tensor:
        """Project a text encoder's output."""

    def text_memory(self, embedded: Tensor) -> list[KeyValue]:
        """Every layer's text keys and values."""

    def audio_memory(self, features: Tensor) -> list[InjectedAudio]:
        """Every injector's audio conditions of one block."""

    def condition_tokens(self, reference: Tensor, motion: Tensor) -> Tensor:
        """Tokens of the reference and the motion latents."""

    def new_cache(self, shape: LatentShape, steps: int, dtype: torch.dtype | None = None) -> KvCache:
        """An empty cache for a take."""

    def prefill(
        self, tokens: Tensor, time: TimeConditions, text: list[KeyValue], rotary: RotaryPositions, sink: ConditionSink
    ) -> None:
        """Run the condition tokens through all layers, giving their keys and values to ``sink``."""

    def denoise(
        self,
        latents: Tensor,
        time: TimeConditions,
        positions: BlockPositions,
        cache: KvCache,
        steps: slice,
        text: list[KeyValue],
        audio: list[InjectedAudio],
        pose: Tensor | None = None,
        routing: Tensor | None = None,
    ) -> Tensor:
        """Velocity of a batch of blocks."""


@dataclass(slots=True)
class Conditions:
    """What a session is conditioned on; sources are asked block by block, so nothing grows with the length.

    Attributes:
        reference: normalised latent of the portrait [1, 16, 1, h8, w8].
        motion: motion latents [1, 16, T, h8, w8], oldest first.
        prompt: text that holds at a block.
        context: text encoder output [L, text_dim] of a prompt.
        audio: speech features [actors, layers, A, 12] of a block.
        pose: pose latents [1, 16, 3, h8, w8] of a block, or None.
        routing: where each speaker's audio acts, [actors, 3N, 1] (``routing_weights``), or None for one speaker.
    """

    reference: Tensor
    motion: Tensor
    prompt: Callable[[int], str]
    context: Callable[[str], Tensor]
    audio: Callable[[int], Tensor]
    pose: Callable[[int], Tensor] | None = None
    routing: Tensor | None = None


@dataclass(slots=True)
class _PreparedPrompt:
    text: str
    memory: list[KeyValue]


@dataclass(slots=True)
class _Flight:
    """A block that is being denoised.

    Attributes:
        block: its index over the whole video.
        step: the next one to take.
        latents: float32 [1, 16, 3, h8, w8] after the steps before.
        audio: prepared for the injectors; pose: latents of that shape, or None.
    """

    block: int
    step: int
    latents: Tensor
    audio: list[InjectedAudio]
    pose: Tensor | None


@dataclass(slots=True)
class SessionSettings:
    """Sizes and schedule of a session."""

    shape: LatentShape
    schedule: Schedule
    rotary_rounding: RotaryRounding = "float16"
    cache_dtype: torch.dtype | None = None
    # The reference is replaced by the first generated latent when this clip begins (spec 8.2); None: never.
    anchor_clip: int | None = 1
    # All steps in one pass, each at another block: the same numbers, more work at once, later pictures.
    packed: bool = False
    # No block from this one on is begun ahead of its turn.
    blocks: int | None = None


@dataclass(slots=True)
class SavedSession:
    """A session as plain tensors and integers; restoring it continues bit for bit.

    Attributes:
        flight_steps: next step of every block that is begun but not done, the first of them ``block``.
    """

    tensors: dict[str, Tensor]
    block: int
    prefilled_prompt: str
    anchored: bool = field(default=False)
    flight_steps: tuple[int, ...] = ()


class Session:
    """Generates one take block by block.

    Args:
        transformer: the denoiser.
        decoder: of the pictures; its streaming state belongs to this session.
        settings: sizes and schedule.
        conditions: portrait, prompts, audio.
        draws: random numbers.
    """

    def __init__(
        self,
        transformer: Denoiser,
        decoder: BlockDecoder,
        settings: SessionSettings,
        conditions: Conditions,
        draws: Draws,
    ) -> None:
        config = transformer.config
        self.transformer = transformer
        self.decoder = decoder
        self.shape = settings.shape
        self.schedule = settings.schedule
        self.conditions = conditions
        self.draws = draws
        self.block = 0
        self.reference = conditions.reference
        self._anchor_clip = settings.anchor_clip
        self._blocks = settings.blocks
        speakers = 1 if conditions.routing is None else len(conditions.routing)
        # Several speakers' audio acts on one sample.
        self._packed = settings.packed and speakers == 1
        self._flights: list[_Flight] = []
        self._anchored = False
        device = transformer.device
        self.rotary = RotaryPositions(config.head_dim, self.shape, settings.rotary_rounding, device)
        self.cache = transformer.new_cache(self.shape, self.schedule.steps, settings.cache_dtype)
        self._decoder_state = decoder.new_decoder_state()
        self._time = transformer.time_conditions(torch.tensor(self.schedule.timesteps))
        self._condition_time = transformer.time_conditions(torch.zeros(1))
        self._routing = None if conditions.routing is None else conditions.routing.to(device)
        self._prompt: _PreparedPrompt | None = None
        self._prefilled_prompt: str | None = None

    @property
    def clip(self) -> int:
        """Clip that the next block belongs to."""
        return self.block // self.shape.clip_blocks

    def next_clip(
        self, should_stop: Callable[[], bool] | None = None, on_block: Callable[[int], None] | None = None
    ) -> Iterator[PendingFrames]:
        """Yield the pictures of the next clip block by block, 12 frames each, which may still be on their way.

        Raises:
            Cancelled: between two blocks, when ``should_stop`` answers true.
        """
        for index in range(self.shape.clip_blocks):
            if should_stop is not None and should_stop():
                raise Cancelled
            frames = self.decode_frames(self.denoise_block())
            if on_block is not None:
                on_block(index)
            yield frames

    @torch.inference_mode()
    def denoise_block(self) -> Tensor:
        """Denoise the next block and advance; returns its latents float32 [1, 16, 3, h8, w8].

        Packed, every pass takes all blocks in flight one step further. A step's history is what the same step of
        earlier blocks wrote, so both orders give the same numbers.
        """
        while not self._flights or self._flights[0].step < self.schedule.steps:
            self._begin_block()
            self._advance(self._flights if self._packed else self._flights[:1])
        done = self._flights.pop(0)
        if done.block == 0:
            self.reference = done.latents[:, :, :1].clone()
        self.block += 1
        return done.latents

    @torch.inference_mode()
    def predict(self, latents: Tensor, step: int) -> Tensor:
        """Velocity [1, 16, 3, h8, w8] of the current block at one step, without advancing."""
        self._refresh_conditions(self.block)
        return self._velocity([self._flight(self.block, step, latents.to(self.transformer.device))])

    @torch.inference_mode()
    def decode_block(self, latents: Tensor) -> Tensor:
        """Decode a block's latents [1, 16, 3, h8, w8] in the running stream: float32 [12, 3, H, W] in [-1, 1]."""
        self._prime_decoder()
        return self.decoder.stream_decode(latents, self._decoder_state)[0].transpose(0, 1)

    @torch.inference_mode()
    def decode_frames(self, latents: Tensor) -> PendingFrames:
        """As :meth:`decode_block`, as 12 frames uint8 [H, W, 3] that the caller takes when he wants them."""
        self._prime_decoder()
        return self.decoder.stream_frames(latents, self._decoder_state)

    @torch.inference_mode()
    def prefill(self, reference: Tensor, motion: Tensor) -> None:
        """Fill the condition part of the caches from a reference latent and motion latents (spec section 2.7)."""
        prompt = self._prompt_in_force()
        tokens = self.transformer.condition_tokens(
            reference.to(self.transformer.device), motion.to(self.transformer.device)
        )
        self.transformer.prefill(
            tokens,
            self._condition_time,
            prompt.memory,
            self.rotary,
            lambda layer, states: self.cache.write_conditions(layer, states, self.rotary),
        )
        self._prefilled_prompt = prompt.text

    def save(self) -> SavedSession:
        """Snapshot of the state between two blocks. The tensors are the live ones: write them before going on."""
        if self._prefilled_prompt is None:
            raise ValueError("a session has no state before its first block")
        tensors = {f"cache.{name}": tensor for name, tensor in self.cache.tensors().items()}
        tensors |= {f"decoder.{name}": tensor for name, tensor in self._decoder_state.tensors().items()}
        tensors |= {f"flight.{index}": flight.latents for index, flight in enumerate(self._flights)}
        tensors["reference"] = self.reference
        steps = tuple(flight.step for flight in self._flights)
        return SavedSession(tensors, self.block, self._prefilled_prompt, self._anchored, steps)

    @property
    def state_bytes(self) -> int:
        """Bytes that a saved state takes, but for little."""
        decoder = self._decoder_state.tensors().values()
        return self.cache.bytes + sum(part.numel() * part.element_size() for part in decoder)

    def restore(self, saved: SavedSession) -> None:
        """Continue from a snapshot of a session made with the same model, settings, conditions and draws."""
        parts: dict[str, dict[str, Tensor]] = {"cache": {}, "decoder": {}, "flight": {}}
        for name, tensor in saved.tensors.items():
            owner, _, rest = name.partition(".")
            if rest:
                parts[owner][rest] = tensor
        self.cache.load_tensors(parts["cache"])
        # Copies, in the same memory order: the saved tensors may be views of a mapped file.
        device = self.transformer.device
        self._decoder_state.load_tensors({key: part.to(device, copy=True) for key, part in parts["decoder"].items()})
        self.reference = saved.tensors["reference"].to(device, copy=True)
        self.block = saved.block
        self._anchored = saved.anchored
        self._prefilled_prompt = saved.prefilled_prompt
        self._flights = [
            self._flight(self.block + index, step, parts["flight"][str(index)].to(device, copy=True))
            for index, step in enumerate(saved.flight_steps)
        ]

    def _prime_decoder(self) -> None:
        if not self._decoder_state.started:
            self.decoder.prime_decoder(self.conditions.motion[:, :, :PRIMING_LATENTS], self._decoder_state)

    def _begin_block(self) -> None:
        """Take the next block in, if it may begin before those in flight are done."""
        block = self.block + len(self._flights)
        if self._flights:
            last = self._blocks is not None and block >= self._blocks
            # Its history at the first step is what the block before it writes there. One pass has one window, so that
            # blocks are packed only once the ring is full.
            alike = self.cache.visible_tokens(self.block) == self.cache.visible_tokens(block)
            behind = self._flights[-1].step > 0
            if not self._packed or last or not alike or not behind or self._conditions_due(block):
                return
        self._refresh_conditions(block)
        clip, within = divmod(block, self.shape.clip_blocks)
        noise = self.draws.clip_noise(clip, self.transformer.config.in_dim, self.shape)
        first = within * LATENT_FRAMES_PER_BLOCK
        latents = noise[:, first : first + LATENT_FRAMES_PER_BLOCK].unsqueeze(0).to(self.transformer.device).float()
        self._flights.append(self._flight(block, 0, latents))

    def _advance(self, flights: list[_Flight]) -> None:
        """Take each of ``flights`` one step further, in one pass."""
        moved = self._velocity(flights)
        for flight, velocity in zip(flights, moved.split(1), strict=True):
            flight.latents = flight.latents + self.schedule.delta(flight.step) * velocity
            flight.step += 1

    def _conditions_due(self, block: int) -> bool:
        """Whether the conditions in the caches are not those that ``block`` is to see."""
        return self._anchor_due(block) or self._prefilled_prompt != self.conditions.prompt(block)

    def _anchor_due(self, block: int) -> bool:
        clip = block // self.shape.clip_blocks
        return not self._anchored and self._anchor_clip is not None and clip >= self._anchor_clip

    def _refresh_conditions(self, block: int) -> None:
        """Prefill at the start, when the anchor is refreshed at the second clip, and when the prompt changes."""
        due = self._conditions_due(block)
        if self._anchor_due(block):
            self._anchored = True
        self._prepare_prompt(self.conditions.prompt(block))
        if due:
            reference = self.reference if self._anchored else self.conditions.reference
            self.prefill(reference, self.conditions.motion)

    def _flight(self, block: int, step: int, latents: Tensor) -> _Flight:
        audio = self.transformer.audio_memory(self.conditions.audio(block))
        pose = None if self.conditions.pose is None else self.conditions.pose(block).to(self.transformer.device)
        return _Flight(block, step, latents, audio, pose)

    def _velocity(self, flights: list[_Flight]) -> Tensor:
        """Velocity [B, 16, 3, h8, w8] of blocks at different steps, the latest first in the step caches' order."""
        # Later blocks are at earlier steps; the caches of a pass are a run of steps.
        ordered = sorted(flights, key=lambda flight: flight.step)
        first = ordered[0].step
        steps = slice(first, first + len(ordered))
        if [flight.step for flight in ordered] != list(range(steps.start, steps.stop)):
            raise ValueError("blocks in flight must stand one step apart")
        poses = [flight.pose for flight in ordered if flight.pose is not None]
        velocity = self.transformer.denoise(
            _joined([flight.latents for flight in ordered]),
            self._time,
            self._positions(ordered),
            self.cache,
            steps,
            self._prompt_in_force().memory,
            _joined_audio([flight.audio for flight in ordered]),
            _joined(poses) if poses else None,
            self._routing,
        )
        return velocity if len(ordered) == 1 else velocity.flip(0)

    def _positions(self, flights: list[_Flight]) -> BlockPositions:
        device = self.transformer.device
        blocks = [flight.block for flight in flights]
        ahead = [self.draws.reference_ahead(flight.block, flight.step) for flight in flights]
        references = [reference_frame(block, frames) for block, frames in zip(blocks, ahead, strict=True)]
        visible = self.cache.visible_tokens(min(blocks))
        positions = block_positions(
            self.rotary, self.cache, _on_device(blocks, device), _on_device(references, device), visible
        )
        positions.blocks = tuple(blocks)
        return positions

    def _prepare_prompt(self, text: str) -> _PreparedPrompt:
        prompt = self._prompt
        if prompt is None or prompt.text != text:
            embedded = self.transformer.embed_text(self.conditions.context(text))
            prompt = self._prompt = _PreparedPrompt(text, self.transformer.text_memory(embedded))
        return prompt

    def _prompt_in_force(self) -> _PreparedPrompt:
        """The prompt that was prepared last; at first, and after a restore, that of the saved state or the block."""
        if self._prompt is not None:
            return self._prompt
        return self._prepare_prompt(self._prefilled_prompt or self.conditions.prompt(self.block))


def _on_device(values: list[int], device: torch.device) -> Tensor:
    """int64 [B]; the numbers travel as arguments of kernels, so the host does not wait for the device."""
    return torch.stack([torch.full((), value, dtype=torch.int64, device=device) for value in values])


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _joined_audio(blocks: list[list[InjectedAudio]]) -> list[InjectedAudio]:
    """Audio of several blocks as a batch, injector by injector."""
    if len(blocks) == 1:
        return blocks[0]
    return [
        InjectedAudio(
            KeyValue(
                torch.cat([audio.memory.key for audio in parts]), torch.cat([audio.memory.value for audio in parts])
            ),
            torch.cat([audio.shift for audio in parts]),
            torch.cat([audio.scale for audio in parts]),
        )
        for parts in zip(*blocks, strict=True)
    ]
