"""The local executor: one worker process for each card, or a few on the processor."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from pathlib import Path

from live_avatar.errors import UserError
from live_avatar.farm.driver import Ended, Event, Finished, Ready, Said
from live_avatar.farm.local_process import LocalProcess, Message
from live_avatar.farm.places import Place, worker_failed
from live_avatar.farm.tasks import Outcome, Task
from live_avatar.farm.trust import Trust

_LOOK_SECONDS = 0.2


class LocalExecutor:
    """Workers are processes of this machine, named after their places. See :class:`live_avatar.farm.driver.Executor`.

    Args:
        places: a worker for each.
        arguments: of the batch, spelled with underscores.
        log_folder: for what workers print besides.
    """

    def __init__(self, places: Sequence[Place], arguments: Sequence[str], log_folder: Path) -> None:
        self._free = list(places)
        self._arguments, self._log_folder = arguments, log_folder
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._taken: dict[str, tuple[Place, LocalProcess]] = {}
        self._trust = Trust()
        self._why = ""

    def room(self) -> int:
        """Places that are taken or can be."""
        return len(self._free) + len(self._taken)

    def no_room(self) -> UserError:
        """``FARM_WORKER_FAILED``: no place is left where a worker can begin."""
        return worker_failed(
            f"{self._why}.", f"Look at the logs in {self._log_folder}, or run the batch with --executor inline."
        )

    def hire(self) -> str | None:
        """Start a process at the first free place."""
        if not self._free:
            return None
        place = self._free.pop(0)
        log_file = self._log_folder / f"worker-{place.name.split()[0]}.log"
        process = LocalProcess(place.name, self._arguments, place.environment, log_file, self._messages)
        self._taken[place.name] = place, process
        return place.name

    def give(self, worker: str, task: Task) -> None:
        """Send it."""
        self._taken[worker][1].send("task", task.as_dict())

    def stop(self, worker: str) -> None:
        """Send the order."""
        self._taken[worker][1].send("stop")

    def dismiss(self, worker: str) -> None:
        """Have it end. Its place is free when it has."""
        self._taken[worker][1].leave()

    def hear(self) -> Iterator[Event]:
        """What the next message means, if one comes in time."""
        try:
            process, kind, values = self._messages.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return
        if kind == "ended":
            yield from self._bury(process)
        elif process.state == "leaving":
            return
        elif kind == "ready":
            process.state = "ready"
            yield Ready(process.name)
        elif kind == "news":
            yield Said(process.name, values)
        elif kind == "outcome":
            outcome = Outcome(**values)
            if outcome.card_lost:
                self._trust.failed(process.name)
                self._why = f"The card of worker {process.name} is lost"
            elif outcome.state == "done":
                self._trust.worked(process.name)
            yield Finished(process.name, outcome)

    def close(self) -> None:
        """End all, first together and then one by one."""
        for _, process in self._taken.values():
            process.leave()
        for _, process in self._taken.values():
            process.end()

    def _bury(self, process: LocalProcess) -> Iterator[Event]:
        place, _ = self._taken.pop(process.name)
        why = process.end_words()
        if process.state == "starting":
            self._trust.failed(place.name)
            self._why = why
        if not self._trust.given_up(place.name):
            # Behind the others: the next job had better not meet the same trouble.
            self._free.append(place)
        if process.state != "leaving":
            yield Ended(process.name, why)
