"""The order of blocks and steps: complete, true to history, evenly spread, and drained before new conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from live_avatar.distributed.turn_flights import order_of
from live_avatar.flights import BlockOrder, FlightRules, Flights

Item = tuple[int, int]


def rules_of(
    steps: int,
    room: int,
    *,
    packed: bool = False,
    blocks: int | None = None,
    window: Callable[[int], int] = lambda block: 0,
    due: Callable[[int], bool] = lambda block: False,
) -> FlightRules:
    return FlightRules(steps, room, packed, blocks, window, due)


def passes_of(order: BlockOrder, blocks: int, ahead: int = 0) -> list[list[Item]]:
    """The passes until ``blocks`` blocks are landed, as a session asks for them."""
    passes: list[list[Item]] = []
    while order.first < blocks:
        while order.done <= ahead:
            while order.to_begin() is not None:
                order.begin()
            flights = order.to_advance()
            if not flights:
                break
            passes.append([(flight.block, flight.step) for flight in flights])
            order.advance(flights)
        order.land()
    return passes


def assert_true_to_history(passes: Sequence[Sequence[Item]], begun: Sequence[int] = ()) -> None:
    """Every step of a block comes after the one before it, and after the same step of the block before."""
    done: set[Item] = {(block, step) for block, steps in enumerate(begun) for step in range(steps)}
    for items in passes:
        for block, step in items:
            assert (block, step) not in done
            assert step == 0 or (block, step - 1) in done
            assert block == 0 or (block - 1, step) in done
        done |= set(items)


@pytest.mark.parametrize("steps", [1, 3, 4])
@pytest.mark.parametrize("room", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_every_block_takes_every_step_after_its_history(steps: int, room: int, ahead: int) -> None:
    passes = passes_of(Flights(rules_of(steps, room, blocks=13)), 13, ahead)
    assert sorted(item for items in passes for item in items) == [(b, s) for b in range(13) for s in range(steps)]
    assert_true_to_history(passes)


def test_alone_blocks_go_one_after_the_other() -> None:
    passes = passes_of(Flights(rules_of(4, 1)), 3)
    assert passes == [[(block, step)] for block in range(3) for step in range(4)]


@pytest.mark.parametrize("gap", [None, 3])
def test_the_first_block_after_a_start_goes_alone(gap: int | None) -> None:
    order = order_of(rules_of(4, 8), gap)
    items = [item for items in passes_of(order, 3, ahead=1) for item in items]
    assert items[:4] == [(0, step) for step in range(4)]
    assert {block for block, _ in items[4:8]} != {1}
    # Gone on elsewhere, it starts again; with blocks in flight it does not.
    order.restore(7, ())
    assert order.to_begin() == 7
    order.begin()
    assert order.to_begin() is None
    order.restore(7, (3, 1))
    while order.to_begin() is None:
        order.advance(order.to_advance())
    assert order.to_begin() == 9


@pytest.mark.parametrize(("steps", "room"), [(4, 2), (4, 3), (4, 4), (4, 5), (3, 4), (4, 8)])
def test_blocks_come_evenly(steps: int, room: int) -> None:
    items = [item for items in passes_of(Flights(rules_of(steps, room)), 40) for item in items]
    ends = [place for place, (_, step) in enumerate(items) if step == steps - 1][room:]
    gaps = [right - left for left, right in pairwise(ends)]
    assert sum(gaps) / len(gaps) == pytest.approx(steps, abs=0.2)
    # In a round two blocks may end next to each other; no later one than the next waits for longer.
    assert max(gaps) <= 2 * steps
    # A block is on its way for as long as the others that there is room for take their steps.
    way = items.index((20, steps - 1)) - items.index((20, 0))
    assert (steps - 1) * (room - 2) <= way <= steps * room


def test_packed_steps_stand_one_apart_and_see_equally_much() -> None:
    # Windows grow over three blocks; packing begins with the third.
    passes = passes_of(Flights(rules_of(3, 3, packed=True, window=lambda block: min(block, 2))), 8)
    assert [len(items) for items in passes[:10]] == [1, 1, 1, 1, 1, 1, 1, 2, 3, 3]
    assert passes[8] == [(2, 2), (3, 1), (4, 0)]
    assert_true_to_history(passes)


@pytest.mark.parametrize(("room", "packed"), [(1, False), (4, False), (5, False), (4, True)])
def test_new_conditions_wait_until_all_have_landed(room: int, packed: bool) -> None:
    due = {0, 4, 7}
    rules = rules_of(4, room, packed=packed, due=lambda block: block in due)
    order = Flights(rules)
    flying: set[int] = set()
    while order.first < 12:
        while (block := order.to_begin()) is not None:
            if block in due:
                assert not flying
                due.discard(block)
            flying.add(order.begin())
        flights = order.to_advance()
        last = {flight.block for flight in flights if flight.step == 3}
        order.advance(flights)
        flying -= last
        while order.done:
            order.land()
    assert not due


def test_no_block_is_begun_beyond_the_end_but_in_its_turn() -> None:
    order = Flights(rules_of(4, 4, blocks=6))
    passes = passes_of(order, 6, ahead=2)
    assert max(block for items in passes for block, _ in items) == 5
    assert order.to_begin() == 6


@pytest.mark.parametrize("stood", [(), (3, 2, 1), (2, 0), (1, 1, 0), (4, 4, 2), (4,), (3, 3, 3, 3, 3, 0)])
@pytest.mark.parametrize(("room", "packed"), [(1, False), (3, False), (6, False), (4, True)])
def test_it_goes_on_from_blocks_of_any_other_order(stood: tuple[int, ...], room: int, packed: bool) -> None:
    order = Flights(rules_of(4, room, packed=packed))
    order.restore(0, stood)
    assert (order.first, order.steps) == (0, stood)
    passes = passes_of(order, 9)
    assert_true_to_history(passes, stood)
    if packed:
        for items in passes:
            assert [step for _, step in items] == list(range(items[0][1], items[0][1] - len(items), -1))


def test_where_it_stands_can_be_told_at_any_time() -> None:
    order = Flights(rules_of(4, 3))
    for _ in range(40):
        while order.to_begin() is not None:
            order.begin()
        order.advance(order.to_advance())
        again = Flights(rules_of(4, 3))
        again.restore(order.first, order.steps)
        assert (again.first, again.steps, again.done) == (order.first, order.steps, order.done)
        if order.done > 1:
            order.land()
