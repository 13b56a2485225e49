"""Forms of the flat pass whose error is measured: those that renders use, and two remedies that might pay.

On a processor e4m3 is formed exactly as on a card and multiplied in wide numbers; only attention in e4m3 is left out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.assembly import make_rows, triton_is_there
from live_avatar.fast.attention import AttentionName, available_attention, make_attention
from live_avatar.fast.products import Linear, WeightFormat, make_linear
from live_avatar.fast.row_operations import Affine, PlainRows, RowOperations, Update
from live_avatar.fast.tables import LayerTable, StepTables
from live_avatar.fast.transformer import FastTransformer, _Attend
from live_avatar.fast.weight_groups import audio_linears, text_linears
from live_avatar.fast.weight_only import SmallForm, quantising, replace_linears
from live_avatar.fast.weights import LayerWeights, ResidentLayers, make_layer
from live_avatar.model.layers import KeyValue
from live_avatar.model.transformer import CausalAvatarTransformer, TimeConditions

# Between moving all of the amplitude into the weights and none of it (Xiao et al. 2022, SmoothQuant: one half).
_SMOOTHING = 0.5
# Of thousands of normal values the largest is about this many deviations out.
_LARGEST_NORMAL = 4.0
_SMALLEST = 1e-5


@dataclass(frozen=True, slots=True)
class PrecisionForm:
    """A way to compute.

    Attributes:
        weights: of the layers; activations before a product follow it.
        cache: keys and values.
        attention: in the activations' precision, or in e4m3.
        conditions: weights of text and audio conditions.
        residual: of the stream between the layers.
        wide_layers: first and last layers that are computed in bfloat16.
        smoothed: amplitudes of channels are moved from activations into weights before both are quantised.
    """

    name: str
    weights: WeightFormat = "float8"
    cache: Literal["wide", "float8"] = "float8"
    attention: Literal["wide", "float8"] = "wide"
    conditions: SmallForm | None = None
    residual: Literal["bfloat16", "float32"] = "bfloat16"
    wide_layers: int = 0
    smoothed: bool = False


FORMS: tuple[PrecisionForm, ...] = (
    PrecisionForm("bf16", "bfloat16", "wide", residual="float32"),
    PrecisionForm("bf16, bf16 residual", "bfloat16", "wide"),
    PrecisionForm("bf16, fp8 cache", "bfloat16", "float8", residual="float32"),
    PrecisionForm("bf16, fp8 cache and attention", "bfloat16", "float8", "float8", residual="float32"),
    PrecisionForm("fp8 weights, fp32 residual", "float8", "wide", residual="float32"),
    PrecisionForm("fp8 weights", "float8", "wide"),
    PrecisionForm("fp8 weights and cache", "float8", "float8"),
    PrecisionForm("fp8 weights, cache, attention", "float8", "float8", "float8"),
    PrecisionForm("fp8, int8 conditions", "float8", "float8", conditions="int8"),
    PrecisionForm("fp8, fp8 conditions", "float8", "float8", conditions="float8"),
    PrecisionForm("fp8 smoothed", "float8", "float8", smoothed=True),
    PrecisionForm("fp8, 1+1 layers bf16", "float8", "float8", wide_layers=1),
    PrecisionForm("fp8, 2+2 layers bf16", "float8", "float8", wide_layers=2),
)


def float8_attention(device: torch.device) -> AttentionName | None:
    """The back end that attends in e4m3 here, if there is one."""
    found = [name for name in available_attention(device) if "float8" in name and not name.startswith("sdpa")]
    return found[0] if found else None


def build_form(network: CausalAvatarTransformer, form: PrecisionForm, time: TimeConditions) -> FastTransformer:
    """The flat pass in a form.

    Args:
        network: in float32; it is not changed.
        time: conditions of the schedule, by which amplitudes are foreseen.

    Raises:
        RuntimeError, ImportError: it does not run here.
    """
    device, config = network.device, network.config
    wide = torch.bfloat16
    copied = _narrowed(network, form)
    parameters = dict(network.named_parameters())
    divisors = _divisors(network, time) if form.smoothed else None
    layers = []
    for index in range(config.num_layers):
        plain = index < form.wide_layers or index >= config.num_layers - form.wide_layers
        if form.weights == "bfloat16" or plain:
            layers.append(make_layer(config, index, lambda name: parameters[name].to(wide), "bfloat16"))
            continue
        layer = make_layer(config, index, lambda name: parameters[name].detach(), "float32")
        if divisors is not None:
            _smooth(layer, divisors[index])
        layers.append(_quantised(layer, wide))
    name = _attention_name(form, device)
    rows = _rows(wide, device, float8=form.weights == "float8")
    head_rows = make_rows("auto", torch.float32, device, float8=False)
    residual = torch.bfloat16 if form.residual == "bfloat16" else torch.float32
    plain_rows = _rows(wide, device, float8=False) if form.wide_layers else None
    return _FormTransformer(
        copied,
        ResidentLayers(layers),
        rows,
        head_rows,
        make_attention(name, wide, device),
        residual,
        plain_rows=plain_rows,
        wide_layers=form.wide_layers,
        divisors=divisors,
    )


def _attention_name(form: PrecisionForm, device: torch.device) -> AttentionName:
    if form.attention == "float8":
        name = float8_attention(device)
        if name is None:
            raise RuntimeError("nothing here attends in e4m3")
        return name
    return "sdpa-float8-cache" if form.cache == "float8" else "sdpa"


def _rows(dtype: torch.dtype, device: torch.device, *, float8: bool) -> RowOperations:
    """Row operations that quantise if asked to, whether or not the device multiplies e4m3."""
    if device.type == "cuda" and triton_is_there():
        return make_rows("fused", dtype, device, float8=float8)
    return PlainRows(dtype, float8=float8)


def _narrowed(network: CausalAvatarTransformer, form: PrecisionForm) -> CausalAvatarTransformer:
    """A copy of everything but the layers' own weights, in bfloat16, its conditions in the wanted form."""
    with torch.device("meta"):
        copied = CausalAvatarTransformer(network.config)
    linears: list[str] = []
    for layer in range(network.config.num_layers):
        linears += [*text_linears(layer), *audio_linears(network.config, layer)]
    transform = None
    if form.conditions is not None:
        replace_linears(copied, linears, form.conditions)
        transform = quantising(copied, linears, form.conditions)
    for name, parameter in network.named_parameters():
        owner, _, leaf = name.rpartition(".")
        tensor = parameter.detach().to(torch.bfloat16)
        if transform is not None:
            tensor = transform(name, tensor)
        copied.get_submodule(owner)._parameters[leaf] = torch.nn.Parameter(tensor, requires_grad=False)
    return copied.requires_grad_(False).eval()


