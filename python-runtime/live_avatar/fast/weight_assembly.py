"""The network and the layer store, put together from prepared tensors where each is to live."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.flat_layer import FlatLayout
from live_avatar.fast.pinned_memory import HostBuffer
from live_avatar.fast.placement import Placement, streamed_indices
from live_avatar.fast.preparation import Prepared
from live_avatar.fast.streamed_layers import HostLayer, StreamedLayers
from live_avatar.fast.weight_groups import WeightGroup, audio_linears, text_linears
from live_avatar.fast.weight_only import replace_linears
from live_avatar.fast.weights import LayerStore, LayerWeights, ResidentLayers, layer_of_tensors
from live_avatar.layer_span import LayerSpan
from live_avatar.model.transformer import CausalAvatarTransformer


class Assembly:
    """The network and the store, filled group by group. Of the network only what a part has is ever filled."""

    def __init__(self, config: DitConfig, placement: Placement, device: torch.device, span: LayerSpan) -> None:
        self._config = config
        self._span = span
        self._device = device
        self._placement = placement
        streamed = streamed_indices(len(span), placement.resident_layers)
        self._streamed = {span.first + index for index in streamed}
        self._layers: dict[int, LayerWeights | HostLayer] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything that was put in place."""
        with torch.device("meta"):
            self._module = CausalAvatarTransformer(self._config, self._span)
        self._module.requires_grad_(False).eval()
        self._layers.clear()
        small = None if self._placement.conditions == "wide" else self._placement.conditions
        for kind in ("text", "audio"):
            if small is not None or self._is_hosted(kind):
                replace_linears(self._module, self._linears(kind), small)

    def _linears(self, kind: str) -> Iterable[str]:
        for layer in self._span.layers:
            yield from text_linears(layer) if kind == "text" else audio_linears(self._config, layer)

    def _is_hosted(self, kind: str) -> bool:
        return self._placement.host_text if kind == "text" else kind == "audio" and self._placement.host_audio

    def in_host_memory(self, group: WeightGroup) -> bool:
        """Whether a group's place is host memory."""
        return group.layer in self._streamed if group.kind == "layer" else self._is_hosted(group.kind)

    def take(self, group: WeightGroup, tensors: Prepared) -> HostLayer | None:
        """Put prepared tensors, on the device, in their place; returns that where it is host memory."""
        if not self.in_host_memory(group):
            self.place(group, tensors)
            return None
        layout = FlatLayout.of(tensors)
        host = HostLayer(layout, HostBuffer(layout.bytes, self._device))
        layout.pack(tensors, host.buffer.data)
        self.place_host(group, host)
        return host

    def place(self, group: WeightGroup, tensors: Prepared) -> None:
        """Use tensors where they are, on the device."""
        if group.kind == "layer":
            self._layers[group.layer] = layer_of_tensors(tensors)
        else:
            self._install(tensors, None)

    def place_host(self, group: WeightGroup, host: HostLayer) -> None:
        """Use a flat buffer in host memory."""
        if group.kind == "layer":
            self._layers[group.layer] = host
        else:
            self._install(host.layout.views(host.buffer.data), host.buffer)

    def finish(self) -> tuple[CausalAvatarTransformer, LayerStore]:
        """The module and the store."""
        layers = [self._layers[index] for index in self._span.layers]
        resident = [layer for layer in layers if isinstance(layer, LayerWeights)]
        if len(resident) == len(layers):
            return self._module, ResidentLayers(resident, self._span.first)
        return self._module, StreamedLayers(layers, self._device, self._span.first)

    def _install(self, tensors: Prepared, memory: HostBuffer | None) -> None:
        for name, tensor in tensors.items():
            prefix, _, leaf = name.rpartition(".")
            owner = self._module.get_submodule(prefix)
            if leaf in owner._parameters:
                owner._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
            else:
                assert leaf in owner._buffers, name
                owner._buffers[leaf] = tensor
            if memory is not None:
                # Pinned memory must outlive the tensors in it.
                owner.host_memory = memory  # type: ignore[assignment]
