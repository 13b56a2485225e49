"""Which worker renders which job, and what happens when a worker is lost. Knows no processes and no cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from live_avatar.batch import Assignment, Ledger
from live_avatar.errors import UserError
from live_avatar.farm.tasks import Outcome

_RETRIES = 1


class Dispatch:
    """Hands out the jobs of a ledger, each to one worker at a time. One thread uses it.

    Args:
        tell_again: told of a job that is tried again, and why.
    """

    def __init__(self, ledger: Ledger, tell_again: Callable[[Assignment, str], None]) -> None:
        self._ledger, self._tell_again = ledger, tell_again
        self._waiting: deque[Assignment] = deque()
        self._tries: dict[int, int] = {}
        self._stopping = False
        self.busy: dict[str, Assignment] = {}

    def waiting(self, most: int) -> int:
        """How many jobs wait for a worker, counted up to ``most``."""
        if self._stopping:
            return 0
        while len(self._waiting) < most and (found := self._ledger.next()) is not None:
            self._waiting.append(found)
        return min(most, len(self._waiting))

    @property
    def running(self) -> bool:
        """Whether a job waits or is being rendered."""
        return bool(self.busy) or self.waiting(1) > 0

    def give(self, worker: str) -> Assignment | None:
        """The next job for an idle worker; ``None`` when there is none for now."""
        if not self.waiting(1):
            return None
        assignment = self._waiting.popleft()
        self.busy[worker] = assignment
        first = assignment.number not in self._tries
        self._tries[assignment.number] = self._tries.get(assignment.number, 0) + 1
        if first:
            self._ledger.begin(assignment)
        return assignment

    def report(self, worker: str, outcome: Outcome) -> None:
        """What became of the worker's job. A spoiled worker has to be replaced by the caller."""
        assignment = self.busy.pop(worker)
        if outcome.state == "done":
            self._ledger.done(assignment, outcome.seed, outcome.frames, outcome.seconds)
        elif outcome.state == "stopped":
            self._ledger.stopped(assignment.number)
        elif outcome.spoiled and self._may_try_again(assignment):
            error = outcome.error or {}
            self._again(assignment, f"{error.get('what') or ''} {error.get('why') or ''}".strip())
        else:
            self._ledger.failed(assignment, outcome.error or {})

    def tried_again(self, worker: str, why: str) -> None:
        """Whoever keeps the worker has begun its job once more himself. ``why`` is a clause without a full stop."""
        assignment = self.busy.get(worker)
        if assignment is not None:
            self._tries[assignment.number] += 1
            self._tell_again(assignment, f"{why}.")

    def lost(self, worker: str, why: str) -> None:
        """The worker is gone, with or without a job. That job is tried once more, unless it was already.

        Args:
            why: a clause without a full stop.
        """
        assignment = self.busy.pop(worker, None)
        if assignment is None:
            return
        if self._stopping:
            self._ledger.stopped(assignment.number)
        elif self._may_try_again(assignment):
            self._again(assignment, f"{why}.")
        else:
            fault = UserError(
                "FARM_WORKER_LOST",
                "The worker that rendered it ended, and so did the one that tried it again.",
                f"{why}.",
                "Look at the job's log. Finished clips are kept: the same command goes on from there.",
            )
            self._ledger.failed(assignment, fault.as_dict())

    def stop(self) -> None:
        """Hand out nothing more."""
        self._stopping = True

    def abandon(self) -> None:
        """No worker is left: what is being rendered counts as stopped."""
        self._stopping = True
        for worker in list(self.busy):
            self._ledger.stopped(self.busy.pop(worker).number)

    def _may_try_again(self, assignment: Assignment) -> bool:
        return not self._stopping and self._tries[assignment.number] <= _RETRIES

    def _again(self, assignment: Assignment, why: str) -> None:
        self._waiting.appendleft(assignment)
        self._tell_again(assignment, why)
