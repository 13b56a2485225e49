"""The causal transformer: one pass over one block (spec sections 2 and 3).

The passes here are functions of explicit state: caches, positions and prepared conditions come from the session, so
that packed steps (a batch of blocks at different steps), captured graphs and layer slices are other callers, not other
models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from live_avatar.card_queue import queued_copy
from live_avatar.checkpoint.config import DitConfig
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.layer_span import HeldUnits, HiddenState, LayerSpan
from live_avatar.model.audio_encoder import AudioTokens, CausalAudioEncoder
from live_avatar.model.audio_injector import AudioInjector, InjectedAudio
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import AttentionProjections, Fp32Linear, KeyValue, attention, layer_norm, modulate
from live_avatar.model.motioner import FramePacker
from live_avatar.model.rope import REFERENCE_PREFILL_FRAME, RotaryPositions, rotate

Attend = Callable[[Tensor, KeyValue], Tensor]
ConditionSink = Callable[[int, KeyValue], None]

# Rows of trainable_cond_mask (spec 2.1).
_NOISY, _REFERENCE, _MOTION = 0, 1, 2
_PATCH = (1, 2, 2)


@dataclass(slots=True)
class TimeConditions:
    """Timestep embeddings of a schedule, float32.

    Attributes:
        head: [S, D], added to the head's modulation.
        block: [S, 6, D], added to every block's modulation.
    """

    head: Tensor
    block: Tensor


@dataclass(slots=True)
class BlockPositions:
    """Where a batch of blocks stands in the video; all tensors live on the device.

    Attributes:
        noisy_table: [B, 3N, head_dim / 2, 2] rotation of the block's tokens.
        reference_table: [B, N, head_dim / 2, 2] rotation of the reference for this pass.
        ring_index: int64 [B, 3N] cache rows the block writes.
        visible: cache rows the block may see.
        blocks: indices of the blocks over the whole video, known to the host; empty where nobody needs them.
    """

    noisy_table: Tensor
    reference_table: Tensor
    ring_index: Tensor
    visible: int
    blocks: tuple[int, ...] = ()


class TransformerBlock(nn.Module):
    """Self attention, text cross attention and feed-forward, modulated by time (spec section 2.4)."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.self_attn = AttentionProjections(config.dim, config.num_heads, config.eps)
        self.cross_attn = AttentionProjections(config.dim, config.num_heads, config.eps)
        self.norm3 = nn.LayerNorm(config.dim, eps=config.eps)
        self.ffn = nn.Sequential(
            nn.Linear(config.dim, config.ffn_dim), nn.GELU(approximate="tanh"), nn.Linear(config.ffn_dim, config.dim)
        )
        self.modulation = nn.Parameter(torch.zeros(1, 6, config.dim))

    def forward(self, hidden: Tensor, time: Tensor, attend: Attend, text: KeyValue) -> Tensor:
        """One block.

        Args:
            hidden: [B, T, D]; inside the block the residual stream is float32.
            time: [B, 6, D] float32 timestep projection, shared by all tokens of a sample.
            attend: given unrotated queries and keys/values of these tokens, returns [B, T, D]. It owns the
                positions, the caches and the choice of what is visible.
            text: prepared text keys and values [1 or B, 512, heads, head_dim].

        Returns:
            [B, T, D] in the dtype of ``hidden``.
        """
        query, states = self.before_attention(hidden, time)
        return self.after_attention(hidden, attend(query, states), time, text)

    def before_attention(self, hidden: Tensor, time: Tensor) -> tuple[Tensor, KeyValue]:
        """Unrotated queries and keys/values of the tokens, each [B, T, heads, head_dim]."""
        shift, scale = self._modulation(time)[:2]
        normed = modulate(layer_norm(hidden, self.eps), shift, scale).to(hidden.dtype)
        return self.self_attn.query(normed), self.self_attn.key_value(normed)

    def after_attention(self, hidden: Tensor, attended: Tensor, time: Tensor, text: KeyValue) -> Tensor:
        """Everything after the self attention: its output projection, text, feed-forward; [B, T, D]."""
        dtype = hidden.dtype
        gate_attention, shift, scale, gate_ffn = self._modulation(time)[2:]
        residual = torch.addcmul(hidden.float(), self.self_attn.o(attended).float(), gate_attention)
        residual = residual + self.cross_attn.cross(self.norm3(residual.to(dtype)), text)
        normed = modulate(layer_norm(residual, self.eps), shift, scale).to(dtype)
        return torch.addcmul(residual, self.ffn(normed).float(), gate_ffn).to(dtype)

    def _modulation(self, time: Tensor) -> tuple[Tensor, ...]:
        """(shift, scale, gate) of the attention, then of the feed-forward, each [B, 1, D] float32."""
        return (self.modulation.float() + time).unsqueeze(2).unbind(1)


