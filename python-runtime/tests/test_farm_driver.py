"""The loop that both executors share, with workers that are only played."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live_avatar.errors import Cancelled, UserError
from live_avatar.farm.driver import Driver, Ended, Event, Finished, Listener, Note, Ready, Said, TriedAgain
from live_avatar.farm.places import no_room
from live_avatar.farm.tasks import Outcome, Task
from tests.test_farm_dispatch import LOST, Batch

DONE, STOPPED = Outcome("done", 5, 48, 1.0), Outcome("stopped")
Play = Callable[["Played", str], list[Event]]


class Played:
    """An executor whose workers do with each task what ``plays`` says next for it, and else finish it."""

    def __init__(self, folder: Path, rooms: list[int], **plays: list[Play]) -> None:
        self.folder, self.rooms, self.plays = folder, rooms, plays
        self.log: list[str] = []
        self.there: set[str] = set()
        self.events: deque[Event] = deque()
        self.stops: dict[str, list[Event]] = {}
        self.quiet = 0

    def room(self) -> int:
        return self.rooms.pop(0) if len(self.rooms) > 1 else self.rooms[0]

    def no_room(self) -> UserError:
        return no_room("Played.")

    def hire(self) -> str | None:
        name = f"w{sum(line.startswith('hire') for line in self.log) + 1}"
        self.log.append(f"hire {name}")
        self.there.add(name)
        self.events.append(Ready(name))
        return name

    def give(self, worker: str, task: Task) -> None:
        assert worker in self.there
        self.log.append(f"{worker} {task.name}")
        plays = self.plays.get(task.name)
        self.events += plays.pop(0)(self, worker) if plays else done(task.name)(self, worker)

    def stop(self, worker: str) -> None:
        self.log.append(f"stop {worker}")
        self.events.extend(self.stops.pop(worker, [Finished(worker, STOPPED)]))

    def dismiss(self, worker: str) -> None:
        self.log.append(f"dismiss {worker}")
        self.there.remove(worker)

    def hear(self) -> Iterator[Event]:
        if self.events:
            event = self.events.popleft()
            if isinstance(event, Ended):
                self.there.discard(event.worker)
            yield event
        else:
            self.quiet += 1
            assert self.quiet < 1000, self.log

    def close(self) -> None:
        self.log.append("close")
        self.there.clear()


def done(name: str) -> Play:
    """The video is made."""

    def play(played: Played, worker: str) -> list[Event]:
        (played.folder / name).write_bytes(b"video")
        return [Said(worker, {"kind": "clip"}), Finished(worker, DONE)]

    return play


def lost(played: Played, worker: str) -> list[Event]:
    """Its process ends."""
    return [Ended(worker, "It was killed")]


def spoiled(played: Played, worker: str) -> list[Event]:
    """Its card is lost."""
    return [Finished(worker, Outcome("failed", error=LOST))]


def silent(played: Played, worker: str) -> list[Event]:
    """It computes and computes."""
    return []


class Told:
    """A driver over a batch of made-up jobs, and what it told."""

    def __init__(self, played: Played, *names: str, should_stop: Callable[[], bool] = lambda: False) -> None:
        self.batch = Batch(played.folder, *names)
        self.news: list[str] = []
        self.warnings: list[tuple[str, str]] = []
        listener = Listener(
            lambda assignment, record: self.news.append(f"{assignment.job.name} {record['kind']}"),
            lambda words: None,
            lambda code, text: self.warnings.append((code, text)),
        )
        self.driver = Driver(played, self.batch.dispatch, listener, should_stop)


def test_work_is_shared_and_idle_workers_go(tmp_path: Path) -> None:
    played = Played(tmp_path, [2])
    told = Told(played, "a", "b", "c")
    told.driver.run()
    assert told.batch.states() == ["done"] * 3
    assert sorted(told.news) == ["a clip", "b clip", "c clip"]
    assert [line for line in played.log if line.startswith("hire")] == ["hire w1", "hire w2"]
    assert played.log[-1] == "close"
    assert sum(line.startswith("dismiss") for line in played.log) == 1


def test_no_more_workers_than_jobs(tmp_path: Path) -> None:
    played = Played(tmp_path, [9])
    Told(played, "a").driver.run()
    assert played.log == ["hire w1", "w1 a", "close"]


def test_machines_that_join_are_used(tmp_path: Path) -> None:
    played = Played(tmp_path, [1, 1, 1, 3], a=[silent], b=[silent], c=[silent])
    told = Told(played, "a", "b", "c", should_stop=lambda: "w3 c" in played.log)
    with pytest.raises(Cancelled):
        told.driver.run()
    assert {"w1 a", "w2 b", "w3 c"} <= set(played.log)


def test_a_lost_worker_is_replaced_and_its_job_done(tmp_path: Path) -> None:
    played = Played(tmp_path, [1], a=[lost])
    told = Told(played, "a", "b")
    told.driver.run()
    assert told.batch.states() == ["done", "done"]
    assert told.batch.again == [("a", "It was killed.")]
    # Not behind the other jobs.
    assert played.log == ["hire w1", "w1 a", "hire w2", "w2 a", "w2 b", "close"]


def test_a_worker_without_its_card_is_replaced(tmp_path: Path) -> None:
    played = Played(tmp_path, [1], a=[spoiled])
    told = Told(played, "a")
    told.driver.run()
    assert told.batch.states() == ["done"]
    assert played.log == ["hire w1", "w1 a", "dismiss w1", "hire w2", "w2 a", "close"]


def test_what_the_executor_tries_again_itself_counts(tmp_path: Path) -> None:
    played = Played(tmp_path, [1], a=[lambda played, worker: [TriedAgain(worker, "Gone"), Ended(worker, "Gone again")]])
    told = Told(played, "a")
    told.driver.run()
    assert told.batch.states() == ["failed"]
    assert told.batch.again == [("a", "Gone.")]


def test_a_stop_reaches_all_and_again_those_that_were_begun_anew(tmp_path: Path) -> None:
    played = Played(tmp_path, [3], a=[silent], b=[silent], c=[silent])
    told = Told(played, "a", "b", "c", "d", should_stop=lambda: "w3 c" in played.log)
    played.stops = {"w1": [TriedAgain("w1", "Gone")], "w3": [Ended("w3", "Gone")]}
    with pytest.raises(Cancelled):
        told.driver.run()
    assert played.log.count("stop w1") == 2
    assert told.batch.states() == ["stopped", "stopped", "stopped", "waiting"]
    assert played.log[-1] == "close"


def test_no_worker_can_begin(tmp_path: Path) -> None:
    played = Played(tmp_path, [0])
    told = Told(played, "a")
    with pytest.raises(UserError) as caught:
        told.driver.run()
    assert caught.value.code == "FARM_NO_ROOM"
    assert played.log == ["close"]


def test_a_fault_of_the_ledger_leaves_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(tmp_path, [2], b=[silent])
    told = Told(played, "a", "b")

    def full(*_: object) -> None:
        raise UserError("DISK_FULL", "Full.", "", "")

    monkeypatch.setattr(told.batch.ledger, "done", full)
    with pytest.raises(UserError) as caught:
        told.driver.run()
    assert caught.value.code == "DISK_FULL"
    assert played.there == set()
    assert not told.batch.dispatch.busy


def test_notes_are_passed_on_and_late_words_are_not(tmp_path: Path) -> None:
    late: list[Event] = [Finished("w1", DONE), Said("w1", {"kind": "late"}), Note("CODE", "text")]
    played = Played(tmp_path, [1], a=[lambda played, worker: [*done("a")(played, worker)[:1], *late]], b=[silent])
    told = Told(played, "a", "b", should_stop=lambda: bool(told.warnings))
    with pytest.raises(Cancelled):
        told.driver.run()
    assert told.warnings == [("CODE", "text")]
