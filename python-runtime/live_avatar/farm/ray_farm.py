"""The Ray executor: actors, placed, watched and started anew by Ray."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from live_avatar.errors import UserError
from live_avatar.farm.driver import Ended, Event, Finished, Note, Ready, Said, TriedAgain
from live_avatar.farm.places import no_room, worker_failed
from live_avatar.farm.ray_cluster import nodes_there, room
from live_avatar.farm.ray_worker import IDLE, RayWorker
from live_avatar.farm.shared_files import Ground
from live_avatar.farm.tasks import Outcome, Task
from live_avatar.farm.trust import Trust

_LOOK_SECONDS = 0.5
_LAST_NEWS_SECONDS = 10.0
# By then Ray has placed and started a worker if it can.
_PLACED_SECONDS = 30.0
# The place of workers that could not even say where they are.
_UNKNOWN = "unknown"
# render, news, stop and hello at once.
_METHODS_AT_ONCE = 4
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception): ")


@dataclass(slots=True)
class _Worker:
    """An actor as the batch holds it. ``hello``, ``render`` and ``news`` are answers that are waited for."""

    name: str
    actor: Any
    hello: Any
    render: Any = None
    news: Any = None
    all_said: bool = False
    node: str = _UNKNOWN
    hired: float = field(default_factory=time.monotonic)


class RayExecutor:
    """Workers are actors of a cluster. See :class:`live_avatar.farm.driver.Executor`.

    Args:
        ray: the module, connected.
        arguments: of the batch, spelled with underscores.
        gpus, cpus: what Ray reserves for a worker, on one machine.
        workers: at most so many at once.
    """

    def __init__(
        self, ray: Any, arguments: Sequence[str], ground: Ground, *, gpus: int, cpus: int, workers: int | None
    ) -> None:
        self._ray, self._arguments, self._ground = ray, list(arguments), ground
        self._gpus, self._cpus, self._most = gpus, cpus, workers
        self._workers: dict[str, _Worker] = {}
        self._hired = 0
        self._unfit: set[str] = set()
        self._trust = Trust()
        self._fault: UserError | None = None
        self._told_waiting = False

    def room(self) -> int:
        """What fits on the machines that are there now and can work for this batch; Ray knows them."""
        if self._trust.given_up(_UNKNOWN):
            return len(self._workers)
        left_out = self._left_out()
        nodes = [resources for name, resources in nodes_there(self._ray).items() if name not in left_out]
        fitting = room(nodes, self._gpus, self._cpus)
        return fitting if self._most is None else min(fitting, self._most)

    def no_room(self) -> UserError:
        """``FARM_NODE_DIFFERS`` or ``FARM_WORKER_FAILED`` if that is why, else ``FARM_NO_ROOM``."""
        return self._fault or no_room(
            f"A job is to have {self._gpus} cards and {self._cpus} processors of one machine; none has them."
        )

    def hire(self) -> str:
        """Ask Ray for an actor. It may wait there for what others use."""
        self._hired += 1
        name = f"live-avatar worker {self._hired}"
        left_out = self._left_out()
        elsewhere = {"ray.io/node-id": f"!in({','.join(sorted(left_out))})"} if left_out else None
        # Ray starts a lost actor anew where there is room, and its job with it, once.
        actor = (
            self._ray.remote(RayWorker)
            .options(
                name=name,
                num_gpus=self._gpus,
                num_cpus=self._cpus,
                max_restarts=-1,
                max_task_retries=1,
                max_concurrency=_METHODS_AT_ONCE,
                scheduling_strategy="SPREAD",
                label_selector=elsewhere,
            )
            .remote(self._arguments, self._ground, self._cpus)
        )
        self._workers[name] = _Worker(name, actor, actor.hello.remote())
        return name

    def give(self, worker: str, task: Task) -> None:
        """Call it; the dashboard shows the job under the name that the list gives it."""
        holder = self._workers[worker]
        holder.all_said = False
        holder.render = holder.actor.render.options(name=f"render {task.name}").remote(task.as_dict())

    def stop(self, worker: str) -> None:
        """Call it; nobody waits for an answer."""
        self._workers[worker].actor.stop.remote()

    def dismiss(self, worker: str) -> None:
        """Have Ray end its process now."""
        actor = self._workers.pop(worker).actor
        with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(actor)

    def close(self) -> None:
        """Dismiss all."""
        for worker in list(self._workers):
            self.dismiss(worker)

    def hear(self) -> Iterator[Event]:
        """What the next answer means, if one comes in time."""
        waited: dict[Any, tuple[_Worker, str]] = {}
        for worker in self._workers.values():
            if worker.render is not None and not worker.all_said:
                worker.news = worker.news or _ask(worker)
            for kind in ("hello", "render", "news"):
                if (answer := getattr(worker, kind)) is not None:
                    waited[answer] = worker, kind
        if not waited:
            # Nobody is there: machines may come.
            time.sleep(_LOOK_SECONDS)
            return
        answered, _ = self._ray.wait(list(waited), num_returns=1, timeout=_LOOK_SECONDS)
        for answer in answered:
            worker, kind = waited[answer]
            if kind == "hello":
                yield from self._greet(worker)
            elif kind == "news":
                yield from self._news(worker)
            else:
                yield from self._outcome(worker)
        yield from self._waiting()

    def _greet(self, worker: _Worker) -> Iterator[Event]:
        answer, worker.hello = worker.hello, None
        try:
            found = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            self._trust.failed(_UNKNOWN)
            self._fault = UserError(
                "FARM_NODE_DIFFERS",
                "A worker cannot begin on a machine of the cluster.",
                f"{_words(error)}.",
                "Install the same version of this program, of Python and of Ray on all machines.",
            )
        else:
            worker.node = found["node"]
            if found["fault"] is None:
                self._trust.worked(_UNKNOWN)
                cards = f", cards {found['cards']}" if found["cards"] else ""
                yield Ready(worker.name, f"on {found['host']}, process {found['pid']}{cards}")
                return
            self._unfit.add(worker.node)
            self._fault = UserError(**found["fault"])
        self.dismiss(worker.name)
        yield Note(self._fault.code, f"{self._fault.what} {self._fault.why} {self._fault.hint}")
        yield Ended(worker.name, self._fault.why.rstrip("."))

    def _news(self, worker: _Worker) -> Iterator[Event]:
        answer, worker.news = worker.news, None
        try:
            records = self._ray.get(answer)
        except self._ray.exceptions.RayError:
            # Its process is lost; what becomes of the job is told by the answer to that.
            return
        for record in records:
            if record == IDLE:
                worker.all_said = True
                continue
            if record["kind"] == "worker" and record["again"]:
                yield TriedAgain(worker.name, f"Its worker was lost, and Ray began it anew on {record['host']}")
            yield Said(worker.name, record)

    def _outcome(self, worker: _Worker) -> Iterator[Event]:
        answer, worker.render = worker.render, None
        try:
            outcome = Outcome(**self._ray.get(answer))
        except self._ray.exceptions.RayError as error:
            self.dismiss(worker.name)
            yield Ended(worker.name, _words(error))
            return
        # What it said before comes first; an unread answer would swallow the beginning of the next job.
        until = time.monotonic() + _LAST_NEWS_SECONDS
        while not worker.all_said and (left := until - time.monotonic()) > 0:
            worker.news = worker.news or _ask(worker)
            if self._ray.wait([worker.news], timeout=left)[0]:
                yield from self._news(worker)
        worker.news = None
        if outcome.card_lost:
            # Not forgotten when another card of that machine finishes a job. Workers that are there stay.
            self._trust.failed(worker.node)
            self._fault = worker_failed("The cards of its machines are lost.", "Look at the logs of the jobs.")
        yield Finished(worker.name, outcome)

    def _left_out(self) -> set[str]:
        """Machines that get no more workers, by Ray's name of them."""
        return self._unfit | set(self._trust.all_given_up())

    def _waiting(self) -> Iterator[Event]:
        before = time.monotonic() - _PLACED_SECONDS
        late = [worker for worker in self._workers.values() if worker.hello is not None and worker.hired < before]
        if late and not self._told_waiting:
            self._told_waiting = True
            yield Note(
                "FARM_WAITING",
                f"Ray has not begun {len(late)} of {len(self._workers)} workers yet: others may use the cards or "
                "processors of the cluster. ray status shows it.",
            )


def _ask(worker: _Worker) -> Any:
    """An answer that comes with the next news. The dashboard lists jobs, and not how often it was asked."""
    return worker.actor.news.options(enable_task_events=False).remote()


def _words(error: Exception) -> str:
    """The line of a fault of Ray's that says what it is, without a full stop."""
    said = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    # A traceback ends with what it is about; of what Ray itself says the first line is enough.
    raised = [line for line in said if _EXCEPTION.match(line)]
    return raised[-1] if raised else said[0]
