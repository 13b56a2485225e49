"""Key and value caches of one take: static tensors written in place (design: house section 6, spec section 2.6)."""

from __future__ import annotations

import torch
from torch import Tensor

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions, rotate


class KvCache:
    """One cache per denoising step and layer, laid out [reference | motion | ring].

    History is noisy: step i of a block sees the keys and values that step i of earlier blocks wrote (spec 0.4).
    Motion keys are rotated once; reference keys are kept unrotated beside and rotated anew for every pass, because
    their position rolls with the block. The ring keeps ``infer_frames / 4`` latent frames, each rotated at its own
    position.

    Attributes:
        key, value: [steps, layers, C + R, heads, head_dim].
        reference_key: unrotated reference keys [layers, N, heads, head_dim], shared by all steps.
    """

    def __init__(
        self,
        shape: LatentShape,
        steps: int,
        layers: int,
        heads: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.shape = shape
        size = (steps, layers, shape.condition_tokens + shape.ring_tokens, heads, head_dim)
        self.key = torch.zeros(size, dtype=dtype, device=device)
        self.value = torch.zeros(size, dtype=dtype, device=device)
        self.reference_key = torch.zeros(layers, shape.frame_tokens, heads, head_dim, dtype=dtype, device=device)
        self._block_offsets = torch.arange(shape.block_tokens, device=device)

    @property
    def steps(self) -> int:
        """Number of denoising steps the cache was made for."""
        return self.key.shape[0]

    @property
    def bytes(self) -> int:
        """Memory of its tensors, wherever they are."""
        return sum(part.numel() * part.element_size() for part in (self.key, self.value, self.reference_key))

    def write_conditions(self, layer: int, condition: KeyValue, rotary: RotaryPositions) -> None:
        """Store one layer's prefill keys (unrotated) and values [1, C, heads, head_dim] for all steps."""
        tokens, frame_tokens = self.shape.condition_tokens, self.shape.frame_tokens
        self.reference_key[layer].copy_(condition.key[0, :frame_tokens])
        self.key[:, layer, frame_tokens:tokens] = rotate(condition.key[0, frame_tokens:], rotary.motion)
        self.value[:, layer, :tokens] = condition.value[0]

    def ring_index(self, block: Tensor) -> Tensor:
        """Cache rows that the given blocks write: int64 [B] -> [B, 3N], on the device."""
        first = (block * LATENT_FRAMES_PER_BLOCK % self.shape.clip_latent_frames) * self.shape.frame_tokens
        return self.shape.condition_tokens + first.unsqueeze(-1) + self._block_offsets

    def visible_tokens(self, block: int) -> int:
        """Cache rows that block ``block`` may see once it has written its own: conditions and the filled ring."""
        filled = (block + 1) * self.shape.block_tokens
        return self.shape.condition_tokens + min(filled, self.shape.ring_tokens)

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
        key, value = self.key[steps, layer], self.value[steps, layer]
        key[:, : self.shape.frame_tokens] = rotate(self.reference_key[layer], reference_table)
        for row in range(key.shape[0]):
            key[row].index_copy_(0, index[row], states.key[row])
            value[row].index_copy_(0, index[row], states.value[row])
        return KeyValue(key[:, :visible], value[:, :visible])

    def tensors(self) -> dict[str, Tensor]:
        """Everything a saved session needs of this cache."""
        return {"key": self.key, "value": self.value, "reference_key": self.reference_key}

    def load_tensors(self, saved: dict[str, Tensor]) -> None:
        """Restore what ``tensors`` gave, bit for bit."""
        for name, tensor in self.tensors().items():
            tensor.copy_(saved[name])
