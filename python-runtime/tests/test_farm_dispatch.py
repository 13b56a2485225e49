"""Who renders what, without processes and without a cluster."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from live_avatar.batch import Assignment, BatchJob, Ledger, PreparedJob
from live_avatar.batch_summary import read_summary
from live_avatar.cli.batch_jobs import make_batch_parser
from live_avatar.cli.farm_flags import FarmWishes, read_farm_wishes
from live_avatar.errors import UserError
from live_avatar.farm.dispatch import Dispatch
from live_avatar.farm.executors import with_cards
from live_avatar.farm.own_output import own_output
from live_avatar.farm.places import share_cards, share_cores
from live_avatar.farm.ray_cluster import room
from live_avatar.farm.render_jobs import log_path
from live_avatar.farm.shared_files import check_weights, common_ground, stand_on
from live_avatar.farm.tasks import Outcome, Task

LOST = {"code": "DEVICE_LOST", "what": "The card is gone.", "why": "It fell off.", "hint": "", "field": None}


class Batch:
    """A dispatch over made-up jobs."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.begun: list[str] = []
        self.again: list[tuple[str, str]] = []
        self.ledger = Ledger(
            [BatchJob(name, {}, name) for name in names],
            lambda job: PreparedJob(folder / job.name, "key", lambda seed: (0, 0, 0.0), None),
            folder,
            overwrite=False,
            on_job=lambda record, *_: self.begun.append(record.name) if record.state == "running" else None,
        )
        self.dispatch = Dispatch(self.ledger, lambda a, why: self.again.append((a.job.name, why)))

    def give(self, worker: str) -> str | None:
        assignment = self.dispatch.give(worker)
        return None if assignment is None else assignment.job.name

    def finish(self, worker: str) -> None:
        name = self.dispatch.busy[worker].job.name
        (self.folder / name).write_bytes(b"video")
        self.dispatch.report(worker, Outcome("done", 5, 48, 1.0))

    def states(self) -> list[str]:
        return [record.state for record in self.ledger.result.records]


def test_each_job_goes_to_one_worker(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "a", "b", "c")
    assert batch.dispatch.waiting(9) == 3
    assert [batch.give("1"), batch.give("2")] == ["a", "b"]
    assert batch.begun == ["a", "b"]
    batch.finish("2")
    assert batch.give("2") == "c"
    assert batch.give("3") is None
    batch.finish("1")
    assert batch.dispatch.running
    batch.finish("2")
    assert batch.dispatch.waiting(1) == 0
    assert batch.dispatch.busy == {}
    assert batch.states() == ["done"] * 3
    # A second batch finds them, whoever rendered them.
    again = Batch(tmp_path, "a", "b", "c")
    assert not again.dispatch.running
    assert again.states() == ["skipped"] * 3


def test_a_lost_worker_costs_its_job_one_try(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "a", "b")
    batch.give("1")
    batch.dispatch.lost("1", "It was killed")
    assert batch.again == [("a", "It was killed.")]
    assert batch.give("2") == "a"
    assert batch.begun == ["a"]
    batch.dispatch.lost("2", "It was killed again")
    assert len(batch.again) == 1
    record = batch.ledger.result.records[0]
    assert record.state == "failed"
    assert record.error is not None
    assert record.error["code"] == "FARM_WORKER_LOST"
    assert record.error["why"] == "It was killed again."
    assert batch.give("3") == "b"
    batch.finish("3")
    assert batch.states() == ["failed", "done"]


def test_whoever_has_tried_again_is_not_asked_to(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "a")
    batch.give("1")
    batch.dispatch.tried_again("1", "Gone")
    assert batch.again == [("a", "Gone.")]
    batch.dispatch.lost("1", "Gone again")
    assert len(batch.again) == 1
    assert batch.states() == ["failed"]


def test_an_idle_worker_is_lost_without_a_word(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "a")
    batch.dispatch.lost("1", "Gone")
    assert batch.again == []
    assert batch.give("2") == "a"


def test_a_lost_card_is_worth_another_try_and_another_fault_is_not(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "a", "b")
    batch.give("1")
    batch.dispatch.report("1", Outcome("failed", error=LOST))
    assert batch.again == [("a", "The card is gone. It fell off.")]
    assert batch.give("1") == "a"
    batch.dispatch.report("1", Outcome("failed", error=LOST))
    assert batch.ledger.result.records[0].error == LOST
    batch.give("1")
    batch.dispatch.report("1", Outcome("failed", error={**LOST, "code": "AUDIO_EMPTY"}))
    assert batch.states() == ["failed", "failed"]
    assert len(batch.again) == 1


def test_a_stop(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "a", "b", "c", "d")
    for worker in "123":
        batch.give(worker)
    batch.dispatch.stop()
    assert batch.give("4") is None
    batch.finish("1")
    batch.dispatch.lost("2", "It was killed")
    batch.dispatch.report("3", Outcome("stopped"))
    assert not batch.dispatch.running
    assert batch.states() == ["done", "stopped", "stopped", "waiting"]
    assert batch.again == []


def test_what_runs_when_all_is_abandoned_counts_as_stopped(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "a", "b")
    batch.give("1")
    batch.dispatch.abandon()
    assert not batch.dispatch.running
    assert [record.state for record in read_summary(tmp_path).values()] == ["stopped"]


def test_a_video_that_is_not_there_is_not_done(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "a")
    batch.give("1")
    batch.dispatch.report("1", Outcome("done", 5, 48, 1.0))
    error = batch.ledger.result.records[0].error
    assert error is not None
    assert error["code"] == "BATCH_VIDEO_MISSING"


