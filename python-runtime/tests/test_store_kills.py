"""``kill -9`` at random moments of downloads and imports: the next run goes on, and the model is whole.

``LIVE_AVATAR_KILLS`` says how often; the default is for every day, ``npm run bench -- downloads`` does all 30.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from live_avatar.store.record import ModelRecord
from tests.hub_server import Hub, repositories_of
from tests.store_material import DEMO, ROOT, content_of, environment_of

KILLS = int(os.environ.get("LIVE_AVATAR_KILLS", "6"))
VICTIM = ROOT / "python-runtime" / "tests" / "store_victim.py"
PARTS = 4


def run(moment: int, folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The command, killed at that touch of a file below ``folder``; 0: not killed."""
    program = [sys.executable, str(VICTIM), str(moment), str(folder), *arguments, "--json"]
    return subprocess.run(program, env=environment_of(None), capture_output=True, text=True, timeout=120)


def moments_of(folder: Path, arguments: Sequence[str]) -> int:
    """How many moments a whole run has."""
    done = run(0, folder, arguments)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])


def check_whole(folder: Path) -> None:
    record = ModelRecord.read(folder)
    assert record is not None
    assert record.complete
    got, given = content_of(folder), content_of(DEMO)
    assert got == {path: given[path] for path in got}
    assert set(record.files) == set(got)
    assert [path.name for path in (folder / ".model-store").iterdir()] == ["record.json"]


def check_not_taken_for_whole(folder: Path) -> None:
    """Whatever the kill left: a folder that says it is whole is whole."""
    record = ModelRecord.read(folder)
    if record is not None and record.complete:
        check_whole(folder)


def test_killed_downloads_go_on(tmp_path: Path) -> None:
    numbers = random.Random(1)
    # Threads share the moments in another way each time, so the very last may not come.
    with Hub(repositories_of(DEMO)) as hub:
        arguments = ["download", "--endpoint", hub.url, "--parts", str(PARTS), "--to"]
        moments = moments_of(tmp_path / "first", [*arguments, str(tmp_path / "first")])
        for number in range(max(1, KILLS // 2)):
            folder = tmp_path / f"model {number}"
            before = hub.sent
            assert (
                run(numbers.randint(1, moments * 4 // 5), folder, [*arguments, str(folder)]).returncode
                == -signal.SIGKILL
            )
            check_not_taken_for_whole(folder)
            assert run(0, folder, [*arguments, str(folder)]).returncode == 0
            check_whole(folder)
            # A kill costs at most what each connection had not yet written down.
            assert hub.sent - before <= hub.size + PARTS * (16 << 20)


@pytest.mark.parametrize("disk", ["same", "other"])
@pytest.mark.parametrize("how", ["copy", "move"])
def test_killed_imports_go_on_and_lose_nothing(tmp_path: Path, how: str, disk: str) -> None:
    numbers = random.Random(2)
    target = tmp_path if disk == "same" else Path("/dev/shm") / f"avatar-studio-kills-{os.getpid()}"
    try:
        for number in range(1 + -(-KILLS // 8)):
            source, folder = tmp_path / f"drive {number}", target / f"model {number}"
            shutil.copytree(DEMO, source)
            arguments = ["import", str(source), "--how", how, "--to", str(folder)]
            if number == 0:
                moments = moments_of(folder, arguments)
                continue
            assert run(numbers.randint(1, moments), folder, arguments).returncode == -signal.SIGKILL
            check_not_taken_for_whole(folder)
            record = ModelRecord.read(folder)
            if record is None or not record.complete:
                assert run(0, folder, arguments).returncode == 0
            check_whole(folder)
            assert how == "move" or content_of(source) == content_of(DEMO)
    finally:
        if disk == "other":
            shutil.rmtree(target)
