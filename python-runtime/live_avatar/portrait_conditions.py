"""What a session gets from the portrait: computed once for any number of takes with the same picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.portrait import Portrait, motion_latents, reference_latent
from live_avatar.session import PRIMING_LATENTS
from live_avatar.vae.block_decoder import BlockDecoder
from live_avatar.vae.model import VideoVae
from live_avatar.vae.timeline import DecoderState


@dataclass(frozen=True, slots=True)
class PortraitConditions:
    """A portrait as a session is conditioned on it.

    Attributes:
        digest: identity of the portrait's pixels.
        reference, motion: see :class:`live_avatar.session_inputs.Conditions`.
        primed: decoder state after the motion latents, or ``None`` where every take primes its own.
    """

    digest: str
    reference: Tensor
    motion: Tensor
    primed: DecoderState | None


class PortraitMemory:
    """Remembers the conditions of the last portrait.

    Args:
        keep_primed: keep a primed decoder state, too; it has the size of a take's decoder state.
    """

    def __init__(self, vae: VideoVae, decoder: BlockDecoder, *, keep_primed: bool) -> None:
        self._vae = vae
        self._decoder = decoder
        self._keep_primed = keep_primed
        self._last: PortraitConditions | None = None

    @torch.inference_mode()
    def conditions(self, portrait: Portrait) -> PortraitConditions:
        """Those of ``portrait``; on a card they may still be being computed."""
        last = self._last
        if last is not None and last.digest == portrait.digest:
            return last
        self._last = last = None
        motion = motion_latents(self._vae, portrait.pixels)
        primed: DecoderState | None = None
        if self._keep_primed:
            primed = self._decoder.new_decoder_state()
            self._decoder.prime_decoder(motion[:, :, :PRIMING_LATENTS], primed)
        self._last = PortraitConditions(portrait.digest, reference_latent(self._vae, portrait.pixels), motion, primed)
        return self._last
