"""Passes captured as CUDA graphs: one launch instead of about a thousand.

A graph reads and writes fixed places. Positions, cache rows and conditions are device tensors in it, so one graph per
step serves every block once the ring is full; the blocks before that run as they are.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from live_avatar.fast.cache import CacheBuffers, FastCache
from live_avatar.fast.tables import StepTables
from live_avatar.fast.transformer import FastTransformer, PassInputs
from live_avatar.geometry import LatentShape
from live_avatar.model.audio_injector import InjectedAudio
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.transformer import BlockPositions


@dataclass(slots=True)
class _Captured:
    """A graph, the places it reads from, and the one it answers in."""

    graph: torch.cuda.CUDAGraph
    places: PassInputs
    velocity: Tensor
    tables: StepTables


@dataclass(slots=True)
class _KeptBuffers:
    """Memory that graphs point to, and the take that uses it."""

    geometry: tuple[LatentShape, int]
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
        # The conditions whose values lie in the graphs' places now.
        self._filled: dict[int, object] = {}
        self._texts: list[KeyValue] | None = None

    def new_cache(self, shape: LatentShape, steps: int, dtype: torch.dtype | None = None) -> KvCache:
        """A cache in memory that no living one uses."""
        for kept in self._kept:
            if kept.geometry == (shape, steps) and kept.user() is None:
                cache = FastCache(shape, kept.buffers)
                kept.user = weakref.ref(cache)
                return cache
        self._forget_unused()
        cache = FastCache(shape, self.new_buffers(shape, steps))
        self._kept.append(_KeptBuffers((shape, steps), cache.buffers, weakref.ref(cache)))
        return cache

    def run(self, inputs: PassInputs, tables: StepTables, cache: FastCache, steps: slice) -> Tensor:
        """One pass, replayed if its like was captured.

        The first pass of its kind runs as it is, which compiles kernels and plans; the second is captured.
        """
        if inputs.positions.visible < cache.key.shape[2]:
            return super().run(inputs, tables, cache, steps)
        kind = (
            id(cache.buffers),
            id(tables),
            (steps.start, steps.stop),
            inputs.pose is not None,
            None if inputs.routing is None else tuple(inputs.routing.shape),
            tuple(inputs.audio[0].memory.key.shape),
        )
        captured = self._captured.get(kind)
        if captured is None:
            if kind not in self._seen:
                self._seen.add(kind)
                return super().run(inputs, tables, cache, steps)
            captured = self._captured[kind] = self._capture(inputs, tables, cache, steps)
        self._fill(captured.places, inputs)
        captured.graph.replay()
        return captured.velocity

    def _capture(self, inputs: PassInputs, tables: StepTables, cache: FastCache, steps: slice) -> _Captured:
        if self._texts is None:
            self._texts = [KeyValue(memory.key.clone(), memory.value.clone()) for memory in inputs.text]
        positions = inputs.positions
        places = PassInputs(
            inputs.latents.clone(),
            BlockPositions(
                positions.noisy_table.clone(),
                positions.reference_table.clone(),
                positions.ring_index.clone(),
                positions.visible,
            ),
            self._texts,
            [_copy_of(audio) for audio in inputs.audio],
            None if inputs.pose is None else inputs.pose.clone(),
            None if inputs.routing is None else inputs.routing.clone(),
        )
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            velocity = super().run(places, tables, cache, steps)
        # Graphs are replayed one after the other, so they may all work in the same memory.
        self._pool = graph.pool()
        return _Captured(graph, places, velocity, tables)

    def _fill(self, places: PassInputs, inputs: PassInputs) -> None:
        """Copy the inputs of a pass to where its graph reads them; conditions only when they are others."""
        targets = [places.latents, places.positions.noisy_table, places.positions.reference_table]
        sources = [inputs.latents, inputs.positions.noisy_table, inputs.positions.reference_table]
        if places.pose is not None and inputs.pose is not None:
            targets.append(places.pose)
            sources.append(inputs.pose)
        if places.routing is not None and inputs.routing is not None:
            targets.append(places.routing)
            sources.append(inputs.routing)
        places.positions.ring_index.copy_(inputs.positions.ring_index)
        if self._filled.get(id(places.audio)) is not inputs.audio:
            self._filled[id(places.audio)] = inputs.audio
            for target, source in zip(places.audio, inputs.audio, strict=True):
                targets += _parts(target)
                sources += _parts(source)
        if self._filled.get(id(places.text)) is not inputs.text:
            self._filled[id(places.text)] = inputs.text
            for wanted, given in zip(places.text, inputs.text, strict=True):
                targets += [wanted.key, wanted.value]
                sources += [given.key, given.value]
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


def _parts(audio: InjectedAudio) -> list[Tensor]:
    return [audio.memory.key, audio.memory.value, audio.shift, audio.scale]


def _copy_of(audio: InjectedAudio) -> InjectedAudio:
    key, value, shift, scale = (part.clone() for part in _parts(audio))
    return InjectedAudio(KeyValue(key, value), shift, scale)
