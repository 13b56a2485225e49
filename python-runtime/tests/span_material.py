"""A denoiser made of several that hold a run of layers each, as ranks do, in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.denoiser import Denoiser
from live_avatar.geometry import LatentShape
from live_avatar.layer_span import HeldUnits, HiddenState, LayerSpan
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.model.audio_injector import InjectedAudio
from live_avatar.model.kv_cache import CachePiece, KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.transformer import BlockPositions, ConditionSink, TimeConditions


def spans_between(cuts: Sequence[int], layers: int) -> list[LayerSpan]:
    """Runs of layers that begin at 0 and at each of ``cuts``."""
    edges = [0, *cuts, layers]
    return [LayerSpan(first, last) for first, last in pairwise(edges)]


class SplitCache(KvCache):
    """The caches of all parts as one."""

    def __init__(self, caches: list[KvCache]) -> None:
        self.caches = caches
        self.shape = caches[0].shape
        self.key = caches[0].key
        self._block_offsets = caches[0]._block_offsets

    @property
    def bytes(self) -> int:
        return sum(cache.bytes for cache in self.caches)

    def write_conditions(self, layer: int, condition: KeyValue, rotary: RotaryPositions) -> None:
        for cache in self.caches:
            cache.write_conditions(layer, condition, rotary)

    def tensors(self) -> dict[str, Tensor]:
        """Put together from the parts' pieces, as a lead would."""
        pieces: list[CachePiece] = [piece for cache in self.caches for piece in cache.pieces()]
        whole: dict[str, Tensor] = {}
        for name in {piece.name for piece in pieces}:
            own = [piece for piece in pieces if piece.name == name]
            lead = [max(piece.place[axis].stop for piece in own) for axis in range(len(own[0].place))]
            size = (*lead, *own[0].tensor.shape[len(lead) :])
            whole[name] = torch.full(size, 7).to(own[0].tensor.dtype)
            for piece in own:
                whole[name][piece.place].copy_(piece.tensor)
        return whole

    def load_tensors(self, saved: Mapping[str, Tensor]) -> None:
        for cache in self.caches:
            cache.load_tensors(saved)


class SplitDenoiser:
    """Hands every pass through its parts, in order; the first is the lead.

    Args:
        parts: what holds the layers of ``spans``, one each; a part may serve several spans.
        between: is given each hidden state on its way; what it returns is what arrives.
    """

    def __init__(
        self,
        parts: Sequence[Denoiser],
        spans: Sequence[LayerSpan],
        between: Callable[[HiddenState], HiddenState] | None = None,
    ) -> None:
        self.parts = parts
        self.spans = spans
        self.between = between or (lambda hidden: hidden)

    @property
    def config(self) -> DitConfig:
        return self.parts[0].config

    @property
    def span(self) -> LayerSpan:
        return LayerSpan(0, self.config.num_layers)

    @property
    def device(self) -> torch.device:
        return self.parts[0].device

    def time_conditions(self, timesteps: Tensor) -> TimeConditions:
        return self.parts[0].time_conditions(timesteps)

    def embed_text(self, context: Tensor) -> Tensor:
        return self.parts[0].embed_text(context)

    def audio_tokens(self, features: Tensor) -> AudioTokens:
        return self.parts[0].audio_tokens(features)

    def condition_tokens(self, reference: Tensor, motion: Tensor) -> Tensor:
        return self.parts[0].condition_tokens(reference, motion)

    def text_memory(self, embedded: Tensor) -> dict[int, KeyValue]:
        return {layer: text for part in self._each() for layer, text in part.text_memory(embedded).items()}

    def audio_memory_of(self, tokens: AudioTokens) -> dict[int, InjectedAudio]:
        return {index: audio for part in self._each() for index, audio in part.audio_memory_of(tokens).items()}

    def new_cache(
        self, shape: LatentShape, steps: int, dtype: torch.dtype | None = None, *, units: HeldUnits | None = None
    ) -> KvCache:
        assert units is None
        caches = [
            part.new_cache(shape, steps, dtype, units=HeldUnits((span,) * steps))
            for part, span in zip(self.parts, self.spans, strict=True)
        ]
        return SplitCache(caches)

    def hidden_places(self, batch: int, tokens: int) -> HiddenState:
        return self.parts[0].hidden_places(batch, tokens)

    def prefill_span(
        self,
        given: Tensor | HiddenState,
        span: LayerSpan,
        time: TimeConditions,
        text: Mapping[int, KeyValue],
        rotary: RotaryPositions,
        sink: ConditionSink,
    ) -> HiddenState | None:
        assert span == self.span
        answer: HiddenState | None = None
        for index, (part, own) in enumerate(zip(self.parts, self.spans, strict=True)):
            known = {layer: text[layer] for layer in own.layers}
            answer = part.prefill_span(given, own, time, known, rotary, sink)
            if answer is not None:
                assert isinstance(given, HiddenState) or index == 0
                given = self._travelled(answer, 1)
        return answer

    def denoise_span(
        self,
        given: Tensor | HiddenState,
        span: LayerSpan,
        time: TimeConditions,
        positions: BlockPositions,
        cache: KvCache,
        steps: slice,
        text: Mapping[int, KeyValue],
        audio: Mapping[int, InjectedAudio],
        pose: Tensor | None = None,
        routing: Tensor | None = None,
    ) -> Tensor | HiddenState:
        assert span == self.span
        assert isinstance(cache, SplitCache)
        batch = len(positions.ring_index)
        for part, own, held in zip(self.parts, self.spans, cache.caches, strict=True):
            first = pose if own.first == 0 else None
            given = part.denoise_span(given, own, time, positions, held, steps, text, audio, first, routing)
            if isinstance(given, HiddenState):
                given = self._travelled(given, batch)
        assert isinstance(given, Tensor)
        return given

    def _each(self) -> Iterator[Denoiser]:
        """Every part once."""
        seen: list[Denoiser] = []
        for part in self.parts:
            if part not in seen:
                seen.append(part)
        return iter(seen)

    def _travelled(self, hidden: HiddenState, batch: int) -> HiddenState:
        """As another rank receives it: in other memory, of the shapes that it expects."""
        size = hidden.tensors[0].numel() // self.config.dim // batch
        places = self.parts[-1].hidden_places(batch, size)
        for place, part in zip(places.tensors, hidden.tensors, strict=True):
            assert place.shape == part.shape
            assert place.dtype == part.dtype
            place.copy_(part)
        arrived = self.between(places)
        # Whatever the sender does with its memory afterwards must not matter.
        for part in hidden.tensors:
            part.fill_(float("nan"))
        return arrived
