"""The cache of the flat pass: keys with split pairs, values scaled per layer, e4m3 or wider (spec section 2.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.products import E4M3_MAX, to_e4m3
from live_avatar.fast.row_operations import PlainRows, RowOperations, StoredWindow
from live_avatar.geometry import LatentShape
from live_avatar.layer_span import HeldUnits, LayerSpan
from live_avatar.model.kv_cache import CachePiece, KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.transformer import BlockPositions

# Values of noisy tokens may exceed those of the conditions, which the scale is chosen by.
_VALUE_HEADROOM = 4.0


@dataclass(slots=True)
class CacheBuffers:
    """The memory of a cache; it can outlive a take and serve the next.

    Attributes:
        units: which layers of which steps are held. ``layers`` below are those of their hull.
        key, value: [units, C + R, heads, head_dim].
        reference_key: unrotated reference keys [layers, N, heads, head_dim].
        value_scale: [layers] float32 powers of two; ``value * value_scale`` is meant. All one unless the cache is
            e4m3. Chosen at the first prefill of a take and kept: the ring holds values of earlier blocks.
        scale_rows: [layers, rows, 1] float32, the same spread over the rows of a pass for the product after attention.
        scaled: int32 [1], not zero once the scales are chosen.
    """

    units: HeldUnits
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
        units: HeldUnits,
        dtype: torch.dtype,
        reference_dtype: torch.dtype,
        device: torch.device,
    ) -> CacheBuffers:
        """Buffers for one geometry; ``dtype`` of keys and values, ``reference_dtype`` of the unrotated keys."""
        size = (units.count, shape.condition_tokens + shape.ring_tokens, config.num_heads, config.head_dim)
        key, value = (torch.zeros(size, dtype=dtype, device=device) for _ in range(2))
        return cls.around(config, shape, units, key, value, reference_dtype, device)

    @classmethod
    def around(
        cls,
        config: DitConfig,
        shape: LatentShape,
        units: HeldUnits,
        key: Tensor,
        value: Tensor,
        reference_dtype: torch.dtype,
        device: torch.device,
    ) -> CacheBuffers:
        """Everything else for given keys and values, on ``device``."""
        layers, most = len(units.hull), len(units.held_steps)
        reference = (layers, shape.frame_tokens, config.num_heads, config.head_dim)
        return cls(
            units,
            key,
            value,
            torch.zeros(reference, dtype=reference_dtype, device=device),
            torch.ones(layers, device=device),
            torch.ones(layers, most * shape.block_tokens, 1, device=device),
            torch.zeros(1, dtype=torch.int32, device=device),
        )


class FastCache(KvCache):
    """As :class:`KvCache`, in the storage order and precision of the flat pass, over given buffers.

    Args:
        rows: rotates the conditions' keys; plain operations if left out.
    """

    def __init__(self, shape: LatentShape, buffers: CacheBuffers, rows: RowOperations | None = None) -> None:
        self._rows = rows or PlainRows(buffers.reference_key.dtype, float8=False)
        self.shape = shape
        self.buffers = buffers
        self.units = buffers.units
        self.key, self.value, self.reference_key = buffers.key, buffers.value, buffers.reference_key
        self._block_offsets = torch.arange(shape.block_tokens, device=buffers.key.device)
        buffers.scaled.zero_()

    def write_conditions(self, layer: int, condition: KeyValue, rotary: RotaryPositions) -> None:
        """As :meth:`KvCache.write_conditions`, with split pairs."""
        if layer not in self.units.hull:
            return
        held, frame_tokens = layer - self.units.hull.first, self.shape.frame_tokens
        self.reference_key[held].copy_(condition.key[0, :frame_tokens])
        unrotated = condition.key[:, frame_tokens:]
        moving = torch.empty_like(unrotated, dtype=self.key.dtype).unsqueeze(0)
        self._rows.place(unrotated, rotary.motion.unsqueeze(0), moving)
        value = condition.value[0].float()
        if self.key.dtype == torch.float8_e4m3fn:
            self._choose_scale(layer, value)
        self._write_rows(layer, moving[0, 0], self._cast(value / self.buffers.value_scale[held]))

    def _write_rows(self, layer: int, moving: Tensor, value: Tensor) -> None:
        """Put motion keys [C - N, heads, head_dim] and values [C, heads, head_dim] in place for all steps."""
        tokens = self.shape.condition_tokens
        for unit in self.units.of_layer(layer):
            self.key[unit, self.shape.frame_tokens : tokens] = moving
            self.value[unit, :tokens] = value

    def scale_rows(self, layer: int, rows: int) -> Tensor:
        """What undoes the scaling of a layer's values, for a pass of ``rows`` rows: [rows, 1] float32."""
        return self.buffers.scale_rows[layer - self.units.hull.first, :rows]

    def begin_pass(self, steps: slice, span: LayerSpan, positions: BlockPositions, rows: RowOperations) -> None:
        """A pass of some layers over the given steps begins: place the reference in all of them."""
        first = self.units.hull.first
        target = self.units.block(self.key, steps.start, steps.stop, span)[:, :, : self.shape.frame_tokens]
        source = self.reference_key[span.first - first : span.last - first]
        rows.place(source, positions.reference_table, target)

    def begin_layer(self, layer: int, window: StoredWindow, positions: BlockPositions, rows: RowOperations) -> None:
        """A layer's window is about to be written."""

    def finish_layer(self, layer: int) -> None:
        """All that uses the window of a layer has been queued."""

    def window(self, steps: slice, layer: int, index: Tensor) -> StoredWindow:
        """Where a pass over the given steps writes layer ``layer``."""
        column = self.units.column(steps.start, steps.stop, layer)
        scale = self.buffers.value_scale[layer - self.units.hull.first]
        return StoredWindow(self.key[column], self.value[column], index, scale)

    def tensors(self) -> dict[str, Tensor]:
        """Everything a saved session needs of this cache."""
        return super().tensors() | {"value_scale": self.buffers.value_scale, "scaled": self.buffers.scaled}

    def pieces(self) -> Iterator[CachePiece]:
        """What this cache holds of the tensors of a whole one."""
        yield from super().pieces()
        yield CachePiece("value_scale", (slice(self.units.hull.first, self.units.hull.last),), self.buffers.value_scale)
        yield CachePiece("scaled", (slice(0, 1),), self.buffers.scaled)

    def load_tensors(self, saved: Mapping[str, Tensor]) -> None:
        """Restore its part of what ``tensors`` of a whole cache gave, bit for bit."""
        super().load_tensors(saved)
        self.buffers.scale_rows.copy_(self.buffers.value_scale.view(-1, 1, 1).expand_as(self.buffers.scale_rows))

    def _choose_scale(self, layer: int, value: Tensor) -> None:
        """Set the layer's scale on the device, without waiting for it, unless an earlier prefill of the take did."""
        wanted = value.abs().amax().clamp_min(1e-6) * (_VALUE_HEADROOM / E4M3_MAX)
        fresh = torch.exp2(torch.ceil(torch.log2(wanted)))
        held = layer - self.units.hull.first
        scale = torch.where(self.buffers.scaled[0] == 0, fresh, self.buffers.value_scale[held])
        self.buffers.value_scale[held] = scale
        self.buffers.scale_rows[held] = scale
        if layer == self.units.hull.last - 1:
            self.buffers.scaled.fill_(1)

    def _cast(self, values: Tensor) -> Tensor:
        dtype = self.key.dtype
        return to_e4m3(values) if dtype == torch.float8_e4m3fn else values.to(dtype)
