"""What one rank does of a take: its layers of every pass, and the hand-over to the rank after it.

Every rank is told the same acts in the same order, also those it has no layers in, so that it knows what will come to
it. The lead has a stage like the others, maybe without any layers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from live_avatar.denoiser import Denoiser
from live_avatar.distributed.cut import LEAD, Cut, Edge
from live_avatar.distributed.links import ReceivingEnd, SendingEnd
from live_avatar.distributed.parcels import ParcelLayout
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK
from live_avatar.layer_span import HiddenState, LayerSpan
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.model.audio_injector import InjectedAudio
from live_avatar.model.kv_cache import CachePiece
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.transformer import TimeConditions
from live_avatar.take_passes import PassItem, PassSettings, positions_of


@dataclass(slots=True)
class Ends:
    """A rank's ends of the edges, by edge."""

    sending: Mapping[Edge, SendingEnd] = field(default_factory=dict)
    receiving: Mapping[Edge, ReceivingEnd] = field(default_factory=dict)


@dataclass(slots=True)
class _Block:
    """What is prepared for a block in flight."""

    audio: dict[int, InjectedAudio]
    pose: Tensor | None


@dataclass(frozen=True, slots=True)
class TakeTimes:
    """Embedded timesteps: of the schedule, and of the conditions (timestep 0)."""

    schedule: TimeConditions
    conditions: TimeConditions


