"""Puts a flat-pass denoiser together from its parts, as asked or as the machine allows."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.attention import Attention, AttentionName, available_attention, make_attention
from live_avatar.fast.graphs import GraphedTransformer
from live_avatar.fast.products import WeightFormat, multiplies_float8
from live_avatar.fast.row_operations import PlainRows, RowOperations
from live_avatar.fast.transformer import FastTransformer
from live_avatar.fast.weights import LayerStore, LayerWeights, ResidentLayers, make_layer, step_tensor_names
from live_avatar.model.transformer import CausalAvatarTransformer

Kernels = Literal["auto", "fused", "plain"]


@dataclass(frozen=True, slots=True)
class FastSettings:
    """How the flat pass computes.

    Attributes:
        weights: storage of the layers' weights.
        attention: back end, or ``auto`` for the best one here whose cache is as ``cache_float8`` says.
        cache_float8: whether ``auto`` keeps keys and values in e4m3.
        kernels: ``fused`` (Triton), ``plain`` (PyTorch), or ``auto``: fused where it runs.
        graphs: capture passes over a full window as CUDA graphs.
        residual: of the stream between the layers. ``auto`` is bfloat16 beside e4m3 weights, whose rounding is far
            coarser, and float32 otherwise.
        streamed_cache: keys and values wait in host memory.
    """

    weights: WeightFormat = "float8"
    attention: AttentionName | Literal["auto"] = "auto"
    cache_float8: bool = True
    kernels: Kernels = "auto"
    graphs: bool = True
    residual: Literal["auto", "bfloat16", "float32"] = "auto"
    streamed_cache: bool = False

    @classmethod
    def of_plan(cls, plan: ComputePlan) -> FastSettings:
        """What a plan says of the pass."""
        attention = cast(AttentionName | Literal["auto"], plan.attention)
        return cls(
            plan.weights,
            attention,
            plan.cache == "float8",
            plan.kernels,
            plan.graphs,
            streamed_cache=plan.streamed_cache,
        )


def fast_transformer(
    network: CausalAvatarTransformer, settings: FastSettings, layers: LayerStore | None = None
) -> FastTransformer:
    """A flat pass over ``network``.

    Args:
        layers: the layers' weights. Without them they are made from the network, layer by layer, and the network's own
            are let go.
    """
    device, dtype = network.device, network.dtype
    if layers is None:
        layers = take_over_layers(network, settings.weights)
    float8 = settings.weights == "float8" and multiplies_float8(device)
    rows = make_rows(settings.kernels, dtype, device, float8=float8)
    # The head's product is formed in float32, as published.
    head_rows = make_rows(settings.kernels, torch.float32, device, float8=False)
    attention = choose_attention(settings, dtype, device)
    narrow = settings.residual == "bfloat16" or (settings.residual == "auto" and float8)
    residual = torch.bfloat16 if narrow else torch.float32
    # Copies that begin in one pass and end in the next cannot be captured.
    still = isinstance(layers, ResidentLayers) and not settings.streamed_cache
    if settings.graphs and device.type == "cuda" and still:
        return GraphedTransformer(network, layers, rows, head_rows, attention, residual)
    return FastTransformer(
        network, layers, rows, head_rows, attention, residual, streamed_cache=settings.streamed_cache
    )


def take_over_layers(network: CausalAvatarTransformer, form: WeightFormat) -> ResidentLayers:
    """Make the weights of the layers that the network holds out of its own, which it loses."""
    layers: list[LayerWeights] = []
    for index in network.span.layers:
        layers.append(make_layer(network.config, index, _parameter_of(network), form))
        for name in step_tensor_names(network.config, index):
            owner, _, leaf = name.rpartition(".")
            module = network.get_submodule(owner)
            parameter = getattr(module, leaf)
            setattr(module, leaf, torch.nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False))
    return ResidentLayers(layers, network.span.first)


def make_rows(kernels: Kernels, dtype: torch.dtype, device: torch.device, *, float8: bool) -> RowOperations:
    """Row operations in one kernel each where Triton runs, or as asked."""
    if kernels == "fused" or (kernels == "auto" and device.type == "cuda" and triton_is_there()):
        from live_avatar.fast.row_kernels import FusedRows

        return FusedRows(dtype, float8=float8)
    return PlainRows(dtype, float8=float8)


def triton_is_there() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


def choose_attention(settings: FastSettings, dtype: torch.dtype, device: torch.device) -> Attention:
    """The asked back end, or the first that is there and starts."""
    if settings.attention != "auto":
        return make_attention(settings.attention, dtype, device)
    for name in available_attention(device):
        if ("float8" in name) != settings.cache_float8:
            continue
        try:
            return make_attention(name, dtype, device)
        except (ImportError, RuntimeError):
            # Installed but not for this driver or card; the next one does the same, slower.
            continue
    return make_attention("sdpa-float8-cache" if settings.cache_float8 else "sdpa", dtype, device)


def _parameter_of(network: CausalAvatarTransformer) -> Callable[[str], Tensor]:
    return lambda name: network.get_parameter(name).detach()