@pytest.mark.parametrize(
    ("cards", "gpus", "workers", "visible", "found"),
    [
        (2, 1, None, None, ["0", "1"]),
        (5, 2, None, None, ["0,1", "2,3"]),
        (4, 1, 3, None, ["0", "1", "2"]),
        (2, 1, None, "6, GPU-7", ["6", "GPU-7"]),
    ],
)
def test_cards_are_shared_out(
    cards: int, gpus: int, workers: int | None, visible: str | None, found: list[str]
) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    places = share_cards(cards, gpus, workers, environ)
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places] == found


def test_too_few_cards() -> None:
    with pytest.raises(UserError) as caught:
        share_cards(1, 2, None, {})
    assert caught.value.code == "FARM_NO_ROOM"


@pytest.mark.parametrize(
    ("cores", "workers", "cpus", "count", "threads"),
    [
        (16, None, None, 4, "4"),
        (2, None, None, 1, "2"),
        (8, 3, None, 3, "2"),
        (8, None, 2, 4, "2"),
        (1, 2, None, 2, "1"),
    ],
)
def test_cores_are_shared_out(cores: int, workers: int | None, cpus: int | None, count: int, threads: str) -> None:
    places = share_cores(cores, workers, cpus, {})
    assert len({place.name for place in places}) == count
    assert {place.environment["OMP_NUM_THREADS"] for place in places} == {threads}
    assert {place.environment["CUDA_VISIBLE_DEVICES"] for place in places} == {""}


def test_threads_that_the_user_has_set_stay() -> None:
    assert "OMP_NUM_THREADS" not in share_cores(8, 2, None, {"OMP_NUM_THREADS": "3"})[0].environment
    assert share_cores(8, 2, 1, {"OMP_NUM_THREADS": "3"})[0].environment["OMP_NUM_THREADS"] == "1"


def test_room_of_a_cluster() -> None:
    nodes = [{"CPU": 8.0, "GPU": 4.0}, {"CPU": 1.0, "GPU": 8.0}, {"CPU": 16.0}, {"memory": 1.0}]
    assert room(nodes, 0, 1) == 25
    assert room(nodes, 1, 1) == 5
    assert room(nodes, 3, 1) == 2
    assert room(nodes, 1, 2) == 4
    assert room(nodes, 16, 1) == 0


def test_logs_of_two_videos_of_one_name(tmp_path: Path) -> None:
    assert log_path(tmp_path, tmp_path / "a" / "x.mp4") != log_path(tmp_path, tmp_path / "b" / "x.mp4")


def test_a_machine_with_other_files_or_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with common_ground(tmp_path / "out", "weights") as ground:
        stand_on(ground)
        check_weights(ground, "weights")
        none = str(tmp_path / "none")
        for other in (
            replace(ground, work_folder=none),
            replace(ground, proof=none),
            replace(ground, word="x"),
            replace(ground, version="0"),
        ):
            with pytest.raises(UserError) as caught:
                stand_on(other)
            assert caught.value.code == "FARM_NODE_DIFFERS"
        with pytest.raises(UserError):
            check_weights(ground, "others")
    assert list((tmp_path / "out").iterdir()) == []


def wishes(*words: str) -> FarmWishes:
    return read_farm_wishes(make_batch_parser().parse_args(["jobs", *words]))


def test_flags() -> None:
    assert wishes() == FarmWishes()
    assert wishes("--executor", "local", "--num_gpus_dit", "2", "--enable_vae_parallel").gpus == 3
    assert wishes("--executor", "ray", "--address", "auto", "--gpus_per_job", "2") == FarmWishes(
        "ray", "auto", None, 2, None
    )


@pytest.mark.parametrize(
    "words",
    [
        "--workers 2",
        "--gpus_per_job 1",
        "--cpus_per_job 1",
        "--executor local --workers 0",
        "--executor local --address auto",
        "--executor ray --address ray://host:10001",
        "--executor local --device cuda:1",
        "--executor ray --device cpu --gpus_per_job 1",
        "--executor slurm",
    ],
)
def test_flags_that_do_not_fit(words: str) -> None:
    with pytest.raises(UserError) as caught:
        wishes(*words.split())
    assert caught.value.code == "ARGUMENTS_INVALID"


def test_several_cards_of_a_job_work_together() -> None:
    assert with_cards(["jobs"], None) == with_cards(["jobs"], 1) == ["jobs"]
    assert with_cards(["jobs"], 2) == ["jobs", "--num_gpus_dit=2"]
    assert with_cards(["jobs", "--num_gpus_dit", "4"], 4) == ["jobs", "--num_gpus_dit", "4"]


def test_an_assignment_travels() -> None:
    prepared = PreparedJob(Path("x"), "key", lambda seed: (0, 0, 0.0), None)
    task = Task.of(Assignment(3, BatchJob("n", {"audio": "a.wav"}, "x.mp4"), prepared, 7))
    assert task.as_dict() == {"number": 3, "name": "n", "flags": {"audio": "a.wav"}, "output": "x.mp4", "seed": 7}


def test_other_threads_do_not_write_between_the_records(capsys: pytest.CaptureFixture[str]) -> None:
    with own_output():
        print("mine")
        thread = threading.Thread(target=print, args=("theirs",))
        thread.start()
        thread.join()
    print("mine too")
    assert capsys.readouterr() == ("mine\nmine too\n", "theirs\n")
