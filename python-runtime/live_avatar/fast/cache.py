"""The cache of the flat pass: keys with split pairs, values scaled per layer, e4m3 or wider (spec section 2.6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.products import E4M3_MAX, to_e4m3
from live_avatar.fast.row_operations import RowOperations, StoredWindow, rotate_split
from live_avatar.geometry import LatentShape
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.transformer import BlockPositions

# Values of noisy tokens may exceed those of the conditions, which the scale is chosen by.
_VALUE_HEADROOM = 4.0


@dataclass(slots=True)
class CacheBuffers:
    """The memory of a cache; it can outlive a take and serve the next.

    Attributes:
        key, value: [steps, layers, C + R, heads, head_dim].
        reference_key: unrotated reference keys [layers, N, heads, head_dim].
        value_scale: [layers] float32 powers of two; ``value * value_scale`` is meant. All one unless the cache is
            e4m3. Chosen at the first prefill of a take and kept: the ring holds values of earlier blocks.
        scale_rows: [layers, rows, 1] float32, the same spread over the rows of a pass for the product after attention.
        scaled: int32 [1], not zero once the scales are chosen.
    """

    key: Tensor
    value: Tensor
    reference_key: Tensor
    value_scale: Tensor
    scale_rows: Tensor
    scaled: Tensor

    @classmethod
    def allocate(
        cls,
        config: DitConfig,
        shape: LatentShape,
        steps: int,
        dtype: torch.dtype,
        reference_dtype: torch.dtype,
        device: torch.device,
    ) -> CacheBuffers:
        """Buffers for one geometry; ``dtype`` of keys and values, ``reference_dtype`` of the unrotated keys."""
        layers, heads, head_dim = config.num_layers, config.num_heads, config.head_dim
        size = (steps, layers, shape.condition_tokens + shape.ring_tokens, heads, head_dim)
        return cls(
            torch.zeros(size, dtype=dtype, device=device),
            torch.zeros(size, dtype=dtype, device=device),
            torch.zeros(layers, shape.frame_tokens, heads, head_dim, dtype=reference_dtype, device=device),
            torch.ones(layers, device=device),
            torch.ones(layers, steps * shape.block_tokens, 1, device=device),
            torch.zeros(1, dtype=torch.int32, device=device),
        )


class FastCache(KvCache):
    """As :class:`KvCache`, in the storage order and precision of the flat pass, over given buffers."""

    def __init__(self, shape: LatentShape, buffers: CacheBuffers) -> None:
        self.shape = shape
        self.buffers = buffers
        self.key, self.value, self.reference_key = buffers.key, buffers.value, buffers.reference_key
        self._block_offsets = torch.arange(shape.block_tokens, device=buffers.key.device)
        buffers.scaled.zero_()

    def write_conditions(self, layer: int, condition: KeyValue, rotary: RotaryPositions) -> None:
        """Store one layer's prefill keys (unrotated, pairs split) and values [1, C, heads, head_dim] for all steps."""
        tokens, frame_tokens = self.shape.condition_tokens, self.shape.frame_tokens
        self.reference_key[layer].copy_(condition.key[0, :frame_tokens])
        self.key[:, layer, frame_tokens:tokens] = self._cast(
            rotate_split(condition.key[0, frame_tokens:], rotary.motion)
        )
        value = condition.value[0].float()
        if self.key.dtype == torch.float8_e4m3fn:
            self._choose_scale(layer, value)
        self.value[:, layer, :tokens] = self._cast(value / self.buffers.value_scale[layer])

    def scale_rows(self, layer: int, rows: int) -> Tensor:
        """What undoes the scaling of a layer's values, for a pass of ``rows`` rows: [rows, 1] float32."""
        return self.buffers.scale_rows[layer, :rows]

    def begin_pass(self, steps: slice, positions: BlockPositions, rows: RowOperations) -> None:
        """A pass over the given steps begins: place the reference in every layer."""
        frame_tokens = self.shape.frame_tokens
        rows.place(self.reference_key, positions.reference_table, self.key[steps, :, :frame_tokens])

    def begin_layer(self, layer: int, window: StoredWindow, positions: BlockPositions, rows: RowOperations) -> None:
        """A layer's window is about to be written."""

    def finish_layer(self, layer: int) -> None:
        """All that uses the window of a layer has been queued."""

    def window(self, steps: slice, layer: int, index: Tensor) -> StoredWindow:
        """Where a pass over the given steps writes layer ``layer``."""
        return StoredWindow(self.key[steps, layer], self.value[steps, layer], index, self.buffers.value_scale[layer])

    def tensors(self) -> dict[str, Tensor]:
        """Everything a saved session needs of this cache."""
        return super().tensors() | {"value_scale": self.buffers.value_scale, "scaled": self.buffers.scaled}

    def load_tensors(self, saved: dict[str, Tensor]) -> None:
        """Restore what ``tensors`` gave, bit for bit."""
        super().load_tensors(saved)
        self.buffers.scale_rows.copy_(self.buffers.value_scale.view(-1, 1, 1).expand_as(self.buffers.scale_rows))

    def _choose_scale(self, layer: int, value: Tensor) -> None:
        """Set the layer's scale on the device, without waiting for it, unless an earlier prefill of the take did."""
        wanted = value.abs().amax().clamp_min(1e-6) * (_VALUE_HEADROOM / E4M3_MAX)
        fresh = torch.exp2(torch.ceil(torch.log2(wanted)))
        scale = torch.where(self.buffers.scaled[0] == 0, fresh, self.buffers.value_scale[layer])
        self.buffers.value_scale[layer] = scale
        self.buffers.scale_rows[layer] = scale
        if layer == self.key.shape[1] - 1:
            self.buffers.scaled.fill_(1)

    def _cast(self, values: Tensor) -> Tensor:
        dtype = self.key.dtype
        return to_e4m3(values) if dtype == torch.float8_e4m3fn else values.to(dtype)
