"""A discrete-event engine: tasks that wait for each other, in lanes, on units that lanes share. No torch.

Tasks of a lane run in the order they were added, one at a time, as kernels of a stream do. Lanes of one unit run side
by side and share it evenly, as streams of a card do: two take twice as long together, so nothing is gained by it. One
of higher priority has the unit for itself while it has work. A unit may have several slots, as a processor has cores:
so many tasks run at full speed, each in one of them.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

What = TypeVar("What")


@dataclass(slots=True, eq=False)
class Task(Generic[What]):
    """A piece of work.

    Attributes:
        lane: where it runs; seconds: alone on its unit; what: the caller's own.
        start, end: in seconds from the beginning, once the simulation has run; NaN before.
    """

    lane: Lane[What]
    seconds: float
    what: What
    start: float = math.nan
    end: float = math.nan
    _waits: int = 0
    _followers: list[Task[What]] = field(default_factory=list)
    _left: float = 0.0


@dataclass(slots=True, eq=False)
class Lane(Generic[What]):
    """A queue that is worked off in order."""

    unit: _Unit[What]
    priority: int = 0
    _tasks: deque[Task[What]] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class _Unit(Generic[What]):
    """What lanes share. ``active``: their tasks at work; ``now``: until when these are accounted for."""

    number: int
    slots: int = 1
    active: list[Task[What]] = field(default_factory=list)
    now: float = 0.0
    version: int = 0

    def rates(self) -> list[tuple[Task[What], float]]:
        """Those that get on, and how fast: each priority shares what the higher ones leave, one slot each at most."""
        found: list[tuple[Task[What], float]] = []
        free = float(self.slots)
        for priority in sorted({task.lane.priority for task in self.active}, reverse=True):
            tasks = [task for task in self.active if task.lane.priority == priority]
            rate = min(1.0, free / len(tasks))
            if rate > 0:
                found += [(task, rate) for task in tasks]
            free -= rate * len(tasks)
        return found

    def advance(self, now: float) -> None:
        for task, rate in self.rates():
            task._left -= (now - self.now) * rate
        self.now = now


class Events(Generic[What]):
    """Tasks and when they run. Add them all, then :meth:`run`."""

    def __init__(self) -> None:
        self.tasks: list[Task[What]] = []
        self._units: dict[Hashable, _Unit[What]] = {}
        self._heap: list[tuple[float, int, int]] = []
        self._numbered: list[_Unit[What]] = []

    def lane(self, unit: Hashable, priority: int = 0, slots: int = 1) -> Lane[What]:
        """A new lane on the unit of this name, which has so many slots if it is new."""
        if unit not in self._units:
            self._units[unit] = _Unit(len(self._units), slots)
            self._numbered.append(self._units[unit])
        return Lane(self._units[unit], priority)

    def add(self, lane: Lane[What], seconds: float, what: What, needs: Iterable[Task[What] | None] = ()) -> Task[What]:
        """A task at the end of ``lane`` that begins when those in ``needs`` have ended.

        Raises:
            ValueError: a time that is negative or not a number.
        """
        if not seconds >= 0:
            raise ValueError(f"a task cannot take {seconds} s")
        task = Task(lane, seconds, what)
        for need in needs:
            if need is not None:
                need._followers.append(task)
                task._waits += 1
        lane._tasks.append(task)
        self.tasks.append(task)
        return task

    def run(self) -> None:
        """Give every task its ``start`` and ``end``.

        Raises:
            RuntimeError: tasks wait for each other in a circle.
        """
        for task in self.tasks:
            self._begin_if_ready(task, 0.0)
        while self._heap:
            now, number, version = heapq.heappop(self._heap)
            unit = self._numbered[number]
            if unit.version == version:
                self._finish_first(unit, now)
        stuck = [task.what for task in self.tasks if math.isnan(task.end)]
        if stuck:
            raise RuntimeError(f"{len(stuck)} tasks wait for each other, the first is {stuck[0]}")

    def _begin_if_ready(self, task: Task[What], now: float) -> None:
        queue = task.lane._tasks
        if task._waits or not queue or queue[0] is not task or not math.isnan(task.start):
            return
        unit = task.lane.unit
        unit.advance(now)
        task.start, task._left = now, task.seconds
        unit.active.append(task)
        self._schedule(unit)

    def _finish_first(self, unit: _Unit[What], now: float) -> None:
        unit.advance(now)
        task = min(unit.rates(), key=lambda each: each[0]._left / each[1])[0]
        unit.active.remove(task)
        task.end = now
        task.lane._tasks.popleft()
        self._schedule(unit)
        for follower in self._released(task):
            self._begin_if_ready(follower, now)

    def _released(self, task: Task[What]) -> Iterator[Task[What]]:
        for follower in task._followers:
            follower._waits -= 1
            yield follower
        if task.lane._tasks:
            yield task.lane._tasks[0]

    def _schedule(self, unit: _Unit[What]) -> None:
        unit.version += 1
        lasts = [task._left / rate for task, rate in unit.rates()]
        if lasts:
            heapq.heappush(self._heap, (unit.now + max(0.0, min(lasts)), unit.number, unit.version))
