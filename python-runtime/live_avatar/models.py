"""Load the networks of a checkpoint folder, strictly, each straight to its device and dtype."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.tensors import Progress, Transform, load_strict, open_safetensors_set, open_weights
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.network_part import NetworkPart
from live_avatar.vae.model import VideoVae

if TYPE_CHECKING:
    from live_avatar.audio_features import AudioFeatureExtractor
    from live_avatar.denoiser import Denoiser
    from live_avatar.fast.weight_cache import CacheSettings
    from live_avatar.fast.weight_only import SmallForm
    from live_avatar.pipeline import Weights
    from live_avatar.text import TextEncoder


def read_transformer_config(layout: CheckpointLayout) -> DitConfig:
    """Sizes of the denoiser; only headers are read."""
    return DitConfig.read(layout.config, open_safetensors_set(layout.transformer_files).shapes())


def load_transformer(
    layout: CheckpointLayout,
    dtype: torch.dtype,
    device: torch.device,
    transform: Transform | None = None,
    progress: Progress | None = None,
    part: NetworkPart | None = None,
) -> CausalAvatarTransformer:
    """The denoiser; ``transform`` sees every weight on its way in (LoRA merge), ``progress`` bytes done and all.

    Of a ``part`` only its own weights are loaded; the others stay on the meta device.
    """
    source = open_safetensors_set(layout.transformer_files)
    config = DitConfig.read(layout.config, source.shapes())
    part = part or NetworkPart.whole(config)
    with torch.device("meta"):
        transformer = CausalAvatarTransformer(config, part.span)
    load_strict(
        transformer,
        source,
        dtype=dtype,
        device=device,
        transform=transform,
        progress=progress,
        only=partial(part.has, config),
    )
    return transformer.requires_grad_(False).eval()


def load_denoiser(
    weights: Weights,
    cache: CacheSettings | None = None,
    progress: Progress | None = None,
    warn: Callable[[str, str], None] | None = None,
    part: NetworkPart | None = None,
) -> Denoiser:
    """The denoiser as the plan wants it, its LoRA merged.

    Args:
        part: what of it is loaded; ``None`` for all. The plan's number of resident layers counts those of the part.
        cache: where prepared weights are kept; ``None`` for the user's cache.
        warn: told (code, text) of what went wrong without stopping the load.
    """
    layout, lora, device, plan = weights.layout, weights.lora, weights.device, weights.plan
    if plan.engine == "plain":
        merge = None if lora is None else lora.merge
        return load_transformer(layout, weights.precisions.denoiser, device, merge, progress, part)
    from live_avatar.fast.assembly import FastSettings, fast_transformer
    from live_avatar.fast.loading import load_fast_transformer
    from live_avatar.fast.weight_cache import CacheSettings

    network, layers = load_fast_transformer(
        layout, lora, plan.weights, device, plan.placement, progress, part, cache=cache or CacheSettings(), warn=warn
    )
    return fast_transformer(network, FastSettings.of_plan(plan), layers)


def load_vae(layout: CheckpointLayout, dtype: torch.dtype, device: torch.device) -> VideoVae:
    """The causal VAE, sized from its tensors."""
    source = open_weights(layout.vae)
    vae = VideoVae.from_state_dict({key: source.get_on(key, device) for key in source}, device, dtype)
    return vae.requires_grad_(False).eval()


def load_text(
    layout: CheckpointLayout, dtype: torch.dtype, device: torch.device, form: SmallForm | None = None
) -> TextEncoder:
    """The text encoder with its tokenizer; ``form`` keeps its weights in 8 bits."""
    from live_avatar.text import TextEncoder

    return TextEncoder.load(layout, dtype, device, form)


def load_audio(layout: CheckpointLayout, dtype: torch.dtype, device: torch.device) -> AudioFeatureExtractor:
    """The speech feature extractor."""
    from live_avatar.audio_features import AudioFeatureExtractor

    return AudioFeatureExtractor.load(layout.wav2vec, dtype, device)
