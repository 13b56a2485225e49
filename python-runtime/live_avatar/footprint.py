"""Bytes and operations of a render, from sizes alone. Pure; no torch.

Formulas follow spec sections 2, 5 and 12 and the layout of our caches; factors marked "measured" were fitted to the
resident memory of real runs on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from live_avatar.checkpoint.config import DitConfig
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND, LatentShape, clips_for_frames

ActualPrecision = Literal["fp32", "bf16"]
BYTES: dict[ActualPrecision, int] = {"fp32": 4, "bf16": 2}

TEXT_ROWS = 512
AUDIO_TOKENS = 5
PUBLISHED_VAE_WIDTH = 96
# Spec 12: decoding one block at 704x384 with the published VAE.
_PUBLISHED_DECODE_OPERATIONS = 27.5e12
_PUBLISHED_ENCODE_OPERATIONS_PER_LATENT = 5.4e12
_PUBLISHED_DECODE_PIXELS = 704 * 384
# Distinct latents that encoding a still picture of 73 frames computes.
_STILL_LATENTS = 12
# Measured: resident memory of python with torch and transformers imported, and of a CUDA context.
PROCESS_BYTES = 520 * 2**20
CUDA_CONTEXT_BYTES = 800 * 2**20
# Measured: live full-resolution feature maps while a block is decoded, and scratch memory of the convolutions.
_DECODE_MAPS = 6.5
_DECODE_SCRATCH = 32 * 2**20
# The streaming decoder keeps two frames in front of every convolution: 24.7 full-resolution maps in all.
_DECODER_STATE_MAPS = 24.7
_ENCODED_BITS_PER_PIXEL = 0.15
_AUDIO_BYTES_PER_SECOND = 192_000 // 8
_MODEL_SOUND_BYTES_PER_SECOND = 16_000 * 4
_STATES_ON_DISK = 3
# A text encoder up to this size stays in memory (live_avatar.pipeline).
_KEPT_TEXT_ENCODER_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """Sizes of a checkpoint's networks.

    Attributes:
        config: of the denoiser.
        parameters: of the denoiser.
        vae_width: channels of the VAE at full resolution (96 in the published one).
        vae_parameters, text_parameters, speech_parameters: of the other networks.
    """

    config: DitConfig
    parameters: int
    vae_width: int
    vae_parameters: int
    text_parameters: int
    speech_parameters: int


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes of a render's parts; ``peak`` is what must be free at the worst moment.

    Attributes:
        denoiser, vae: weights.
        text_encoder, speech_encoder: weights, needed only while prompts or sound are encoded.
        kv_cache: keys and values of all steps and layers.
        activations: the denoiser's largest intermediate results.
        vae_work: decoder state and intermediate results.
        process: the program and its libraries.
        held: caches and work memory that are there already while the prompt is encoded.
    """

    denoiser: int
    vae: int
    text_encoder: int
    speech_encoder: int
    kv_cache: int
    activations: int
    vae_work: int
    process: int
    held: int = 0

    @property
    def render(self) -> int:
        """While blocks are made; the speech encoder stays for later segments of the sound, a small text encoder too."""
        kept = self.text_encoder if self.text_encoder <= _KEPT_TEXT_ENCODER_BYTES else 0
        streaming = self.kv_cache + self.activations + self.vae_work
        return self.process + self.denoiser + self.vae + self.speech_encoder + kept + streaming

    @property
    def prepare(self) -> int:
        """While the prompt is encoded."""
        return self.process + self.denoiser + self.vae + self.text_encoder + self.held

    @property
    def peak(self) -> int:
        """The larger of both."""
        return max(self.render, self.prepare)


def memory_use(
    sizes: ModelSizes,
    shape: LatentShape,
    steps: int,
    precision: ActualPrecision,
    vae_precision: ActualPrecision,
    *,
    on_cuda: bool,
) -> MemoryUse:
    """Memory of a render at the given picture shape and precisions."""
    config, value = sizes.config, BYTES[precision]
    width, height = shape.width * 8, shape.height * 8
    vae_map = sizes.vae_width * width * height * BYTES[vae_precision]
    return MemoryUse(
        denoiser=sizes.parameters * value,
        vae=sizes.vae_parameters * BYTES[vae_precision],
        text_encoder=sizes.text_parameters * value,
        speech_encoder=sizes.speech_parameters * value,
        kv_cache=kv_cache_bytes(config, shape, steps, precision),
        activations=_activation_bytes(config, shape, precision),
        vae_work=int(vae_map * (_DECODE_MAPS * BLOCK_FRAMES + _DECODER_STATE_MAPS)) + _DECODE_SCRATCH,
        process=CUDA_CONTEXT_BYTES if on_cuda else PROCESS_BYTES,
    )


