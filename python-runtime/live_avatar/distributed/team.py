"""A lead and its followers, with a model loaded across them, for any number of takes one after the other."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from live_avatar.distributed.crew import Crew
from live_avatar.distributed.cut import LEAD, Cut
from live_avatar.distributed.edges import Transport, close_edges, open_edges
from live_avatar.distributed.gathering import Gathering
from live_avatar.distributed.hired import RankStatus
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.progress import Progress
from live_avatar.distributed.stage import Ends
from live_avatar.distributed.stores import named_part
from live_avatar.distributed.team_passes import TeamPasses
from live_avatar.distributed.turn_flights import blocks_in_turns, order_of
from live_avatar.take_passes import PassSettings

if TYPE_CHECKING:
    from live_avatar.denoiser import Denoiser
    from live_avatar.flights import BlockOrder, FlightRules

_Result = TypeVar("_Result")
_LOOK_SECONDS = 0.2
_connections = itertools.count()


@dataclass(frozen=True, slots=True)
class Formation:
    """How a team is put up.

    Attributes:
        cut: who does what.
        models: what each rank loads, and onto which device.
        transport: ``card`` (NCCL), ``host`` (gloo, through the processors' memory), or ``auto``: what the self-test
            says, which a pipeline runs before it puts up a team.
        room: blocks that may be in flight at once; ``None`` for as many as turns need, or in rounds one more than there
            are ranks.
        ahead: blocks asked for beyond the one that is awaited, so that no rank runs dry meanwhile.
        gap: blocks take turns with this gap (:mod:`live_avatar.distributed.turn_flights`); ``None`` for rounds.
    """

    cut: Cut
    models: tuple[RankModel, ...]
    transport: Transport | Literal["auto"] = "auto"
    room: int | None = None
    ahead: int = 1
    gap: int | None = None

    def __post_init__(self) -> None:
        if len(self.models) != self.cut.ranks:
            raise ValueError(f"{len(self.models)} models for {self.cut.ranks} ranks")

    @property
    def flights(self) -> int:
        """Blocks that may be in flight at once."""
        if self.room is not None:
            return self.room
        return self.cut.ranks + 1 if self.gap is None else blocks_in_turns(len(self.cut.steps), self.gap)

    def order(self, rules: FlightRules) -> BlockOrder:
        """The order in which blocks take their steps."""
        return order_of(rules, self.gap)

    def in_order_of(self, other: Formation) -> Formation:
        """This one, with its blocks in the order of ``other``: all that may change from take to take."""
        return replace(self, room=other.room, ahead=other.ahead, gap=other.gap)


class Team:
    """Lives as long as nothing happens to a rank; then it is of no use any more, and another is put up.

    Args:
        formation: how it is put up.
        gathering: where the followers come from.

    Raises:
        UserError: ``RANK_LOST``: a follower did not come.
    """

    def __init__(self, formation: Formation, gathering: Gathering) -> None:
        assert formation.transport != "auto"
        self.formation = formation
        self._transport: Transport = formation.transport
        self._gathering = gathering
        cut = formation.cut
        self.crew = Crew(cut, {rank: model.device for rank, model in enumerate(formation.models)})
        self._ends = Ends()
        self._progress: Progress | None = None
        self._take: TeamPasses | None = None
        self.crew.on_failure(lambda: close_edges(self._ends))
        try:
            gathering.gather(self.crew)
            for rank in range(1, cut.ranks):
                self.crew.send(rank, "load", {}, model=formation.models[rank].as_dict(), cut=cut.as_dict())
        except BaseException:
            self.crew.close()
            raise

    @property
    def usable(self) -> bool:
        """Whether it can do takes, or will once it is connected."""
        return not self.crew.failed()

    def connect(self, denoiser: Denoiser) -> None:
        """Wait until all followers have loaded their layers, and open the ways between all ranks.

        Args:
            denoiser: the lead's own layers.

        Raises:
            UserError: what a follower could not load, or ``RANK_…``.
        """
        for rank in range(1, self.formation.cut.ranks):
            self.crew.answer(rank)
        self._progress = Progress(denoiser.device)
        self.crew.watch_lead(self._progress.done)
        store, address, port = self._gathering.open_store()
        prefix = f"team {next(_connections)}"
        for rank in range(1, self.formation.cut.ranks):
            self.crew.expect_answer(rank)
        transport, loopback = self._transport, self._gathering.loopback
        self.crew.tell("connect", address=address, port=port, prefix=prefix, transport=transport, loopback=loopback)
        named = named_part(store, prefix)
        self._ends = self._guarded(
            lambda: open_edges(
                self.formation.cut, LEAD, named, denoiser.device, transport, self.crew.failed, loopback=loopback
            )
        )
        for rank in range(1, self.formation.cut.ranks):
            self.crew.answer(rank)
        self._store = store

    def reorder(self, formation: Formation) -> None:
        """From the next take on, blocks come in the order of ``formation``."""
        self.formation = self.formation.in_order_of(formation)

    def new_passes(self, denoiser: Denoiser, settings: PassSettings) -> TeamPasses:
        """The passes of a new take; the one before is over.

        Raises:
            UserError: ``RANK_…``: a rank was lost meanwhile.
        """
        self.end_take()
        assert self._progress is not None
        formation = self.formation
        self._take = TeamPasses(
            denoiser,
            self.crew,
            formation.cut,
            settings,
            self._ends,
            formation.flights,
            formation.ahead if formation.cut.ranks > 1 else 0,
            self._progress.mark,
        )
        return self._take

    def end_take(self) -> None:
        """Let the last take go, on all ranks.

        Raises:
            UserError: ``RANK_…``: a rank was lost meanwhile.
        """
        take, self._take = self._take, None
        if take is not None:
            take.close()

    def status(self) -> Sequence[RankStatus]:
        """What each follower does now."""
        return self.crew.status()

    def close(self) -> None:
        """End all followers."""
        self._take = None
        self.crew.close()
        close_edges(self._ends)

    def _guarded(self, act: Callable[[], _Result]) -> _Result:
        """Do something that waits for other ranks and cannot be interrupted, but only while the team is whole."""
        results: list[_Result] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(act())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, name="meeting", daemon=True)
        thread.start()
        while thread.is_alive() and not self.crew.failed():
            thread.join(_LOOK_SECONDS)
        if self.crew.failed():
            raise self.crew.error()
        if errors:
            raise errors[0]
        return results[0]
