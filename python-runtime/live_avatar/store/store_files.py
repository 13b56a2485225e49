"""What the store keeps beside a model's files: the record of the folder, unfinished files and their journals."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

FOLDER = ".model-store"


def store_folder(model: Path) -> Path:
    """Where the store keeps its own things of a model folder."""
    return model / FOLDER


def write_json(path: Path, value: object) -> None:
    """Write so that a crash at any moment leaves the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(6)}.partial")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        move_into_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file of ours; ``None`` when there is none that can be read: then it is made anew."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def move_into_place(source: Path, target: Path) -> None:
    """Rename a finished, flushed file over its final name, and make the name durable."""
    os.replace(source, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable. Windows and some network disks know no such call; there it does nothing."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
