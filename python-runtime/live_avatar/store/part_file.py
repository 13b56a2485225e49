"""A file that is not whole yet, with a journal of the bytes that are surely on the disk."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from live_avatar.store.byte_ranges import ByteRanges, Range
from live_avatar.store.store_files import read_json, store_folder, write_json

_JOURNAL_BYTES = 16 << 20


class PartFile:
    """Bytes of one file, received in any order by several threads, kept over a crash.

    Args:
        model: the model's folder.
        path: of the file below it.
        size: of the whole file, bytes.
        identity: names the content; bytes of another identity are thrown away.
        journal_bytes: after so many new bytes they are flushed and noted; a crash costs at most these.
    """

    def __init__(self, model: Path, path: str, size: int, identity: str, journal_bytes: int = _JOURNAL_BYTES) -> None:
        folder = store_folder(model)
        name = hashlib.sha256(path.encode()).hexdigest()[:24]
        self.model, self.path, self.size = model, path, size
        self.data = folder / f"{name}.part"
        self._journal = folder / f"{name}.journal"
        self._journal_bytes = journal_bytes
        self._lock = threading.Lock()
        self._claimed = ByteRanges()
        self._identity = identity
        self._received = self._read_journal()
        self._noted = self._received.copy()
        folder.mkdir(parents=True, exist_ok=True)
        if not self.data.exists() or self.data.stat().st_size != size:
            self._make_empty()
        self._may_be_shared = self.data.stat().st_nlink > 1

    @property
    def received(self) -> int:
        """Bytes that are there."""
        with self._lock:
            return self._received.bytes

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return self.received == self.size

    def missing(self) -> list[Range]:
        """What is still to come."""
        with self._lock:
            return self._received.missing(self.size)

    def claim(self, most: int) -> Range | None:
        """Take a stretch that nobody works on, at most ``most`` bytes; ``None`` when there is none."""
        with self._lock:
            taken = ByteRanges([*self._received, *self._claimed])
            gap = next(iter(taken.missing(self.size)), None)
            if gap is None:
                return None
            claimed = (gap[0], min(gap[1], gap[0] + most))
            self._claimed.add(*claimed)
            return claimed

    def give_back(self, claimed: Range) -> None:
        """The stretch is no longer worked on; what was received of it stays."""
        with self._lock:
            self._claimed.remove(*claimed)

    def write(self, start: int, content: bytes) -> None:
        """Keep bytes at their place; flushed and noted from time to time."""
        if self._may_be_shared:
            self._make_empty()
        with self.data.open("r+b", buffering=0) as file:
            file.seek(start)
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
        with self._lock:
            self._received.add(start, start + len(content))
            due = self._received.bytes - self._noted.bytes >= self._journal_bytes
        if due:
            self.note()

    def note(self) -> None:
        """Flush what was received and write it down."""
        with self._lock:
            received = self._received.copy()
            if received == self._noted or not self.data.exists():
                return
            with self.data.open("r+b") as file:
                os.fsync(file.fileno())
            value = {"path": self.path, "size": self.size, "identity": self._identity, "received": list(received)}
            write_json(self._journal, value)
            self._noted = received

    def start_anew(self, size: int, identity: str) -> None:
        """Throw everything away: the content is another one now."""
        with self._lock:
            self._journal.unlink(missing_ok=True)
            self.size, self._identity = size, identity
            self._received, self._noted = ByteRanges(), ByteRanges()
            self._make_empty()

    def _make_empty(self) -> None:
        """A hole as large as the file: its bytes have their places at once and take room only as they come.

        Always a new file: what lies there may be a second name of somebody's, left by an import.
        """
        self.data.unlink(missing_ok=True)
        with self.data.open("xb") as file:
            file.truncate(self.size)
        self._may_be_shared = False

    def flush(self) -> None:
        """Make all bytes durable."""
        with self.data.open("r+b") as file:
            os.fsync(file.fileno())

    def finish(self) -> None:
        """Give the whole file its name. The caller has checked it."""
        target = self.model / self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.data, target)
        self._journal.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what there is of it."""
        self.data.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)

    def _read_journal(self) -> ByteRanges:
        value = read_json(self._journal)
        try:
            if (
                value is not None
                and (value["path"], value["size"], value["identity"]) == (self.path, self.size, self._identity)
                and self.data.stat().st_size == self.size
            ):
                return ByteRanges((int(a), int(b)) for a, b in value["received"] if 0 <= a < b <= self.size)
        except (KeyError, TypeError, ValueError, OSError):
            pass  # As if there were none: the bytes come once more.
        return ByteRanges()
