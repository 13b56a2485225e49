"""The worker of a Ray cluster: an actor that renders the jobs it is given. Imports no Ray until it is one."""

from __future__ import annotations

import os
import platform
import queue
from collections.abc import Mapping, Sequence
from typing import Any

from live_avatar.errors import UserError
from live_avatar.farm.places import visible_cards
from live_avatar.farm.shared_files import SAME_PLACE, Ground, check_weights, differs, stand_on
from live_avatar.farm.tasks import Outcome, Task

_PATIENCE_SECONDS = 5.0
# The last of the news of a job.
IDLE: Mapping[str, Any] = {"kind": "worker_idle"}


class RayWorker:
    """Its methods run at the same time: one renders, one is asked for news, one stops.

    Args:
        arguments: of the batch, spelled with underscores.
        threads: of torch.
    """

    def __init__(self, arguments: Sequence[str], ground: Ground, threads: int) -> None:
        from live_avatar.farm.render_jobs import JobRenderer

        # Before torch comes with the first job.
        os.environ["OMP_NUM_THREADS"] = str(threads)
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._news: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._fault: UserError | None = None
        self._again = _came_again()
        try:
            stand_on(ground)
            self._renderer = JobRenderer(arguments, self._news.put)
            check_weights(ground, self._renderer.weights())
        except UserError as error:
            # Raised from here it would reach the batch as a fault of Ray's, without its code.
            self._fault = error
        except OSError as error:
            self._fault = differs(f"It cannot read {error.filename}: {error.strerror}", SAME_PLACE)

    def hello(self) -> dict[str, Any]:
        """Where it is: host, Ray's name of it, process, cards; and the fault for which it cannot work, or ``None``."""
        fault = None if self._fault is None else self._fault.as_dict()
        return {"host": platform.node(), "node": _node(), "pid": os.getpid(), "cards": visible_cards(), "fault": fault}

    def render(self, task: dict[str, Any]) -> dict[str, Any]:
        """Do a :class:`Task`; returns an :class:`Outcome`, both as JSON."""
        try:
            if self._fault is not None:
                return Outcome("failed", error=self._fault.as_dict()).as_dict()
            again, self._again = self._again, False
            return self._renderer.render(Task(**task), node=_node(), again=again).as_dict()
        finally:
            self._news.put(IDLE)

    def news(self) -> list[Mapping[str, Any]]:
        """What renders have said since; waits for the first."""
        found = []
        try:
            found.append(self._news.get(timeout=_PATIENCE_SECONDS))
            while True:
                found.append(self._news.get_nowait())
        except queue.Empty:
            return found

    def stop(self) -> None:
        """Stop after the current block, and render nothing more."""
        if self._fault is None:
            self._renderer.stop()


def _node() -> str:
    """Ray's name of this machine, as its dashboard shows it."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _came_again() -> bool:
    """Whether Ray started this actor anew because its process or machine was lost."""
    import ray

    return bool(ray.get_runtime_context().was_current_actor_reconstructed)
