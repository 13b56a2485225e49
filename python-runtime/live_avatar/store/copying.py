"""Bringing one file of a model from another folder: as a clone, as a second name, or as a copy that is read back."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from live_avatar.errors import Cancelled
from live_avatar.store.digests import CHUNK, Digester, Digests, Stopped, digest_file
from live_avatar.store.part_file import PartFile
from live_avatar.store.reports import Act

How = Literal["copy", "move"]
OnBytes = Callable[[Act, int], None]

_FICLONE = 0x40049409


class SourceError(Exception):
    """The source could not be read; ``cause`` is the system's error."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class SourceChanged(Exception):
    """The source was written to while it was copied."""


def read_source(path: Path, stopped: Stopped, on_bytes: OnBytes) -> Digests:
    """Checksums of a file of the source.

    Raises:
        SourceError: it cannot be read.
        Cancelled: the user stopped it.
    """
    try:
        return digest_file(path, stopped, lambda count: on_bytes("check", count))
    except OSError as error:
        raise SourceError(error) from error


def link_or_clone(source: Path, part: PartFile) -> bool:
    """Bring the file without copying bytes, where the disk can do that: as a clone, else as a second name.

    Returns:
        Whether it is there now, under the part's temporary name.
    """
    try:
        return _clone(source, part.data) or _second_name(source, part.data)
    except OSError:
        return False


def copy_file(source: Path, part: PartFile, stopped: Stopped, on_bytes: OnBytes) -> Digests:
    """Copy what ``part`` lacks and read the result back from the disk.

    Returns:
        Checksums of the source. The copy has the same bytes, or ``SourceChanged`` is raised.

    Raises:
        SourceError: the source cannot be read.
        SourceChanged: the copy differs from what was read.
        OSError: the copy cannot be written.
        Cancelled: the user stopped it.
    """
    there = part.received
    digester = Digester(part.size)
    position = 0
    try:
        with _reading(source) as file:
            while position < part.size:
                if stopped():
                    raise Cancelled
                # What is there is read again for its checksum, but not written again.
                most = min(CHUNK, there - position) if position < there else CHUNK
                content = _read(file, min(most, part.size - position))
                if not content:
                    raise SourceChanged
                digester.update(content)
                if position >= there:
                    part.write(position, content)
                    on_bytes("copy", len(content))
                position += len(content)
            if _read(file, 1):
                raise SourceChanged
    finally:
        part.note()
    part.flush()
    read = digester.result()
    written = digest_file(part.data, stopped, lambda _: on_bytes("check", 0), from_disk=True)
    if written != read:
        raise SourceChanged
    return read


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[io.FileIO]:
    try:
        file = io.FileIO(path)
    except OSError as error:
        raise SourceError(error) from error
    with file:
        yield file


def _read(file: io.FileIO, count: int) -> bytes:
    try:
        return file.read(count)
    except OSError as error:
        raise SourceError(error) from error


def _clone(source: Path, target: Path) -> bool:
    """A copy that shares its blocks until one of the two is changed: btrfs, XFS and others on Linux."""
    if sys.platform != "linux":
        return False
    import fcntl

    with source.open("rb") as original, target.open("r+b") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
        except OSError:
            return False
        os.fsync(copy.fileno())
    return True


def _second_name(source: Path, target: Path) -> bool:
    """A second name of the same file; not of a symbolic link, which may lead anywhere."""
    if source.is_symlink():
        return False
    temporary = target.with_suffix(".link")
    temporary.unlink(missing_ok=True)
    os.link(source, temporary)
    os.replace(temporary, target)
    # Two names of one file are left as they are by a rename of one over the other.
    temporary.unlink(missing_ok=True)
    return True
