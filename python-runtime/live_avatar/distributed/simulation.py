"""One take on several ranks as a discrete-event model: who does what when, and what comes of it. No torch.

The order of items is the engine's own (:mod:`live_avatar.flights`), so is the cut (:mod:`live_avatar.distributed.cut`),
and so are the rules: every rank does the items in one order, a transfer waits for a free buffer on either side or for
the rank that wants it, the lead decodes beside its items or between them, and it issues no further while two blocks of
frames wait for the encoder.
Host time of commands is not modelled: they run ahead of the cards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from live_avatar.distributed.cut import LEAD, Cargo, Cut, Share
from live_avatar.distributed.discrete_events import Events, Lane, Task
from live_avatar.distributed.simulated_order import Act, Advance, Refresh
from live_avatar.distributed.stage_times import Parcels, RankTimes
from live_avatar.distributed.time_line import ENCODER, Simulation, Span, Work
from live_avatar.distributed.transfer_model import Wiring

Decoding = Literal["between", "beside", "first"]
# Blocks of frames that wait for the encoder while it works on another (live_avatar.clip_encoder).
_WAITING_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """All that a simulation needs besides the order.

    Attributes:
        cut: which rank does what; times: of each rank; wiring: between them; parcels: what travels.
        windows: share of the full window seen by the first blocks; later ones see all.
        encode: seconds to compress a block.
        decoding: the lead decodes ``between`` its items, in their stream, in one ``beside`` it, or in one that goes
            ``first``.
        buffers: places of an edge on either side.
        cores: the ranks are processes on one processor with so many cores, where an act takes one of them; ``None``:
            each has a card of its own. A processor's lead starts nothing while it computes; a card's runs ahead.
    """

    cut: Cut
    times: tuple[RankTimes, ...]
    wiring: Wiring
    parcels: Parcels
    windows: tuple[float, ...]
    encode: float = 0.0
    decoding: Decoding = "between"
    buffers: int = 2
    cores: int | None = None


def simulate(setting: Setting, acts: Iterable[Act]) -> Simulation:
    """Run a take in the order of ``acts``.

    Raises:
        ValueError: times for another number of ranks than the cut's, or no block at all.
    """
    if len(setting.times) != setting.cut.ranks or len(setting.wiring.hosts) < setting.cut.ranks:
        raise ValueError(f"{len(setting.times)} times for {setting.cut.ranks} ranks")
    take = _Take(setting)
    for act in acts:
        take.issue(act)
    return take.result()


@dataclass(slots=True)
class _Way:
    """An edge: its lane, and the latest tasks that free its places: transfers on the source's side, and on the target's
    those that took what came."""

    lane: Lane[Span]
    sent: deque[Task[Span]]
    taken: deque[Task[Span]]


class _Take:
    """Turns acts into tasks that wait for each other."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._events: Events[Span] = Events()
        ranks = range(setting.cut.ranks)
        self._lanes = [self._lane(rank) for rank in ranks]
        self._decoding = self._lanes[LEAD]
        if setting.decoding != "between":
            self._decoding = self._lane(LEAD, int(setting.decoding == "first"))
        self._encoding = self._lane(ENCODER)
        self._first_steps = {rank: _first_step(setting.cut, rank) for rank in ranks}
        self._ways: dict[tuple[int, int, Cargo], _Way] = {}
        self._way_of: dict[Task[Span], _Way] = {}
        # After what the latents of each block are where they are wanted next.
        self._latents: dict[int, Task[Span] | None] = {}
        self._decodes: list[Task[Span]] = []
        self._encodes: list[Task[Span]] = []
        self._gate: Task[Span] | None = None
        # What the lead is busy with when it would start another act; a card's lead is never.
        self._leading: Task[Span] | None = None
        self._settled = 0

    def issue(self, act: Act) -> None:
        """Add what the lead starts."""
        if isinstance(act, Refresh):
            self._refresh(act)
        elif isinstance(act, Advance):
            self._advance(act.block, act.step)
        else:
            self._land(act.block)

    def result(self) -> Simulation:
        """Run everything."""
        if not self._encodes:
            raise ValueError("a take has at least one block")
        self._events.run()
        spans = tuple(_timed(task) for task in self._events.tasks if task.seconds > 0)
        pictures = tuple(task.end for task in self._decodes)
        done = tuple(task.end for task in self._encodes)
        settled = min(max(self._settled, len(self._setting.windows)), max(0, len(done) - 2))
        return Simulation(self._setting.cut.ranks, spans, pictures, done, settled)

    def _refresh(self, act: Refresh) -> None:
        """The condition tokens run through the layers, along the ranks or on each by itself."""
        anchor = None if act.anchor is None else self._latents[act.anchor]
        for chain in self._setting.cut.prefill_chains:
            place, ready = LEAD, anchor
            for share in chain:
                ready = self._sent(place, share.rank, "hidden", self._setting.parcels.conditions, act.block, ready)
                ready = self._prefilled(share, act.block, ready)
                place = share.rank
        self._settled = max(self._settled, act.block)

    def _prefilled(self, share: Share, block: int, ready: Task[Span] | None) -> Task[Span]:
        seconds = self._setting.times[share.rank].prefill * _length(share)
        task = self._work(share.rank, self._lanes[share.rank], "prefill", block, None, seconds, [ready, self._gate])
        self._take(ready, task)
        return task

    def _advance(self, block: int, step: int) -> None:
        """One step of one block along its ranks."""
        cut, parcels, windows = self._setting.cut, self._setting.parcels, self._setting.windows
        window = windows[block] if block < len(windows) else 1.0
        shares = cut.steps[step]
        # Noise is drawn by the lead.
        ready = self._latents[block] if step else self._sent(LEAD, shares[0].rank, "latents", parcels.latents, block)
        for share in shares:
            last = share is shares[-1]
            cargo, size = ("latents", parcels.latents) if last else ("hidden", parcels.hidden)
            target = cut.target_of(share.rank, step)
            needs = [ready, self._free_place(share.rank, target, cast(Cargo, cargo)), self._gate]
            times = self._setting.times[share.rank]
            seconds = times.item_seconds(_length(share), window)
            if step == self._first_steps[share.rank]:
                seconds += times.begin
            task = self._work(share.rank, self._lanes[share.rank], "pass", block, step, seconds, needs)
            self._take(ready, task)
            # Sent as soon as it is there, also if it is wanted much later.
            ready = self._sent(share.rank, target, cast(Cargo, cargo), size, block, task)
        self._latents[block] = ready

    def _land(self, block: int) -> None:
        """Finished latents are decoded once they have come to the lead, and the frames go to the encoder."""
        seconds = self._setting.times[LEAD].decode
        decode = self._work(LEAD, self._decoding, "decode", block, None, seconds, [self._latents[block]])
        encode = self._work(ENCODER, self._encoding, "encode", block, None, self._setting.encode, [decode])
        self._decodes.append(decode)
        self._encodes.append(encode)
        # Handing over frames waits until the encoder has begun the block two before: until the one before that is done.
        behind = len(self._encodes) - 1 - _WAITING_FRAMES - 1
        self._gate = self._encodes[behind] if behind >= 0 else None

    def _work(
        self,
        rank: int,
        lane: Lane[Span],
        work: Work,
        block: int,
        step: int | None,
        seconds: float,
        needs: Iterable[Task[Span] | None],
    ) -> Task[Span]:
        task = self._events.add(lane, seconds, Span(rank, work, block, step, 0.0, 0.0), [*needs, self._leading])
        if self._setting.cores is not None and lane is self._lanes[LEAD]:
            self._leading = task
        return task

    def _lane(self, rank: int, priority: int = 0) -> Lane[Span]:
        """Of a rank's own card, or of the processor that all share."""
        cores = self._setting.cores
        return self._events.lane(rank, priority) if cores is None else self._events.lane("processor", priority, cores)

    def _sent(
        self, source: int, target: int, cargo: Cargo, size: int, block: int, ready: Task[Span] | None = None
    ) -> Task[Span] | None:
        """A transfer, or nothing if both are one rank."""
        if source == target:
            return ready
        way, link = self._way(source, target, cargo), self._setting.wiring.link(source, target)
        # Latents are small, and what comes of them waits somewhere else until it is wanted.
        wanted = cargo == "hidden" and not link.beside
        full = cargo == "hidden" and link.beside and len(way.taken) == self._setting.buffers
        lane, place = self._lanes[target] if wanted else way.lane, way.taken[0] if full else None
        what = Span(source, "transfer", block, None, 0.0, 0.0, target)
        task = self._events.add(lane, link.seconds(size), what, [ready, place, self._gate])
        way.sent.append(task)
        self._way_of[task] = way
        return task

    def _free_place(self, source: int, target: int, cargo: Cargo) -> Task[Span] | None:
        """What must have left before another output for ``target`` can be written."""
        if source == target:
            return None
        sent = self._way(source, target, cargo).sent
        return sent[0] if len(sent) == self._setting.buffers else None

    def _way(self, source: int, target: int, cargo: Cargo) -> _Way:
        way = self._ways.get((source, target, cargo))
        if way is None:
            # Both cargoes share the wire; each has its own places.
            places = self._setting.buffers
            way = _Way(self._events.lane((source, target)), deque(maxlen=places), deque(maxlen=places))
            self._ways[source, target, cargo] = way
        return way

    def _take(self, arrival: Task[Span] | None, task: Task[Span]) -> None:
        """``task`` is done with the place that ``arrival`` came to."""
        if arrival is not None and arrival in self._way_of:
            self._way_of[arrival].taken.append(task)


def _length(share: Share) -> int:
    return share.span.last - share.span.first


def _first_step(cut: Cut, rank: int) -> int | None:
    """The first step of a block that the rank has a share of."""
    return next((step for step in range(len(cut.steps)) if cut.share_of(rank, step) is not None), None)


def _timed(task: Task[Span]) -> Span:
    what = task.what
    return Span(what.rank, what.work, what.block, what.step, task.start, task.end, what.target)
