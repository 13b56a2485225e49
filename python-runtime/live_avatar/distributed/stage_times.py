"""What a simulated take is made of: seconds of each rank's work, bytes that travel, how the window fills. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape

# Copies beside the computation slow it a little, and the first of an item cannot hide (as in fast.speed_model).
_COPY_TAX = 1.03


@dataclass(frozen=True, slots=True)
class RankTimes:
    """Seconds of one rank's work, measured or from a model of its card.

    Attributes:
        layer: one layer of one step with a full window; windowed: of that, what is in proportion to the window.
        item: of every item besides its layers: launches, the patches of latents, the head.
        copies: for each layer of an item, what is copied to the card beside the computation.
        prefill: one layer over the condition tokens.
        begin: of every block, before the first of its items here: its sound, and on the lead its noise.
        decode: a block by the VAE; only the lead decodes.
    """

    layer: float
    windowed: float = 0.0
    item: float = 0.0
    copies: float = 0.0
    prefill: float = 0.0
    begin: float = 0.0
    decode: float = 0.0

    def item_seconds(self, layers: int, window: float = 1.0) -> float:
        """Of ``layers`` layers of a step, with this share of the full window visible; 0 for no layers."""
        if layers == 0:
            return 0.0
        compute = self.item + layers * (self.layer - self.windowed * (1 - window))
        copies = layers * self.copies
        return compute if copies == 0 else max(compute, copies) * _COPY_TAX

    def block_seconds(self, items: tuple[int, ...]) -> float:
        """Of a block with a full window: ``items`` are the layers that the rank does of each step."""
        return (self.begin if any(items) else 0.0) + sum(map(self.item_seconds, items)) + self.decode


@dataclass(frozen=True, slots=True)
class Parcels:
    """Bytes that travel.

    Attributes:
        latents: of a block, between steps; hidden: state of its tokens between layers, with the latents.
        conditions: state of the condition tokens between layers, in a prefill.
    """

    latents: int
    hidden: int
    conditions: int


def parcels_of(shape: LatentShape, dim: int, channels: int, *, item: int = 2, pending: bool = True) -> Parcels:
    """Bytes for pictures of ``shape`` in a network ``dim`` wide.

    Args:
        item: bytes of a value of the residual stream.
        pending: the flat engine hands over the residual and the update that is still to be added to it; the plain one
            a single state.
    """
    latents = 4 * channels * LATENT_FRAMES_PER_BLOCK * shape.height * shape.width
    states = (2 if pending else 1) * dim * item
    return Parcels(latents, shape.block_tokens * states + latents, shape.condition_tokens * states)


def windows_of(shape: LatentShape) -> tuple[float, ...]:
    """Share of the full window that each block of the first clip sees; all later ones see all of it."""
    whole = shape.condition_tokens + shape.ring_tokens
    blocks = range(1, shape.clip_blocks + 1)
    return tuple((shape.condition_tokens + block * shape.block_tokens) / whole for block in blocks)
