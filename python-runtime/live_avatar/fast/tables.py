"""Modulation of every layer and step, formed once for a schedule (spec sections 2.3 and 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from live_avatar.fast.row_operations import Affine
from live_avatar.model.transformer import CausalAvatarTransformer, TimeConditions


@dataclass(slots=True)
class LayerTable:
    """Modulation of one layer; every tensor [S, D] float32, a row for each step.

    Attributes:
        attention, feed_forward: what follows the norms before them.
        attention_gate, feed_forward_gate: factors of their results.
    """

    attention: Affine
    attention_gate: Tensor
    feed_forward: Affine
    feed_forward_gate: Tensor

    def rows(self, steps: slice) -> LayerTable:
        """The rows of some steps, as views."""
        return LayerTable(
            affine_rows(self.attention, steps),
            self.attention_gate[steps],
            affine_rows(self.feed_forward, steps),
            self.feed_forward_gate[steps],
        )


@dataclass(slots=True)
class StepTables:
    """Modulation of all layers and of the head."""

    layers: list[LayerTable]
    head: Affine


def affine_rows(affine: Affine, steps: slice) -> Affine:
    """The rows of some steps, as views."""
    return Affine(affine.factor[steps], affine.shift[steps])


def step_tables(network: CausalAvatarTransformer, time: TimeConditions) -> StepTables:
    """Form the tables: 20 MB for the published network and four steps."""
    layers = []
    for block in network.layers():
        shift, scale, gate, shift_ffn, scale_ffn, gate_ffn = (block.modulation.float() + time.block).unbind(1)
        layers.append(
            LayerTable(
                Affine(1 + scale, shift.contiguous()),
                gate.contiguous(),
                Affine(1 + scale_ffn, shift_ffn.contiguous()),
                gate_ffn.contiguous(),
            )
        )
    shift, scale = (network.head.modulation.float() + time.head.unsqueeze(1)).unbind(1)
    return StepTables(layers, Affine(1 + scale, shift.contiguous()))
