"""Importing a model from a folder or drive: looked at first, then brought over and checked file by file."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.errors import UserError
from live_avatar.store.copying import How, SourceChanged, SourceError, copy_file, link_or_clone, read_source
from live_avatar.store.digests import Digests, digest_file
from live_avatar.store.part_file import PartFile
from live_avatar.store.published import LORA_FILE, known_digest, needed_files
from live_avatar.store.record import FileEntry, ModelRecord
from live_avatar.store.reports import Act, Listener, ProgressMeter
from live_avatar.store.space import check_room, source_fault, target_fault
from live_avatar.store.store_files import move_into_place, sync_folder

_HUB_NOTES = Path(".cache") / "huggingface" / "download"
_MOST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is imported: ``source`` and ``to`` are folders; ``lora`` comes along under the name the engine looks for."""

    source: Path
    to: Path
    how: How = "copy"
    lora: Path | None = None
    check: bool = False


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What came of it: bytes of the model, and which files were brought by this run."""

    bytes: int
    files: int
    brought: tuple[str, ...]


def import_model(options: ImportOptions, listener: Listener, stop: threading.Event) -> ImportResult:
    """Make ``options.to`` a whole, checked model; goes on where an earlier run ended. The caller holds the lock.

    A file counts only when its bytes were read back and have the checksum of the source, and of the publisher where
    that is known. Files are moved only after that; those of another disk are removed at the very end.

    Raises:
        UserError: what the user can mend; everything brought so far is kept, and so is the source.
        Cancelled: ``stop`` was set; likewise.
    """
    try:
        return _Import(options, listener, stop).run()
    except OSError as error:
        raise target_fault(error, options.to) from error


class _Import:
    def __init__(self, options: ImportOptions, listener: Listener, stop: threading.Event) -> None:
        self._options, self._listener, self._stop = options, listener, stop
        self._folder = options.to
        self._record = ModelRecord.read(options.to) or ModelRecord()
        self._brought: list[str] = []

    def run(self) -> ImportResult:
        sources = self._sources()
        self._plan(sources)
        if self._options.check:
            self._forget_damaged()
        waiting = [path for path in self._record.files if not self._is_done(path)]
        total = sum(entry.bytes for entry in self._record.files.values())
        self._folder.mkdir(parents=True, exist_ok=True)
        self._check_room(waiting, sources)
        if waiting:
            self._record.complete = False
        self._record.write(self._folder)
        done = sum(entry.bytes for path, entry in self._record.files.items() if self._is_done(path))
        self._meter = ProgressMeter(done, total, self._listener.progress)
        self._bring_all(waiting, sources)
        CheckpointLayout.find(self._folder)
        self._record.finish(self._folder)
        if self._options.how == "move":
            self._remove_sources(sources)
        return ImportResult(total, len(self._record.files), tuple(self._brought))

    def _sources(self) -> dict[str, Path]:
        """The files of the model in the source, by their path in the new folder.

        What was moved by an earlier run is not there any more, but is on record.
        """
        root = self._options.source
        try:
            found = {path: root / path for path in needed_files(_files_below(root))}
        except OSError as error:
            raise source_fault(error, root, "its list of files") from error
        if self._options.lora is not None:
            found[LORA_FILE] = self._options.lora
        on_record = self._record.origin.get("source") == str(root)
        if on_record and self._options.how == "move":
            found = {**{path: root / path for path in self._record.files}, **found}
        elif not found:
            # Says in words what is missing.
            CheckpointLayout.find(root)
        return found

    def _plan(self, sources: dict[str, Path]) -> None:
        told = _told_digests(self._options.source)
        for path, source in sources.items():
            before = self._record.files.get(path)
            try:
                size = source.stat().st_size
            except FileNotFoundError:
                if before is not None:
                    continue
                raise
            except OSError as error:
                raise source_fault(error, self._options.source, path) from error
            digest = told.get(path) or known_digest(path, size)
            if before is None or before.bytes != size or (digest is not None and before.digest != digest):
                self._record.files[path] = FileEntry(size, digest)
        for path in set(self._record.files) - set(sources):
            del self._record.files[path]
        self._record.adopt(self._folder)
        self._record.origin = {
            "kind": "folder",
            "source": str(self._options.source),
            "how": self._options.how,
            "lora": None if self._options.lora is None else str(self._options.lora),
        }

    def _forget_damaged(self) -> None:
        """Read every byte that is there; what has changed comes anew."""
        for path, entry in self._record.files.items():
            if not self._is_done(path):
                continue
            meter = ProgressMeter(0, entry.bytes, self._listener.progress)
            try:
                found = digest_file(self._folder / path, self._stop.is_set, partial(meter.add, "check", path))
            except OSError:
                found = Digests("", "")
            if found.sha256 != entry.sha256:
                self._record.files[path] = FileEntry(entry.bytes, entry.digest)
                text = f"{path} has changed on this disk; it is imported again."
                self._listener.note("MODEL_FILE_DAMAGED", path, text)

    def _check_room(self, waiting: list[str], sources: dict[str, Path]) -> None:
        """Files that only get another name take no room."""
        device = self._folder.stat().st_dev
        needed = 0
        for path in waiting:
            with contextlib.suppress(OSError):
                if sources[path].stat().st_dev != device:
                    entry = self._record.files[path]
                    needed += entry.bytes - self._part(path, entry).received
        check_room(self._folder, needed)

    def _part(self, path: str, entry: FileEntry) -> PartFile:
        return PartFile(self._folder, path, entry.bytes, f"{self._options.source} {entry.digest}")

    def _bring_all(self, waiting: list[str], sources: dict[str, Path]) -> None:
        """Copies come one by one. What is moved on the same disk is checked first and then renamed all at once, so that
        a stop during the long check leaves the source as it was."""
        checked: list[tuple[str, Digests]] = []
        for path in waiting:
            entry, source = self._record.files[path], sources[path]
            if self._options.how == "move" and self._was_moved(path, source, entry):
                continue
            with self._faults_of_source(path):
                if self._options.how == "move" and _same_disk(source, self._folder):
                    checked.append((path, self._read(path, source, entry)))
                else:
                    self._copy(path, source, entry)
        for path, found in checked:
            entry = self._record.files[path]
            self._record.files[path] = FileEntry(entry.bytes, entry.digest or f"sha256:{found.sha256}")
        if checked:
            self._record.write(self._folder)
        for path, found in checked:
            part = self._part(path, self._record.files[path])
            move_into_place(sources[path], part.data)
            self._take(path, part, found)

    def _copy(self, path: str, source: Path, entry: FileEntry) -> None:
        """Bring one file; with clone or second name where the disk can do that."""
        part = self._part(path, entry)
        self._meter.add("copy", path, part.received)
        found = None
        if _same_disk(source, self._folder):
            found = self._read(path, source, entry)
            if not link_or_clone(source, part):
                found = None
            else:
                self._meter.add("copy", path, entry.bytes - part.received)
        if found is None:
            try:
                found = copy_file(source, part, self._stop.is_set, lambda act, n: self._tell(act, path, n))
            except SourceChanged:
                part.discard()
                raise
            self._check(path, found, entry)
        self._take(path, part, found)

    def _read(self, path: str, source: Path, entry: FileEntry) -> Digests:
        found = read_source(source, self._stop.is_set, lambda act, count: self._tell(act, path, count))
        self._check(path, found, entry)
        return found

    def _tell(self, act: Act, path: str, count: int) -> None:
        if act == "copy":
            self._meter.add(act, path, count)
        else:
            self._meter.busy(act, path)

    def _take(self, path: str, part: PartFile, found: Digests) -> None:
        part.finish()
        sync_folder((self._folder / path).parent)
        entry = self._record.files[path]
        self._record.files[path] = FileEntry(entry.bytes, entry.digest or f"sha256:{found.sha256}", found.sha256)
        self._record.write(self._folder)
        self._brought.append(path)

    @contextlib.contextmanager
    def _faults_of_source(self, path: str) -> Iterator[None]:
        try:
            yield
        except SourceError as error:
            raise source_fault(error.cause, self._options.source, path) from error
        except SourceChanged as error:
            raise UserError(
                "MODEL_SOURCE_CHANGED",
                f"A file of the model changed while it was copied: {path}.",
                "What was read from the source and what lies on this disk are not the same.",
                "Wait until nothing writes to the source, check both disks, then go on.",
                field="source",
            ) from error

    def _check(self, path: str, found: Digests, entry: FileEntry) -> None:
        if not found.match(entry.digest):
            raise UserError(
                "MODEL_FILE_DAMAGED",
                f"A file of the model is damaged: {path}.",
                "It has not the checksum that its publisher gives for it.",
                "Copy this file from where the folder came from, or download the model.",
                field="source",
            )

    def _was_moved(self, path: str, source: Path, entry: FileEntry) -> bool:
        """An earlier run moved it but was ended before it could say so."""
        if source.exists() or entry.digest is None:
            return False
        part = self._part(path, entry)
        for candidate in (part.data, self._folder / path):
            if not candidate.is_file() or candidate.stat().st_size != entry.bytes:
                continue
            found = digest_file(candidate, self._stop.is_set, lambda _: self._meter.busy("check", path))
            if found.match(entry.digest):
                if candidate != part.data:
                    move_into_place(candidate, part.data)
                self._take(path, part, found)
                self._meter.add("copy", path, entry.bytes)
                return True
        return False

    def _is_done(self, path: str) -> bool:
        return self._record.is_done(self._folder, path)

    def _remove_sources(self, sources: dict[str, Path]) -> None:
        """The model is whole and on the disk: what was copied for a move can go, and folders that are empty then."""
        for source in sources.values():
            with contextlib.suppress(OSError):
                source.unlink(missing_ok=True)
        folders = sorted({source.parent for source in sources.values()}, key=lambda path: -len(path.parts))
        for folder in [*folders, self._options.source]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _same_disk(source: Path, folder: Path) -> bool:
    try:
        return source.stat().st_dev == folder.stat().st_dev
    except OSError:
        return False


def _files_below(root: Path) -> set[str]:
    """Paths with forward slashes; the layout is not deep."""
    found: set[str] = set()

    def refuse(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(root, onerror=refuse):
        relative = Path(folder).relative_to(root)
        if len(relative.parts) >= _MOST_DEPTH:
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.update((relative / name).as_posix() for name in files)
    return found


_DIGEST_FORMS = ((re.compile(r"[0-9a-f]{64}"), "sha256"), (re.compile(r"[0-9a-f]{40}"), "git"))


def _told_digests(root: Path) -> dict[str, str]:
    """What the source itself says of its files: a record of this store, or the notes of the hub's own downloader."""
    told: dict[str, str] = {}
    notes = root / _HUB_NOTES
    for note in notes.rglob("*.metadata") if notes.is_dir() else ():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            lines = note.read_text("utf-8").splitlines()
            tag = lines[1].strip() if len(lines) > 1 else ""
            for form, kind in _DIGEST_FORMS:
                if form.fullmatch(tag) is not None:
                    told[note.relative_to(notes).as_posix().removesuffix(".metadata")] = f"{kind}:{tag}"
    record = ModelRecord.read(root)
    if record is not None:
        told.update({path: entry.digest for path, entry in record.files.items() if entry.digest is not None})
    return told
