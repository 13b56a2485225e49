"""Which decoder a take uses: the plain one, which is the reference, or the fast one for cards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.frame_copies import FrameCopies, PendingFrames
from live_avatar.vae.model import VideoVae
from live_avatar.vae.timeline import DecoderState

DecoderPath = Literal["auto", "plain", "fast"]


class BlockDecoder(Protocol):
    """Decodes streams of latents; states are interchangeable between decoders of one network."""

    def new_decoder_state(self) -> DecoderState:
        """State of a stream that has seen nothing."""

    def prime_decoder(self, latents: Tensor, state: DecoderState) -> None:
        """As :meth:`VideoVae.prime_decoder`."""

    def stream_decode(self, latents: Tensor, state: DecoderState, clamp: bool = True) -> Tensor:
        """As :meth:`VideoVae.stream_decode`."""

    def stream_frames(self, latents: Tensor, state: DecoderState) -> PendingFrames:
        """Decode one video's next latents [1,z,L,h,w] to frames uint8 [H,W,3]."""


class PlainDecoder:
    """The network's own decoder."""

    def __init__(self, vae: VideoVae) -> None:
        self.vae = vae
        self._copies = FrameCopies(vae.conv2.weight.device)

    def new_decoder_state(self) -> DecoderState:
        """State of a stream that has seen nothing."""
        return self.vae.new_decoder_state()

    def prime_decoder(self, latents: Tensor, state: DecoderState) -> None:
        """As :meth:`VideoVae.prime_decoder`."""
        self.vae.prime_decoder(latents, state)

    def stream_decode(self, latents: Tensor, state: DecoderState, clamp: bool = True) -> Tensor:
        """As :meth:`VideoVae.stream_decode`."""
        return self.vae.stream_decode(latents, state, clamp)

    def stream_frames(self, latents: Tensor, state: DecoderState) -> PendingFrames:
        """Decode and convert."""
        return self._copies.send(to_bytes(self.vae.stream_decode(latents, state)[0].transpose(0, 1)))


def make_decoder(
    vae: VideoVae,
    path: DecoderPath = "auto",
    settings: FastSettings | None = None,
    note: Callable[[str], None] | None = None,
) -> BlockDecoder:
    """The decoder for ``vae`` where it is; ``auto`` is fast on a card and plain on a processor.

    Args:
        settings: of the fast one.
        note: told in words when the fast one works otherwise than asked.
    """
    if path == "plain" or (path == "auto" and vae.conv2.weight.device.type != "cuda"):
        return PlainDecoder(vae)
    from live_avatar.vae.fast_decoder import FastDecoder

    return FastDecoder(vae, settings, note)


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures float32 [n,3,H,W] in [-1,1] to uint8 [n,H,W,3], cut off and truncated (spec 7.7), on their device."""
    scaled = ((pictures.clamp(-1.0, 1.0) + 1.0) / 2.0 * 255.0).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous()
