"""Load the networks of a checkpoint folder, strictly, each straight to its device and dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.tensors import Progress, Transform, load_strict, open_safetensors_set, open_weights
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.vae import VideoVae

if TYPE_CHECKING:
    from live_avatar.audio_features import AudioFeatureExtractor
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
) -> CausalAvatarTransformer:
    """The denoiser; ``transform`` sees every weight on its way in (LoRA merge), ``progress`` bytes done and all."""
    source = open_safetensors_set(layout.transformer_files)
    config = DitConfig.read(layout.config, source.shapes())
    with torch.device("meta"):
        transformer = CausalAvatarTransformer(config)
    load_strict(transformer, source, dtype=dtype, device=device, transform=transform, progress=progress)
    return transformer.requires_grad_(False).eval()


def load_vae(layout: CheckpointLayout, dtype: torch.dtype, device: torch.device) -> VideoVae:
    """The causal VAE, sized from its tensors."""
    source = open_weights(layout.vae)
    vae = VideoVae.from_state_dict({key: source.get(key) for key in source}, device, dtype)
    return vae.requires_grad_(False).eval()


def load_text(layout: CheckpointLayout, dtype: torch.dtype, device: torch.device) -> TextEncoder:
    """The text encoder with its tokenizer."""
    from live_avatar.text import TextEncoder

    return TextEncoder.load(layout, dtype, device)


def load_audio(layout: CheckpointLayout, dtype: torch.dtype, device: torch.device) -> AudioFeatureExtractor:
    """The speech feature extractor."""
    from live_avatar.audio_features import AudioFeatureExtractor

    return AudioFeatureExtractor.load(layout.wav2vec, dtype, device)
