"""Batches with worker processes of this machine, some of which are killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from live_avatar.batch_summary import SUMMARY_JSON
from live_avatar.farm.render_jobs import LOG_FOLDER
from live_avatar.media.frames import frame_hashes
from tests.cli_material import CKPT, run
from tests.farm_material import BatchCommand, Killer, write_jobs

TWO_WORKERS = ("--executor", "local", "--workers", "2")
needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows delivers signals otherwise")


@needs_signals
def test_a_killed_worker_costs_its_job_a_second_try(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = write_jobs(tmp_path)
    batch = BatchCommand(tmp_path, *words, *TWO_WORKERS)
    killer = Killer(job=1, kind="clip")
    assert batch.end(killer) == 0
    assert killer.times == 0
    assert len({record["pid"] for record in batch.of("worker")}) >= 3
    (told,) = [record for record in batch.of("warning") if record["code"] == "FARM_JOB_AGAIN"]
    assert "SIGKILL" in told["text"]
    results = {record["job"]: record for record in batch.of("result")}
    assert sorted(results) == [1, 2, 3]
    # What the killed one had finished is kept.
    assert results[1]["reused_clips"] >= 1
    assert batch.records[-1]["done"] == 3
    assert batch.workers() == []
    logs = {path.name for path in (tmp_path / "out" / LOG_FOLDER).iterdir()}
    assert {"worker-1.log", "worker-2.log"} < logs
    assert len(logs) == 5

    # The same frames as in one process, with as many threads.
    assert BatchCommand(tmp_path, *words, "--save_dir", str(tmp_path / "alone")).end() == 0
    for number in (1, 2, 3):
        made = tmp_path / "out" / f"{number}.mp4"
        assert frame_hashes(made) == frame_hashes(tmp_path / "alone" / made.name)

    # Whoever rendered them, they are done.
    status, out, _ = run(capsys, "batch", *words, *TWO_WORKERS)
    assert status == 0
    assert "3 finished before" in out


@needs_signals
def test_a_job_that_kills_its_workers_fails_alone(tmp_path: Path) -> None:
    words = write_jobs(tmp_path)
    batch = BatchCommand(tmp_path, *words, *TWO_WORKERS)
    assert batch.end(Killer(job=2, kind="worker", times=2)) == 3
    summary = json.loads((tmp_path / "out" / SUMMARY_JSON).read_text())
    assert [job["state"] for job in summary["jobs"]] == ["done", "failed", "done"]
    assert summary["jobs"][1]["error"]["code"] == "FARM_WORKER_LOST"
    assert batch.workers() == []


@needs_signals
def test_ctrl_c_stops_all_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = write_jobs(tmp_path, count=2, seconds=2.0)
    batch = BatchCommand(tmp_path, *words, *TWO_WORKERS)
    for record in batch:
        if record["kind"] == "clip":
            batch.process.send_signal(signal.SIGINT)
            break
    assert batch.end() == 130
    assert batch.workers() == []
    summary = json.loads((tmp_path / "out" / SUMMARY_JSON).read_text())
    assert summary["counts"]["stopped"] >= 1
    again = BatchCommand(tmp_path, *words, *TWO_WORKERS)
    assert again.end() == 0
    assert sum(record["reused_clips"] for record in again.of("result")) >= 1


@needs_signals
def test_a_killed_batch_leaves_no_worker(tmp_path: Path) -> None:
    words = write_jobs(tmp_path, count=2, seconds=2.0)
    batch = BatchCommand(tmp_path, *words, *TWO_WORKERS)
    for record in batch:
        if record["kind"] == "clip":
            break
    workers = batch.workers()
    assert workers
    batch.process.kill()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    batch.end()


def test_workers_that_cannot_begin(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A module of this name in the work folder breaks every new process, and not this one.
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "live_avatar.py").write_text("raise RuntimeError('broken on purpose')")
    monkeypatch.chdir(tmp_path / "broken")
    words = write_jobs(tmp_path)
    status, _, err = run(capsys, "batch", *words, *TWO_WORKERS)
    assert status == 2
    assert "[FARM_WORKER_FAILED]" in err
    assert "broken on purpose" in err
    assert (tmp_path / "out" / LOG_FOLDER / "worker-1.log").read_text()


def test_a_batch_without_ray(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, _, err = run(capsys, "batch", *write_jobs(tmp_path), "--executor", "ray")
    assert status == 2
    assert "[RAY_NOT_INSTALLED]" in err


def test_more_cards_than_there_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [word if word != "cpu" else "auto" for word in write_jobs(tmp_path)]
    assert str(CKPT) in words
    status, _, err = run(capsys, "batch", *words, "--executor", "local", "--gpus_per_job", "64")
    assert status == 2
    assert "[FARM_NO_ROOM]" in err
