"""What a session is given: conditions, random numbers, sizes and schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from live_avatar.geometry import LatentShape
from live_avatar.model.rope import RotaryRounding
from live_avatar.sampler import Schedule
from live_avatar.vae.timeline import DecoderState


class Draws(Protocol):
    """Source of random numbers of a take."""

    def clip_noise(self, clip: int, channels: int, shape: LatentShape) -> Tensor:
        """float32 [channels, latent frames per clip, h8, w8]; not to be changed."""

    def reference_ahead(self, block: int, step: int) -> int:
        """Latent frames that the reference stands ahead of the block, 4..30."""


@dataclass(slots=True)
class Conditions:
    """What a session is conditioned on; sources are asked block by block, so nothing grows with the length.

    Attributes:
        reference: normalised latent of the portrait [1, 16, 1, h8, w8].
        motion: motion latents [1, 16, T, h8, w8], oldest first.
        prompt: text that holds at a block.
        context: text encoder output [L, text_dim] of a prompt.
        audio: speech features [actors, layers, A, 12] of a block.
        pose: pose latents [1, 16, 3, h8, w8] of a block, or None.
        routing: where each speaker's audio acts, [actors, 3N, 1] (``routing_weights``), or None for one speaker.
        primed: decoder state after the motion latents, if it is there already.
    """

    reference: Tensor
    motion: Tensor
    prompt: Callable[[int], str]
    context: Callable[[str], Tensor]
    audio: Callable[[int], Tensor]
    pose: Callable[[int], Tensor] | None = None
    routing: Tensor | None = None
    primed: DecoderState | None = None


@dataclass(slots=True)
class SessionSettings:
    """Sizes and schedule of a session."""

    shape: LatentShape
    schedule: Schedule
    rotary_rounding: RotaryRounding = "float16"
    cache_dtype: torch.dtype | None = None
    # The reference is replaced by the first generated latent when this clip begins (spec 8.2); None: never.
    anchor_clip: int | None = 1
    # All steps in one pass, each at another block: the same numbers, more work at once, later pictures.
    packed: bool = False
    # No block from this one on is begun ahead of its turn.
    blocks: int | None = None
