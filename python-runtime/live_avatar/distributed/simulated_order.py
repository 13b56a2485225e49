"""What the lead starts, act by act, for a take of so many blocks: the engine's own order. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from live_avatar.distributed.turn_flights import TurnFlights
from live_avatar.flights import FlightRules, Flights


@dataclass(frozen=True, slots=True)
class Refresh:
    """New conditions before ``block``; the reference is the first latent of the finished block ``anchor``, if given."""

    block: int
    anchor: int | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """One step of one block."""

    block: int
    step: int


@dataclass(frozen=True, slots=True)
class Land:
    """A block has made all its steps: its latents are decoded."""

    block: int


Act = Refresh | Advance | Land


@dataclass(frozen=True, slots=True)
class Order:
    """How blocks take turns.

    Attributes:
        room: blocks that may be in flight at once.
        gap: turns between two steps of a block (:mod:`live_avatar.distributed.turn_flights`); ``None`` for rounds over
            all in flight (:mod:`live_avatar.flights`).
        ahead: blocks all of whose steps are asked for before the first of them is landed.
    """

    room: int
    gap: int | None = None
    ahead: int = 0


def acts_of(
    blocks: int,
    steps: int,
    order: Order,
    *,
    anchor: int | None = None,
    prompts: frozenset[int] = frozenset(),
    more: bool = False,
) -> Iterator[Act]:
    """Every act of a take, as :class:`live_avatar.session.Session` asks for them.

    Args:
        blocks: that are landed; steps: of the schedule; order: of the items.
        anchor: the first block that follows the model's own picture: of the second clip.
        prompts: blocks at which the prompt changes.
        more: the take goes on after these blocks, and others are in flight when the last of them lands.
    """
    due = prompts | {0} | (set() if anchor is None else {anchor})
    refreshed: set[int] = set()
    rules = FlightRules(
        steps=steps,
        room=order.room,
        packed=False,
        blocks=None if more else blocks,
        window=lambda block: 0,
        conditions_due=lambda block: block in due and block not in refreshed,
    )
    flights: Flights | TurnFlights = Flights(rules) if order.gap is None else TurnFlights(rules, order.gap)
    for _ in range(blocks):
        while flights.done <= order.ahead:
            while (block := flights.to_begin()) is not None:
                if rules.conditions_due(block):
                    refreshed.add(block)
                    yield Refresh(block, 0 if anchor is not None and block >= anchor else None)
                flights.begin()
            turn = flights.to_advance()
            if not turn:
                break
            for flight in turn:
                yield Advance(flight.block, flight.step)
            flights.advance(turn)
        yield Land(flights.land())
