"""The cache of the flat pass with its keys and values in host memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.cache import CacheBuffers, FastCache
from live_avatar.fast.pinned_memory import HostPool
from live_avatar.fast.row_operations import RowOperations, StoredWindow
from live_avatar.fast.streamed_cache import StreamedCache
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.layer_span import HeldUnits, LayerSpan
from live_avatar.model.kv_cache import CachePiece
from live_avatar.model.transformer import BlockPositions


class StreamedFastCache(FastCache):
    """As :class:`FastCache`, where a layer's keys and values are on the device only while it has its turn.

    A saved state is the same as that of
    :class:`FastCache` (but for the keys of the reference, which every pass places anew), so a take can go on in either.

    Args:
        units: all held steps with the same layers.
        resident: layers whose keys and values stay on the device.
        row_operations: see :class:`FastCache`; memory: see :class:`StreamedCache`.

    Raises:
        ValueError: the steps have different layers.
    """

    def __init__(
        self,
        config: DitConfig,
        shape: LatentShape,
        units: HeldUnits,
        dtype: torch.dtype,
        reference_dtype: torch.dtype,
        device: torch.device,
        resident: int = 0,
        row_operations: RowOperations | None = None,
        memory: HostPool | None = None,
    ) -> None:
        if not units.rectangular:
            raise ValueError("keys and values in host memory want the same layers in every step")
        rows, frame_tokens = shape.condition_tokens + shape.ring_tokens, shape.frame_tokens
        self.streamed = StreamedCache(
            len(units.held_steps),
            len(units.hull),
            rows,
            config.num_heads,
            config.head_dim,
            dtype,
            device,
            rolled_rows=frame_tokens,
            resident=resident,
            memory=memory,
        )
        key, value = (part.flatten(0, 1) for part in (self.streamed.key, self.streamed.value))
        buffers = CacheBuffers.around(config, shape, units, key, value, reference_dtype, device)
        super().__init__(shape, buffers, row_operations)
        self._block_offsets = torch.arange(shape.block_tokens, device=device)
        self._first_rows: list[int] = []

    def _write_rows(self, layer: int, moving: Tensor, value: Tensor) -> None:
        held = layer - self.units.hull.first
        self.streamed.write(held, self.shape.frame_tokens, moving, None)
        self.streamed.write(held, 0, None, value)

    def expect(self, steps: slice, visible: int) -> None:
        """See :meth:`KvCache.expect`."""
        first = self.units.held_steps.start
        self.streamed.expect(slice(steps.start - first, steps.stop - first), visible)

    def begin_pass(self, steps: slice, span: LayerSpan, positions: BlockPositions, rows: RowOperations) -> None:
        """See :meth:`FastCache.begin_pass`; the reference is placed layer by layer.

        Raises:
            RuntimeError: while a CUDA graph is captured.
        """
        first = self.units.held_steps.start
        self.streamed.begin(slice(steps.start - first, steps.stop - first), positions.visible)
        frames = (block * LATENT_FRAMES_PER_BLOCK % self.shape.clip_latent_frames for block in positions.blocks)
        self._first_rows = [self.shape.condition_tokens + frame * self.shape.frame_tokens for frame in frames]

    def begin_layer(self, layer: int, window: StoredWindow, positions: BlockPositions, rows: RowOperations) -> None:
        """Place the reference in the window."""
        target = window.key[:, : self.shape.frame_tokens].unsqueeze(1)
        held = layer - self.units.hull.first
        rows.place(self.reference_key[held : held + 1], positions.reference_table, target)

    def window(self, steps: slice, layer: int, index: Tensor) -> StoredWindow:
        """Where the pass writes layer ``layer``: its visible rows; ``steps`` are those of :meth:`begin_pass`."""
        held = layer - self.units.hull.first
        key, value = self.streamed.window(held)
        return StoredWindow(key, value, index, self.buffers.value_scale[held])

    def finish_layer(self, layer: int) -> None:
        """Copy what the pass wrote back to the host."""
        self.streamed.written(layer - self.units.hull.first, self._first_rows, self.shape.block_tokens)

    def tensors(self) -> dict[str, Tensor]:
        """Everything a saved session needs of this cache; waits for copies under way."""
        self.streamed.settle()
        return super().tensors()

    def pieces(self) -> Iterator[CachePiece]:
        """As :meth:`FastCache.pieces`; waits for copies under way."""
        self.streamed.settle()
        yield from super().pieces()

    def load_tensors(self, saved: Mapping[str, Tensor]) -> None:
        """Restore what ``tensors`` gave."""
        self.streamed.settle()
        super().load_tensors(saved)
        self.streamed.reload()
