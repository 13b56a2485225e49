"""A batch on a Ray cluster of two machines, both of which are this one; one of the workers is killed.

Ray does not come with the set-up. In a Python that has it (``pip install -r requirements-farm.txt``) this file runs
like any other: ``python -m pytest tests/test_farm_ray.py``.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from live_avatar.batch_summary import SUMMARY_JSON
from live_avatar.media.frames import frame_hashes
from tests.cli_material import run
from tests.farm_material import BatchCommand, Killer, write_jobs

pytest.importorskip("ray", reason="Ray is not installed; pip install -r requirements-farm.txt brings it")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes with one processor each."""
    before = dict(os.environ)
    # What starts here is reached from this machine only; a token would be written into the home folder.
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    from ray.cluster_utils import Cluster

    nodes: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        nodes.add_node(num_cpus=1)
        nodes.wait_for_nodes()
        yield nodes.address
    finally:
        nodes.shutdown()
        os.environ.clear()
        os.environ.update(before)


def test_two_nodes_and_a_killed_worker(capsys: pytest.CaptureFixture[str], tmp_path: Path, cluster: str) -> None:
    words = write_jobs(tmp_path)
    on_ray = ("--executor", "ray", "--address", cluster)
    batch = BatchCommand(tmp_path, *words, *on_ray)
    killer = Killer(job=1, kind="clip")
    assert batch.end(killer) == 0, (tmp_path / "stderr.txt").read_text()
    assert killer.times == 0
    workers = batch.of("worker")
    assert len({record["node"] for record in workers}) == 2
    assert [record["job"] for record in workers if record["again"]] == [1]
    assert sorted(record["job"] for record in workers) == [1, 1, 2, 3]
    results = {record["job"]: record for record in batch.of("result")}
    assert sorted(results) == [1, 2, 3]
    assert results[1]["reused_clips"] >= 1
    # Ray ends them after the batch has left.
    assert psutil.wait_procs(batch.workers(), timeout=30)[1] == []
    assert list((tmp_path / "out").glob(".batch-*")) == []

    status, _, err = run(capsys, "batch", *words, "--save_dir", str(tmp_path / "alone"), "--quiet")
    assert status == 0, err
    for number in (1, 2, 3):
        made = tmp_path / "out" / f"{number}.mp4"
        assert frame_hashes(made) == frame_hashes(tmp_path / "alone" / made.name)

    again = BatchCommand(tmp_path, *words, *on_ray)
    assert again.end() == 0
    assert again.records[-1]["skipped"] == 3


def test_ctrl_c_stops_all(tmp_path: Path, cluster: str) -> None:
    batch = BatchCommand(
        tmp_path, *write_jobs(tmp_path, count=2, seconds=2.0), "--executor", "ray", "--address", cluster
    )
    for record in batch:
        if record["kind"] == "clip":
            batch.process.send_signal(signal.SIGINT)
            break
    assert batch.end() == 130
    assert psutil.wait_procs(batch.workers(), timeout=30)[1] == []
    summary = json.loads((tmp_path / "out" / SUMMARY_JSON).read_text())
    assert summary["counts"]["stopped"] >= 1


def test_no_room_and_no_cluster(tmp_path: Path, cluster: str) -> None:
    for more, code in (
        (("--address", cluster, "--cpus_per_job", "64"), "FARM_NO_ROOM"),
        (("--address", "127.0.0.1:1"), "FARM_CLUSTER_NOT_FOUND"),
    ):
        batch = BatchCommand(tmp_path, *write_jobs(tmp_path), "--executor", "ray", *more)
        assert batch.end() == 2
        assert batch.records[-1]["code"] == code
