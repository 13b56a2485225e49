"""The order in which blocks take their denoising steps, whoever carries them out. No torch.

A step's history is what the same step of earlier blocks wrote. So any order gives the same numbers in which step ``s``
of a block comes after step ``s`` of the block before it, and several blocks may be in flight at once.

The first block after a start goes alone until it is landed: somebody waits for a picture, and the lead of a team would
decode it after whatever it was asked for meanwhile. It costs a take what one block could have done beside it, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Flight:
    """A block that is begun and not done; ``step`` is the next one it takes."""

    block: int
    step: int


@dataclass(frozen=True, slots=True)
class FlightRules:
    """What decides the order.

    Attributes:
        steps: of the schedule.
        room: blocks that may be in flight at once.
        packed: one pass takes all blocks in flight one step further, each at another step; else it takes one.
        blocks: no block from this one on is begun ahead of its turn; ``None``: any may be.
        window: how much history a block sees; one pass has one window.
        conditions_due: whether the caches must be given other conditions before a block begins; then all others land
            first.
    """

    steps: int
    room: int
    packed: bool
    blocks: int | None
    window: Callable[[int], int]
    conditions_due: Callable[[int], bool]


class BlockOrder(Protocol):
    """What a session asks of an order; see :class:`Flights`."""

    @property
    def first(self) -> int:
        """The oldest block that is not landed."""

    @property
    def done(self) -> int:
        """How many blocks are done and not landed."""

    @property
    def steps(self) -> tuple[int, ...]:
        """The next step of every block from :attr:`first` on that is not landed; of one that is done, their number."""

    def restore(self, first: int, steps: Iterable[int]) -> None:
        """What :attr:`first` and :attr:`steps` were, whatever order they came from."""

    def to_begin(self) -> int | None:
        """The block that may begin now, if one may; ask again after :meth:`begin`."""

    def begin(self) -> int:
        """The next block is in flight; which one."""

    def to_advance(self) -> list[Flight]:
        """Those that the next pass takes one step further, oldest first; none if nothing is in flight."""

    def advance(self, flights: Iterable[Flight]) -> None:
        """The pass over what :meth:`to_advance` gave is asked for."""

    def land(self) -> int:
        """The oldest block, which is done, is landed; which one."""


class Flights:
    """Blocks in flight in rounds, oldest first, and what comes next. For one denoiser, and for packed steps.

    The caller repeats: begin the blocks of :meth:`to_begin` (there may be none), then ask for the pass of
    :meth:`to_advance`. A block is done when its last step is asked for; the caller lands it when it wants it. Nothing
    here depends on when answers arrive.

    Attributes:
        first: the oldest block that is not landed.
    """

    def __init__(self, rules: FlightRules) -> None:
        self.rules = rules
        self.first = 0
        self._starting = True
        self._done: list[int] = []
        self._flying: list[Flight] = []
        # Those that have not yet had their turn in this round.
        self._waiting: list[Flight] = []

    @property
    def done(self) -> int:
        """How many blocks are done and not landed."""
        return len(self._done)

    @property
    def steps(self) -> tuple[int, ...]:
        """The next step of every block from :attr:`first` on that is not landed; of one that is done, their number."""
        return (self.rules.steps,) * len(self._done) + tuple(flight.step for flight in self._flying)

    def restore(self, first: int, steps: Iterable[int]) -> None:
        """What :attr:`first` and :attr:`steps` were."""
        self.first = first
        stood = [Flight(first + index, step) for index, step in enumerate(steps)]
        self._starting = not stood
        self._done = [flight.block for flight in stood if flight.step >= self.rules.steps]
        self._flying = stood[len(self._done) :]
        self._waiting = []

    def to_begin(self) -> int | None:
        """The block that may begin now, if one may; ask again after :meth:`begin`.

        Blocks begin evenly spread over the way of those before them, so that pictures come evenly.
        """
        rules, count = self.rules, len(self._flying)
        block = self.first + len(self._done) + count
        early = count > 0 or bool(self._done)
        if early and (self._starting or (rules.blocks is not None and block >= rules.blocks)):
            return None
        if count == 0:
            return block
        if self._waiting or count >= rules.room:
            return None
        # By the time the oldest takes its step ``step``, ``(step + 1) * room / steps`` have begun, rounded up.
        if count * rules.steps >= (self._flying[0].step + 1) * rules.room:
            return None
        if rules.packed:
            # One pass has one window, so blocks are packed only once the ring is full.
            alike = rules.window(self._flying[0].block) == rules.window(block)
            if self._flying[-1].step == 0 or not alike:
                return None
        return None if rules.conditions_due(block) else block

    def begin(self) -> int:
        """The next block is in flight; which one."""
        block = self.first + len(self._done) + len(self._flying)
        self._flying.append(Flight(block, 0))
        return block

    def to_advance(self) -> list[Flight]:
        """Those that the next pass takes one step further, oldest first; none if nothing is in flight.

        One, or if packed as many as stand one step apart and see equally much. Each has its turn once a round.
        """
        if not self._waiting:
            self._waiting = self._flying[: self.rules.room]
        run = self._waiting[:1]
        if self.rules.packed:
            for flight in self._waiting[1:]:
                alike = self.rules.window(flight.block) == self.rules.window(run[0].block)
                if not alike or flight.step != run[-1].step - 1:
                    break
                run.append(flight)
        return run

    def advance(self, flights: Iterable[Flight]) -> None:
        """The pass over what :meth:`to_advance` gave is asked for."""
        for flight in list(flights):
            self._waiting.remove(flight)
            flight.step += 1
        while self._flying and self._flying[0].step >= self.rules.steps:
            self._done.append(self._flying.pop(0).block)

    def land(self) -> int:
        """The oldest block, which is done, is landed; which one."""
        self.first += 1
        self._starting = False
        return self._done.pop(0)
