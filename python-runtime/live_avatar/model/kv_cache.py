"""Key and value caches of one take: static tensors written in place (design: house section 6, spec section 2.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.layer_span import HeldUnits
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions, rotate


@dataclass(frozen=True, slots=True)
class CachePiece:
    """A part of what a saved session needs of a cache.

    Attributes:
        name: of the tensor in a cache of all steps and layers.
        place: where in it the part belongs.
        tensor: the live part, of any device.
    """

    name: str
    place: tuple[slice, ...]
    tensor: Tensor


class KvCache:
    """One cache per denoising step and layer, laid out [reference | motion | ring].

    History is noisy: step i of a block sees the keys and values that step i of earlier blocks wrote (spec 0.4).
    Motion keys are rotated once; reference keys are kept unrotated beside and rotated anew for every pass, because
    their position rolls with the block. The ring keeps ``infer_frames / 4`` latent frames, each rotated at its own
    position. Steps and layers are numbered as in the whole network, also where only some of them are held.

    Attributes:
        units: which layers of which steps it holds.
        key, value: [units, C + R, heads, head_dim].
        reference_key: unrotated reference keys [layers of the hull of all units, N, heads, head_dim], for all steps.
    """

    def __init__(
        self,
        shape: LatentShape,
        units: HeldUnits,
        heads: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.shape = shape
        self.units = units
        size = (units.count, shape.condition_tokens + shape.ring_tokens, heads, head_dim)
        self.key = torch.zeros(size, dtype=dtype, device=device)
        self.value = torch.zeros(size, dtype=dtype, device=device)
        reference = (len(units.hull), shape.frame_tokens, heads, head_dim)
        self.reference_key = torch.zeros(reference, dtype=dtype, device=device)
        self._block_offsets = torch.arange(shape.block_tokens, device=device)

    @property
    def bytes(self) -> int:
        """Memory of its tensors, wherever they are."""
        return sum(part.numel() * part.element_size() for part in (self.key, self.value, self.reference_key))

    def write_conditions(self, layer: int, condition: KeyValue, rotary: RotaryPositions) -> None:
        """Store one layer's prefill keys (unrotated) and values [1, C, heads, head_dim] for all steps that hold it.

        A layer that no step holds is passed over: a prefill may run through more than is needed here.
        """
        if layer not in self.units.hull:
            return
        tokens, frame_tokens = self.shape.condition_tokens, self.shape.frame_tokens
        self.reference_key[layer - self.units.hull.first].copy_(condition.key[0, :frame_tokens])
        moving = rotate(condition.key[0, frame_tokens:], rotary.motion)
        for unit in self.units.of_layer(layer):
            self.key[unit, frame_tokens:tokens] = moving
            self.value[unit, :tokens] = condition.value[0]

    def ring_index(self, block: Tensor) -> Tensor:
        """Cache rows that the given blocks write: int64 [B] -> [B, 3N], on the device."""
        first = (block * LATENT_FRAMES_PER_BLOCK % self.shape.clip_latent_frames) * self.shape.frame_tokens
        return self.shape.condition_tokens + first.unsqueeze(-1) + self._block_offsets

    def visible_tokens(self, block: int) -> int:
        """See :meth:`LatentShape.visible_tokens`."""
        return self.shape.visible_tokens(block)

    def expect(self, steps: slice, visible: int) -> None:
        """After the pass that begins next, one over these steps with so many visible rows will come.

        A hint for caches that fetch ahead; they guess without it, and a wrong one costs time only.
        """

    def attend_window(
        self, steps: slice, layer: int, states: KeyValue, index: Tensor, reference_table: Tensor, visible: int
    ) -> KeyValue:
        """Write a block's rotated keys and values, place the reference, and return the visible window.

        Args:
            steps: which step caches the batch rows belong to.
            states: rotated keys and values of the block, each [B, 3N, heads, head_dim].
            index: [B, 3N] rows to write (``ring_index``).
            reference_table: [B, N, head_dim / 2, 2] rotation of the reference for this pass.
            visible: number of leading rows to attend to.
        """
        column = self.units.column(steps.start, steps.stop, layer)
        key, value = self.key[column], self.value[column]
        reference = self.reference_key[layer - self.units.hull.first]
        key[:, : self.shape.frame_tokens] = rotate(reference, reference_table)
        for row in range(key.shape[0]):
            key[row].index_copy_(0, index[row], states.key[row])
            value[row].index_copy_(0, index[row], states.value[row])
        return KeyValue(key[:, :visible], value[:, :visible])

    def tensors(self) -> dict[str, Tensor]:
        """Everything a saved session needs of a cache of all steps and layers: [steps, layers, ...]; live.

        Raises:
            ValueError: it does not hold them all; see :meth:`pieces`.
        """
        units = self.units
        if not units.rectangular or units.held_steps.start > 0 or units.hull.first > 0:
            raise ValueError("a cache of some units has pieces of a state, not all of it")
        by_step = {"key": self.key, "value": self.value}
        whole = {name: part.unflatten(0, (len(units.held_steps), len(units.hull))) for name, part in by_step.items()}
        return whole | {"reference_key": self.reference_key}

    def pieces(self) -> Iterator[CachePiece]:
        """What this cache holds of the tensors of a whole one."""
        hull = slice(self.units.hull.first, self.units.hull.last)
        for step, span in enumerate(self.units.spans):
            place, run = (slice(step, step + 1), slice(span.first, span.last)), self.units.run(step, span)
            if len(span):
                yield CachePiece("key", place, self.key[run].unsqueeze(0))
                yield CachePiece("value", place, self.value[run].unsqueeze(0))
        yield CachePiece("reference_key", (hull,), self.reference_key)

    def load_tensors(self, saved: Mapping[str, Tensor]) -> None:
        """Restore its part of what ``tensors`` of a whole cache gave, bit for bit."""
        for piece in self.pieces():
            piece.tensor.copy_(saved[piece.name][piece.place])
