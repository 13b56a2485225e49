"""The Ray executor: an actor for each job that fits, placed, watched and started anew by Ray."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from live_avatar.errors import Cancelled, UserError
from live_avatar.farm.dispatch import Dispatch
from live_avatar.farm.local import TellNews, task_of
from live_avatar.farm.places import no_room
from live_avatar.farm.ray_cluster import node_resources, room
from live_avatar.farm.ray_worker import RayWorker
from live_avatar.farm.shared_files import Ground, differs
from live_avatar.farm.tasks import Outcome

_LOOK_SECONDS = 0.5
_LAST_NEWS_SECONDS = 2.0
# render, news, stop and hello at once.
_METHODS_AT_ONCE = 4


@dataclass(slots=True)
class _Worker:
    """An actor as the batch holds it; the rest are answers that are waited for."""

    name: str
    actor: Any
    hello: Any
    render: Any = None
    news: Any = None
    ready: bool = False


class RayFarm:
    """Runs the jobs of a batch on a cluster.

    Args:
        ray: the module, connected.
        arguments: of the batch, spelled with underscores.
        gpus, cpus: what Ray reserves for a worker.
        workers: at most so many at once.
        tell_news: told of what a render says.
        tell: told in words what happens to workers.
        should_stop: asked all the time; then running jobs stop after their block.
    """

    def __init__(
        self,
        ray: Any,
        arguments: Sequence[str],
        ground: Ground,
        *,
        gpus: int,
        cpus: int,
        workers: int | None,
        tell_news: TellNews,
        tell: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._ray, self._arguments, self._ground = ray, list(arguments), ground
        self._gpus, self._cpus, self._most = gpus, cpus, workers
        self._tell_news, self._tell, self._should_stop = tell_news, tell, should_stop
        self._workers: dict[str, _Worker] = {}
        self._hired = 0

    def run(self, dispatch: Dispatch) -> None:
        """Do all jobs. No actor is left afterwards, however it ends.

        Raises:
            Cancelled: stopped; what was running counts as stopped.
            UserError: ``FARM_NO_ROOM``, ``FARM_NODE_DIFFERS``; what the ledger raises.
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
                        worker.actor.stop.remote()
        finally:
            for worker in list(self._workers.values()):
                self._dismiss(worker)
            dispatch.abandon()
        if stopping:
            raise Cancelled

    def _engage(self, dispatch: Dispatch) -> None:
        """Give idle workers work, let the others go, and hire as many as there is work and room for."""
        for worker in list(self._workers.values()):
            if worker.ready and worker.render is None:
                assignment = dispatch.give(worker.name)
                if assignment is None:
                    # What it held may be what another one, lost with its machine, waits for.
                    self._dismiss(worker)
                    continue
                worker.render = worker.actor.render.remote(task_of(assignment).as_dict())
        # Machines come and go; Ray knows them.
        fitting = room(node_resources(self._ray), self._gpus, self._cpus)
        if fitting == 0 and not self._workers and dispatch.waiting(1):
            raise no_room(
                f"A job is to have {self._gpus} cards and {self._cpus} processors of one machine; none has them."
            )
        most = fitting if self._most is None else min(fitting, self._most)
        coming = sum(not worker.ready for worker in self._workers.values())
        wanted = dispatch.waiting(most) - coming
        for _ in range(min(wanted, most - len(self._workers))):
            self._hire()

    def _hire(self) -> None:
        self._hired += 1
        name = f"live-avatar worker {self._hired}"
        # Ray starts a lost actor anew where there is room, and its job with it, once.
        actor = (
            self._ray.remote(RayWorker)
            .options(
                num_gpus=self._gpus,
                num_cpus=self._cpus,
                max_restarts=-1,
                max_task_retries=1,
                max_concurrency=_METHODS_AT_ONCE,
                scheduling_strategy="SPREAD",
            )
            .remote(self._arguments, self._ground, self._cpus)
        )
        self._workers[name] = _Worker(name, actor, actor.hello.remote())

    def _hear(self, dispatch: Dispatch) -> None:
        waited: dict[Any, tuple[_Worker, str]] = {}
        for worker in self._workers.values():
            if worker.render is not None and worker.news is None:
                worker.news = worker.actor.news.remote()
            for kind in ("hello", "render", "news"):
                if (answer := getattr(worker, kind)) is not None:
                    waited[answer] = worker, kind
        if not waited:
            return
        answered, _ = self._ray.wait(list(waited), num_returns=1, timeout=_LOOK_SECONDS)
        for answer in answered:
            worker, kind = waited[answer]
            if kind == "hello":
                worker.hello = None
                self._greet(worker, answer)
            elif kind == "news":
                worker.news = None
                self._pass_on(worker, answer, dispatch)
            else:
                self._take(worker, answer, dispatch)

    def _greet(self, worker: _Worker, answer: Any) -> None:
        try:
            found = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise differs(
                f"A worker cannot begin there: {said[-1].rstrip('.') if said else type(error).__name__}",
                "Install the same version of this program on all machines of the cluster",
            ) from error
        if found["fault"] is not None:
            raise UserError(**found["fault"])
        worker.ready = True
        cards = f", cards {found['cards']}" if found["cards"] else ""
        self._tell(f"{worker.name} is on {found['host']}, process {found['pid']}{cards}")

    def _pass_on(self, worker: _Worker, answer: Any, dispatch: Dispatch) -> None:
        assignment = dispatch.busy.get(worker.name)
        try:
            records = self._ray.get(answer)
        except self._ray.exceptions.RayError:
            # Its process is lost; what becomes of the job is told by the answer to that.
            return
        for record in records:
            if record["kind"] == "worker" and record["again"]:
                self._tell(f"{worker.name} was lost; Ray tries its job again on {record['host']}")
            if assignment is not None and record["kind"] != "worker_idle":
                self._tell_news(assignment, record)

    def _take(self, worker: _Worker, answer: Any, dispatch: Dispatch) -> None:
        worker.render = None
        if worker.news is not None:
            last, worker.news = worker.news, None
            if self._ray.wait([last], timeout=_LAST_NEWS_SECONDS)[0]:
                self._pass_on(worker, last, dispatch)
        try:
            outcome = Outcome(**self._ray.get(answer))
        except self._ray.exceptions.RayError as error:
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            dispatch.lost(worker.name, said[0].rstrip(".") if said else type(error).__name__, tried_again=True)
            self._dismiss(worker)
            return
        dispatch.report(worker.name, outcome)
        if outcome.spoiled:
            self._dismiss(worker)

    def _dismiss(self, worker: _Worker) -> None:
        del self._workers[worker.name]
        with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(worker.actor)
