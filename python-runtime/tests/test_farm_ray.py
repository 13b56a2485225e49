"""Batches on a Ray cluster whose machines are all this one. Workers and machines are killed, batches are stopped.

Ray does not come with the set-up. In a Python that has it (``pip install -r requirements-farm.txt``) this file runs
like any other: ``python -m pytest tests/test_farm_ray.py``.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psutil
import pytest

import live_avatar
from live_avatar.batch_summary import SUMMARY_JSON
from live_avatar.farm.render_jobs import LOG_FOLDER
from tests.farm_material import BatchCommand, Killer, write_jobs
from tests.ray_machines import RayMachine, can_hide_files, other_user, ray_folder

pytest.importorskip("ray", reason="Ray is not installed; pip install -r requirements-farm.txt brings it")

_END_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A head without processors, and what starts there."""

    environment: Mapping[str, str]
    address: str

    @contextmanager
    def machines(self, *machines: RayMachine) -> Iterator[None]:
        """They are part of it meanwhile."""
        with ExitStack() as stack:
            for machine in machines:
                stack.enter_context(machine)
            yield

    def machine(self, cpus: int = 1, gpus: int = 0, instead: Mapping[Path, Path] | None = None) -> RayMachine:
        """One more machine, not yet in use."""
        return RayMachine(self.environment, self.address, cpus=cpus, gpus=gpus, instead=instead)

    def batch(self, folder: Path, words: list[str], *more: str) -> BatchCommand:
        """A batch on it."""
        on_ray = ("--executor", "ray", "--address", self.address)
        return BatchCommand(folder, *words, *on_ray, *more, environment=self.environment)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The cluster that ``ray start --head`` begins, a process that knows nothing of batches."""
    with ray_folder() as environment, RayMachine(environment, None, cpus=0) as head:
        yield Cluster(environment, head.address)


@pytest.fixture
def two_machines(cluster: Cluster) -> Iterator[Cluster]:
    """The same with two machines of one processor each."""
    with cluster.machines(cluster.machine(), cluster.machine()):
        yield cluster


def hashes(folder: Path) -> dict[str, str]:
    """Of all videos in a folder, byte for byte."""
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.mp4")}


def summary(folder: Path) -> dict[str, int]:
    """How many jobs ended how."""
    counts: dict[str, int] = json.loads((folder / "out" / SUMMARY_JSON).read_text())["counts"]
    return {state: count for state, count in counts.items() if count}


def all_gone(batch: BatchCommand) -> bool:
    """Whether its workers have ended; Ray ends them after the batch has left."""
    return not psutil.wait_procs(batch.workers(), timeout=_END_SECONDS)[1]


def first_clip(batch: BatchCommand) -> None:
    """Read until a clip is finished."""
    for record in batch:
        if record["kind"] == "clip":
            return
    raise AssertionError(batch.records)


def test_two_machines_and_a_killed_worker(tmp_path: Path, two_machines: Cluster) -> None:
    words = write_jobs(tmp_path)
    batch = two_machines.batch(tmp_path, words)
    killer = Killer(job=1, kind="clip")
    assert batch.end(killer) == 0, (tmp_path / "stderr.txt").read_text()
    assert killer.times == 0
    workers = batch.of("worker")
    assert len({record["node"] for record in workers}) == 2
    assert [record["job"] for record in workers if record["again"]] == [1]
    assert sorted(record["job"] for record in workers) == [1, 1, 2, 3]
    (told,) = [record for record in batch.of("warning") if record["code"] == "FARM_JOB_AGAIN"]
    assert told["text"].startswith("[1/3]")
    results = {record["job"]: record for record in batch.of("result")}
    assert sorted(results) == [1, 2, 3]
    assert results[1]["reused_clips"] >= 1
    assert all_gone(batch)
    assert list((tmp_path / "out").glob(".batch-*")) == []
    assert len(list((tmp_path / "out" / LOG_FOLDER).iterdir())) == 3

    alone = BatchCommand(tmp_path, *words, "--save_dir", str(tmp_path / "alone"))
    assert alone.end() == 0
    assert hashes(tmp_path / "out") == hashes(tmp_path / "alone")

    again = two_machines.batch(tmp_path, words)
    assert again.end() == 0
    assert again.records[-1]["skipped"] == 3


def test_ctrl_c_and_each_executor_goes_on_where_the_last_one_was(tmp_path: Path, two_machines: Cluster) -> None:
    words = write_jobs(tmp_path, count=2, seconds=2.0)
    with other_user(two_machines.environment, two_machines.address, 0) as still_there:
        begun: list[Callable[[], BatchCommand]] = [
            lambda: BatchCommand(tmp_path, *words),
            lambda: two_machines.batch(tmp_path, words),
            lambda: BatchCommand(tmp_path, *words, "--executor", "local", "--workers", "2"),
        ]
        for begin in begun:
            batch = begin()
            first_clip(batch)
            batch.process.send_signal(signal.SIGINT)
            assert batch.end() == 130, (tmp_path / "stderr.txt").read_text()
            assert all_gone(batch)
            assert "stopped" in summary(tmp_path)
        # This time Ray finds the cluster in RAY_ADDRESS.
        environment = {**two_machines.environment, "RAY_ADDRESS": two_machines.address}
        last = BatchCommand(tmp_path, *words, "--executor", "ray", environment=environment)
        assert last.end() == 0, (tmp_path / "stderr.txt").read_text()
        assert sum(record["reused_clips"] for record in last.of("result")) >= 1
        assert still_there()

    alone = BatchCommand(tmp_path, *words, "--save_dir", str(tmp_path / "alone"))
    assert alone.end() == 0
    assert hashes(tmp_path / "out") == hashes(tmp_path / "alone")


def test_a_killed_batch_leaves_no_worker(tmp_path: Path, cluster: Cluster) -> None:
    with cluster.machines(cluster.machine(cpus=2)):
        # Two ranks, so that the worker has a process of its own.
        words = write_jobs(tmp_path, count=1, seconds=2.0)
        batch = cluster.batch(tmp_path, words, "--num_gpus_dit", "2", "--cpus_per_job", "2")
        first_clip(batch)
        workers = batch.workers()
        ranks = [child for worker in workers for child in worker.children(recursive=True)]
        assert len(ranks) >= 1
        batch.process.kill()
        assert not psutil.wait_procs([*workers, *ranks], timeout=_END_SECONDS)[1]
        batch.end()


def test_a_machine_is_lost(tmp_path: Path, cluster: Cluster) -> None:
    stays, goes = cluster.machine(), cluster.machine()
    with cluster.machines(stays, goes):
        batch = cluster.batch(tmp_path, write_jobs(tmp_path))
        lost: list[int] = []

        def watch(record: dict[str, object]) -> None:
            if record["kind"] == "clip" and not lost:
                lost.append(int(str(record["job"])))
                (worker,) = [w for w in batch.of("worker") if w["job"] == lost[0]]
                machine = stays if stays.holds(worker["pid"]) else goes
                machine.lose()

        assert batch.end(watch) == 0, (tmp_path / "stderr.txt").read_text()
        assert summary(tmp_path) == {"done": 3}
        places = {record["node"] for record in batch.of("worker") if record["job"] == lost[0]}
        assert len(places) == 2
        results = {record["job"]: record for record in batch.of("result")}
        assert results[lost[0]]["reused_clips"] >= 1
        assert all_gone(batch)


def test_two_cards_of_one_machine_for_each_job(tmp_path: Path, cluster: Cluster) -> None:
    # Nobody has cards here: Ray counts what it is told of, and the ranks compute on the processor.
    with cluster.machines(cluster.machine(cpus=2, gpus=1), cluster.machine(cpus=2, gpus=1), cluster.machine(2, 2)):
        words = [word if word != "cpu" else "auto" for word in write_jobs(tmp_path, count=2)]
        batch = cluster.batch(tmp_path, words, "--gpus_per_job", "2")
        assert batch.end() == 0, (tmp_path / "stderr.txt").read_text()
        assert {record["cards"] for record in batch.of("worker")} == {"0,1"}
        assert len({record["node"] for record in batch.of("worker")}) == 1
        # Two ranks each, and none is left.
        assert all_gone(batch)

    alone = BatchCommand(tmp_path, *words, "--save_dir", str(tmp_path / "alone"))
    assert alone.end() == 0
    assert hashes(tmp_path / "out") == hashes(tmp_path / "alone")


def test_somebody_else_has_the_only_processor(tmp_path: Path, cluster: Cluster) -> None:
    with cluster.machines(cluster.machine()), other_user(cluster.environment, cluster.address, 1) as leaves:
        batch = cluster.batch(tmp_path, write_jobs(tmp_path, count=1))

        def watch(record: dict[str, object]) -> None:
            if record["kind"] == "warning" and record["code"] == "FARM_WAITING":
                assert batch.workers() == []
                assert leaves()

        assert batch.end(watch) == 0, (tmp_path / "stderr.txt").read_text()
        assert "FARM_WAITING" in {record["code"] for record in batch.of("warning")}


@pytest.mark.skipif(not can_hide_files(), reason="needs unshare and mount of Linux")
def test_machines_that_differ_are_left_out(tmp_path: Path, cluster: Cluster) -> None:
    words = write_jobs(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "empty").mkdir()
    source = Path(live_avatar.__file__)
    older = tmp_path / "older.py"
    older.write_text(re.sub(r'__version__ = "[^"]*"', '__version__ = "0.0.7"', source.read_text()))
    broken = tmp_path / "broken.py"
    broken.write_text("raise ImportError('half an installation')")
    fit = cluster.machine()
    cannot_begin = cluster.machine(instead={source.parent / "farm" / "ray_worker.py": broken})
    without_folder = cluster.machine(instead={tmp_path / "out": tmp_path / "empty"})
    another_version = cluster.machine(instead={source: older})
    with cluster.machines(fit, without_folder, another_version, cannot_begin):
        batch = cluster.batch(tmp_path, words)
        assert batch.end() == 0, (tmp_path / "stderr.txt").read_text()
        assert len({record["node"] for record in batch.of("worker")}) == 1
        told = {record["text"] for record in batch.of("warning") if record["code"] == "FARM_NODE_DIFFERS"}
        for why in (
            "0.0.7",
            f"does not see the folder for videos of the batch, {tmp_path / 'out'}",
            "half an installa",
        ):
            assert [why in text for text in told].count(True) == 1, told
        assert len(told) == 3
        # None is left that could do it.
        fit.lose()
        batch = cluster.batch(tmp_path, words, "--overwrite")
        assert batch.end() == 2
        assert batch.records[-1]["code"] == "FARM_NODE_DIFFERS"
        assert all_gone(batch)


def test_no_room_and_no_cluster(tmp_path: Path, two_machines: Cluster) -> None:
    words = write_jobs(tmp_path)
    # The one that this machine is in.
    auto = ("--executor", "ray", "--address", "auto", "--cpus_per_job", "64")
    batch = BatchCommand(tmp_path, *words, *auto, environment=two_machines.environment)
    assert batch.end() == 2
    assert batch.records[-1]["code"] == "FARM_NO_ROOM"
    batch = BatchCommand(tmp_path, *words, "--executor", "ray", "--address", "127.0.0.1:1")
    assert batch.end() == 2
    assert batch.records[-1]["code"] == "FARM_CLUSTER_NOT_FOUND"


def test_a_cluster_for_the_batch_ends_with_it(tmp_path: Path) -> None:
    with ray_folder() as environment:
        words = write_jobs(tmp_path, count=1, seconds=2.0)
        batch = BatchCommand(tmp_path, *words, "--executor", "ray", environment=environment, start_new_session=True)
        first_clip(batch)
        started = psutil.Process(batch.process.pid).children(recursive=True)
        assert len(started) > 1
        # As a terminal does it: to all of them at once.
        os.killpg(batch.process.pid, signal.SIGINT)
        assert batch.end() == 130, (tmp_path / "stderr.txt").read_text()
        assert psutil.wait_procs(started, timeout=_END_SECONDS)[1] == []
        assert summary(tmp_path) == {"stopped": 1}
