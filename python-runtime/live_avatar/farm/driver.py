"""The loop of a batch with workers: hire, give, pass on, try again, stop. Knows no processes and no cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from live_avatar.batch import Assignment
from live_avatar.errors import Cancelled, UserError
from live_avatar.farm.dispatch import Dispatch
from live_avatar.farm.tasks import Outcome, Task


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker can be given tasks; ``where`` says for people where it is, or nothing."""

    worker: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a render says of its job: a record as ``--json`` prints it."""

    worker: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TriedAgain:
    """The executor itself has begun the worker's task once more; ``why`` is a clause without a full stop."""

    worker: str
    why: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The worker's task has ended, and the worker is idle."""

    worker: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker is gone, with its task if it had one; ``why`` is a clause without a full stop."""

    worker: str
    why: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something people should know of the workers; it has a code."""

    code: str
    text: str


Event = Ready | Said | TriedAgain | Finished | Ended | Note


class Executor(Protocol):
    """Carries out what the driver decides. The last that is heard of a worker is ``Ended``, unless it was dismissed."""

    def room(self) -> int:
        """How many workers can be there at once, those that are there included; 0 when none can begin any more."""

    def no_room(self) -> UserError:
        """Why :meth:`room` is 0."""

    def hire(self) -> str | None:
        """Have one worker more; its name, or ``None`` when its place is not free yet."""

    def give(self, worker: str, task: Task) -> None:
        """Have an idle worker begin a task."""

    def stop(self, worker: str) -> None:
        """Have a worker stop after its block."""

    def dismiss(self, worker: str) -> None:
        """Have a worker end now. Nothing is heard of it any more."""

    def hear(self) -> Iterable[Event]:
        """What has happened since; waits for a moment if nothing has."""

    def close(self) -> None:
        """Dismiss all. None is left when this returns."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told what.

    Attributes:
        news: what a render says of its job.
        words: what happens to workers, for people.
        warning: the same with a code, for machines too.
    """

    news: Callable[[Assignment, Mapping[str, Any]], None]
    words: Callable[[str], None]
    warning: Callable[[str, str], None]


class Driver:
    """Does the jobs of a batch with the workers of an executor.

    Args:
        should_stop: asked all the time; then running jobs stop after their block.
    """

    def __init__(
        self, executor: Executor, dispatch: Dispatch, listener: Listener, should_stop: Callable[[], bool]
    ) -> None:
        self._executor, self._dispatch, self._listener = executor, dispatch, listener
        self._should_stop = should_stop
        self._coming: set[str] = set()
        self._there: set[str] = set()
        self._stopping = False

    def run(self) -> None:
        """Do all jobs. No worker is left afterwards, however it ends.

        Raises:
            Cancelled: stopped; what was running counts as stopped.
            UserError: no worker can begin; what the ledger raises.
        """
        try:
            while self._dispatch.running:
                if not self._stopping:
                    self._engage()
                for event in self._executor.hear():
                    self._take(event)
                if not self._stopping and self._should_stop():
                    self._stop()
        finally:
            try:
                self._executor.close()
            finally:
                self._dispatch.abandon()
        if self._stopping:
            raise Cancelled

    def _engage(self) -> None:
        """Give idle workers work, let the others go, and hire as many as there is work and room for."""
        for worker in sorted(self._there - self._dispatch.busy.keys()):
            if (assignment := self._dispatch.give(worker)) is None:
                # What it holds, a card or memory, may be what a job waits for that is tried again.
                self._let_go(worker)
            else:
                self._executor.give(worker, Task.of(assignment))
        room = self._executor.room()
        if room == 0 and not self._coming and not self._there and self._dispatch.waiting(1):
            raise self._executor.no_room()
        missing = self._dispatch.waiting(room) - len(self._coming)
        for _ in range(min(missing, room - len(self._coming) - len(self._there))):
            if (hired := self._executor.hire()) is None:
                break
            self._coming.add(hired)

    def _take(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._coming.discard(event.worker)
            self._there.add(event.worker)
            if event.where:
                self._listener.words(f"{event.worker} is {event.where}")
        elif isinstance(event, Said):
            if (assignment := self._dispatch.busy.get(event.worker)) is not None:
                self._listener.news(assignment, event.record)
        elif isinstance(event, TriedAgain):
            self._dispatch.tried_again(event.worker, event.why)
            if self._stopping:
                # The order to stop was lost with the process that had it.
                self._executor.stop(event.worker)
        elif isinstance(event, Finished):
            self._dispatch.report(event.worker, event.outcome)
            if event.outcome.spoiled:
                self._let_go(event.worker)
        elif isinstance(event, Ended):
            self._coming.discard(event.worker)
            self._there.discard(event.worker)
            self._dispatch.lost(event.worker, event.why)
        else:
            self._listener.warning(event.code, event.text)

    def _let_go(self, worker: str) -> None:
        self._there.discard(worker)
        self._executor.dismiss(worker)

    def _stop(self) -> None:
        self._stopping = True
        self._dispatch.stop()
        for worker in self._there:
            self._executor.stop(worker)
