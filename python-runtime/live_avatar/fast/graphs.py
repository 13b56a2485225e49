"""Passes captured as CUDA graphs: one launch instead of about a thousand.

A graph reads and writes fixed places. Positions, cache rows and conditions are device tensors in it, so one graph per
step and run of layers serves every block once the ring is full; the blocks before that run as they are.

What a graph answers lies in memory that the next pass may overwrite, as :class:`HiddenState` says.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from live_avatar.fast.cache import CacheBuffers, FastCache
from live_avatar.fast.tables import StepTables
from live_avatar.fast.transformer import FastTransformer, PassInputs
from live_avatar.geometry import LatentShape
from live_avatar.layer_span import HeldUnits, HiddenState, LayerSpan
from live_avatar.model.audio_injector import InjectedAudio
from live_avatar.model.layers import KeyValue
from live_avatar.model.transformer import BlockPositions


@dataclass(slots=True)
class _Captured:
    """A graph, the places it reads from, and the one it answers in."""

    graph: torch.cuda.CUDAGraph
    places: PassInputs
    answer: Tensor | HiddenState
    tables: StepTables


@dataclass(slots=True)
class _KeptBuffers:
    """Memory that graphs point to, and the take that uses it."""

    geometry: tuple[LatentShape, HeldUnits]
    buffers: CacheBuffers
    user: weakref.ref[FastCache]


class GraphedTransformer(FastTransformer):
    """Replays passes over a full window; everything else as :class:`FastTransformer`.

    The memory of a cache is kept for the next take of the same size, since graphs hold its addresses.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept: list[_KeptBuffers] = []
        self._seen: set[tuple[object, ...]] = set()
        self._captured: dict[tuple[object, ...], _Captured] = {}
        self._pool: Any = None
        # Of this card: the stream that torch would capture on lies on the first card that a process captured on.
        self._stream: torch.cuda.Stream | None = None
        # The conditions whose values lie in the graphs' places now.
        self._filled: dict[int, object] = {}
        self._texts: dict[int, KeyValue] = {}

    def new_fast_cache(self, shape: LatentShape, units: HeldUnits) -> FastCache:
        """A cache in memory that no living one uses."""
        for kept in self._kept:
            if kept.geometry == (shape, units) and kept.user() is None:
                cache = FastCache(shape, kept.buffers, self.rows)
                kept.user = weakref.ref(cache)
                return cache
        self._forget_unused()
        cache = super().new_fast_cache(shape, units)
        self._kept.append(_KeptBuffers((shape, units), cache.buffers, weakref.ref(cache)))
        return cache

    def run(
        self, inputs: PassInputs, span: LayerSpan, tables: StepTables, cache: FastCache, steps: slice
    ) -> Tensor | HiddenState:
        """One pass, replayed if its like was captured.

        The first pass of its kind runs as it is, which compiles kernels and plans; the second is captured.
        """
        if inputs.positions.visible < cache.key.shape[1]:
            return super().run(inputs, span, tables, cache, steps)
        injected = next(iter(inputs.audio.values()), None)
        kind = (
            id(cache.buffers),
            id(tables),
            (steps.start, steps.stop),
            span,
            inputs.pose is not None,
            None if inputs.routing is None else tuple(inputs.routing.shape),
            None if injected is None else tuple(injected.memory.key.shape),
        )
        captured = self._captured.get(kind)
        if captured is None:
            if kind not in self._seen:
                self._seen.add(kind)
                return super().run(inputs, span, tables, cache, steps)
            captured = self._captured[kind] = self._capture(inputs, span, tables, cache, steps)
        self._fill(captured.places, inputs)
        captured.graph.replay()
        return captured.answer

    def _capture(
        self, inputs: PassInputs, span: LayerSpan, tables: StepTables, cache: FastCache, steps: slice
    ) -> _Captured:
        for layer, memory in inputs.text.items():
            if layer not in self._texts:
                self._texts[layer] = KeyValue(memory.key.clone(), memory.value.clone())
        positions = inputs.positions
        places = PassInputs(
            _copy_of_given(inputs.given),
            BlockPositions(
                positions.noisy_table.clone(),
                positions.reference_table.clone(),
                positions.ring_index.clone(),
                positions.visible,
            ),
            self._texts,
            {index: _copy_of(audio) for index, audio in self._injected(inputs.audio, span).items()},
            None if inputs.pose is None else inputs.pose.clone(),
            None if inputs.routing is None else inputs.routing.clone(),
        )
        graph = torch.cuda.CUDAGraph()
        self._stream = self._stream or torch.cuda.Stream(self.device)
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            answer = super().run(places, span, tables, cache, steps)
        # Graphs are replayed one after the other, so they may all work in the same memory.
        self._pool = graph.pool()
        return _Captured(graph, places, answer, tables)

    def _injected(self, audio: Mapping[int, InjectedAudio], span: LayerSpan) -> dict[int, InjectedAudio]:
        """What a pass over some layers reads."""
        inside = (index for index, layer in enumerate(self.config.audio_inject_layers) if layer in span)
        return {index: audio[index] for index in inside}

    def _fill(self, places: PassInputs, inputs: PassInputs) -> None:
        """Copy the inputs of a pass to where its graph reads them; conditions only when they are others."""
        targets = [*_given(places.given), places.positions.noisy_table, places.positions.reference_table]
        sources = [*_given(inputs.given), inputs.positions.noisy_table, inputs.positions.reference_table]
        if places.pose is not None and inputs.pose is not None:
            targets.append(places.pose)
            sources.append(inputs.pose)
        if places.routing is not None and inputs.routing is not None:
            targets.append(places.routing)
            sources.append(inputs.routing)
        places.positions.ring_index.copy_(inputs.positions.ring_index)
        if self._filled.get(id(places.audio)) is not inputs.audio:
            self._filled[id(places.audio)] = inputs.audio
            for index, target in places.audio.items():
                targets += _parts(target)
                sources += _parts(inputs.audio[index])
        if self._filled.get(id(places.text)) is not inputs.text:
            self._filled[id(places.text)] = inputs.text
            for layer, memory in inputs.text.items():
                targets += [places.text[layer].key, places.text[layer].value]
                sources += [memory.key, memory.value]
        torch._foreach_copy_(targets, sources)

    def _forget_unused(self) -> None:
        """Let go of graphs and memory of sizes that no take uses."""
        for kept in [kept for kept in self._kept if kept.user() is None]:
            self._kept.remove(kept)
            owner = id(kept.buffers)
            for kind in [kind for kind in self._captured if kind[0] == owner]:
                captured = self._captured.pop(kind)
                self._filled.pop(id(captured.places.audio), None)
            self._seen = {kind for kind in self._seen if kind[0] != owner}


def _given(given: Tensor | HiddenState) -> tuple[Tensor, ...]:
    return given.tensors if isinstance(given, HiddenState) else (given,)


def _copy_of_given(given: Tensor | HiddenState) -> Tensor | HiddenState:
    if isinstance(given, HiddenState):
        return HiddenState(tuple(part.clone() for part in given.tensors))
    return given.clone()


def _parts(audio: InjectedAudio) -> list[Tensor]:
    return [audio.memory.key, audio.memory.value, audio.shift, audio.scale]


def _copy_of(audio: InjectedAudio) -> InjectedAudio:
    key, value, shift, scale = (part.clone() for part in _parts(audio))
    return InjectedAudio(KeyValue(key, value), shift, scale)
