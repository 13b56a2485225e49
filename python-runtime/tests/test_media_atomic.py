from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from live_avatar.errors import UserError
from live_avatar.media.atomic import (
    atomic_file,
    atomic_path,
    atomic_write_bytes,
    atomic_write_json,
    atomic_write_text,
    remove_stale_temporaries,
    temporary_name,
)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let any file grow beyond ``size`` bytes: a real failed write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_bytes_text_and_json_round_trip(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "b", b"\x00\xff")
    atomic_write_text(tmp_path / "t", "a\r\nü\n")
    atomic_write_json(tmp_path / "j", {"名": [1, None]})
    assert (tmp_path / "b").read_bytes() == b"\x00\xff"
    assert (tmp_path / "t").read_bytes() == "a\r\nü\n".encode()
    assert json.loads((tmp_path / "j").read_text("utf-8")) == {"名": [1, None]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "j", "t"]


def test_nothing_is_visible_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "state"
    target.write_bytes(b"old")
    with atomic_file(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_failure_keeps_the_old_file_and_leaves_no_temporary(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "state"
    target.write_bytes(b"old")

    def half() -> None:
        with atomic_file(target) as file:
            file.write(b"half")
            raise failure

    with pytest.raises(failure):
        half()
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert target.read_bytes() == b"old"


def test_nan_is_not_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic_write_json(tmp_path / "j", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "state"
    target.write_bytes(b"old")
    with pytest.raises(UserError) as caught, largest_file(1000):
        atomic_write_bytes(target, bytes(100_000))
    assert caught.value.code == "DISK_FULL"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_and_quota_are_told_apart_from_other_errors(tmp_path: Path, number: int) -> None:
    with pytest.raises(UserError, match="DISK_FULL"), atomic_path(tmp_path / "x"):
        raise OSError(number, os.strerror(number))
    with pytest.raises(PermissionError), atomic_path(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "no")


def test_only_temporaries_of_dead_writers_are_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = tmp_path / f"clip.part-{gone.pid}-0"
    other = tmp_path / f"other.part-{gone.pid}-0"
    same_number_before_us = tmp_path / f"clip.part-{os.getpid()}-99999"
    alive = tmp_path / f"clip.part-{os.getppid()}-3"
    finished = tmp_path / "clip"
    for path in (dead, other, same_number_before_us, alive, finished):
        path.write_bytes(b"x")
    with atomic_file(tmp_path / "now") as ours:
        ours.write(b"x")
        assert set(remove_stale_temporaries(tmp_path, "clip")) == {dead, same_number_before_us}
        assert remove_stale_temporaries(tmp_path) == [other]
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, "clip", "now"}


def test_temporary_names_differ_and_stay_in_the_folder(tmp_path: Path) -> None:
    names = {temporary_name(tmp_path / "a.mp4") for _ in range(3)}
    assert len(names) == 3
    assert {name.parent for name in names} == {tmp_path}