class Head(nn.Module):
    """Modulated output projection (spec section 2.9), float32."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.head = Fp32Linear(config.dim, config.out_dim * _PATCH[1] * _PATCH[2])
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.dim))

    def forward(self, hidden: Tensor, time: Tensor) -> Tensor:
        """[B, T, D] and time [B, D] -> [B, T, 4 * out_dim] float32."""
        shift, scale = (self.modulation.float() + time.unsqueeze(1)).unsqueeze(2).unbind(1)
        projected: Tensor = self.head(modulate(layer_norm(hidden, self.eps), shift, scale))
        return projected


class CausalAvatarTransformer(nn.Module):
    """The denoiser. Parameter names are those of the published checkpoint (spec section 2.1).

    Attributes:
        span: the layers whose weights it holds; the others are on the meta device.
    """

    def __init__(self, config: DitConfig, span: LayerSpan | None = None) -> None:
        super().__init__()
        self.config = config
        self.span = LayerSpan(0, config.num_layers) if span is None else span
        dim = config.dim
        self.patch_embedding = nn.Conv3d(config.in_dim, dim, _PATCH, stride=_PATCH)
        self.cond_encoder = nn.Conv3d(config.cond_dim, dim, _PATCH, stride=_PATCH)
        self.text_embedding = nn.Sequential(
            nn.Linear(config.text_dim, dim), nn.GELU(approximate="tanh"), nn.Linear(dim, dim)
        )
        self.time_embedding = nn.Sequential(Fp32Linear(config.freq_dim, dim), nn.SiLU(), Fp32Linear(dim, dim))
        self.time_projection = nn.Sequential(nn.SiLU(), Fp32Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.num_layers))
        self.head = Head(config)
        self.casual_audio_encoder = CausalAudioEncoder(
            config.audio_layers, config.audio_dim, dim, config.num_audio_token
        )
        self.audio_injector = AudioInjector(len(config.audio_inject_layers), dim, config.num_heads, config.eps)
        # Zeros, not random numbers: drawing those on the meta device imports compilers for 2 s, and none are ever used.
        self.trainable_cond_mask: nn.Embedding = nn.Embedding.from_pretrained(torch.zeros(3, dim), freeze=False)
        self.frame_packer = FramePacker(config.in_dim, dim)
        self._injector_of_block = {block: index for index, block in enumerate(config.audio_inject_layers)}

    @property
    def dtype(self) -> torch.dtype:
        """Compute dtype: that of the stored weights."""
        return self.patch_embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.patch_embedding.weight.device

    def sinusoid(self, timesteps: Tensor) -> Tensor:
        """Timesteps [S] -> [S, freq_dim] float32, cosine half first, formed in float64 (spec section 2.3)."""
        half = self.config.freq_dim // 2
        exponents = torch.arange(half, dtype=torch.float64, device=timesteps.device) / half
        angles = timesteps.double().unsqueeze(-1) * 10_000.0**-exponents
        return torch.cat([angles.cos(), angles.sin()], dim=-1).float()

    def time_conditions(self, timesteps: Tensor) -> TimeConditions:
        """Embed timesteps [S] (0..1000, float32)."""
        embedded = self.time_embedding(self.sinusoid(timesteps.to(self.device)))
        return TimeConditions(embedded, self.time_projection(embedded).unflatten(-1, (6, -1)))

    def embed_text(self, context: Tensor) -> Tensor:
        """Text encoder output [L, text_dim] -> [1, text_len, D]; missing rows are zeros before the projection."""
        padded = context.new_zeros(self.config.text_len, context.shape[-1])
        padded[: context.shape[0]] = context[: self.config.text_len]
        embedded: Tensor = self.text_embedding(padded.to(self.device, self.dtype))
        return embedded.unsqueeze(0)

    def text_memory(self, embedded: Tensor) -> dict[int, KeyValue]:
        """Text keys and values of the layers it holds, by layer, from [B, text_len, D]; computed once per prompt."""
        layers = self.layers()
        return {layer: layers[layer].cross_attn.key_value(embedded) for layer in self.span.layers}

    def audio_tokens(self, features: Tensor) -> AudioTokens:
        """The sound of one block, from features [actors, layers, A, 12]."""
        local, whole = self.casual_audio_encoder(queued_copy(features, self.device))
        return AudioTokens(local.to(self.dtype), whole.to(self.dtype))

    def audio_memory(self, features: Tensor) -> dict[int, InjectedAudio]:
        """As :meth:`audio_memory_of`, from features [actors, layers, A, 12]."""
        return self.audio_memory_of(self.audio_tokens(features))

    def audio_memory_of(self, tokens: AudioTokens) -> dict[int, InjectedAudio]:
        """Audio conditions of the injectors after the layers it holds, by injector; once per block."""
        held = (self._injector_of_block[layer] for layer in self.span.layers if layer in self._injector_of_block)
        return {index: self.audio_injector.prepare(index, tokens.local, tokens.whole) for index in held}

    def patchify(self, latents: Tensor, pose: Tensor | None) -> Tensor:
        """Noisy latents [B, 16, F, h8, w8] (and pose latents of that shape, or None) -> [B, F * N, D]."""
        embedded = self.patch_embedding(latents.to(self.dtype))
        if pose is not None:
            posed = self.cond_encoder(pose.to(self.dtype))
        else:
            # The published pipeline encodes an all-zero pose, which leaves only the bias.
            posed = self.cond_encoder.bias.view(1, -1, 1, 1, 1)  # type: ignore[union-attr]
        tokens: Tensor = (embedded + posed).flatten(2).transpose(1, 2)
        return tokens + self.trainable_cond_mask.weight[_NOISY]

    def condition_tokens(self, reference: Tensor, motion: Tensor) -> Tensor:
        """Reference latent [B, 16, 1, h8, w8] and motion latents [B, 16, T, h8, w8] -> [B, C, D]."""
        still = self.patch_embedding(reference.to(self.dtype)).flatten(2).transpose(1, 2)
        moving = self.frame_packer(motion.to(self.dtype))
        mask = self.trainable_cond_mask.weight
        return torch.cat([still + mask[_REFERENCE], moving + mask[_MOTION]], dim=1)

    def new_cache(
        self, shape: LatentShape, steps: int, dtype: torch.dtype | None = None, *, units: HeldUnits | None = None
    ) -> KvCache:
        """An empty cache for a take, in ``dtype`` or the compute dtype, for all units or those given."""
        config = self.config
        held = HeldUnits.whole(steps, config.num_layers) if units is None else units
        return KvCache(shape, held, config.num_heads, config.head_dim, dtype or self.dtype, self.device)

    def hidden_places(self, batch: int, tokens: int) -> HiddenState:
        """Memory for a hidden state of ``batch`` samples of ``tokens`` tokens, not initialised."""
        return HiddenState((torch.empty(batch, tokens, self.config.dim, dtype=self.dtype, device=self.device),))

    def prefill_span(
        self,
        given: Tensor | HiddenState,
        span: LayerSpan,
        time: TimeConditions,
        text: Mapping[int, KeyValue],
        rotary: RotaryPositions,
        sink: ConditionSink,
    ) -> HiddenState | None:
        """Run the condition tokens through a run of layers at t = 0 (spec section 2.7).

        Args:
            given: [B, C, D] from ``condition_tokens``, or what the layers before answered.
            time: conditions of timestep 0 (one row).
            text: by layer.
            sink: called for every layer with unrotated keys and values [B, C, heads, head_dim].

        Returns:
            The hidden state, or ``None`` after the last layer: nobody needs it.
        """
        table = rotary.condition(REFERENCE_PREFILL_FRAME)
        hidden = given.tensors[0] if isinstance(given, HiddenState) else given
        layers = self.layers()
        for layer in span.layers:

            def attend(query: Tensor, states: KeyValue, layer: int = layer) -> Tensor:
                sink(layer, states)
                return attention(rotate(query, table), rotate(states.key, table), states.value)

            hidden = layers[layer](hidden, time.block, attend, text[layer])
        return None if span.last == self.config.num_layers else HiddenState((hidden,))

    def denoise_span(
        self,
        given: Tensor | HiddenState,
        span: LayerSpan,
        time: TimeConditions,
        positions: BlockPositions,
        cache: KvCache,
        steps: slice,
        text: Mapping[int, KeyValue],
        audio: Mapping[int, InjectedAudio],
        pose: Tensor | None = None,
        routing: Tensor | None = None,
    ) -> Tensor | HiddenState:
        """A run of layers over a batch of blocks, writing their keys and values into the step caches ``steps``.

        Args:
            given: latents [B, 16, 3, h8, w8], if ``span`` has the first layer; else what the layers before answered.
                Row b is a block at step ``steps[b]``.
            time: conditions of the whole schedule.
            text, audio: by layer and by injector; shared by the batch or with B rows.
            pose: latents of the same shape; for the first layer only.

        Returns:
            Velocity [B, 16, 3, h8, w8] float32, if ``span`` has the last layer; else a hidden state.
        """
        hidden = given.tensors[0] if isinstance(given, HiddenState) else self.patchify(given, pose)
        time_block, layers = time.block[steps], self.layers()
        for layer in span.layers:

            def attend(query: Tensor, states: KeyValue, layer: int = layer) -> Tensor:
                rotated = KeyValue(rotate(states.key, positions.noisy_table), states.value)
                window = cache.attend_window(
                    steps, layer, rotated, positions.ring_index, positions.reference_table, positions.visible
                )
                return attention(rotate(query, positions.noisy_table), window.key, window.value)

            hidden = layers[layer](hidden, time_block, attend, text[layer])
            hidden = self.inject(layer, hidden, audio, routing)
        if span.last < self.config.num_layers:
            return HiddenState((hidden,))
        return self.unpatchify(self.head(hidden, time.head[steps]), cache.shape.height, cache.shape.width)

    def inject(self, layer: int, hidden: Tensor, audio: Mapping[int, InjectedAudio], routing: Tensor | None) -> Tensor:
        """Add the audio residual after ``layer`` if it is an injected one; [B, 3N, D] -> [B, 3N, D]."""
        index = self._injector_of_block.get(layer)
        if index is None:
            return hidden
        injected: Tensor = self.audio_injector(index, hidden, audio[index], routing)
        return injected

    def unpatchify(self, patches: Tensor, height: int, width: int) -> Tensor:
        """[B, F * N, 4 * 16] (patch row, patch column, channel fastest) -> [B, 16, F, height, width]."""
        rows, columns = height // _PATCH[1], width // _PATCH[2]
        grid = patches.unflatten(1, (-1, rows, columns)).unflatten(-1, (_PATCH[1], _PATCH[2], -1))
        latents: Tensor = grid.permute(0, 6, 1, 2, 4, 3, 5).flatten(-2).flatten(3, 4)
        return latents

    def layers(self) -> list[TransformerBlock]:
        """``blocks`` under their own type."""
        return cast(list[TransformerBlock], list(self.blocks))


def block_positions(
    rotary: RotaryPositions, cache: KvCache, block: Tensor, reference_frame: Tensor, visible: int
) -> BlockPositions:
    """Positions of a batch of blocks.

    Args:
        block: int64 [B] block indices over the whole video.
        reference_frame: int64 [B] latent-frame positions of the reference for this pass.
        visible: see ``KvCache.visible_tokens``.
    """
    offsets = torch.arange(LATENT_FRAMES_PER_BLOCK, device=block.device)
    frames = block.unsqueeze(-1) * LATENT_FRAMES_PER_BLOCK + offsets
    return BlockPositions(
        rotary.frames(frames), rotary.frames(reference_frame.unsqueeze(-1)), cache.ring_index(block), visible
    )
