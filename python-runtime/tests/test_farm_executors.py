"""What the two executors make of the events of their workers: processes and a cluster that are only played."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from live_avatar.farm import local
from live_avatar.farm.driver import Ended, Event, Finished, Note, Ready, Said, TriedAgain
from live_avatar.farm.local import LocalExecutor
from live_avatar.farm.places import Place
from live_avatar.farm.ray_farm import RayExecutor
from live_avatar.farm.ray_worker import IDLE, RayWorker
from live_avatar.farm.shared_files import Ground, common_ground, differs
from live_avatar.farm.tasks import Outcome, Task
from tests.test_farm_dispatch import LOST

TASK = Task(1, "a", {}, None, None)
DONE = Outcome("done", 5, 48, 1.0)
LOST_CARD = Outcome("failed", error=LOST)


class PlayedProcess:
    """Says only what a test has it say."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.state = name, "starting"

    def send(self, kind: str, values: object = None) -> None:
        """Nobody listens."""

    def leave(self) -> None:
        self.state = "leaving"

    def end(self) -> None:
        self.leave()

    def end_words(self) -> str:
        return "It was killed"


class Processes:
    """A local executor with two places."""

    def __init__(self, folder: Path) -> None:
        self.executor = LocalExecutor([Place("1", {}), Place("2", {})], [], folder)

    def say(self, name: str, kind: str, values: dict[str, Any] | None = None) -> list[Event]:
        """What becomes of a message of a worker."""
        process = self.executor._taken[name][1]
        self.executor._messages.put((process, kind, values or {}))
        return list(self.executor.hear())

    def lose_card(self) -> str:
        """A worker begins, loses its card and is dismissed; its name."""
        name = self.executor.hire()
        assert name is not None
        assert self.say(name, "ready") == [Ready(name)]
        assert self.say(name, "outcome", LOST_CARD.as_dict()) == [Finished(name, LOST_CARD)]
        self.executor.dismiss(name)
        assert self.say(name, "ended") == []
        return name


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    monkeypatch.setattr(local, "LocalProcess", PlayedProcess)
    monkeypatch.setattr(local, "_LOOK_SECONDS", 0)
    return Processes(tmp_path)


def test_a_place_is_free_when_its_process_has_ended(processes: Processes) -> None:
    executor = processes.executor
    assert [executor.hire(), executor.hire(), executor.hire()] == ["1", "2", None]
    executor.dismiss("1")
    assert executor.hire() is None
    # What it still had to say is nobody's business.
    assert processes.say("1", "outcome", DONE.as_dict()) == []
    assert processes.say("1", "ended") == []
    assert executor.hire() == "1"
    assert processes.say("2", "ready") == [Ready("2")]
    assert processes.say("2", "ended") == [Ended("2", "It was killed")]


def test_workers_that_cannot_begin_use_up_their_places(processes: Processes) -> None:
    for name in "1212":
        assert processes.executor.hire() == name
        assert processes.say(name, "ended") == [Ended(name, "It was killed")]
    assert processes.executor.room() == 0
    fault = processes.executor.no_room()
    assert (fault.code, fault.why) == ("FARM_WORKER_FAILED", "It was killed.")


def test_a_card_that_is_lost_for_good_does_not_eat_the_jobs(processes: Processes) -> None:
    executor = processes.executor
    # After the first loss the next worker is elsewhere, and a job that is done restores trust.
    assert processes.lose_card() == "1"
    assert executor.hire() == "2"
    assert executor.hire() == "1"
    processes.say("1", "ready")
    processes.say("1", "outcome", DONE.as_dict())
    processes.say("1", "ended")
    assert processes.lose_card() == "1"
    assert executor.room() == 2
    assert processes.lose_card() == "1"
    assert executor.room() == 1
    assert executor.hire() is None


class PlayedCluster:
    """As much of Ray as the executor uses. Calls are answered when a test says so, by their names."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, *nodes: str) -> None:
        self.alive = nodes
        self.options: list[dict[str, Any]] = []
        self.killed: list[object] = []
        self.calls: list[_Call] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": name, "Alive": True, "Resources": {"CPU": 1.0}} for name in self.alive]

    def remote(self, _: type) -> Any:
        return SimpleNamespace(options=self._options)

    def _options(self, **options: Any) -> Any:
        self.options.append(options)
        return SimpleNamespace(remote=lambda *_: PlayedActor(self))

    def wait(self, refs: list[Any], num_returns: int = 1, timeout: float = 0) -> tuple[list[Any], list[Any]]:
        done = [ref for ref in refs if ref.answer is not None][:num_returns]
        return done, [ref for ref in refs if ref not in done]

    def get(self, ref: Any) -> Any:
        if isinstance(ref.answer, Exception):
            raise ref.answer
        return ref.answer

    def kill(self, actor: object) -> None:
        self.killed.append(actor)

    def answer(self, method: str, answer: object) -> None:
        """The oldest open call of that name is answered."""
        next(call for call in self.calls if call.method == method and call.answer is None).answer = answer


class PlayedActor:
    """Every method can be called."""

    def __init__(self, cluster: PlayedCluster) -> None:
        self._cluster = cluster

    def __getattr__(self, method: str) -> Any:
        def call(*_: object) -> _Call:
            self._cluster.calls.append(found := _Call(method))
            return found

        return SimpleNamespace(remote=call, options=lambda **_: SimpleNamespace(remote=call))


class _Call:
    """A call; its answer may come."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.answer: object = None


