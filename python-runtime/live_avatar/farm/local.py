"""The local executor: one worker process for each card, or a few on the processor."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from live_avatar.batch import Assignment
from live_avatar.errors import Cancelled, UserError
from live_avatar.farm.dispatch import Dispatch
from live_avatar.farm.local_process import Event, LocalProcess
from live_avatar.farm.places import Place
from live_avatar.farm.tasks import Outcome, Task

TellNews = Callable[[Assignment, Mapping[str, Any]], None]
_LOOK_SECONDS = 0.2
# A worker that ends twice before it could do anything will do so again.
_FALSE_STARTS = 2


def task_of(assignment: Assignment) -> Task:
    """An assignment as it travels."""
    job = assignment.job
    return Task(assignment.number, job.name, dict(job.flags), job.output, assignment.seed)


class LocalFarm:
    """Runs the jobs of a batch in processes of this machine.

    Args:
        places: a worker for each.
        arguments: of the batch, spelled with underscores.
        log_folder: for what workers print besides.
        tell_news: told of what a render says.
        should_stop: asked all the time; then running jobs stop after their block.
    """

    def __init__(
        self,
        places: Sequence[Place],
        arguments: Sequence[str],
        log_folder: Path,
        tell_news: TellNews,
        should_stop: Callable[[], bool],
    ) -> None:
        self._places = {place.name: place for place in places}
        self._arguments, self._log_folder = arguments, log_folder
        self._tell_news, self._should_stop = tell_news, should_stop
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._workers: dict[str, LocalProcess] = {}
        self._false_starts: dict[str, int] = {}

    def run(self, dispatch: Dispatch) -> None:
        """Do all jobs. No process is left afterwards, however it ends.

        Raises:
            Cancelled: stopped; what was running counts as stopped.
            UserError: ``FARM_WORKER_FAILED`` when no worker can begin; what the ledger raises.
        """
        stopping = False
        try:
            while dispatch.running:
                if not stopping:
                    self._engage(dispatch)
                self._hear(dispatch)
                if not stopping and self._should_stop():
                    stopping = True
                    dispatch.stop()
                    for worker in self._workers.values():
                        worker.send("stop")
        finally:
            for worker in self._workers.values():
                worker.leave()
            for worker in self._workers.values():
                worker.end()
            dispatch.abandon()
        if stopping:
            raise Cancelled

    def _engage(self, dispatch: Dispatch) -> None:
        """Give idle workers work, and start as many more as there is work for."""
        for worker in self._workers.values():
            if (
                worker.state == "ready"
                and worker.name not in dispatch.busy
                and (assignment := dispatch.give(worker.name))
            ):
                worker.send("task", task_of(assignment).as_dict())
        coming = sum(worker.state == "starting" for worker in self._workers.values())
        for name, place in self._places.items():
            # One is started for the job at hand; the next one when that is taken.
            if name in self._workers or coming >= dispatch.waiting(len(self._places)):
                continue
            if self._false_starts.get(name, 0) < _FALSE_STARTS:
                log_file = self._log_folder / f"worker-{name.split()[0]}.log"
                self._workers[name] = LocalProcess(name, self._arguments, place.environment, log_file, self._events)
                coming += 1

    def _hear(self, dispatch: Dispatch) -> None:
        try:
            worker, kind, values = self._events.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return
        assignment = dispatch.busy.get(worker.name)
        if kind == "ready":
            worker.state = "ready"
            self._false_starts.pop(worker.name, None)
        elif kind == "news" and assignment is not None:
            self._tell_news(assignment, values)
        elif kind == "outcome":
            outcome = Outcome(**values)
            dispatch.report(worker.name, outcome)
            if outcome.spoiled:
                worker.leave()
        elif kind == "ended":
            self._bury(worker, dispatch)

    def _bury(self, worker: LocalProcess, dispatch: Dispatch) -> None:
        why = worker.end_words()
        if worker.state == "starting":
            self._false_starts[worker.name] = self._false_starts.get(worker.name, 0) + 1
        del self._workers[worker.name]
        dispatch.lost(worker.name, why)
        given_up = sum(count >= _FALSE_STARTS for count in self._false_starts.values())
        if given_up == len(self._places):
            raise UserError(
                "FARM_WORKER_FAILED",
                "No worker can begin.",
                f"{why}.",
                f"Look at the logs in {self._log_folder}, or run the batch with --executor inline.",
            )
