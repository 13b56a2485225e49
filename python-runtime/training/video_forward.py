"""The denoiser in training form: a window of blocks at once, each seeing what it would see while streaming.

Block by block, one attention call on [conditions | the last blocks of the ring | itself]: no mask, and the same numbers
as the cached streaming pass (tests compare them).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.model.layers import KeyValue, attention
from live_avatar.model.rope import REFERENCE_PREFILL_FRAME, RotaryPositions, rotate
from live_avatar.model.transformer import CausalAvatarTransformer


@dataclass(slots=True)
class WindowConditions:
    """Conditions of a batch of windows.

    Attributes:
        reference: [B, 16, 1, h8, w8]; motion: [B, 16, 19, h8, w8].
        contexts: text encoder outputs, zero-padded [P, text_len, text_dim], P prompts used by the batch.
        prompt_of_block: int64 [B, blocks] index into ``contexts``; ``prompt_of_prefill``: int64 [B].
        audio: [B, layers, A, 12 * blocks].
        first_block: int64 [B] position of each window in its video.
        reference_frame: int64 [B, blocks] position of the reference for each block's pass.
    """

    reference: Tensor
    motion: Tensor
    contexts: Tensor
    prompt_of_block: Tensor
    prompt_of_prefill: Tensor
    audio: Tensor
    first_block: Tensor
    reference_frame: Tensor


@dataclass(slots=True)
class PreparedWindow:
    """Everything of a window that does not depend on the noise level."""

    condition: list[KeyValue]
    text: list[KeyValue]
    local: Tensor
    whole: Tensor
    noisy_table: Tensor
    reference_table: Tensor
    motion_table: Tensor


def prepare_window(
    model: CausalAvatarTransformer, conditions: WindowConditions, rotary: RotaryPositions
) -> PreparedWindow:
    """Run text, audio and the condition tokens."""
    blocks = conditions.prompt_of_block.shape[1]
    embedded = model.text_embedding(conditions.contexts)
    memory = model.text_memory(embedded)
    prefill_text = [_pick(text, conditions.prompt_of_prefill) for text in memory.values()]
    block_text = [_pick(text, conditions.prompt_of_block.flatten()) for text in memory.values()]
    stored: list[KeyValue] = []
    tokens = _stream_dtype(model.condition_tokens(conditions.reference, conditions.motion))
    rest = model.time_conditions(torch.zeros(1, device=tokens.device))
    table = rotary.condition(REFERENCE_PREFILL_FRAME)
    hidden = tokens
    for layer, block in enumerate(model.layers()):
        query, states = block.before_attention(hidden, rest.block)
        stored.append(states)
        attended = attention(rotate(query, table), rotate(states.key, table), states.value)
        hidden = block.after_attention(hidden, attended, rest.block, prefill_text[layer])
    audio = conditions.audio.unflatten(-1, (blocks, 12)).permute(0, 3, 1, 2, 4).flatten(0, 1)
    local, whole = model.casual_audio_encoder(audio)
    offsets = torch.arange(LATENT_FRAMES_PER_BLOCK * blocks, device=tokens.device)
    frames = conditions.first_block.unsqueeze(-1) * LATENT_FRAMES_PER_BLOCK + offsets
    return PreparedWindow(
        stored,
        block_text,
        local,
        whole,
        rotary.frames(frames),
        rotary.frames(conditions.reference_frame.unsqueeze(-1)),
        rotary.motion,
    )


def window_velocity(
    model: CausalAvatarTransformer, latents: Tensor, timesteps: Tensor, window: PreparedWindow, shape: LatentShape
) -> Tensor:
    """Velocity of all blocks of a window at one noise level per sample.

    Args:
        latents: [B, 16, 3 * blocks, h8, w8]; timesteps: [B] in 0..1000.

    Returns:
        [B, 16, 3 * blocks, h8, w8] float32.
    """
    batch = latents.shape[0]
    blocks = latents.shape[2] // LATENT_FRAMES_PER_BLOCK
    time = model.time_conditions(timesteps)
    tokens = shape.block_tokens
    hidden = _stream_dtype(model.patchify(latents, None))
    audio = model.audio_memory_of(AudioTokens(window.local, window.whole))
    # Text and audio differ from block to block, so those parts run with blocks as the batch.
    block_time = time.block.repeat_interleave(blocks, 0)
    for layer, block in enumerate(model.layers()):
        query, states = block.before_attention(hidden, time.block)
        query, key = rotate(query, window.noisy_table), rotate(states.key, window.noisy_table)
        attended = _block_causal(query, KeyValue(key, states.value), window, layer, blocks, shape)
        per_block = hidden.unflatten(1, (blocks, tokens)).flatten(0, 1)
        attended = attended.unflatten(1, (blocks, tokens)).flatten(0, 1)
        per_block = block.after_attention(per_block, attended, block_time, window.text[layer])
        per_block = model.inject(layer, per_block, audio, None)
        hidden = per_block.unflatten(0, (batch, blocks)).flatten(1, 2)
    return model.unpatchify(model.head(hidden, time.head), latents.shape[-2], latents.shape[-1])


def _block_causal(
    query: Tensor, states: KeyValue, window: PreparedWindow, layer: int, blocks: int, shape: LatentShape
) -> Tensor:
    tokens, condition = shape.block_tokens, window.condition[layer]
    reference, motion = condition.key.split([shape.frame_tokens, shape.motion_tokens], dim=1)
    motion = rotate(motion, window.motion_table)
    parts = []
    for block in range(blocks):
        seen = slice(max(0, block + 1 - shape.clip_blocks) * tokens, (block + 1) * tokens)
        placed = rotate(reference, window.reference_table[:, block])
        key = torch.cat([placed, motion, states.key[:, seen]], dim=1)
        value = torch.cat([condition.value, states.value[:, seen]], dim=1)
        parts.append(attention(query[:, block * tokens : (block + 1) * tokens], key, value))
    return torch.cat(parts, dim=1)


def _stream_dtype(hidden: Tensor) -> Tensor:
    """Between blocks the stream is bfloat16 under autocast, as it is when the engine runs in bfloat16."""
    device = hidden.device.type
    return hidden.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else hidden


def _pick(states: KeyValue, index: Tensor) -> KeyValue:
    return KeyValue(states.key[index], states.value[index])
