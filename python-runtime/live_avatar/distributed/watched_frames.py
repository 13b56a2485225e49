"""Pictures of a team that may fail while they are on their way."""

from __future__ import annotations

from torch import Tensor

from live_avatar.distributed.crew import Crew
from live_avatar.vae.block_decoder import BlockDecoder
from live_avatar.vae.frame_copies import Frame, PendingFrames
from live_avatar.vae.timeline import DecoderState


class WatchedFrames(PendingFrames):
    """Taking them raises if the team has failed: what a card computes from a message that never came is no picture."""

    def __init__(self, frames: PendingFrames, crew: Crew) -> None:
        self._frames = frames
        self._crew = crew

    def take(self) -> list[Frame]:
        """The frames, uint8 [H,W,3] each.

        Raises:
            UserError: ``RANK_…``.
        """
        frames = self._frames.take()
        # A failure is noted before anything that the pictures depend on is broken off.
        if self._crew.failed():
            raise self._crew.error()
        return frames


class WatchedDecoder:
    """As ``decoder``; its frames are watched."""

    def __init__(self, decoder: BlockDecoder, crew: Crew) -> None:
        self._decoder = decoder
        self._crew = crew

    def new_decoder_state(self) -> DecoderState:
        """State of a stream that has seen nothing."""
        return self._decoder.new_decoder_state()

    def prime_decoder(self, latents: Tensor, state: DecoderState) -> None:
        """See :class:`BlockDecoder`."""
        self._decoder.prime_decoder(latents, state)

    def stream_decode(self, latents: Tensor, state: DecoderState, clamp: bool = True) -> Tensor:
        """See :class:`BlockDecoder`."""
        return self._decoder.stream_decode(latents, state, clamp)

    def stream_frames(self, latents: Tensor, state: DecoderState) -> PendingFrames:
        """See :class:`BlockDecoder`."""
        return WatchedFrames(self._decoder.stream_frames(latents, state), self._crew)
