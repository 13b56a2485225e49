"""What a rank did, noted while it works: messages and passes counted, and when each of the latest began and ended.

It stands between a stage and what the stage uses (its denoiser, its ends of the edges), so a rank that is not recorded
runs no line of this. On a card the moments are events of its stream, so nothing waits for them.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from live_avatar.denoiser import Denoiser
from live_avatar.distributed.cut import Edge
from live_avatar.distributed.links import Parcel, ReceivingEnd, SendingEnd
from live_avatar.distributed.parcels import ParcelLayout
from live_avatar.distributed.stage import Ends
from live_avatar.distributed.time_line import Span, Work
from live_avatar.vae.block_decoder import BlockDecoder
from live_avatar.vae.frame_copies import PendingFrames
from live_avatar.vae.timeline import DecoderState

# Of no block: what a rank waits for is known to whoever sent it.
NO_BLOCK = -1
_Moment = float | torch.cuda.Event


@dataclass(frozen=True, slots=True)
class RankRecord:
    """What one rank noted.

    Attributes:
        sent, received: messages of each edge that begins, or ends, at this rank.
        passes: for each step the passes over this rank's layers; last_blocks: the block of the last of them.
        spans: the latest acts, with seconds of the machine's monotonic clock.
    """

    rank: int
    sent: Mapping[Edge, int]
    received: Mapping[Edge, int]
    passes: Mapping[int, int]
    last_blocks: Mapping[int, int]
    spans: tuple[Span, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON values that :func:`read_record` reads."""
        return {
            "rank": self.rank,
            "sent": [[edge.source, edge.target, edge.cargo, count] for edge, count in self.sent.items()],
            "received": [[edge.source, edge.target, edge.cargo, count] for edge, count in self.received.items()],
            "steps": [[step, count, self.last_blocks[step]] for step, count in self.passes.items()],
            "spans": [[span.work, span.block, span.step, span.start, span.end] for span in self.spans],
        }


def read_record(value: dict[str, Any]) -> RankRecord:
    """A record from what :meth:`RankRecord.as_dict` gave."""
    rank: int = value["rank"]
    return RankRecord(
        rank,
        {Edge(source, target, cargo): count for source, target, cargo, count in value["sent"]},
        {Edge(source, target, cargo): count for source, target, cargo, count in value["received"]},
        {step: count for step, count, _ in value["steps"]},
        {step: block for step, _, block in value["steps"]},
        tuple(Span(rank, work, block, step, start, end) for work, block, step, start, end in value["spans"]),
    )


@dataclass(slots=True)
class _Act:
    work: Work
    block: int
    step: int | None
    start: _Moment
    end: _Moment | None = None