class Actors:
    """A Ray executor on machines with one processor each."""

    def __init__(self, *nodes: str) -> None:
        self.cluster = PlayedCluster(*nodes)
        ground = Ground("", "", "", "", "")
        self.executor = RayExecutor(self.cluster, [], ground, gpus=0, cpus=1, workers=None)

    def begin(self, node: str, fault: dict[str, Any] | None = None) -> tuple[str, list[Event]]:
        """A worker begins on a machine, or cannot."""
        name = self.executor.hire()
        self.cluster.answer("hello", {"host": "h", "node": node, "pid": 7, "cards": "", "fault": fault})
        return name, list(self.executor.hear())

    def hear(self, *answers: tuple[str, object]) -> Iterator[Event]:
        """What becomes of answers."""
        for method, answer in answers:
            self.cluster.answer(method, answer)
            yield from self.executor.hear()
            # It asks for more.
            yield from self.executor.hear()


def test_all_that_a_worker_says_of_a_job_comes_before_its_outcome() -> None:
    actors = Actors("n1")
    name, events = actors.begin("n1")
    assert events == [Ready(name, "on h, process 7")]
    actors.executor.give(name, TASK)
    assert list(actors.executor.hear()) == []
    # The outcome is there before the last news: those are waited for.
    actors.cluster.answer("news", [{"kind": "clip"}, {"kind": "result"}, IDLE])
    actors.cluster.answer("render", DONE.as_dict())
    said = [Said(name, {"kind": "clip"}), Said(name, {"kind": "result"})]
    assert [*actors.executor.hear(), *actors.executor.hear()] == [*said, Finished(name, DONE)]
    # No call is open that would take the first news of the next job.
    assert [call for call in actors.cluster.calls if call.answer is None] == []


def test_a_worker_begun_anew_by_ray() -> None:
    actors = Actors("n1", "n2")
    name, _ = actors.begin("n1")
    actors.executor.give(name, TASK)
    list(actors.executor.hear())
    again = {"kind": "worker", "again": True, "host": "h2"}
    events = list(actors.hear(("news", RuntimeError("lost")), ("news", [again])))
    assert events == [TriedAgain(name, "Its worker was lost, and Ray began it anew on h2"), Said(name, again)]
    (ended,) = actors.hear(("render", RuntimeError("The actor died.\nBecause.")))
    assert ended == Ended(name, "The actor died")
    assert actors.executor._workers == {}


def test_a_machine_that_differs_gets_no_more_workers() -> None:
    actors = Actors("n1", "n2")
    fault = differs("It has version 2", "Install").as_dict()
    events = actors.begin("n2", fault)[1]
    assert [type(event) for event in events] == [Note, Ended]
    assert isinstance(events[0], Note)
    assert events[0].code == "FARM_NODE_DIFFERS"
    assert len(actors.cluster.killed) == 1
    assert actors.executor.room() == 1
    actors.begin("n1")
    assert [options["label_selector"] for options in actors.cluster.options] == [None, {"ray.io/node-id": "!in(n2)"}]
    actors.cluster.alive = ("n2",)
    assert actors.executor.room() == 0
    assert actors.executor.no_room().code == "FARM_NODE_DIFFERS"


def test_workers_that_cannot_even_say_where_they_are() -> None:
    actors = Actors("n1", "n2", "n3")
    actors.begin("n1")
    for _ in range(2):
        actors.executor.hire()
        note, *_ = actors.hear(("hello", RuntimeError("Traceback\n  x\nImportError: half an installation")))
        assert isinstance(note, Note)
        assert "ImportError: half an installation" in note.text
    # Those that are there go on.
    assert actors.executor.room() == 1


def test_a_machine_whose_card_is_lost_twice_gets_no_more_workers() -> None:
    actors = Actors("n1", "n2")
    for room in (2, 1):
        name, _ = actors.begin("n1")
        actors.executor.give(name, TASK)
        list(actors.executor.hear())
        *_, finished = actors.hear(("news", [IDLE]), ("render", LOST_CARD.as_dict()))
        assert finished == Finished(name, LOST_CARD)
        actors.executor.dismiss(name)
        assert actors.executor.room() == room
    actors.cluster.alive = ("n1",)
    assert actors.executor.room() == 0
    assert actors.executor.no_room().code == "FARM_WORKER_FAILED"


def test_waiting_for_the_cluster_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live_avatar.farm.ray_farm._PLACED_SECONDS", -1.0)
    actors = Actors("n1")
    actors.executor.hire()
    events = [*actors.executor.hear(), *actors.executor.hear()]
    assert [event.code for event in events if isinstance(event, Note)] == ["FARM_WAITING"]
    actors.executor.close()
    assert len(actors.cluster.killed) == 1


def test_a_worker_on_a_machine_that_differs_hands_its_job_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As Ray may begin it anew anywhere, it was never asked before.
    context = SimpleNamespace(get_node_id=lambda: "node", was_current_actor_reconstructed=True)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get_runtime_context=lambda: context))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    with common_ground(tmp_path, "weights") as ground:
        worker = RayWorker(["jobs"], replace(ground, version="0"), 1)
    fault = worker.hello()["fault"]
    assert fault["code"] == "FARM_NODE_DIFFERS"
    outcome = Outcome(**worker.render(Task(1, "a", {}, None, None).as_dict()))
    assert outcome.error == fault
    assert outcome.spoiled
    assert worker.news() == [IDLE]
