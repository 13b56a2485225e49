"""The folder of one render in progress: who works in it, what it is for, which clips are finished. No torch."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from live_avatar.clip_hash import fresh_count
from live_avatar.errors import UserError
from live_avatar.media.atomic import (
    atomic_write_bytes,
    atomic_write_json,
    explain_disk_errors,
    remove_stale_temporaries,
)
from live_avatar.media.playlist import PLAYLIST_NAME, clip_name

_JOB, _CLIPS, _LOCK, _OWNER = "job.json", "clips.jsonl", "lock", "owner.json"
_CLIP_FILE = re.compile(r"clip_\d{5,}\.m4s")
_OURS = re.compile(
    r"(job\.json|clips\.jsonl|lock|owner\.json|audio\.json|audio\.m4a|viewer\.json|newest\.jpg|model_audio\.f32|init\.mp4|playlist\.m3u8"
    r"|clip_\d{5,}\.m4s|state_\d{5,}\.safetensors|mix_[0-9a-f]{16}\.wav|speaker_\d\d|viewer)(\.part-\d+-\d+)?"
)
# What stays beside a finished video when its clips are wanted.
_KEPT = re.compile(r"job\.json|clips\.jsonl|init\.mp4|playlist\.m3u8|clip_\d{5,}\.m4s")


@dataclass(frozen=True, slots=True)
class FinishedClip:
    """A clip on disk, as recorded beside it.

    Attributes:
        frames: video frames in it.
        content_hash: what it was made from (:mod:`live_avatar.clip_hash`).
        sha256, bytes: of its file.
        prompt, sound: what of the content hash the clip's own prompts and sound are; empty in older records.
        weights: fingerprint of what it was made with, where that is not what the job's record names.
    """

    index: int
    frames: int
    content_hash: str
    sha256: str
    bytes: int
    prompt: str = ""
    sound: str = ""
    weights: str = ""


class JobFolder:
    """Names and records in the folder. Open it with :func:`open_job_folder`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def previous_job(self) -> dict[str, Any] | None:
        """What an earlier run recorded about the job, or ``None``."""
        try:
            job = json.loads((self.path / _JOB).read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return job if isinstance(job, dict) else None

    def write_job(self, job: dict[str, Any]) -> None:
        """Record what this job is."""
        atomic_write_json(self.path / _JOB, job)

    def keep_fresh_clips(
        self, expected: Sequence[str], hash_file: Callable[[Path], str], *, keep_rest: bool = False
    ) -> list[FinishedClip]:
        """The leading clips that are whole on disk and made from what is wanted now; all others are deleted.

        With ``keep_rest`` clips past the last one wanted stay if all wanted ones are fresh: they go on from these.
        """
        found = self.recorded()
        fresh: list[FinishedClip] = []
        for clip in found[: fresh_count(expected, [clip.content_hash for clip in found])]:
            path = self.path / clip_name(clip.index)
            if not path.is_file() or path.stat().st_size != clip.bytes or hash_file(path) != clip.sha256:
                break
            fresh.append(clip)
        rest = found[len(fresh) :] if keep_rest and len(fresh) == len(expected) else []
        self._keep_only([*fresh, *rest])
        return fresh

    def recorded_hashes(self) -> list[str]:
        """Content hashes of the clips on record, from clip 0 on."""
        return [clip.content_hash for clip in self.recorded()]

    def forget_clips(self) -> None:
        """Delete every clip and the playlist."""
        (self.path / PLAYLIST_NAME).unlink(missing_ok=True)
        self._keep_only([])

    def add_clip(self, clip: FinishedClip) -> None:
        """Record a clip whose file is in place.

        Raises:
            UserError: ``DISK_FULL``.
        """
        path = self.path / _CLIPS
        with explain_disk_errors(path), open(path, "ab") as file:
            file.write(_line(clip))
            file.flush()
            os.fsync(file.fileno())

    def remove(self, *, keep_clips: bool) -> None:
        """Delete what this program put into the folder."""
        for entry in list(self.path.iterdir()):
            if not _OURS.fullmatch(entry.name) or (keep_clips and _KEPT.fullmatch(entry.name)):
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != _LOCK:
                entry.unlink(missing_ok=True)

    def recorded(self) -> list[FinishedClip]:
        """Clips 0, 1, … as recorded; a line cut off by a crash and all after it do not count."""
        clips: list[FinishedClip] = []
        try:
            lines = (self.path / _CLIPS).read_text("utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return clips
        for line in lines:
            try:
                clip = FinishedClip(**json.loads(line))
            except (ValueError, TypeError):
                break
            if clip.index != len(clips):
                break
            clips.append(clip)
        return clips

    def _keep_only(self, clips: Sequence[FinishedClip]) -> None:
        # The record first: a crash in between leaves files without a record, which count for nothing.
        atomic_write_bytes(self.path / _CLIPS, b"".join(map(_line, clips)))
        kept = {clip_name(clip.index) for clip in clips}
        for entry in list(self.path.iterdir()):
            if _CLIP_FILE.fullmatch(entry.name) and entry.name not in kept:
                entry.unlink(missing_ok=True)


@contextmanager
def open_job_folder(path: Path) -> Iterator[JobFolder]:
    """Make or find the folder and work in it alone.

    The operating system holds the lock, so it ends with the process that has it, however that ends; ``owner.json`` only
    says who that is.

    Raises:
        UserError: ``JOB_RUNNING`` when another process works in it, ``WORK_DIR_NOT_OURS`` when it holds other files,
            ``OUTPUT_NOT_WRITABLE``.
    """
    import filelock

    _make_folder(path)
    foreign = sorted(entry.name for entry in path.iterdir() if not _OURS.fullmatch(entry.name))
    if foreign:
        raise UserError(
            "WORK_DIR_NOT_OURS",
            f'The work folder "{path}" holds other files.',
            f'For example "{foreign[0]}", which no render made.',
            "Choose another output name or work folder.",
            field="output",
        )
    lock = filelock.FileLock(path / _LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise _running(path) from error
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        _write_owner(path)
        for folder in (path, *(entry for entry in path.iterdir() if entry.is_dir())):
            remove_stale_temporaries(folder)
        yield JobFolder(path)
    finally:
        (path / _OWNER).unlink(missing_ok=True)
        # Deleted while held: whoever got hold of the old file sees that it has no name any more and tries again.
        with suppress(OSError):
            (path / _LOCK).unlink()
        lock.release()
        with suppress(OSError):  # not empty: there is something to continue, or clips that were to be kept
            path.rmdir()


def check_writable(folder: Path) -> None:
    """Make ``folder`` if need be and see that files can be made in it.

    Raises:
        UserError: ``OUTPUT_NOT_WRITABLE``.
    """
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _not_writable(folder, error) from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(path, error) from error


def _write_owner(path: Path) -> None:
    import psutil

    atomic_write_json(path / _OWNER, {"pid": os.getpid(), "started": psutil.Process().create_time()})


def _line(clip: FinishedClip) -> bytes:
    return json.dumps(asdict(clip)).encode() + b"\n"


def _running(path: Path) -> UserError:
    try:
        owner = f"Process {json.loads((path / _OWNER).read_text('utf-8'))['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        owner = "Another process"
    return UserError(
        "JOB_RUNNING",
        "This video is being rendered already.",
        f"{owner} works in {path}.",
        "Wait until it is done, or choose another output name.",
        field="output",
    )


def _not_writable(folder: Path, error: OSError) -> UserError:
    return UserError(
        "OUTPUT_NOT_WRITABLE",
        f'Nothing can be written to "{folder}".',
        f"The system says: {error.strerror or error}.",
        "Choose a folder you may write to.",
        field="output",
    )
