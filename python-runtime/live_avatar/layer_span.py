"""A run of the denoiser's layers, which units (step, layer) a rank has to do with, and what travels at a cut.

Importing this does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class LayerSpan:
    """Layers ``first`` up to, and without, ``last``; empty where they are equal."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first

    def __contains__(self, layer: object) -> bool:
        return isinstance(layer, int) and self.first <= layer < self.last

    @property
    def layers(self) -> range:
        """Their indices."""
        return range(self.first, self.last)

    def places(self, part: LayerSpan) -> slice:
        """Where the layers of ``part`` are among these.

        Raises:
            ValueError: not all of them are among these.
        """
        if part.first < self.first or part.last > self.last:
            raise ValueError(f"layers {part.first} to {part.last} are not all held here")
        return slice(part.first - self.first, part.last - self.first)


@dataclass(frozen=True)
class HeldUnits:
    """The (step, layer) units whose keys and values a cache holds, one after the other: steps, and layers within.

    Attributes:
        spans: for each step of the schedule its layers, maybe none.
    """

    spans: tuple[LayerSpan, ...]

    @classmethod
    def whole(cls, steps: int, layers: int) -> HeldUnits:
        """All units."""
        return cls((LayerSpan(0, layers),) * steps)

    @cached_property
    def count(self) -> int:
        """How many there are."""
        return sum(len(span) for span in self.spans)

    @cached_property
    def hull(self) -> LayerSpan:
        """From the first layer that any step holds to the last."""
        held = [span for span in self.spans if len(span)]
        if not held:
            return LayerSpan(0, 0)
        return LayerSpan(min(span.first for span in held), max(span.last for span in held))

    @cached_property
    def held_steps(self) -> range:
        """From the first step of which anything is held to the last."""
        held = [step for step, span in enumerate(self.spans) if len(span)]
        return range(held[0], held[-1] + 1) if held else range(0)

    @cached_property
    def rectangular(self) -> bool:
        """Whether all held steps hold the same layers."""
        return all(self.spans[step] == self.hull for step in self.held_steps)

    @cached_property
    def _placed(self) -> tuple[tuple[int, LayerSpan], ...]:
        """For each step, what a layer's index is added to to give its unit's place; and its layers."""
        placed, reached = [], 0
        for span in self.spans:
            placed.append((reached - span.first, span))
            reached += len(span)
        return tuple(placed)

    def run(self, step: int, span: LayerSpan) -> slice:
        """The places of some layers of a step.

        Raises:
            ValueError: not all of them are held.
        """
        offset, held = self._placed[step]
        held.places(span)
        return slice(offset + span.first, offset + span.last)

    def of_layer(self, layer: int) -> list[int]:
        """The places of a layer, step by step."""
        return [offset + layer for offset, span in self._placed if layer in span]

    def column(self, first: int, last: int, layer: int) -> slice:
        """The places of one layer in the steps from ``first`` up to ``last``.

        Raises:
            ValueError: it is not held in all of them, or they do not lie equally far apart.
        """
        places = [offset + layer for offset, span in self._placed[first:last] if layer in span]
        if len(places) != last - first:
            raise ValueError(f"layer {layer} is not held in all of the steps {first} to {last}")
        stride = places[1] - places[0] if len(places) > 1 else 1
        if any(right - left != stride for left, right in pairwise(places)):
            raise ValueError("a pass over several steps needs the same layers of each")
        return slice(places[0], places[-1] + 1, stride)

    def block(self, units: Tensor, first: int, last: int, span: LayerSpan) -> Tensor:
        """The units of some layers in the steps from ``first`` up to ``last``, of a tensor [units, ...]: a view
        [steps, layers, ...].

        Raises:
            ValueError: as :meth:`run` and :meth:`column`.
        """
        runs = [self.run(step, span) for step in range(first, last)]
        if len(runs) == 1:
            return units[runs[0]].unsqueeze(0)
        stride = runs[1].start - runs[0].start
        if any(right.start - left.start != stride for left, right in pairwise(runs)):
            raise ValueError("a pass over several steps needs the same layers of each")
        size, strides = units.shape[1:], units.stride()
        return units.as_strided(
            (len(runs), len(span), *size),
            (stride * strides[0], *strides),
            units.storage_offset() + runs[0].start * strides[0],
        )


@dataclass(slots=True)
class HiddenState:
    """What the layers up to a cut hand to those after it.

    A pass that is given one may overwrite it. What it answers is valid until the next pass of the same denoiser, which
    may overwrite it: copy it, or use it, on the same stream before that.

    Attributes:
        tensors: of the plain network ``(hidden [B, T, D],)``; of the flat pass ``(residual [B * T, D], update
            [B * T, D])``, where the update is still to be added, so that a cut changes no rounding.
    """

    tensors: tuple[Tensor, ...]
