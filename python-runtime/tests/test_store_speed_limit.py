"""The speed limit, against a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_avatar.store.speed_limit import SpeedLimit

RATE = 1000.0
AHEAD = 0.25


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 7.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 3)), min_size=1, max_size=50), st.integers(1, 8))
def test_no_stretch_of_time_has_more_than_the_rate_allows(pieces: list[tuple[int, float]], connections: int) -> None:
    """Connections take turns; each waits what it was told, and for the network, before its next piece."""
    clock = Clock()
    limit = SpeedLimit(RATE, clock)
    free_at = [clock.now] * connections
    came: list[tuple[float, int]] = []
    for count, idle in pieces:
        turn = min(range(connections), key=free_at.__getitem__)
        clock.now = max(clock.now, free_at[turn]) + idle
        came.append((clock.now, count))
        free_at[turn] = clock.now + limit.spend(count)
    largest = max(count for count, _ in pieces)
    for first, (begun, _) in enumerate(came):
        for last in range(first, len(came)):
            # What is on its way on each connection comes on top: it is here before anybody can wait for it.
            most = RATE * (came[last][0] - begun + AHEAD) + connections * largest
            assert sum(count for _, count in came[first : last + 1]) <= most + 1e-6


def test_a_steady_stream_takes_the_time_of_the_rate() -> None:
    clock = Clock()
    limit = SpeedLimit(RATE, clock)
    for _ in range(100):
        clock.now += limit.spend(200)
    assert clock.now - 7.0 == pytest.approx(100 * 200 / RATE - AHEAD)


def test_a_slow_line_waits_for_nothing_and_saves_nothing_up() -> None:
    clock = Clock()
    limit = SpeedLimit(RATE, clock)
    for _ in range(10):
        clock.now += 1.0
        assert limit.spend(500) == 0.25
    clock.now += 3600.0
    assert limit.spend(2000) == pytest.approx(2.0 - AHEAD)
