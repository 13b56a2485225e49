"""Ranks that torchrun started, as on two machines."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from live_avatar.distributed.cut import whole
from live_avatar.distributed.launch import is_torchrun_follower, torchrun_place
from tests.team_material import load_lead, model_of_rank, pictures, single_session
from tests.torchrun_team import digest

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = 4
TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "0",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29400",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RUN_ID": "job",
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def start_host(number: int, port: int, result: Path) -> subprocess.Popen[bytes]:
    """One machine's torchrun, with two processes."""
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "test"]
    where = ["--nnodes", "2", "--nproc-per-node", "2", "--node-rank", str(number), "--local-addr", "127.0.0.1"]
    program = ["-m", "tests.torchrun_team", "4 by layers", str(BLOCKS), str(result)]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *where, *meeting, *program],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.skipif(os.name != "posix", reason="torchrun's agents need fork")
def test_two_hosts_under_torchrun_make_the_pictures_of_one_process(tmp_path: Path) -> None:
    result, port = tmp_path / "hashes.json", free_port()
    hosts = [start_host(number, port, result) for number in range(2)]
    said = [host.communicate(timeout=180)[0].decode(errors="replace") for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], "\n".join(said)
    wanted = pictures(single_session(load_lead(whole(2, 6), model_of_rank())), BLOCKS)
    assert json.loads(result.read_text("utf-8")) == [digest(block) for block in wanted]


def test_the_place_that_torchrun_gives() -> None:
    place = torchrun_place(TORCHRUN)
    assert place is not None
    assert (place.rank, place.ranks, place.address, place.port, place.agent_store) == (1, 2, "10.0.0.1", 29400, True)
    assert is_torchrun_follower(TORCHRUN)
    assert not is_torchrun_follower({**TORCHRUN, "RANK": "0"})
    # One process alone leads nobody, and follows nobody.
    assert torchrun_place({**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1"}) is None
    assert torchrun_place({}) is None
