"""The record of a model folder: which files belong to it, their sizes and checksums, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live_avatar.store.store_files import read_json, store_folder, write_json

_VERSION = 1
_NAME = "record.json"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the model.

    Attributes:
        bytes: its size.
        digest: what its content must be: ``sha256:…``, or ``git:…`` for small files that the hub keeps in git; ``None``
            when nobody has said it.
        sha256: of the bytes on this disk, once they were read and found right; ``None`` before.
    """

    bytes: int
    digest: str | None
    sha256: str | None = None


@dataclass(slots=True)
class ModelRecord:
    """What the store knows of a folder. ``complete`` is written last: before, the folder is not used.

    Attributes:
        complete: every file is there and was found right.
        origin: where the files come from, for mending and going on: see ``download`` and ``import_model``.
        files: by path below the folder, with forward slashes.
        own: those of ``files`` that lay in the folder before the store first wrote into it. They are the user's:
            mended when asked for, never deleted.
    """

    complete: bool = False
    origin: dict[str, Any] = field(default_factory=dict)
    files: dict[str, FileEntry] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    @classmethod
    def read(cls, model: Path) -> ModelRecord | None:
        """The record of a folder; ``None`` if it has none that can be read."""
        value = read_json(store_folder(model) / _NAME)
        if value is None or value.get("version") != _VERSION:
            return None
        try:
            files = {
                str(path): FileEntry(int(entry["bytes"]), entry["digest"], entry["sha256"])
                for path, entry in value["files"].items()
            }
            return cls(bool(value["complete"]), dict(value["origin"]), files, frozenset(map(str, value.get("own", []))))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def write(self, model: Path) -> None:
        """Keep it in the folder, atomically."""
        files = {
            path: {"bytes": entry.bytes, "digest": entry.digest, "sha256": entry.sha256}
            for path, entry in sorted(self.files.items())
        }
        value = {
            "version": _VERSION,
            "complete": self.complete,
            "origin": self.origin,
            "files": files,
            "own": sorted(self.own),
        }
        write_json(store_folder(model) / _NAME, value)

    def adopt(self, model: Path) -> None:
        """Note what lies in the folder already, unless an earlier record has told whose it is."""
        if ModelRecord.read(model) is None:
            self.own = frozenset(path for path in self.files if (model / path).exists())

    def brought(self) -> frozenset[str]:
        """The files that the store brought, and may delete."""
        return frozenset(self.files.keys() - self.own)

    def finish(self, model: Path) -> None:
        """Say that the model is whole; what earlier runs left unfinished beside it goes."""
        self.complete = True
        self.write(model)
        for path in store_folder(model).iterdir():
            if path.name != _NAME:
                path.unlink(missing_ok=True)

    def is_done(self, model: Path, path: str) -> bool:
        """Whether a file was found right earlier and still has its size."""
        entry = self.files.get(path)
        if entry is None or entry.sha256 is None:
            return False
        try:
            return (model / path).stat().st_size == entry.bytes
        except OSError:
            return False