@dataclass(slots=True)
class _Divisors:
    """What activations are divided by and weights multiplied, channel by channel: float32 [D] each."""

    attention: Tensor
    text: Tensor
    feed_forward: Tensor


def _divisors(network: CausalAvatarTransformer, time: TimeConditions) -> list[_Divisors]:
    """Chosen without any data: after a layer norm the amplitude of a channel follows from what scales and shifts it."""
    found = []
    for block in network.layers():
        shift, scale, _, shift_ffn, scale_ffn, _ = (block.modulation.float() + time.block).unbind(1)
        attention = block.self_attn
        first = block.ffn[0]
        assert isinstance(first, torch.nn.Linear)
        stacked = torch.cat([getattr(attention, part).weight for part in "qkv"])
        found.append(
            _Divisors(
                _divisor(1 + scale, shift, stacked),
                _divisor(block.norm3.weight[None], block.norm3.bias[None], block.cross_attn.q.weight),
                _divisor(1 + scale_ffn, shift_ffn, first.weight),
            )
        )
    return found


def _divisor(factor: Tensor, shift: Tensor, weight: Tensor) -> Tensor:
    """From factors and shifts [S, D] and the weight [out, D] that follows."""
    amplitude = (_LARGEST_NORMAL * factor.float().abs() + shift.float().abs()).amax(0).clamp_min(_SMALLEST)
    reach = weight.float().abs().amax(0).clamp_min(_SMALLEST)
    return amplitude**_SMOOTHING / reach ** (1 - _SMOOTHING)


