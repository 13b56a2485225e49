"""Room on the disk, and what a disk that goes wrong is called in words."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from live_avatar.errors import UserError

_GONE = (errno.ENOENT, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.ENOTDIR)
# A disk filled to the last byte breaks other programs.
_MARGIN_SHARE = 0.02
_LARGEST_MARGIN = 1_000_000_000


def check_room(folder: Path, needed: int) -> None:
    """Refuse to begin what cannot end.

    Args:
        folder: where the files will lie; need not be there yet.
        needed: bytes still to be written.

    Raises:
        UserError: ``MODEL_DISK_TOO_SMALL``.
    """
    existing = next(path for path in [folder, *folder.parents] if path.exists())
    free = shutil.disk_usage(existing).free
    margin = min(_LARGEST_MARGIN, int(needed * _MARGIN_SHARE))
    if needed + margin > free:
        raise UserError(
            "MODEL_DISK_TOO_SMALL",
            "There is not enough room for the model on this disk.",
            f"{needed / 1e9:.1f} GB are still to come, {free / 1e9:.1f} GB are free at {folder}.",
            "Free some space, or choose a folder on another disk.",
            field="to",
        )


def target_fault(error: OSError, folder: Path) -> UserError:
    """What stops writing into the model's folder."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            "DISK_FULL",
            "The disk is full.",
            f"There is no room left at {folder}.",
            "Free some space, then go on. What is finished is kept.",
            field="to",
        )
    if error.errno == errno.EFBIG:
        return UserError(
            "MODEL_DISK_SMALL_FILES",
            "The disk cannot hold files as large as the model's.",
            "It is formatted in an old way (FAT32), which ends at 4 GB a file.",
            "Choose a folder on another disk.",
            field="to",
        )
    if error.errno in _GONE and not folder.is_dir():
        return UserError(
            "MODEL_TARGET_GONE",
            "The model's folder is not there any more.",
            f"{folder} vanished while it was written: the drive was pulled out, or the folder was moved or deleted.",
            "Connect the drive again, then go on. What is finished is kept.",
            field="to",
        )
    return UserError(
        "MODEL_TARGET_NOT_WRITABLE",
        "Nothing can be written to the model's folder.",
        f"The system says: {error.strerror or error}.",
        "Check the permissions of the folder and the disk, or choose another folder.",
        field="to",
    )


def source_fault(error: OSError, root: Path, path: str) -> UserError:
    """What stops reading from the folder that a model is taken from."""
    if error.errno in _GONE and _is_empty_or_gone(root):
        return UserError(
            "MODEL_SOURCE_GONE",
            "The folder with the model is not there any more.",
            f"{root} vanished while {path} was read: the drive was pulled out, or the folder was moved or deleted.",
            "Connect the drive again, then go on. What is finished is kept.",
            field="source",
        )
    return UserError(
        "MODEL_SOURCE_UNREADABLE",
        f"A file of the model cannot be read: {path}.",
        f"The system says: {error.strerror or error}.",
        "Check the drive; or get this file from elsewhere.",
        field="source",
    )


def _is_empty_or_gone(folder: Path) -> bool:
    """A drive that was pulled out often leaves an empty folder behind."""
    try:
        return not any(folder.iterdir())
    except OSError:
        return True
