"""Removing a model from this disk: what the store brought, and nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from live_avatar.errors import UserError
from live_avatar.store.digests import digest_file
from live_avatar.store.part_file import PartFile
from live_avatar.store.record import ModelRecord
from live_avatar.store.store_files import move_into_place, store_folder


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal frees: bytes, and files that stay because the store did not bring them."""

    freed_bytes: int
    kept_files: tuple[str, ...]


def plan_removal(model: Path) -> Removal:
    """What a removal would free. Files with a second name elsewhere, such as imported ones, free nothing.

    Raises:
        UserError: ``MODEL_NOT_OF_STORE``.
    """
    brought = _record_of(model).brought()
    freed = 0
    kept: list[str] = []
    for folder, _, names in os.walk(model):
        for name in names:
            path = Path(folder) / name
            relative = path.relative_to(model).as_posix()
            if relative in brought or store_folder(model) in path.parents:
                with contextlib.suppress(OSError):
                    facts = path.stat(follow_symlinks=False)
                    # A file with holes takes what is in it.
                    taken = getattr(facts, "st_blocks", facts.st_size // 512) * 512
                    freed += taken if facts.st_nlink == 1 else 0
            else:
                kept.append(relative)
    return Removal(freed, tuple(sorted(kept)))


def remove_model(model: Path) -> Removal:
    """Delete the files that the store brought. A move that was not finished is undone first. The caller holds the lock.

    Raises:
        UserError: ``MODEL_NOT_OF_STORE``, ``MODEL_NOT_REMOVED``.
    """
    record = _record_of(model)
    removal = plan_removal(model)
    try:
        if not record.complete and record.origin.get("how") == "move":
            _put_back(model, record)
        # From here on the folder is no model any more, whatever happens.
        record.complete = False
        record.write(model)
        brought = record.brought()
        for path in brought:
            (model / path).unlink(missing_ok=True)
        shutil.rmtree(store_folder(model))
    except OSError as error:
        raise UserError(
            "MODEL_NOT_REMOVED",
            "Not all files of the model could be removed.",
            f"The system says: {error.strerror or error}.",
            "Close programs that use them, check the permissions of the folder, and try again.",
        ) from error
    folders = {parent for path in brought for parent in (model / path).parents if model in (parent, *parent.parents)}
    for folder in sorted(folders, key=lambda path: -len(path.parts)):
        with contextlib.suppress(OSError):
            folder.rmdir()
    return removal


def _put_back(model: Path, record: ModelRecord) -> None:
    """Files that are nowhere else go back to where they came from."""
    source = Path(str(record.origin.get("source")))
    for path, entry in record.files.items():
        origin = source / path
        if entry.digest is None or origin.exists():
            continue
        part = PartFile(model, path, entry.bytes, "")
        for candidate in (model / path, part.data):
            if candidate.is_file() and digest_file(candidate, lambda: False, lambda _: None).match(entry.digest):
                origin.parent.mkdir(parents=True, exist_ok=True)
                move_into_place(candidate, origin)
                break


def _record_of(model: Path) -> ModelRecord:
    record = ModelRecord.read(model)
    if record is None:
        raise UserError(
            "MODEL_NOT_OF_STORE",
            f"{model} was not downloaded or imported by this program.",
            "It has no record of which files belong to the model.",
            "Take it off the list, and delete the folder yourself if you do not need it.",
        )
    return record
