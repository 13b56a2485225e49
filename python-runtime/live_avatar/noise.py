"""Every random number of a render, drawn from the seed alone.

Draws are functions of (seed, clip) or (seed, block, step), not of a running generator: a take that is resumed, or
rendered from its middle, sees the same numbers as an uninterrupted one. They are made on the CPU, so that cards agree.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.model.rope import REFERENCE_PREFILL_FRAME

_REFERENCE_AHEAD = (4, 30)


class SeededDraws:
    """Noise and reference positions of one take (spec sections 7.2 and 2.5)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        # The clip drawn last: each of its blocks asks for it, and a large one takes milliseconds.
        self._drawn: tuple[tuple[int, int, LatentShape], Tensor] | None = None

    def clip_noise(self, clip: int, channels: int, shape: LatentShape) -> Tensor:
        """Standard normal noise of one clip: float32 [channels, latent frames per clip, h8, w8] on the CPU.

        It is not to be changed: the next caller may be given the same.
        """
        asked = (clip, channels, shape)
        if self._drawn is None or self._drawn[0] != asked:
            generator = torch.Generator().manual_seed((self.seed + clip) % 2**63)
            size = (channels, shape.clip_latent_frames, shape.height, shape.width)
            self._drawn = (asked, torch.randn(size, generator=generator))
        return self._drawn[1]

    def reference_ahead(self, block: int, step: int) -> int:
        """How many latent frames (4..30) the reference stands ahead of the block in this pass."""
        return random.Random(f"reference {self.seed} {block} {step}").randint(*_REFERENCE_AHEAD)


def reference_frame(block: int, ahead: int) -> int:
    """Latent-frame position of the reference while ``block`` is denoised (spec section 2.5)."""
    return max(REFERENCE_PREFILL_FRAME, block * LATENT_FRAMES_PER_BLOCK + ahead)