def _smooth(layer: LayerWeights, divisors: _Divisors) -> None:
    """Multiply the input channels of a layer's weights, and fold the norm that has weights of its own."""
    for linear, divisor in (
        (layer.qkv, divisors.attention),
        (layer.text_query, divisors.text),
        (layer.ffn_up, divisors.feed_forward),
    ):
        linear.weight = linear.weight * divisor
    layer.text_norm_weight = layer.text_norm_weight / divisors.text
    layer.text_norm_bias = layer.text_norm_bias / divisors.text


def _quantised(layer: LayerWeights, wide: torch.dtype) -> LayerWeights:
    """A float32 layer with e4m3 weights and everything else as it is next to them."""

    def linear(given: Linear) -> Linear:
        return make_linear(given.weight, given.bias, "float8")

    changed = copy.copy(layer)
    for name in ("qkv", "out", "text_query", "text_out", "ffn_up", "ffn_down"):
        setattr(changed, name, linear(getattr(layer, name)))
    for name in ("query_norm", "key_norm", "text_query_norm"):
        setattr(changed, name, getattr(layer, name).to(wide))
    if layer.injector is not None:
        injector = copy.copy(layer.injector)
        injector.query, injector.out = linear(injector.query), linear(injector.out)
        injector.query_norm = injector.query_norm.to(wide)
        changed.injector = injector
    return changed


class _FormTransformer(FastTransformer):
    """The flat pass with some layers in wide numbers, and with divided channels."""

    def __init__(
        self,
        *arguments: Any,
        plain_rows: RowOperations | None,
        wide_layers: int,
        divisors: list[_Divisors] | None,
    ) -> None:
        super().__init__(*arguments)
        self._narrow_rows = self.rows
        self._plain_rows = plain_rows
        self._wide_layers = wide_layers
        self._divisors = divisors

    def _block(
        self,
        layer: int,
        residual: Tensor,
        update: Update | None,
        weights: LayerWeights,
        table: LayerTable,
        text: KeyValue,
        attend: _Attend,
    ) -> Update:
        wide = layer < self._wide_layers or layer >= self.config.num_layers - self._wide_layers
        if self._plain_rows is not None and wide:
            self.rows = self._plain_rows
        try:
            return super()._block(layer, residual, update, weights, table, text, attend)
        finally:
            self.rows = self._narrow_rows

    def _step_tables(self, time: TimeConditions) -> StepTables:
        tables = super()._step_tables(time)
        if self._divisors is None:
            return tables
        layers = [
            replace(
                table,
                attention=_divided(table.attention, divisors.attention),
                feed_forward=_divided(table.feed_forward, divisors.feed_forward),
            )
            for table, divisors in zip(tables.layers, self._divisors, strict=True)
        ]
        return StepTables(layers, tables.head)


def _divided(affine: Affine, divisor: Tensor) -> Affine:
    return Affine(affine.factor / divisor, affine.shift / divisor)


def drawn_network(config: DitConfig, outliers: float, device: torch.device) -> CausalAvatarTransformer:
    """Random weights in float32 that bfloat16 holds exactly, so that only computing errs."""
    from live_avatar.checkpoint.dit_shapes import dit_shapes
    from live_avatar.checkpoint.drawn import Drawing

    drawing = Drawing(1, outliers)
    with torch.device("meta"):
        network = CausalAvatarTransformer(config)
    for name, shape in dit_shapes(config).items():
        owner, _, leaf = name.rpartition(".")
        tensor = drawing.of(name, shape, torch.bfloat16)(device).float()
        network.get_submodule(owner)._parameters[leaf] = torch.nn.Parameter(tensor, requires_grad=False)
    return network.requires_grad_(False).eval()