class Stage:
    """One rank's part of one take.

    Args:
        denoiser: holds ``cut.held_by(rank)``.
        times: on the denoiser's device.
        ends: of the edges of ``cut`` that this rank has.
        done: called after each act that the ranks are watched by.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        cut: Cut,
        rank: int,
        settings: PassSettings,
        times: TakeTimes,
        ends: Ends,
        done: Callable[[], None],
    ) -> None:
        self.denoiser = denoiser
        self.cut = cut
        self.rank = rank
        self.shape = settings.shape
        self.schedule = settings.schedule
        self._times = times
        self._ends = ends
        self._done = done
        device = denoiser.device
        units = cut.units_held_by(rank)
        self._rotary = RotaryPositions(denoiser.config.head_dim, self.shape, settings.rotary_rounding, device)
        steps, dtype = settings.schedule.steps, settings.cache_dtype
        self._cache = denoiser.new_cache(self.shape, steps, dtype, units=units) if units.count else None
        self._routing = None if settings.routing is None else settings.routing.to(device)
        self._text: dict[int, KeyValue] = {}
        self._blocks: dict[int, _Block] = {}
        # Latents that rest here, before the step whose first layers are ours, or finished.
        self._latents: dict[int, Tensor] = {}
        # Blocks whose latents are coming along an edge, in the order in which they were sent.
        self._coming: dict[Edge, deque[int]] = {}
        self._foreseen: deque[tuple[int, int]] = deque()
        latents = (1, denoiser.config.in_dim, LATENT_FRAMES_PER_BLOCK, self.shape.height, self.shape.width)
        self._latents_layout = ParcelLayout((latents,), (torch.float32,))
        self._block_layout = self._hidden_layout(self.shape.block_tokens, self._latents_layout)
        self._prefill_layout = self._hidden_layout(self.shape.condition_tokens)

    def use_text(self, embedded: Tensor) -> None:
        """Everything from here on is with this prompt, [1, text_len, D]."""
        self._text = self.denoiser.text_memory(embedded)

    def prefill(self, tokens: Tensor | None) -> None:
        """Run the condition tokens [1, C, D] through our layers; ``None`` where they come as a hidden state."""
        for chain in self.cut.prefill_chains:
            for place, share in enumerate(chain):
                if share.rank == self.rank:
                    before = chain[place - 1].rank if place > 0 else None
                    after = chain[place + 1].rank if place + 1 < len(chain) else None
                    self._prefill_span(share.span, tokens, before, after)
        self._done()

    def begin(self, block: int, step: int, latents: Tensor | None, audio: AudioTokens, pose: Tensor | None) -> None:
        """A block is in flight, before ``step``. ``latents`` are needed where the first layers of that step are."""
        self._blocks[block] = _Block(self.denoiser.audio_memory_of(audio) if self._cache is not None else {}, pose)
        if self.rank == self.holder(step):
            assert latents is not None
            self._latents[block] = latents

    def foresee(self, item: PassItem) -> None:
        """Our input of ``item`` may be taken in already; what it waits for is not done by us."""
        edge = self._hidden_edge(item.step)
        key = (item.block, item.step)
        if edge is not None and key not in self._foreseen:
            self._foreseen.append(key)
            self._ends.receiving[edge].expect(self._block_layout)

    def advance(self, item: PassItem) -> None:
        """Do our layers of one step of one block."""
        span = self.cut.share_of(self.rank, item.step)
        if span is not None:
            self._advance_span(item, span)
            self._done()
        after, last = self.holder(item.step + 1), self.cut.steps[item.step][-1].rank
        if after == self.rank and last != self.rank:
            edge = Edge(last, self.rank, "latents")
            self._ends.receiving[edge].expect(self._latents_layout)
            self._coming.setdefault(edge, deque()).append(item.block)
        if item.step + 1 == self.schedule.steps:
            del self._blocks[item.block]

    def holder(self, step: int) -> int:
        """The rank where the latents of a block lie before ``step``; after the last step the lead."""
        return LEAD if step == self.schedule.steps else self.cut.steps[step][0].rank

    def latents(self, block: int) -> Tensor:
        """Latents float32 [1, 16, 3, h8, w8] of a block that rest here, or are coming."""
        while block not in self._latents:
            edge = next(edge for edge, blocks in self._coming.items() if block in blocks)
            parcel = self._ends.receiving[edge].take()
            self._latents[self._coming[edge].popleft()] = parcel.tensors[0].clone()
            parcel.release()
        return self._latents[block]

    def take_latents(self, block: int) -> Tensor:
        """As :meth:`latents`; they rest here no longer."""
        latents = self.latents(block)
        del self._latents[block]
        return latents

    def finish(self) -> None:
        """Take in what is still coming, so that the edges are free for the next take."""
        for edge, blocks in self._coming.items():
            for _ in range(len(blocks)):
                self._ends.receiving[edge].take().release()
        self._coming.clear()
        self._latents.clear()
        self._blocks.clear()

    def cache_pieces(self) -> Iterable[CachePiece]:
        """What our caches hold of the take's."""
        return () if self._cache is None else self._cache.pieces()

    def describe_cache(self) -> list[list[Any]]:
        """Name, bounds, dtype and shape of each of :meth:`cache_pieces`, as JSON values."""
        return [
            [piece.name, bounds_of(piece.place), str(piece.tensor.dtype).removeprefix("torch."), [*piece.tensor.shape]]
            for piece in self.cache_pieces()
        ]

    def cache_slice(self, name: str, place: Sequence[int]) -> Tensor:
        """What our caches hold at one place of a tensor of the take's: as many indices as its pieces have bounds.

        Raises:
            KeyError: it is not here.
        """
        for piece in self.cache_pieces():
            within = [(part, at) for part, at in zip(piece.place, place, strict=False) if part.start <= at < part.stop]
            if piece.name == name and len(within) == len(piece.place):
                return piece.tensor[tuple(at - part.start for part, at in within)]
        raise KeyError(f"{name} at {tuple(place)}")

    def load_cache(self, saved: Mapping[str, Tensor]) -> None:
        """Restore our part of the caches; no block is in flight."""
        self.finish()
        if self._cache is not None:
            self._cache.load_tensors(saved)

    @property
    def cache_bytes(self) -> int:
        """Memory of our caches."""
        return 0 if self._cache is None else self._cache.bytes

    def _prefill_span(self, span: LayerSpan, tokens: Tensor | None, before: int | None, after: int | None) -> None:
        assert self._cache is not None
        cache, parcel = self._cache, None
        given: Tensor | HiddenState
        if before is None:
            assert tokens is not None
            given = tokens
        else:
            end = self._ends.receiving[Edge(before, self.rank, "hidden")]
            end.expect(self._prefill_layout)
            parcel = end.take()
            given = HiddenState(parcel.tensors)
        hidden = self.denoiser.prefill_span(
            given,
            span,
            self._times.conditions,
            self._text,
            self._rotary,
            lambda layer, states: cache.write_conditions(layer, states, self._rotary),
        )
        if after is not None:
            assert hidden is not None
            self._ends.sending[Edge(self.rank, after, "hidden")].send(hidden.tensors)
        if parcel is not None:
            parcel.release()

    def _advance_span(self, item: PassItem, span: LayerSpan) -> None:
        assert self._cache is not None
        given: Tensor | HiddenState
        edge, parcel = self._hidden_edge(item.step), None
        if edge is None:
            given = latents = self.take_latents(item.block)
        else:
            self.foresee(item)
            self._foreseen.popleft()
            parcel = self._ends.receiving[edge].take()
            given, latents = HiddenState(parcel.tensors[:-1]), parcel.tensors[-1]
        block = self._blocks[item.block]
        answer = self.denoiser.denoise_span(
            given,
            span,
            self._times.schedule,
            positions_of([item], self._rotary, self._cache),
            self._cache,
            slice(item.step, item.step + 1),
            self._text,
            block.audio,
            block.pose if edge is None else None,
            self._routing,
        )
        if isinstance(answer, HiddenState):
            shares = self.cut.steps[item.step]
            target = next(share.rank for share in shares if share.span.first == span.last)
            self._ends.sending[Edge(self.rank, target, "hidden")].send((*answer.tensors, latents))
        else:
            moved = latents + self.schedule.delta(item.step) * answer
            target = self.holder(item.step + 1)
            if target == self.rank:
                self._latents[item.block] = moved
            else:
                self._ends.sending[Edge(self.rank, target, "latents")].send((moved,))
        if parcel is not None:
            parcel.release()

    def _hidden_edge(self, step: int) -> Edge | None:
        """The edge that our input of a step comes along; ``None`` if we begin the step, or have none of it."""
        span = self.cut.share_of(self.rank, step)
        if span is None or span.first == 0:
            return None
        before = next(share.rank for share in self.cut.steps[step] if share.span.last == span.first)
        return Edge(before, self.rank, "hidden")

    def _hidden_layout(self, tokens: int, beside: ParcelLayout | None = None) -> ParcelLayout:
        layout = ParcelLayout.of(self.denoiser.hidden_places(1, tokens).tensors)
        if beside is None:
            return layout
        return ParcelLayout(layout.shapes + beside.shapes, layout.dtypes + beside.dtypes)


def bounds_of(place: tuple[slice, ...]) -> list[list[Any]]:
    """Where a piece of a tensor belongs, as JSON values."""
    return [[part.start, part.stop] for part in place]