@dataclass(slots=True)
class ActRecorder:
    """Notes what one rank does. One thread works on a rank.

    Args:
        keep: how many of the latest acts are kept with their moments; with 0 acts are counted and not timed.
    """

    rank: int
    device: torch.device
    keep: int = 0
    _sent: Counter[Edge] = field(default_factory=Counter)
    _received: Counter[Edge] = field(default_factory=Counter)
    _passes: Counter[int] = field(default_factory=Counter)
    _last_blocks: dict[int, int] = field(default_factory=dict)
    _acts: deque[_Act] = field(init=False)
    _base: tuple[torch.cuda.Event, float] | None = None

    def __post_init__(self) -> None:
        self._acts = deque(maxlen=self.keep)

    def ends(self, ends: Ends) -> Ends:
        """The same ends, watched."""
        return Ends(
            {edge: _Sender(end, self, edge) for edge, end in ends.sending.items()},
            {edge: _Receiver(end, self, edge) for edge, end in ends.receiving.items()},
        )

    def denoiser(self, denoiser: Denoiser) -> Denoiser:
        """The same denoiser, watched."""
        return cast(Denoiser, _Denoiser(denoiser, self))

    def decoder(self, decoder: BlockDecoder) -> BlockDecoder:
        """The same decoder, watched; it decodes blocks in their order from 0 on."""
        return cast(BlockDecoder, _Decoder(decoder, self))

    def record(self) -> RankRecord:
        """All that was noted so far; waits for the card."""
        spans: list[Span] = []
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        for act in self._acts:
            if act.end is not None:
                times = self._seconds(act.start), self._seconds(act.end)
                spans.append(Span(self.rank, act.work, act.block, act.step, *times))
        return RankRecord(
            self.rank,
            dict(self._sent),
            dict(self._received),
            dict(sorted(self._passes.items())),
            dict(self._last_blocks),
            tuple(spans),
        )

    def begin(self, work: Work, block: int, step: int | None = None) -> _Act | None:
        """An act begins, or is queued on the card; give it to :meth:`end`."""
        if work == "pass" and step is not None:
            self._passes[step] += 1
            self._last_blocks[step] = block
        if not self.keep:
            return None
        act = _Act(work, block, step, self._now())
        self._acts.append(act)
        return act

    def end(self, act: _Act | None) -> None:
        """It ends."""
        if act is not None:
            act.end = self._now()

    def went(self, edge: Edge) -> None:
        """A message was given to an edge."""
        self._sent[edge] += 1

    def came(self, edge: Edge) -> None:
        """A message was taken."""
        self._received[edge] += 1

    def _now(self) -> _Moment:
        if self.device.type != "cuda":
            return time.monotonic()
        if self._base is None:
            # A card tells times between two of its events only: this one ties them to the machine's clock.
            first = torch.cuda.Event(enable_timing=True)
            first.record(torch.cuda.current_stream(self.device))
            first.synchronize()
            self._base = first, time.monotonic()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def _seconds(self, moment: _Moment) -> float:
        if isinstance(moment, float):
            return moment
        assert self._base is not None
        return self._base[1] + float(self._base[0].elapsed_time(moment)) / 1000


class _Sender:
    """See :class:`SendingEnd`."""

    def __init__(self, end: SendingEnd, recorder: ActRecorder, edge: Edge) -> None:
        self._end = end
        self._recorder = recorder
        self._edge = edge

    def send(self, tensors: Sequence[Tensor]) -> None:
        self._end.send(tensors)
        self._recorder.went(self._edge)

    def close(self) -> None:
        self._end.close()


class _Receiver:
    """See :class:`ReceivingEnd`."""

    def __init__(self, end: ReceivingEnd, recorder: ActRecorder, edge: Edge) -> None:
        self._end = end
        self._recorder = recorder
        self._edge = edge

    def expect(self, layout: ParcelLayout) -> None:
        self._end.expect(layout)

    def take(self) -> Parcel:
        act = self._recorder.begin("wait", NO_BLOCK)
        parcel = self._end.take()
        self._recorder.end(act)
        self._recorder.came(self._edge)
        return parcel

    def close(self) -> None:
        self._end.close()


class _Denoiser:
    """See :class:`Denoiser`: all but the passes is the other's own."""

    def __init__(self, denoiser: Denoiser, recorder: ActRecorder) -> None:
        self._denoiser = denoiser
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._denoiser, name)

    def prefill_span(self, *given: Any) -> Any:
        act = self._recorder.begin("prefill", NO_BLOCK)
        answer = self._denoiser.prefill_span(*given)
        self._recorder.end(act)
        return answer

    def denoise_span(
        self, given: Any, span: Any, time: Any, positions: Any, cache: Any, steps: slice, *more: Any
    ) -> Any:
        act = self._recorder.begin("pass", positions.blocks[0], steps.start)
        answer = self._denoiser.denoise_span(given, span, time, positions, cache, steps, *more)
        self._recorder.end(act)
        return answer


class _Decoder:
    """See :class:`BlockDecoder`: all but the frames is the other's own."""

    def __init__(self, decoder: BlockDecoder, recorder: ActRecorder) -> None:
        self._decoder = decoder
        self._recorder = recorder
        self._block = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def stream_frames(self, latents: Tensor, state: DecoderState) -> PendingFrames:
        act = self._recorder.begin("decode", self._block)
        frames = self._decoder.stream_frames(latents, state)
        self._recorder.end(act)
        self._block += 1
        return frames
