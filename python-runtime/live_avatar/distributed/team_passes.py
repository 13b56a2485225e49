"""The passes of a take, done by all ranks of a team: what a session asks for goes to every rank in the same order."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from live_avatar.card_queue import RunAhead
from live_avatar.denoiser import Denoiser
from live_avatar.distributed.conditions import describe, send_conditions
from live_avatar.distributed.cut import LEAD, Cut, Edge
from live_avatar.distributed.links import RankFailed
from live_avatar.distributed.orders import take_message
from live_avatar.distributed.stage import Ends, Stage, TakeTimes
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.saved_session import SlicedTensor
from live_avatar.take_passes import PassItem, PassSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_avatar.distributed.crew import Crew


class TeamPasses:
    """See :class:`live_avatar.take_passes.TakePasses`.

    Args:
        denoiser: the lead's own layers, and what turns conditions into tokens.
        crew: its followers, with the same layers of ``cut`` loaded; ends: the lead's, of the edges to them.
        room: blocks that may be in flight at once.
        done: called after each act of the lead's own stage.
    """

    packed = False

    def __init__(
        self,
        denoiser: Denoiser,
        crew: Crew,
        cut: Cut,
        settings: PassSettings,
        ends: Ends,
        room: int,
        ahead: int,
        done: Callable[[], None],
    ) -> None:
        self.room = room
        self.ahead = ahead
        self._crew = crew
        self._cut = cut
        self._ends = ends
        times = TakeTimes(
            denoiser.time_conditions(torch.tensor(settings.schedule.timesteps)),
            denoiser.time_conditions(torch.zeros(1)),
        )
        self._followers = range(1, cut.ranks)
        self._stage = Stage(denoiser, cut, LEAD, settings, times, ends, done)
        self._run_ahead = RunAhead(denoiser.device)
        # Where each block in flight stands.
        self._steps: dict[int, int] = {}
        facts, tensors = take_message(settings, times)
        for rank in self._followers:
            crew.send(rank, "take", tensors, **facts)
        self._pieces, self._follower_bytes = self._describe_caches()

    def use_text(self, embedded: Tensor) -> None:
        """See :class:`TakePasses`."""
        with self._team():
            self._give("text", {rank: {"text": embedded} for rank in self._followers})
            self._stage.use_text(embedded)

    def prefill(self, tokens: Tensor) -> None:
        """See :class:`TakePasses`."""
        first = {chain[0].rank for chain in self._cut.prefill_chains}
        with self._team():
            self._crew.issue(None)
            self._give("prefill", {rank: {"tokens": tokens} if rank in first else {} for rank in self._followers})
            self._stage.prefill(tokens)

    def begin(self, block: int, step: int, latents: Tensor, audio: AudioTokens, pose: Tensor | None) -> None:
        """See :class:`TakePasses`."""
        self._steps[block] = step
        common = {"local": audio.local, "whole": audio.whole} | ({} if pose is None else {"pose": pose})
        holder = self._stage.holder(step)
        with self._team():
            given = {rank: common | ({"latents": latents} if rank == holder else {}) for rank in self._followers}
            self._give("begin", given, block=block, step=step)
            self._stage.begin(block, step, latents, audio, pose)

    def advance(self, items: Sequence[PassItem]) -> None:
        """See :class:`TakePasses`; one item at a time."""
        with self._team():
            for item in items:
                self._crew.issue(item.step)
                self._crew.tell("advance", block=item.block, step=item.step, reference_frame=item.reference_frame)
                self._stage.advance(item)
                self._steps[item.block] = item.step + 1
                if self._cut.share_of(LEAD, item.step) is not None:
                    self._run_ahead.asked()

    def keep_pace(self) -> None:
        """See :class:`TakePasses`: of what the lead does itself."""
        with self._team():
            self._run_ahead.wait()

    def latents(self, block: int) -> Tensor:
        """See :class:`TakePasses`."""
        holder = self._stage.holder(self._steps[block])
        with self._team():
            if holder == LEAD:
                return self._stage.latents(block)
            self._crew.expect_answer(holder)
            self._crew.send(holder, "latents", {}, block=block)
            return self._crew.answer(holder).tensors["latents"]

    def land(self, block: int) -> Tensor:
        """See :class:`TakePasses`; all its steps are asked for."""
        with self._team():
            del self._steps[block]
            latents = self._stage.take_latents(block)
        if not self._cut.units_of(LEAD):
            # All that tells a lead without layers how far the others are.
            self._run_ahead.asked()
        return latents

    def cache_tensors(self) -> dict[str, SlicedTensor]:
        """See :class:`TakePasses`: each slice is fetched from the rank that holds it when it is wanted."""
        return {
            name: SlicedTensor(tuple(shape), dtype, partial(self._slices_of, name))
            for name, (shape, dtype) in self._entries().items()
        }

    def _slices_of(self, name: str) -> Generator[Tensor]:
        """One tensor of the caches, a layer of a step after the other; while one is used, the next is on its way."""
        wanted: deque[tuple[int, tuple[int, ...]]] = deque()
        try:
            for rank, place in self._holders_of(name):
                if rank != LEAD:
                    with self._team():
                        self._crew.send(rank, "give_slice", {}, name=name, place=place)
                wanted.append((rank, place))
                if len(wanted) > 1:
                    yield self._taken_slice(name, *wanted.popleft())
            while wanted:
                yield self._taken_slice(name, *wanted.popleft())
        finally:
            # What is on its way would be taken for the answer to something else.
            for rank, place in wanted:
                if not self._crew.failed():
                    self._taken_slice(name, rank, place)

    def _taken_slice(self, name: str, rank: int, place: tuple[int, ...]) -> Tensor:
        with self._team():
            if rank == LEAD:
                return self._stage.cache_slice(name, place)
            self._crew.expect_answer(rank)
            return self._crew.answer(rank).tensors["slice"]

    def _holders_of(self, name: str) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The places of a tensor's slices in order, each with a rank that holds it."""
        held = [
            (rank, [range(start, stop) for start, stop in bounds])
            for rank, pieces in self._pieces.items()
            for piece, bounds, *_ in pieces
            if piece == name
        ]
        extents = [max(part.stop for part in parts) for parts in zip(*(places for _, places in held), strict=True)]
        for place in itertools.product(*map(range, extents)):
            rank = next(rank for rank, parts in held if all(at in part for at, part in zip(place, parts, strict=True)))
            yield rank, place

    def load_cache(self, saved: Mapping[str, Tensor]) -> None:
        """See :class:`TakePasses`; no block is in flight."""
        self._steps.clear()
        with self._team():
            self._stage.load_cache(saved)
            for rank in self._followers:
                self._crew.expect_answer(rank)
                self._crew.send(rank, "restore", {})
                while (message := self._crew.answer(rank)).kind == "want":
                    piece = saved[message.facts["name"]][_place(message.facts["place"])]
                    self._crew.expect_answer(rank)
                    self._crew.send(rank, "piece", {"piece": piece.contiguous()})

    @property
    def cache_bytes(self) -> int:
        """See :class:`TakePasses`: on all ranks."""
        return self._stage.cache_bytes + self._follower_bytes

    @property
    def cache_dtype(self) -> torch.dtype:
        """See :class:`TakePasses`."""
        return self._entries()["key"][1]

    def close(self) -> None:
        """The take is over, or given up: what is still under way is done and dropped, and its memory let go."""
        with self._team():
            for rank in self._followers:
                self._crew.expect_answer(rank)
            self._crew.tell("end_take")
            self._stage.finish()
            for rank in self._followers:
                self._crew.answer(rank)

    def _give(self, kind: str, tensors: Mapping[int, dict[str, Tensor]], **facts: Any) -> None:
        """Tell each follower ``kind``, and let its tensors travel after it."""
        described = {rank: {"conditions": describe(given)} for rank, given in tensors.items()}
        self._crew.tell(kind, ranks=described, **facts)
        for rank, given in tensors.items():
            send_conditions(self._ends.sending[Edge(LEAD, rank, "conditions")], given)

    def _describe_caches(self) -> tuple[dict[int, list[list[Any]]], int]:
        """What the caches of every rank hold of the take (:meth:`Stage.describe_cache`), and bytes of the followers."""
        pieces = {LEAD: self._stage.describe_cache()}
        size = 0
        for rank in self._followers:
            self._crew.expect_answer(rank)
        self._crew.tell("describe_cache")
        for rank in self._followers:
            answer = self._crew.answer(rank).facts
            pieces[rank] = answer["pieces"]
            size += answer["bytes"]
        return pieces, size

    def _entries(self) -> dict[str, tuple[list[int], torch.dtype]]:
        """Shape and dtype of the tensors of a cache of all steps and layers."""
        shapes: dict[str, tuple[list[int], torch.dtype]] = {}
        for name, bounds, dtype, shape in itertools.chain.from_iterable(self._pieces.values()):
            extent = [stop for _, stop in bounds] + list(shape[len(bounds) :])
            before = shapes.get(name, ([0] * len(extent), None))[0]
            shapes[name] = (list(map(max, before, extent)), getattr(torch, dtype))
        return shapes

    @contextmanager
    def _team(self) -> Iterator[None]:
        """What goes wrong here because a rank is gone is told as that."""
        try:
            yield
        except RankFailed:
            raise self._crew.error() from None
        except RuntimeError as error:
            if self._crew.failed():
                raise self._crew.error() from error
            raise


def _place(bounds: Sequence[Sequence[int]]) -> tuple[slice, ...]:
    return tuple(slice(start, stop) for start, stop in bounds)
