"""The cache of the flat pass with its keys and values in host memory."""

from __future__ import annotations

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.cache import CacheBuffers, FastCache
from live_avatar.fast.row_operations import RowOperations, StoredWindow, rotate_split
from live_avatar.fast.streamed_cache import StreamedCache
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.transformer import BlockPositions


class StreamedFastCache(FastCache):
    """As :class:`FastCache`, where a layer's keys and values are on the device only while it has its turn.

    A saved state is the same as that of
    :class:`FastCache` (but for the keys of the reference, which every pass places anew), so a take can go on in either.

    Args:
        resident: layers whose keys and values stay on the device.
    """

    def __init__(
        self,
        config: DitConfig,
        shape: LatentShape,
        steps: int,
        dtype: torch.dtype,
        reference_dtype: torch.dtype,
        device: torch.device,
        resident: int = 0,
    ) -> None:
        layers, heads, head_dim = config.num_layers, config.num_heads, config.head_dim
        rows, frame_tokens = shape.condition_tokens + shape.ring_tokens, shape.frame_tokens
        self.streamed = StreamedCache(
            steps, layers, rows, heads, head_dim, dtype, device, rolled_rows=frame_tokens, resident=resident
        )
        buffers = CacheBuffers(
            self.streamed.key,
            self.streamed.value,
            torch.zeros(layers, frame_tokens, heads, head_dim, dtype=reference_dtype, device=device),
            torch.ones(layers, device=device),
            torch.ones(layers, steps * shape.block_tokens, 1, device=device),
            torch.zeros(1, dtype=torch.int32, device=device),
        )
        super().__init__(shape, buffers)
        self._block_offsets = torch.arange(shape.block_tokens, device=device)
        self._first_rows: list[int] = []

    def write_conditions(self, layer: int, condition: KeyValue, rotary: RotaryPositions) -> None:
        """See :meth:`FastCache.write_conditions`."""
        frame_tokens = self.shape.frame_tokens
        self.reference_key[layer].copy_(condition.key[0, :frame_tokens])
        moving = self._cast(rotate_split(condition.key[0, frame_tokens:], rotary.motion))
        self.streamed.write(layer, frame_tokens, moving, None)
        value = condition.value[0].float()
        if self.key.dtype == torch.float8_e4m3fn:
            self._choose_scale(layer, value)
        self.streamed.write(layer, 0, None, self._cast(value / self.buffers.value_scale[layer]))

    def begin_pass(self, steps: slice, positions: BlockPositions, rows: RowOperations) -> None:
        """See :meth:`FastCache.begin_pass`; the reference is placed layer by layer.

        Raises:
            RuntimeError: while a CUDA graph is captured.
        """
        self.streamed.begin(steps, positions.visible)
        frames = (block * LATENT_FRAMES_PER_BLOCK % self.shape.clip_latent_frames for block in positions.blocks)
        self._first_rows = [self.shape.condition_tokens + frame * self.shape.frame_tokens for frame in frames]

    def begin_layer(self, layer: int, window: StoredWindow, positions: BlockPositions, rows: RowOperations) -> None:
        """Place the reference in the window."""
        target = window.key[:, : self.shape.frame_tokens].unsqueeze(1)
        rows.place(self.reference_key[layer : layer + 1], positions.reference_table, target)

    def window(self, steps: slice, layer: int, index: Tensor) -> StoredWindow:
        """Where the pass writes layer ``layer``: its visible rows; ``steps`` are those of :meth:`begin_pass`."""
        key, value = self.streamed.window(layer)
        return StoredWindow(key, value, index, self.buffers.value_scale[layer])

    def finish_layer(self, layer: int) -> None:
        """Copy what the pass wrote back to the host."""
        self.streamed.written(layer, self._first_rows, self.shape.block_tokens)

    def tensors(self) -> dict[str, Tensor]:
        """Everything a saved session needs of this cache; waits for copies under way."""
        self.streamed.settle()
        return super().tensors()

    def load_tensors(self, saved: dict[str, Tensor]) -> None:
        """Restore what ``tensors`` gave."""
        self.streamed.settle()
        super().load_tensors(saved)
        self.streamed.reload()
