"""Bytes of the denoiser's weights in each form and place, from shapes alone. No torch."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from typing import Literal

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.placement import streamed_indices

Kind = Literal["network", "text", "audio", "layer"]

_SCALE_BYTES = 4
_TEXT = re.compile(r"blocks\.(\d+)\.cross_attn\.[kv]\.")
_INJECTED = re.compile(r"audio_injector\.injector\.(\d+)\.([kvqo])\.")
_ADAPTIVE = re.compile(r"audio_injector\.injector_adain_layers\.(\d+)\.")
_INJECTOR_NORM = re.compile(r"audio_injector\.injector\.(\d+)\.norm_q\.")
_BLOCK = re.compile(r"blocks\.(\d+)\.")
# Of a block's tensors these are formed or used outside the passes.
_OUTSIDE = (".modulation", ".cross_attn.norm_k.weight")


@dataclass(frozen=True, slots=True)
class WeightSizes:
    """Bytes.

    Attributes:
        network: used once a pass or less; always on the device.
        device_conditions: text and audio weights that stay on the device.
        resident: of the layers on the device; slots: places that the others take turns in.
        pinned: all that waits in host memory.
        moved: copied to the device in every pass.
        moved_per_block: copied once a block.
        products: values of all matrices of the layers.
        largest_layer_published: a layer in bfloat16; largest_product: values of the largest weight.
    """

    network: int
    device_conditions: int
    resident: int
    slots: int
    pinned: int
    moved: int
    moved_per_block: int
    products: int
    largest_layer_published: int
    largest_product: int


def weight_sizes(config: DitConfig, plan: ComputePlan) -> WeightSizes:
    """Sizes under a plan of the flat engine."""
    placement, counted = plan.placement, _counted(config)
    wide = 4 if plan.weights == "float32" else 2
    text = counted.text.bytes(wide, small=placement.conditions != "wide")
    audio = counted.audio.bytes(wide, small=placement.conditions != "wide")
    # The affine part of the norm before the text attention is kept in float32.
    affine = 2 * config.dim * (4 - wide)
    layers = [each.bytes(wide, small=plan.weights == "float8") + affine for each in counted.layers]
    streamed = streamed_indices(config.num_layers, placement.resident_layers)
    moved = sum(layers[index] for index in streamed)
    slot = max((layers[index] for index in streamed), default=0)
    device = (0 if placement.host_text else text) + (0 if placement.host_audio else audio)
    return WeightSizes(
        network=counted.network.bytes(wide, small=False),
        device_conditions=device,
        resident=sum(layers) - moved,
        slots=min(2, len(streamed)) * slot,
        pinned=moved + text + audio - device,
        moved=moved,
        moved_per_block=audio if placement.host_audio else 0,
        products=sum(each.matrices for each in counted.layers),
        largest_layer_published=max(each.bytes(2, small=False) for each in counted.layers),
        # Queries, keys and values are stacked.
        largest_product=max(3 * config.dim**2, config.dim * config.ffn_dim),
    )


@dataclass(slots=True)
class _Count:
    """Values of matrices, their outputs, and values of everything else."""

    matrices: int = 0
    outputs: int = 0
    others: int = 0

    def bytes(self, wide: int, *, small: bool) -> int:
        """With ``wide`` bytes a value; ``small`` matrices have one, and a float32 for every output."""
        matrices = self.matrices + _SCALE_BYTES * self.outputs if small else self.matrices * wide
        return matrices + self.others * wide


@dataclass(slots=True)
class _Counted:
    network: _Count
    text: _Count
    audio: _Count
    layers: list[_Count]


@functools.lru_cache(maxsize=8)
def _counted(config: DitConfig) -> _Counted:
    counted = _Counted(_Count(), _Count(), _Count(), [_Count() for _ in range(config.num_layers)])
    for name, shape in dit_shapes(config).items():
        kind, layer = classify(config, name)
        part = counted.layers[layer] if kind == "layer" else getattr(counted, kind)
        if len(shape) == 2:
            part.matrices += math.prod(shape)
            part.outputs += shape[0]
        else:
            part.others += math.prod(shape)
    return counted


def classify(config: DitConfig, name: str) -> tuple[Kind, int]:
    """What a published tensor belongs to, and to which layer (-1 for none)."""
    if (match := _TEXT.match(name)) is not None:
        return "text", int(match[1])
    if (match := _INJECTED.match(name)) is not None:
        return ("audio" if match[2] in "kv" else "layer"), config.audio_inject_layers[int(match[1])]
    if (match := _ADAPTIVE.match(name)) is not None:
        return "audio", config.audio_inject_layers[int(match[1])]
    if (match := _INJECTOR_NORM.match(name)) is not None:
        return "layer", config.audio_inject_layers[int(match[1])]
    if (match := _BLOCK.match(name)) is not None and not name.endswith(_OUTSIDE):
        return "layer", int(match[1])
    return "network", -1
