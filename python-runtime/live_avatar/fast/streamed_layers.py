"""Layers that do not fit on the card: they wait in pinned memory and take turns in two places on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.fast.flat_layer import FlatLayout
from live_avatar.fast.pinned_memory import HostBuffer
from live_avatar.fast.transfers import Slot, least_recent, new_transfers
from live_avatar.fast.weights import LayerWeights, layer_of_tensors
from live_avatar.layer_span import LayerSpan


@dataclass(slots=True)
class HostLayer:
    """One layer's tensors in host memory."""

    layout: FlatLayout
    buffer: HostBuffer


class StreamedLayers:
    """Layers from ``first`` on, some on the device; the others are copied there when their turn comes.

    While one streamed layer is computed with, the next one is copied; at the end of a pass the first ones of the next
    pass are. The order is always the same, so nothing is ever copied in vain. The host never waits for the card.

    Attributes:
        capturable: a pass cannot be captured as a CUDA graph: its copies begin in the pass before.
    """

    capturable = False

    def __init__(self, layers: list[LayerWeights | HostLayer], device: torch.device, first: int = 0) -> None:
        self._layers = layers
        self.span = LayerSpan(first, first + len(layers))
        self._order = [index for index, layer in enumerate(layers) if isinstance(layer, HostLayer)]
        size = max((layer.layout.bytes for layer in layers if isinstance(layer, HostLayer)), default=0)
        count = min(2, len(self._order))
        self._slots = [Slot(torch.empty(size, dtype=torch.uint8, device=device)) for _ in range(count)]
        self._transfers = new_transfers(device)
        self._views: dict[tuple[int, int], LayerWeights] = {}

    @property
    def streamed_bytes(self) -> int:
        """Bytes copied in each pass."""
        return sum(layer.layout.bytes for layer in self._layers if isinstance(layer, HostLayer))

    @property
    def pinned(self) -> bool:
        """Whether all waiting layers are in memory that the card reads on its own; if not, passes are slow."""
        return all(layer.buffer.pinned for layer in self._layers if isinstance(layer, HostLayer))

    def walk(self, span: LayerSpan | None = None) -> Iterator[LayerWeights]:
        """All layers or some, in order, each on the device until the next is asked for.

        Raises:
            RuntimeError: while a CUDA graph is captured.
            ValueError: not all of them are here.
        """
        self._transfers.refuse_capture("Streamed weights")
        places = self.span.places(span or self.span)
        for index in range(places.start, places.stop):
            layer = self._layers[index]
            if isinstance(layer, LayerWeights):
                yield layer
                continue
            slot = self._fetch(index)
            slot.await_copy()
            try:
                yield self._weights(index, slot)
            finally:
                slot.free()
                self._prefetch(index)

    def _fetch(self, index: int) -> Slot:
        """Begin to copy a layer, unless that was done, into the place that was filled longest ago."""
        for slot in self._slots:
            if slot.holds == index:
                return slot
        slot, layer = least_recent(self._slots), self._layers[index]
        assert isinstance(layer, HostLayer)
        source = layer.buffer.data[: layer.layout.bytes]
        self._transfers.fill(slot, index, [(slot.data[: len(source)], source)])
        return slot

    def _prefetch(self, index: int) -> None:
        """After streamed layer ``index``: have the ones that come next in as many places as there are."""
        position = self._order.index(index)
        for ahead in range(1, len(self._slots) + 1):
            self._fetch(self._order[(position + ahead) % len(self._order)])

    def _weights(self, index: int, slot: Slot) -> LayerWeights:
        place = self._slots.index(slot)
        known = self._views.get((index, place))
        if known is None:
            layer = self._layers[index]
            assert isinstance(layer, HostLayer)
            known = layer_of_tensors(layer.layout.views(slot.data))
            self._views[index, place] = known
        return known


def host_layer(tensors: dict[str, Tensor], device: torch.device) -> HostLayer:
    """A layer's tensors, wherever they are, in host memory from which ``device`` is to read them."""
    layout = FlatLayout.of(tensors)
    buffer = HostBuffer(layout.bytes, device)
    layout.pack(tensors, buffer.data)
    return HostLayer(layout, buffer)
