"""Blocks in flight by turns: every block takes its steps at the same distances, so that no rank ever waits. No torch.

A turn is one item. A block begins every ``steps`` turns, and its step ``s`` comes ``offset(s)`` turns after its first.
The offsets are at least ``gap`` apart, which is how many items others do while one is on its way round the ranks; and
they differ modulo ``steps``, so that no two blocks ever want the same turn: the order of a pipeline that is always full
(modulo scheduling). Rounds over all in flight (:mod:`live_avatar.flights`) put two steps of one block next
to each other whenever a block lands: harmless on two ranks, a quarter of the pace on four by layers. Which of both a
team follows is the planner's choice (:func:`live_avatar.distributed.multi_planner.best_order`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from live_avatar.flights import BlockOrder, Flight, FlightRules, Flights


def turn_offsets(steps: int, gap: int) -> tuple[int, ...]:
    """Turns from the first step of a block to each: ``gap`` apart or a little more, and all different modulo ``steps``.

    Raises:
        ValueError: a gap below 1.
    """
    if gap < 1:
        raise ValueError(f"steps of a block cannot be {gap} turns apart")
    offsets = [0]
    taken = {0}
    while len(offsets) < steps:
        turn = offsets[-1] + gap
        while turn % steps in taken:
            turn += 1
        offsets.append(turn)
        taken.add(turn % steps)
    return tuple(offsets)


def blocks_in_turns(steps: int, gap: int) -> int:
    """Blocks that are in flight at once when turns follow each other without a break."""
    return turn_offsets(steps, gap)[-1] // steps + 1


def order_of(rules: FlightRules, gap: int | None) -> BlockOrder:
    """Turns with this gap, or for ``None`` rounds over all blocks in flight."""
    return Flights(rules) if gap is None else TurnFlights(rules, gap)


@dataclass(slots=True)
class _Place:
    """A block in flight, and the turn at which it began."""

    flight: Flight
    begun: int


class TurnFlights:
    """What :class:`live_avatar.flights.Flights` is, in another order. Not for packed steps; of the rules ``room`` is a
    bound only.

    Attributes:
        first: the oldest block that is not landed.
    """

    def __init__(self, rules: FlightRules, gap: int) -> None:
        self.rules = rules
        self.first = 0
        self._starting = True
        self._offsets = turn_offsets(rules.steps, gap)
        self._done: list[int] = []
        self._flying: list[_Place] = []
        self._now = 0
        self._last_begun = -rules.steps

    @property
    def done(self) -> int:
        """How many blocks are done and not landed."""
        return len(self._done)

    @property
    def steps(self) -> tuple[int, ...]:
        """The next step of every block from :attr:`first` on that is not landed; of one that is done, their number."""
        return (self.rules.steps,) * len(self._done) + tuple(place.flight.step for place in self._flying)

    def restore(self, first: int, steps: Iterable[int]) -> None:
        """What :attr:`first` and :attr:`steps` were, whatever order they came from."""
        self.first = first
        stood = [Flight(first + index, step) for index, step in enumerate(steps)]
        self._starting = not stood
        self._done = [flight.block for flight in stood if flight.step >= self.rules.steps]
        flying = stood[len(self._done) :]
        self._flying = [_Place(flight, index * self.rules.steps) for index, flight in enumerate(flying)]
        self._now = 0
        self._last_begun = (len(flying) - 1) * self.rules.steps

    def to_begin(self) -> int | None:
        """The block that may begin now, if one may; ask again after :meth:`begin`."""
        rules, count = self.rules, len(self._flying)
        block = self.first + len(self._done) + count
        early = count > 0 or bool(self._done)
        if early and (self._starting or (rules.blocks is not None and block >= rules.blocks)):
            return None
        if count == 0:
            return block
        if count >= rules.room or self._last_begun + rules.steps > self._due(self._next()):
            return None
        return None if rules.conditions_due(block) else block

    def begin(self) -> int:
        """The next block is in flight; which one."""
        block = self.first + len(self._done) + len(self._flying)
        self._last_begun = max(self._last_begun + self.rules.steps, self._now)
        self._flying.append(_Place(Flight(block, 0), self._last_begun))
        return block

    def to_advance(self) -> list[Flight]:
        """The one that takes the next turn; none if nothing is in flight."""
        return [self._next().flight] if self._flying else []

    def advance(self, flights: Iterable[Flight]) -> None:
        """The pass over what :meth:`to_advance` gave is asked for."""
        for flight in list(flights):
            place = next(place for place in self._flying if place.flight is flight)
            self._now = max(self._now, self._due(place))
            flight.step += 1
        while self._flying and self._flying[0].flight.step >= self.rules.steps:
            self._done.append(self._flying.pop(0).flight.block)

    def land(self) -> int:
        """The oldest block, which is done, is landed; which one."""
        self.first += 1
        self._starting = False
        return self._done.pop(0)

    def _next(self) -> _Place:
        """A block is never done before the one before it: equal offsets keep them in order."""
        flying = [place for place in self._flying if place.flight.step < self.rules.steps]
        return min(flying, key=self._due)

    def _due(self, place: _Place) -> int:
        return place.begun + self._offsets[place.flight.step]
