"""Weights of one layer as the flat pass wants them, made from the published tensors (spec 2.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.products import Linear, WeightFormat, make_linear
from live_avatar.layer_span import LayerSpan

TensorOf = Callable[[str], Tensor]


@dataclass(slots=True)
class InjectorWeights:
    """What an audio injector needs inside a pass; its keys, values and modulation are prepared once a block."""

    query: Linear
    out: Linear
    query_norm: Tensor


@dataclass(slots=True)
class LayerWeights:
    """One transformer block, and the audio injector after it if there is one.

    The output channels of q and k, and their norms, are permuted within each head so that rotary pairs (2j, 2j + 1)
    come to lie at (j, j + head_dim / 2): exact, and their kernel reads whole runs.

    Attributes:
        qkv: q, k and v stacked, [3 * D, D].
        query_norm, key_norm: [D], permuted; text_query_norm: [D], not permuted.
        text_norm_weight, text_norm_bias: [1, D] float32 of the norm before the text attention.
    """

    qkv: Linear
    out: Linear
    text_query: Linear
    text_out: Linear
    ffn_up: Linear
    ffn_down: Linear
    query_norm: Tensor
    key_norm: Tensor
    text_query_norm: Tensor
    text_norm_weight: Tensor
    text_norm_bias: Tensor
    injector: InjectorWeights | None


class LayerStore(Protocol):
    """Where the weights of a run of layers are."""

    @property
    def span(self) -> LayerSpan:
        """The layers it has."""

    def walk(self, span: LayerSpan | None = None) -> Iterator[LayerWeights]:
        """All of them or some, in order, each on the device until the next is asked for."""


class ResidentLayers:
    """Layers on the device, from ``first`` on."""

    def __init__(self, layers: list[LayerWeights], first: int = 0) -> None:
        self._layers = layers
        self.span = LayerSpan(first, first + len(layers))

    def walk(self, span: LayerSpan | None = None) -> Iterator[LayerWeights]:
        """See :class:`LayerStore`."""
        return iter(self._layers[self.span.places(span or self.span)])


def split_pairs(channels: Tensor, heads: int) -> Tensor:
    """Permute axis 0 (all heads' channels) from interleaved pairs to split halves of each head."""
    per_head = channels.view(heads, -1, 2, *channels.shape[1:])
    return per_head.transpose(1, 2).reshape(channels.shape)


def step_tensor_names(config: DitConfig, layer: int) -> list[str]:
    """Published names of the tensors that :func:`make_layer` takes over; all others stay in the plain network."""
    block = f"blocks.{layer}"
    names = [f"{block}.self_attn.{part}.{kind}" for part in "qkvo" for kind in ("weight", "bias")]
    names += [f"{block}.cross_attn.{part}.{kind}" for part in "qo" for kind in ("weight", "bias")]
    names += [f"{block}.ffn.{part}.{kind}" for part in "02" for kind in ("weight", "bias")]
    names += [f"{block}.self_attn.norm_{part}.weight" for part in "qk"]
    names += [f"{block}.cross_attn.norm_q.weight", f"{block}.norm3.weight", f"{block}.norm3.bias"]
    if layer in config.audio_inject_layers:
        injector = f"audio_injector.injector.{config.audio_inject_layers.index(layer)}"
        names += [f"{injector}.{part}.{kind}" for part in "qo" for kind in ("weight", "bias")]
        names += [f"{injector}.norm_q.weight"]
    return names


def make_layer(config: DitConfig, layer: int, tensor: TensorOf, form: WeightFormat) -> LayerWeights:
    """Gather, permute, stack and quantise the tensors of a layer, on the device that ``tensor`` puts them on.

    Args:
        tensor: the tensor of a published name, LoRA merged; asked once for each of :func:`step_tensor_names`.
    """
    heads, block = config.num_heads, f"blocks.{layer}"

    def linear(name: str) -> Linear:
        return make_linear(tensor(f"{name}.weight"), tensor(f"{name}.bias"), form)

    def stacked(kind: str) -> Tensor:
        parts = {part: tensor(f"{block}.self_attn.{part}.{kind}") for part in "qkv"}
        return torch.cat([split_pairs(parts["q"], heads), split_pairs(parts["k"], heads), parts["v"]])

    injector = None
    if layer in config.audio_inject_layers:
        name = f"audio_injector.injector.{config.audio_inject_layers.index(layer)}"
        injector = InjectorWeights(linear(f"{name}.q"), linear(f"{name}.o"), tensor(f"{name}.norm_q.weight"))
    return LayerWeights(
        qkv=make_linear(stacked("weight"), stacked("bias"), form),
        out=linear(f"{block}.self_attn.o"),
        text_query=linear(f"{block}.cross_attn.q"),
        text_out=linear(f"{block}.cross_attn.o"),
        ffn_up=linear(f"{block}.ffn.0"),
        ffn_down=linear(f"{block}.ffn.2"),
        query_norm=split_pairs(tensor(f"{block}.self_attn.norm_q.weight"), heads),
        key_norm=split_pairs(tensor(f"{block}.self_attn.norm_k.weight"), heads),
        text_query_norm=tensor(f"{block}.cross_attn.norm_q.weight"),
        text_norm_weight=tensor(f"{block}.norm3.weight").float().unsqueeze(0),
        text_norm_bias=tensor(f"{block}.norm3.bias").float().unsqueeze(0),
        injector=injector,
    )


def layer_tensors(weights: LayerWeights | InjectorWeights) -> dict[str, Tensor]:
    """Every tensor of a layer by a dotted name, in a fixed order: what a cache file or a transfer buffer holds."""
    tensors: dict[str, Tensor] = {}
    for entry in fields(weights):
        part = getattr(weights, entry.name)
        if isinstance(part, Tensor):
            tensors[entry.name] = part
        elif isinstance(part, Linear):
            values = {"weight": part.weight, "scale": part.scale, "bias": part.bias}
            tensors |= {f"{entry.name}.{key}": value for key, value in values.items() if value is not None}
        elif isinstance(part, InjectorWeights):
            tensors |= {f"{entry.name}.{key}": value for key, value in layer_tensors(part).items()}
    return tensors


def layer_of_tensors(tensors: dict[str, Tensor]) -> LayerWeights:
    """The inverse of :func:`layer_tensors`."""

    def linear(name: str) -> Linear:
        return Linear(tensors[f"{name}.weight"], tensors.get(f"{name}.scale"), tensors.get(f"{name}.bias"))

    injector = None
    if "injector.query_norm" in tensors:
        injector = InjectorWeights(linear("injector.query"), linear("injector.out"), tensors["injector.query_norm"])
    return LayerWeights(
        qkv=linear("qkv"),
        out=linear("out"),
        text_query=linear("text_query"),
        text_out=linear("text_out"),
        ffn_up=linear("ffn_up"),
        ffn_down=linear("ffn_down"),
        query_norm=tensors["query_norm"],
        key_norm=tensors["key_norm"],
        text_query_norm=tensors["text_query_norm"],
        text_norm_weight=tensors["text_norm_weight"],
        text_norm_bias=tensors["text_norm_bias"],
        injector=injector,
    )
