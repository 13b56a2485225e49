"""Keys and values that do not fit on the card: they wait in pinned memory, two layers at a time are on the card.

A pass needs a layer's window once. So the window of the layer after is copied while one is attended to, and of what the
pass wrote only its own rows go back: with 48 frames a clip a fifth of what comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.fast.pinned_memory import HostPool
from live_avatar.fast.placement import streamed_indices
from live_avatar.fast.transfers import Slot, least_recent, new_transfers


@dataclass(frozen=True, slots=True)
class _Window:
    """What a slot holds: rows below ``visible`` of one layer, for the steps from ``first`` to ``last``."""

    layer: int
    first: int
    last: int
    visible: int


class StreamedCache:
    """Keys and values [steps, layers, rows, heads, head_dim] in host memory, of which windows come to the device.

    For each pass: :meth:`begin`; then for every layer in order :meth:`window`, write the block's rows into what it
    returns, attend, :meth:`written`. Between passes :meth:`write` puts other rows in place. The host never waits for
    the card in any of these. A pass cannot be captured as a CUDA graph.

    Attributes:
        key, value: everything, on the host; streamed layers are up to date after :meth:`settle` only.
        pinned: whether the card reads host memory on its own; if not, passes are slow.

    Args:
        rolled_rows: leading rows whose keys every pass writes anew (the reference); their keys are never copied.
        resident: layers whose keys and values stay on the device.
        memory: where the host's part comes from, and waits for the next cache; without it, for this one alone.
    """

    capturable = False

    def __init__(
        self,
        steps: int,
        layers: int,
        rows: int,
        heads: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device,
        *,
        rolled_rows: int = 0,
        resident: int = 0,
        memory: HostPool | None = None,
    ) -> None:
        size = (steps, layers, rows, heads, head_dim)
        count = torch.Size(size).numel() * dtype.itemsize
        self._buffers = (memory or HostPool(device)).take((count, count), self)
        self.key, self.value = (buffer.data.view(dtype).view(size) for buffer in self._buffers)
        self.pinned = all(buffer.pinned for buffer in self._buffers)
        self._order = streamed_indices(layers, resident)
        stays = [layer for layer in range(layers) if layer not in self._order]
        self._resident = {
            layer: torch.zeros(2, steps, rows, heads, head_dim, dtype=dtype, device=device) for layer in stays
        }
        window = (2, steps, rows, heads, head_dim)
        places = range(min(2, len(self._order)))
        self._slots = [Slot(torch.zeros(window, dtype=dtype, device=device)) for _ in places]
        self._rolled = rolled_rows
        self._arriving, self._leaving = new_transfers(device), new_transfers(device)
        self._stored: dict[int, torch.cuda.Event | None] = {}
        self._steps, self._visible = (0, steps), rows
        # What comes after the next pass, and after this one, if somebody told.
        self._told: tuple[int, int, int] | None = None
        self._expected: tuple[int, int, int] | None = None

    def expect(self, steps: slice, visible: int) -> None:
        """After the pass that begins next comes one over these steps; what it needs is fetched at the end of that."""
        first, last, _ = steps.indices(self.key.shape[0])
        self._told = (first, last, visible)

    def begin(self, steps: slice, visible: int) -> None:
        """A pass over the given steps (a run of them) begins; it sees the leading ``visible`` rows.

        Raises:
            RuntimeError: while a CUDA graph is captured.
        """
        self._arriving.refuse_capture("A streamed cache")
        first, last, _ = steps.indices(self.key.shape[0])
        self._steps, self._visible = (first, last), visible
        self._expected, self._told = self._told, None

    def window(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values [B, visible, heads, head_dim] of the pass's steps, on the device; see :meth:`written`."""
        first, last = self._steps
        resident = self._resident.get(layer)
        if resident is not None:
            return resident[0, first:last, : self._visible], resident[1, first:last, : self._visible]
        slot = self._fetch(_Window(layer, first, last, self._visible))
        slot.await_copy()
        count = last - first
        return slot.data[0, :count, : self._visible], slot.data[1, :count, : self._visible]

    def written(self, layer: int, first_rows: Sequence[int], count: int) -> None:
        """The pass is done with a layer: all that uses its window has been queued.

        Args:
            first_rows: for each step of the pass, the first of the ``count`` rows that it wrote.
        """
        if layer in self._resident:
            return
        first, last = self._steps
        slot = next(slot for slot in self._slots if slot.holds == _Window(layer, first, last, self._visible))
        parts = []
        for index, row in enumerate(first_rows):
            rows = slice(row, row + count)
            parts.append((self.key[first + index, layer, rows], slot.data[0, index, rows]))
            parts.append((self.value[first + index, layer, rows], slot.data[1, index, rows]))
        self._stored[layer] = self._leaving.drain(parts, slot)
        # Windows of the same layer with other rows or steps may lie in the other slot; they are older than this.
        for other in self._slots:
            if other is not slot and isinstance(other.holds, _Window) and other.holds.layer == layer:
                other.holds = None
        self._prefetch(layer)

    def write(self, layer: int, first_row: int, key: Tensor | None, value: Tensor | None) -> None:
        """Store rows of one layer, for all steps alike or each: [rows, heads, head_dim] or with steps in front.

        The tensors must keep their values until the card has come to here.
        """
        for index, values in enumerate((key, value)):
            if values is None:
                continue
            per_step = values.expand(self.key.shape[0], *values.shape[-3:])
            rows = slice(first_row, first_row + values.shape[-3])
            if layer in self._resident:
                self._resident[layer][index, :, rows].copy_(per_step)
                continue
            whole = (self.key, self.value)[index]
            # One copy a step: each is one run of bytes on both sides.
            parts = [(whole[step, layer, rows], part.contiguous()) for step, part in enumerate(per_step)]
            self._stored[layer] = self._leaving.drain(parts)
            self._forget(layer)

    def settle(self) -> None:
        """Wait until :attr:`key` and :attr:`value` on the host are complete, resident layers too."""
        self._leaving.finish()
        self._arriving.finish()
        for layer, resident in self._resident.items():
            self.key[:, layer].copy_(resident[0])
            self.value[:, layer].copy_(resident[1])

    def reload(self) -> None:
        """:attr:`key` and :attr:`value` were changed on the host, after :meth:`settle`: use what they hold now."""
        for layer, resident in self._resident.items():
            resident[0].copy_(self.key[:, layer])
            resident[1].copy_(self.value[:, layer])
        for layer in self._order:
            self._forget(layer)

    def pass_bytes(self, steps: int, visible: int) -> int:
        """Bytes copied to the device in a pass over so many steps."""
        row = self.key.shape[-2] * self.key.shape[-1] * self.key.element_size()
        return len(self._order) * steps * (2 * visible - min(self._rolled, visible)) * row

    def _forget(self, layer: int) -> None:
        for slot in self._slots:
            if isinstance(slot.holds, _Window) and slot.holds.layer == layer:
                slot.holds = None

    def _fetch(self, wanted: _Window) -> Slot:
        """Begin to copy a window, unless that was done, into the place that was filled longest ago."""
        for slot in self._slots:
            if slot.holds == wanted:
                return slot
        slot, layer = least_recent(self._slots), wanted.layer
        parts = []
        for index, step in enumerate(range(wanted.first, wanted.last)):
            keys, values = slice(min(self._rolled, wanted.visible), wanted.visible), slice(0, wanted.visible)
            parts.append((slot.data[0, index, keys], self.key[step, layer, keys]))
            parts.append((slot.data[1, index, values], self.value[step, layer, values]))
        self._arriving.fill(slot, wanted, parts, self._stored.get(layer))
        return slot

    def _prefetch(self, layer: int) -> None:
        """After streamed layer ``layer``: the two that come next, at the end of a pass those of the next one."""
        position = self._order.index(layer)
        for ahead in range(1, len(self._slots) + 1):
            # There are at most as many places as streamed layers, so this reaches no further than the next pass.
            passes, place = divmod(position + ahead, len(self._order))
            first, last, visible = self._next_pass() if passes else (*self._steps, self._visible)
            self._fetch(_Window(self._order[place], first, last, visible))

    def _next_pass(self) -> tuple[int, int, int]:
        """Steps and visible rows: as was told, else as if steps came in order."""
        if self._expected is not None:
            return self._expected
        first, last = self._steps
        begin = last if 2 * last - first <= self.key.shape[0] else 0
        return begin, begin + last - first, self._visible
