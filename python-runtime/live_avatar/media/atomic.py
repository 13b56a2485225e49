"""Whole-file writes: a file exists under its name only when all of it is on disk.

Everything is written to a temporary name in the same folder, flushed to the device and renamed, so that a crash at any
moment leaves either the old file or the new one. Temporary names are ``<name>.part-<pid>-<n>``.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from live_avatar.errors import UserError

_TEMPORARY = re.compile(r"\.part-(\d+)-\d+$")
_NO_SPACE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_counter = itertools.count()
_in_use: set[Path] = set()


def temporary_name(path: Path) -> Path:
    """A name in the folder of ``path`` that no other process or thread uses."""
    return path.with_name(f"{path.name}.part-{os.getpid()}-{next(_counter)}")


@contextmanager
def explain_disk_errors(path: Path) -> Iterator[None]:
    """Turn "no space left" (also a quota or a file-size limit) into a sentence for the user.

    Raises:
        UserError: ``DISK_FULL`` in place of OSError with ENOSPC, EDQUOT or EFBIG. Other errors pass through.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise UserError(
            "DISK_FULL",
            f'"{path.name}" could not be written to {path.parent}.',
            f"The disk says: {os.strerror(error.errno or errno.ENOSPC)}.",
            "Everything finished so far is kept. Free some space and run the same command again to continue.",
            field="output",
        ) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a writer that opens files by name; on a clean exit it becomes ``path``.

    The file is flushed to the device and renamed over ``path``. If the body raises, the temporary file is removed and
    whatever was at ``path`` before stays.

    Raises:
        UserError: ``DISK_FULL``.
    """
    path = Path(path)
    temporary = temporary_name(path)
    _in_use.add(temporary)
    try:
        with explain_disk_errors(path):
            yield temporary
            _flush_file(temporary)
            os.replace(temporary, path)
            flush_directory(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        _in_use.discard(temporary)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file opened for writing (and reading back); on a clean exit it becomes ``path``.

    Raises:
        UserError: ``DISK_FULL``.
    """
    with atomic_path(path) as temporary, open(temporary, "w+b") as file:
        yield file


def atomic_write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write ``data`` as the whole content of ``path``.

    Raises:
        UserError: ``DISK_FULL``.
    """
    with atomic_file(path) as file:
        file.write(data)


def atomic_write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with the line ends it has.

    Raises:
        UserError: ``DISK_FULL``.
    """
    atomic_write_bytes(path, text.encode("utf-8"))


def atomic_write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON in UTF-8, with a final line end.

    Raises:
        UserError: ``DISK_FULL``.
        ValueError: when ``value`` holds NaN or infinity, which JSON cannot carry.
    """
    atomic_write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def remove_stale_temporaries(folder: Path, name: str | None = None) -> list[Path]:
    """Delete temporary files in ``folder`` (only those of file ``name``, if given) whose writer was killed.

    Returns their paths.

    A file of a process that still runs is left alone, except one of our own process id that we did not make: that was
    a process before us with the same number, which is common in containers.
    """
    import psutil

    removed = []
    for path in sorted(folder.iterdir()):
        match = _TEMPORARY.search(path.name)
        if match is None or not path.is_file() or name not in (None, path.name[: match.start()]):
            continue
        writer = int(match[1])
        alive = path in _in_use if writer == os.getpid() else psutil.pid_exists(writer)
        if not alive:
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def flush_directory(folder: Path) -> None:
    """Make renames in ``folder`` survive a power cut. Windows has no such call and does it on its own."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_file(path: Path) -> None:
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
