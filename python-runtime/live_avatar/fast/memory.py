"""Memory of a render under a plan, part by part and moment by moment, from sizes alone. No torch.

What tensors take is counted exactly where it is allocated by shape; work space of libraries is measured, and named so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.pass_memory import pass_memory
from live_avatar.fast.weight_sizes import WeightSizes, weight_sizes
from live_avatar.footprint import AUDIO_TOKENS, BYTES, ModelSizes, decoder_state_bytes
from live_avatar.geometry import BLOCK_FRAMES, LATENT_FRAMES_PER_BLOCK, LatentShape

# The published text encoder has 11.4 GB in bfloat16, and 6.8 with one byte for each weight of its linear layers.
_SMALL_TEXT_ENCODER = 0.6
# Measured on an H200 with cuDNN choosing by measuring: 3.4 to 3.8 GB in all at 704x384, of which 2.7 are tensors.
_DECODER_SCRATCH_PER_PIXEL = 1700
# The fast decoder keeps the decoding half in an order of its own, with four kernels for each that enlarges.
_DECODER_COPIES = 0.9
# Measured on a processor: full-resolution maps alive while a still portrait is encoded (see footprint._DECODE_MAPS).
_ENCODER_MAPS = 6.5 * BLOCK_FRAMES
# A minute of sound in the speech model: hidden states of all layers in float32 and the first convolutions.
_SPEECH_WORK_PER_PARAMETER = 3.2
# Code of cuBLAS, cuDNN and compiled kernels, loaded when first used; not in torch's allocator.
MODULE_BYTES = 400 * 10**6
# Work space of cuBLAS, 32 MiB for each of two streams on Hopper, and of cuDNN.
_LIBRARY_BYTES = 100 * 2**20
# The allocator hands out blocks in sizes of its own and cannot move them.
_FRAGMENTATION = 0.02


@dataclass(frozen=True, slots=True)
class PlanMemory:
    """Bytes of every part on the device, and on the host what is held there because of the plan.

    Attributes:
        network: weights used once a pass or less; conditions: of text and audio conditions that are on the device.
        layers: weights of resident layers; slots: places that streamed layers and caches take turns in.
        cache: keys and values of all passes, and the unrotated reference keys.
        text: the prompt's keys and values, twice with graphs; one_text: once; audio: those of the blocks in flight.
        passes: held within a pass; kept_passes: what graphs keep of it for good.
        prefill: held within a prefill; start: within the embedding of the schedule; between: while audio is prepared.
        codec: weights of the VAE and the decoder's own; decoder: its state, buffers and scratch.
        portrait: held while the portrait is encoded.
        speech: weights; speech_work: while a minute of sound is heard.
        text_encoder: on the device, while prompts are read.
        loading: on top of what stays, while weights are prepared.
        pinned: host memory that the card reads, of which ``pinned_cache`` are keys and values; host: that and encoders
            that compute there.
    """

    network: int
    conditions: int
    layers: int
    slots: int
    cache: int
    text: int
    one_text: int
    audio: int
    passes: int
    kept_passes: int
    prefill: int
    start: int
    between: int
    codec: int
    decoder: int
    portrait: int
    speech: int
    speech_work: int
    text_encoder: int
    loading: int
    pinned: int
    pinned_cache: int
    host: int

    @property
    def weights(self) -> int:
        """What is on the device from the load on."""
        return self.network + self.conditions + self.layers

    @property
    def denoiser_peak(self) -> int:
        """Most bytes that the denoiser's tensors take: what torch counts as allocated, without codec and encoders."""
        held = self.weights + self.slots + self.cache + self.audio + _LIBRARY_BYTES
        # The first prefill comes before graphs hold the prompt a second time.
        return held + max(self.one_text + self.prefill, self.start, self.text + max(self.passes, self.between))

    @property
    def moments(self) -> dict[str, int]:
        """Bytes that must be free on the card at each moment of a render, in their order."""
        base = self.weights + self.slots + self.codec + MODULE_BYTES + _LIBRARY_BYTES
        held = base + self.cache + self.text + self.audio + self.kept_passes + self.decoder + self.speech
        running = max(self.passes - self.kept_passes, self.between)
        moments = {
            "load": self.weights + self.slots + self.loading + MODULE_BYTES,
            # A take that is resumed, or a second one, has its caches by then.
            "prompt": held + self.text_encoder,
            "portrait": base + self.portrait,
            # A new prompt's keys and values are made while the old ones are still needed.
            "prefill": held + self.one_text + max(self.prefill, self.start),
            "blocks": held + running,
            "sound": held + self.speech_work,
        }
        return {name: math.ceil(size * (1 + _FRAGMENTATION)) for name, size in moments.items()}

    @property
    def peak(self) -> int:
        """The most of all moments."""
        return max(self.moments.values())

    @property
    def worst_moment(self) -> str:
        """When that is."""
        moments = self.moments
        return max(moments, key=lambda name: moments[name])


