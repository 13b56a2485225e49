"""Checksums of files: SHA-256, and git's own for small files that the hub keeps in git."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from live_avatar.errors import Cancelled

CHUNK = 1 << 20
Stopped = Callable[[], bool]
OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Digests:
    """Of one content."""

    sha256: str
    git: str

    def match(self, wanted: str | None) -> bool:
        """Whether the content is the wanted one, written as in :class:`~live_avatar.store.record.FileEntry`."""
        return wanted is None or wanted in (f"sha256:{self.sha256}", f"git:{self.git}")


class Digester:
    """Both checksums of bytes that come one after the other. ``size`` is how many there will be."""

    def __init__(self, size: int) -> None:
        self._sha256 = hashlib.sha256()
        # git's checksum covers the size too.  Only small files have one.
        self._git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if size <= 64 * CHUNK else None

    def update(self, content: bytes) -> None:
        """The next bytes."""
        self._sha256.update(content)
        if self._git is not None:
            self._git.update(content)

    def result(self) -> Digests:
        """The checksums of all bytes so far."""
        return Digests(self._sha256.hexdigest(), "" if self._git is None else self._git.hexdigest())


def digest_file(path: Path, stopped: Stopped, on_bytes: OnBytes, *, from_disk: bool = False) -> Digests:
    """Read a whole file.

    Args:
        path: the file.
        stopped: asked between two pieces.
        on_bytes: told the size of each piece that was read.
        from_disk: forget what the system holds of it in memory, so that what was written is read back.

    Raises:
        Cancelled: when ``stopped`` says so.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if from_disk and hasattr(os, "posix_fadvise"):
            with contextlib.suppress(OSError):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        digester = Digester(os.fstat(file.fileno()).st_size)
        while content := file.read(CHUNK):
            if stopped():
                raise Cancelled
            digester.update(content)
            on_bytes(len(content))
    return digester.result()
