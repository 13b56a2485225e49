"""How the tensors of the published network fall into groups that are prepared, kept and placed together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.weights import step_tensor_names
from live_avatar.network_part import NetworkPart, is_lead_only

GroupKind = Literal["network", "lead", "text", "audio", "layer"]


@dataclass(frozen=True, slots=True)
class WeightGroup:
    """Tensors of one kind.

    Attributes:
        kind: ``layer``, what a pass needs of a layer; ``text`` and ``audio``, linear layers that make its keys and
            values from prompt and speech; ``lead``, what only the lead of several ranks needs; ``network``, the rest.
        layer: which one; -1 for ``lead`` and ``network``.
        names: published names.
    """

    kind: GroupKind
    layer: int
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name among all groups, usable as a file name."""
        return self.kind if self.layer < 0 else f"{self.kind}_{self.layer:02d}"


def text_linears(layer: int) -> list[str]:
    """The linear layers that make a layer's text keys and values."""
    return [f"blocks.{layer}.cross_attn.{part}" for part in "kv"]


def audio_linears(config: DitConfig, layer: int) -> list[str]:
    """The linear layers that prepare the audio injector after a layer; none if it has none."""
    if layer not in config.audio_inject_layers:
        return []
    index = config.audio_inject_layers.index(layer)
    linears = [f"audio_injector.injector.{index}.{part}" for part in "kv"]
    return [*linears, f"audio_injector.injector_adain_layers.{index}.linear"]


def weight_groups(config: DitConfig, names: Iterable[str], part: NetworkPart | None = None) -> list[WeightGroup]:
    """The groups of a part in the order of loading; without one, each of ``names`` is in one of them."""
    part = part or NetworkPart.whole(config)
    groups: list[WeightGroup] = []
    for layer in range(config.num_layers):
        groups.append(WeightGroup("text", layer, _with_bias(text_linears(layer))))
        if layer in config.audio_inject_layers:
            groups.append(WeightGroup("audio", layer, _with_bias(audio_linears(config, layer))))
        groups.append(WeightGroup("layer", layer, tuple(step_tensor_names(config, layer))))
    grouped = {name for group in groups for name in group.names}
    rest = [name for name in names if name not in grouped]
    lead = WeightGroup("lead", -1, tuple(name for name in rest if is_lead_only(name)))
    network = WeightGroup("network", -1, tuple(name for name in rest if not is_lead_only(name)))
    held = [group for group in groups if group.layer in part.span]
    return [network, *([lead] if part.lead else []), *held]


def _with_bias(linears: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}.{kind}" for name in linears for kind in ("weight", "bias"))
