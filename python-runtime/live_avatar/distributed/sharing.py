"""How much of the work each rank gets, so that the slowest is as fast as can be. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

# Seconds for so many units on a rank; infinite where it has no room for them. Grows with the units.
Cost = Callable[[int], float]

_HALVINGS = 14


def balanced_counts(total: int, costs: Sequence[Cost]) -> tuple[int, ...] | None:
    """``total`` units over the ranks so that the largest cost is least; ``None`` if they have no room for all of them.

    The first rank may get none, every other gets at least one.
    """
    followers = len(costs) - 1
    if total < followers:
        return None
    most = total - followers
    if any(math.isinf(cost(1)) for cost in costs[1:]) or math.isinf(costs[0](0)):
        return None
    rooms = [_most_units(costs[0], math.inf, 0, most if followers else total)]
    rooms += [_most_units(cost, math.inf, 1, total) for cost in costs[1:]]
    if sum(rooms) < total:
        return None
    high = max(cost(room) for cost, room in zip(costs, rooms, strict=True))
    low = 0.0
    best = rooms
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        counts = [
            _most_units(cost, middle, int(rank > 0), room)
            for rank, (cost, room) in enumerate(zip(costs, rooms, strict=True))
        ]
        allowed = all(cost(count) <= middle for cost, count in zip(costs, counts, strict=True))
        if allowed and sum(counts) >= total:
            best, high = counts, middle
        else:
            low = middle
    return _trimmed(best, total, costs)


def _most_units(cost: Cost, bound: float, least: int, most: int) -> int:
    """The largest count up to ``most`` within ``bound``; ``least`` if none is."""
    low, high = least, most
    while low < high:
        middle = (low + high + 1) // 2
        if cost(middle) <= bound and not math.isinf(cost(middle)):
            low = middle
        else:
            high = middle - 1
    return low


def _trimmed(counts: Sequence[int], total: int, costs: Sequence[Cost]) -> tuple[int, ...]:
    """Units taken away, one after the other from the rank with the highest cost, until ``total`` are left."""
    left = list(counts)
    while sum(left) > total:
        givers = [rank for rank, count in enumerate(left) if count > int(rank > 0)]
        left[max(givers, key=lambda rank: (costs[rank](left[rank]), rank))] -= 1
    return tuple(left)