def plan_memory(
    sizes: ModelSizes, shape: LatentShape, steps: int, plan: ComputePlan, *, multiplies_float8: bool = True
) -> PlanMemory:
    """What a take of ``shape`` needs under a plan of the flat engine.

    Args:
        steps: of the schedule; the plan may leave the last out.
        multiplies_float8: whether the card does; otherwise e4m3 weights are widened for every product.
    """
    config = sizes.config
    weights = weight_sizes(config, plan)
    passes = pass_count(steps, plan)
    item = item_bytes(plan)
    work = pass_memory(config, shape, passes, plan, multiplies_float8=multiplies_float8)
    caches = cache_bytes(sizes, shape, passes, plan)
    one_text = 2 * config.num_layers * config.text_len * config.dim * item
    in_flight = passes if plan.steps == "packed" else 1
    audio_block = LATENT_FRAMES_PER_BLOCK * config.dim * (2 * AUDIO_TOKENS * item + 8)
    codec, decoder, portrait = _codec(sizes, shape, plan)
    primed = decoder_state_bytes(sizes, shape, "fp32" if plan.vae == "float32" else "bf16") if plan.keep_primed else 0
    encoder = _text_encoder(sizes, plan)
    return PlanMemory(
        network=weights.network,
        conditions=weights.device_conditions,
        layers=weights.resident,
        slots=weights.slots + caches.slots,
        cache=caches.resident,
        text=one_text * (2 if plan.graphs else 1),
        one_text=one_text,
        # Blocks in flight, their batch, and the places graphs read it from.
        audio=len(config.audio_inject_layers) * audio_block * in_flight * 3,
        passes=work.steady,
        kept_passes=work.steady if plan.graphs else 0,
        prefill=work.prefill,
        start=4 * 6 * config.dim**2,
        between=_audio_preparation(sizes.config),
        codec=codec,
        decoder=decoder + primed,
        portrait=portrait,
        speech=sizes.speech_parameters * item,
        speech_work=int(sizes.speech_parameters * _SPEECH_WORK_PER_PARAMETER),
        text_encoder=0 if plan.text_encoder == "host" else encoder,
        loading=_loading(weights, plan),
        pinned=weights.pinned + caches.pinned,
        pinned_cache=caches.pinned,
        host=weights.pinned + caches.pinned + (encoder if plan.text_encoder == "host" else 0),
    )


def pass_count(steps: int, plan: ComputePlan) -> int:
    """Passes over the network for each block; there are as many caches."""
    return steps - 1 if plan.last_step == "skip" and steps > 1 else steps


def item_bytes(plan: ComputePlan) -> int:
    """Of a value that is not quantised."""
    return 4 if plan.weights == "float32" else 2


@dataclass(frozen=True, slots=True)
class CacheBytes:
    """Bytes of keys and values.

    Attributes:
        resident: on the device for good; slots: places that take turns; pinned: on the host.
        moved: copied to the device for each block.
    """

    resident: int
    slots: int
    pinned: int
    moved: int


def cache_bytes(sizes: ModelSizes, shape: LatentShape, passes: int, plan: ComputePlan) -> CacheBytes:
    """Keys and values of all passes and layers."""
    config, item = sizes.config, item_bytes(plan)
    stored = 1 if plan.cache == "float8" else item
    rows = shape.condition_tokens + shape.ring_tokens
    layer = 2 * passes * rows * config.dim * stored
    whole = config.num_layers * layer
    reference = config.num_layers * shape.frame_tokens * config.dim * item
    scales = 4 * config.num_layers * passes * shape.block_tokens
    if not plan.streamed_cache:
        return CacheBytes(whole + reference + scales, 0, 0, 0)
    # Keys of the reference are written anew by every pass and never copied.
    unused = config.num_layers * passes * shape.frame_tokens * config.dim * stored
    return CacheBytes(reference + scales, min(2, config.num_layers) * layer, whole, whole - unused)


def _codec(sizes: ModelSizes, shape: LatentShape, plan: ComputePlan) -> tuple[int, int, int]:
    """Bytes of the VAE's weights, of the fast decoder at work, and of encoding a portrait."""
    from live_avatar.vae.config import VaeConfig
    from live_avatar.vae.fast_memory import decoder_bytes
    from live_avatar.vae.fast_settings import FastSettings

    width, height = shape.width * 8, shape.height * 8
    item = BYTES["fp32" if plan.vae == "float32" else "bf16"]
    decoder = decoder_bytes(VaeConfig.of_width(sizes.vae_width), width, height, FastSettings(), item)
    scratch = int(_DECODER_SCRATCH_PER_PIXEL * width * height * sizes.vae_width / 96)
    weights = int(sizes.vae_parameters * item * (1 + _DECODER_COPIES))
    portrait = int(_ENCODER_MAPS * sizes.vae_width * width * height * item)
    return weights, decoder.total + scratch, portrait


def _text_encoder(sizes: ModelSizes, plan: ComputePlan) -> int:
    whole = sizes.text_parameters * item_bytes(plan)
    return int(whole * _SMALL_TEXT_ENCODER) if plan.text_encoder == "int8" else whole


def _loading(weights: WeightSizes, plan: ComputePlan) -> int:
    """A layer as published, and while it is quantised the largest of its weights in float32 three times."""
    if plan.weights != "float8":
        return weights.largest_layer_published
    return weights.largest_layer_published + 3 * 4 * weights.largest_product


@cache
def _audio_preparation(config: DitConfig) -> int:
    """The audio encoder computes in float32: its largest weight is widened for every block."""
    shapes = dit_shapes(config)
    encoder = [math.prod(shape) for name, shape in shapes.items() if name.startswith("casual_audio_encoder.")]
    return 4 * max(encoder)
