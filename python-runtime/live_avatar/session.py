"""A session owns all streaming state of one take: caches, decoder, position (design: house section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from live_avatar.errors import Cancelled
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.model.audio_injector import InjectedAudio
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions, RotaryRounding
from live_avatar.model.transformer import BlockPositions, CausalAvatarTransformer, TimeConditions, block_positions
from live_avatar.noise import reference_frame
from live_avatar.sampler import Schedule
from live_avatar.vae import VideoVae

# Motion latents fed through the decoder before the first block, their pictures unseen (spec 8.2).
PRIMING_LATENTS = 7


class Draws(Protocol):
    """Source of random numbers of a take."""

    def clip_noise(self, clip: int, channels: int, shape: LatentShape) -> Tensor:
        """float32 [channels, latent frames per clip, h8, w8]."""

    def reference_ahead(self, block: int, step: int) -> int:
        """Latent frames that the reference stands ahead of the block, 4..30."""


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
class SessionSettings:
    """Sizes and schedule of a session."""

    shape: LatentShape
    schedule: Schedule
    rotary_rounding: RotaryRounding = "float16"
    cache_dtype: torch.dtype | None = None
    # The reference is replaced by the first generated latent when this clip begins (spec 8.2); None: never.
    anchor_clip: int | None = 1


@dataclass(slots=True)
class SavedSession:
    """A session as plain tensors and integers; restoring it continues bit for bit."""

    tensors: dict[str, Tensor]
    block: int
    prefilled_prompt: str
    anchored: bool = field(default=False)


class Session:
    """Generates one take block by block.

    Args:
        transformer: the denoiser.
        vae: the decoder; its streaming state belongs to this session.
        settings: sizes and schedule.
        conditions: portrait, prompts, audio.
        draws: random numbers.
    """

    def __init__(
        self,
        transformer: CausalAvatarTransformer,
        vae: VideoVae,
        settings: SessionSettings,
        conditions: Conditions,
        draws: Draws,
    ) -> None:
        config = transformer.config
        self.transformer = transformer
        self.vae = vae
        self.shape = settings.shape
        self.schedule = settings.schedule
        self.conditions = conditions
        self.draws = draws
        self.block = 0
        self.reference = conditions.reference
        self._anchor_clip = settings.anchor_clip
        self._anchored = False
        device = transformer.device
        self.rotary = RotaryPositions(config.head_dim, self.shape, settings.rotary_rounding, device)
        self.cache = KvCache(
            self.shape,
            self.schedule.steps,
            config.num_layers,
            config.num_heads,
            config.head_dim,
            settings.cache_dtype or transformer.dtype,
            device,
        )
        self._decoder_state = vae.new_decoder_state()
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
    ) -> Iterator[Tensor]:
        """Yield the pictures of the next clip block by block: float32 [12, 3, H, W] in [-1, 1].

        Raises:
            Cancelled: between two blocks, when ``should_stop`` answers true.
        """
        for index in range(self.shape.clip_blocks):
            if should_stop is not None and should_stop():
                raise Cancelled
            frames = self.decode_block(self.denoise_block())
            if on_block is not None:
                on_block(index)
            yield frames

    @torch.inference_mode()
    def denoise_block(self) -> Tensor:
        """Denoise the next block and advance; returns its latents float32 [1, 16, 3, h8, w8]."""
        self._refresh_conditions()
        clip, within = divmod(self.block, self.shape.clip_blocks)
        noise = self.draws.clip_noise(clip, self.transformer.config.in_dim, self.shape)
        first = within * LATENT_FRAMES_PER_BLOCK
        latents = noise[:, first : first + LATENT_FRAMES_PER_BLOCK].unsqueeze(0).to(self.transformer.device).float()
        audio, pose = self._block_inputs()
        for step in range(self.schedule.steps):
            latents = latents + self.schedule.delta(step) * self._velocity(latents, step, audio, pose)
        if self.block == 0:
            self.reference = latents[:, :, :1].clone()
        self.block += 1
        return latents

    @torch.inference_mode()
    def predict(self, latents: Tensor, step: int) -> Tensor:
        """Velocity [1, 16, 3, h8, w8] of the current block at one step, without advancing."""
        self._refresh_conditions()
        return self._velocity(latents.to(self.transformer.device), step, *self._block_inputs())

    @torch.inference_mode()
    def decode_block(self, latents: Tensor) -> Tensor:
        """Decode a block's latents [1, 16, 3, h8, w8] in the running stream: float32 [12, 3, H, W] in [-1, 1]."""
        if not self._decoder_state.started:
            self.vae.prime_decoder(self.conditions.motion[:, :, :PRIMING_LATENTS], self._decoder_state)
        return self.vae.stream_decode(latents, self._decoder_state)[0].transpose(0, 1)

    @torch.inference_mode()
    def prefill(self, reference: Tensor, motion: Tensor) -> None:
        """Fill the condition part of the caches from a reference latent and motion latents (spec section 2.7)."""
        tokens = self.transformer.condition_tokens(
            reference.to(self.transformer.device), motion.to(self.transformer.device)
        )
        self.transformer.prefill(
            tokens,
            self._condition_time,
            self._prepared_prompt().memory,
            self.rotary,
            lambda layer, states: self.cache.write_conditions(layer, states, self.rotary),
        )
        self._prefilled_prompt = self._prepared_prompt().text

    def save(self) -> SavedSession:
        """Snapshot of the state between two blocks. The tensors are the live ones: write them before going on."""
        if self._prefilled_prompt is None:
            raise ValueError("a session has no state before its first block")
        tensors = {f"cache.{name}": tensor for name, tensor in self.cache.tensors().items()}
        tensors |= {f"decoder.{name}": tensor for name, tensor in self._decoder_state.tensors().items()}
        tensors["reference"] = self.reference
        return SavedSession(tensors, self.block, self._prefilled_prompt, self._anchored)

    def restore(self, saved: SavedSession) -> None:
        """Continue from a snapshot of a session made with the same model, settings, conditions and draws."""
        parts: dict[str, dict[str, Tensor]] = {"cache": {}, "decoder": {}}
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

    def _refresh_conditions(self) -> None:
        """Prefill at the start, when the anchor is refreshed at the second clip, and when the prompt changes."""
        anchor_due = not self._anchored and self._anchor_clip is not None and self.clip >= self._anchor_clip
        if anchor_due:
            self._anchored = True
        if anchor_due or self._prefilled_prompt != self.conditions.prompt(self.block):
            reference = self.reference if self._anchored else self.conditions.reference
            self.prefill(reference, self.conditions.motion)

    def _block_inputs(self) -> tuple[list[InjectedAudio], Tensor | None]:
        pose = None if self.conditions.pose is None else self.conditions.pose(self.block).to(self.transformer.device)
        return self.transformer.audio_memory(self.conditions.audio(self.block)), pose

    def _velocity(self, latents: Tensor, step: int, audio: list[InjectedAudio], pose: Tensor | None) -> Tensor:
        return self.transformer.denoise(
            latents,
            TimeConditions(self._time.head[step : step + 1], self._time.block[step : step + 1]),
            self._positions(step),
            self.cache,
            slice(step, step + 1),
            self._prepared_prompt().memory,
            audio,
            pose,
            self._routing,
        )

    def _positions(self, step: int) -> BlockPositions:
        ahead = self.draws.reference_ahead(self.block, step)
        device = self.transformer.device
        return block_positions(
            self.rotary,
            self.cache,
            torch.tensor([self.block], device=device),
            torch.tensor([reference_frame(self.block, ahead)], device=device),
            self.cache.visible_tokens(self.block),
        )

    def _prepared_prompt(self) -> _PreparedPrompt:
        text = self.conditions.prompt(self.block)
        if self._prompt is None or self._prompt.text != text:
            embedded = self.transformer.embed_text(self.conditions.context(text))
            self._prompt = _PreparedPrompt(text, self.transformer.text_memory(embedded))
        return self._prompt
