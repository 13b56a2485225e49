"""Causal video VAE with explicit streaming state (spec section 5)."""

from live_avatar.vae.config import PUBLISHED_LATENT_MEAN, PUBLISHED_LATENT_STD, VaeConfig
from live_avatar.vae.model import VideoVae
from live_avatar.vae.timeline import DecoderState, EncoderState, StreamState

__all__ = [
    "PUBLISHED_LATENT_MEAN",
    "PUBLISHED_LATENT_STD",
    "DecoderState",
    "EncoderState",
    "StreamState",
    "VaeConfig",
    "VideoVae",
]