def kv_cache_bytes(config: DitConfig, shape: LatentShape, steps: int, precision: ActualPrecision) -> int:
    """Keys and values of all steps and layers, the unrotated reference keys, and the prompt's keys and values."""
    tokens = steps * 2 * (shape.condition_tokens + shape.ring_tokens) + shape.frame_tokens + 2 * TEXT_ROWS
    return config.num_layers * tokens * config.dim * BYTES[precision]


def decoder_state_bytes(sizes: ModelSizes, shape: LatentShape, vae_precision: ActualPrecision) -> int:
    """What the streaming decoder carries from block to block."""
    pixels = shape.width * shape.height * 64
    return int(_DECODER_STATE_MAPS * sizes.vae_width * pixels * BYTES[vae_precision])


def _activation_bytes(config: DitConfig, shape: LatentShape, precision: ActualPrecision) -> int:
    """Largest moment of one layer: a float32 residual beside q, k, v and norms, or beside the feed-forward's inside."""
    tokens = max(shape.block_tokens, shape.condition_tokens)
    inside = max(6 * config.dim, 2 * config.ffn_dim + 2 * config.dim)
    return tokens * (3 * config.dim * 4 + inside * BYTES[precision])


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes on disk while a render runs.

    Attributes:
        segments: finished clips in the job folder.
        final: the joined video, 0 when clips only are made.
        states: saved states; without a budget two are kept and a third is written before the oldest goes.
        state: one of them.
        sound: prepared sound for model and viewer.
    """

    segments: int
    final: int
    states: int
    state: int
    sound: int

    @property
    def peak(self) -> int:
        """All of it at once, just before an output is in place and the job folder removed."""
        return self.segments + self.final + self.states + self.sound


def disk_use(
    sizes: ModelSizes,
    shape: LatentShape,
    steps: int,
    frames: int,
    precision: ActualPrecision,
    vae_precision: ActualPrecision,
    *,
    joined: bool = True,
    state_budget: int | None = None,
    caches: int | None = None,
) -> DiskUse:
    """Disk space for ``frames`` frames, ``joined`` to one video in the end or not.

    ``state_budget``: see :class:`live_avatar.render.RenderJob`; ``caches``: bytes of keys and values, if they are not
    kept as the plain engine does.
    """
    seconds = frames / FRAMES_PER_SECOND
    picture = int(frames * shape.width * shape.height * 64 * _ENCODED_BITS_PER_PIXEL / 8)
    video = picture + int(seconds * _AUDIO_BYTES_PER_SECOND)
    if caches is None:
        caches = kv_cache_bytes(sizes.config, shape, steps, precision)
    state = caches + decoder_state_bytes(sizes, shape, vae_precision)
    sound = int(seconds * (_AUDIO_BYTES_PER_SECOND + _MODEL_SOUND_BYTES_PER_SECOND))
    clips = clips_for_frames(frames, shape.infer_frames)
    states = _STATES_ON_DISK if state_budget is None else min(state_budget // state, clips - 1)
    return DiskUse(video, video if joined else 0, states * state, state, sound)


@dataclass(frozen=True, slots=True)
class Operations:
    """Floating-point operations (two a multiply-add) of a render's parts.

    Attributes:
        step: one denoising step of one block with a full window.
        decode: the VAE's decoding of one block.
        prefill: one pass over reference and motion tokens.
        portrait: encoding the portrait.
    """

    step: float
    decode: float
    prefill: float
    portrait: float


def operations(sizes: ModelSizes, shape: LatentShape) -> Operations:
    """Work of one block (spec section 12)."""
    config = sizes.config
    window = shape.condition_tokens + shape.ring_tokens
    layer = 12 * config.dim**2 + 4 * config.dim * config.ffn_dim
    injectors = len(config.audio_inject_layers) * (4 * config.dim**2 + 4 * AUDIO_TOKENS * config.dim)
    attention = 4 * config.dim * config.num_layers
    queries, conditions = shape.block_tokens, shape.condition_tokens
    step = queries * (config.num_layers * layer + injectors + attention * (window + TEXT_ROWS))
    prefill = conditions * (config.num_layers * layer + attention * (conditions + TEXT_ROWS))
    scale = (sizes.vae_width / PUBLISHED_VAE_WIDTH) ** 2 * shape.width * shape.height * 64 / _PUBLISHED_DECODE_PIXELS
    return Operations(
        step=float(step),
        decode=_PUBLISHED_DECODE_OPERATIONS * scale,
        prefill=float(prefill),
        portrait=_PUBLISHED_ENCODE_OPERATIONS_PER_LATENT * scale * _STILL_LATENTS,
    )
