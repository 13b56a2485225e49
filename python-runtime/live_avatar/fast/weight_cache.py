"""Prepared weights kept on disk: merged, quantised, arranged. The second start reads half as much and computes nothing.

An entry is a folder named after its key, with a file for each group of tensors and, last, a manifest with their check
sums. Without the manifest the entry does not exist. Entries are disposable: what is wrong with one is made anew.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live_avatar.media.atomic import atomic_write_json, remove_stale_temporaries
from live_avatar.speed_record import cache_folder

# Raise it when the arrangement or the arithmetic of prepared weights changes: older entries are no longer found.
CACHE_VERSION = 2
DEFAULT_LIMIT_BYTES = 48 * 10**9
_MANIFEST, _WRITING, _USING = "manifest.json", "write.lock", "use-"
# Left free on the disk beside what an entry takes.
_SPARE_BYTES = 2 * 10**9
_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Whether and where prepared weights are kept.

    Attributes:
        folder: holds nothing else; ``None`` for ``weights`` in the user's cache.
        limit_bytes: entries used longest ago are removed beyond it; the one in use stays whatever its size.
    """

    enabled: bool = True
    folder: Path | None = None
    limit_bytes: int = DEFAULT_LIMIT_BYTES

    @classmethod
    def parse(cls, text: str) -> CacheSettings:
        """What a flag says: ``on``, ``off``, or a folder."""
        lowered = text.strip().lower()
        if lowered in ("on", "off"):
            return cls(enabled=lowered == "on")
        return cls(folder=Path(text).expanduser())

    @property
    def root(self) -> Path:
        """The folder of all entries."""
        return cache_folder() / "weights" if self.folder is None else self.folder


@dataclass(frozen=True, slots=True)
class CachedGroup:
    """One file of an entry: its name, size and the check sum of its buffer (``content_sum``)."""

    name: str
    bytes: int
    sum: int


class CacheEntry:
    """The place of one set of prepared weights, there or not.

    Args:
        key: everything that decides the content: files, LoRA, precision. The version is added.
    """

    def __init__(self, settings: CacheSettings, key: Mapping[str, Any]) -> None:
        self.settings = settings
        self._key = {**key, "version": CACHE_VERSION}
        text = json.dumps(self._key, sort_keys=True)
        self.folder = settings.root / hashlib.sha256(text.encode()).hexdigest()[:24]

    def file(self, name: str) -> Path:
        """Where a group's tensors are."""
        return self.folder / f"{name}.safetensors"

    def groups(self) -> list[CachedGroup] | None:
        """The groups of a complete entry, all of whose files have the right size; else ``None``."""
        try:
            manifest = json.loads((self.folder / _MANIFEST).read_text("utf-8"))
            if manifest["key"] != self._key:
                return None
            groups = [CachedGroup(**group) for group in manifest["groups"]]
            whole = all(self.file(group.name).stat().st_size == group.bytes for group in groups)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return groups if whole else None

    def complete(self, groups: list[CachedGroup]) -> None:
        """Every file is in place: make the entry valid.

        Raises:
            UserError: ``DISK_FULL``.
            OSError: anything else that keeps the manifest from being written.
        """
        values = [{"name": group.name, "bytes": group.bytes, "sum": group.sum} for group in groups]
        atomic_write_json(self.folder / _MANIFEST, {"key": self._key, "groups": values})

    def discard(self) -> None:
        """Make the entry invalid and remove its files; locks stay for their holders."""
        _remove_content(self.folder)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While this lasts no process removes the entry; marks it as used now."""
        import filelock

        name = f"{_USING}{os.getpid()}-{next(_counter)}.lock"
        lock = filelock.FileLock(self.folder / name)
        try:
            lock.acquire()
            os.utime(self.folder / _MANIFEST)
        except OSError:
            pass  # a folder that can only be read is as good
        try:
            yield
        finally:
            _release(lock, self.folder / name)

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Gives true if this process alone may write the entry; the folder is there then, without old content."""
        import filelock

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / _WRITING, timeout=0)
            lock.acquire()
        except (filelock.Timeout, OSError):
            yield False
            return
        try:
            self.discard()
            remove_stale_temporaries(self.folder)
            yield True
        finally:
            _release(lock, self.folder / _WRITING)
            with suppress(OSError):  # there is something in it
                self.folder.rmdir()

    def make_room(self, needed: int) -> str | None:
        """Remove other entries, those used longest ago first, until the limit and the disk allow ``needed`` bytes.

        Returns:
            Why there is no room even so, or ``None``.
        """
        others = sorted(_other_entries(self.folder), key=_last_use, reverse=True)
        room = self.settings.limit_bytes - needed
        for folder in others:
            room -= _size(folder)
            if room < 0 or _free(folder) < needed + _SPARE_BYTES:
                _remove_unused(folder)
        free = _free(self.settings.root)
        if free >= needed + _SPARE_BYTES:
            return None
        return f"{(needed + _SPARE_BYTES) / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free"


def _other_entries(kept: Path) -> list[Path]:
    try:
        return [path for path in kept.parent.iterdir() if path != kept and _is_entry(path)]
    except OSError:
        return []


def _is_entry(folder: Path) -> bool:
    """Whether the folder is ours; anything else that lies there is left alone."""
    return len(folder.name) == 24 and folder.is_dir() and not folder.is_symlink()


def _last_use(folder: Path) -> float:
    try:
        return (folder / _MANIFEST).stat().st_mtime
    except OSError:
        return 0.0  # never completed


def _size(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _free(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _remove_unused(folder: Path) -> None:
    """Remove an entry unless a process reads or writes it."""
    import filelock

    held = []
    try:
        for path in [folder / _WRITING, *folder.glob(f"{_USING}*.lock")]:
            lock = filelock.FileLock(path, timeout=0)
            lock.acquire()
            held.append((lock, path))
        _remove_content(folder)
    except (filelock.Timeout, OSError):
        return
    finally:
        for lock, path in held:
            _release(lock, path)
        with suppress(OSError):
            folder.rmdir()


def _remove_content(folder: Path) -> None:
    # The manifest first: from then on the rest counts for nothing.
    with suppress(OSError):
        (folder / _MANIFEST).unlink(missing_ok=True)
        for path in folder.glob("*.safetensors"):
            path.unlink(missing_ok=True)


def _release(lock: Any, path: Path) -> None:
    # Deleted while held: whoever got hold of the old file sees that it has no name any more and tries again.
    with suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):  # where a held file cannot be deleted
        path.unlink(missing_ok=True)
