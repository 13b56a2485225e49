"""What there is to do in a batch: a folder of recordings, or a list in CSV or JSONL. No torch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from live_avatar.batch import BatchJob
from live_avatar.errors import UserError

AUDIO_SUFFIXES = frozenset(
    (".wav", ".mp3", ".flac", ".m4a", ".ogg", ".opus", ".aac", ".wma", ".aiff", ".aif", ".mp4", ".mkv", ".mov", ".webm")
)
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# Columns that name files, which are relative to the job list.
_FILE_COLUMNS = ("image", "prompt_schedule", "pose_video")
_FILE_LIST_COLUMNS = ("audio", "speaker_masks")


def read_folder(folder: Path) -> list[BatchJob]:
    """A job for each recording in ``folder``, in order of name; ``name.png`` and ``name.txt`` beside it belong to it.

    Raises:
        UserError: ``BATCH_EMPTY``.
    """
    jobs = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.suffix.lower() not in AUDIO_SUFFIXES or not path.is_file() or path.name.startswith("."):
            continue
        flags = {"audio": str(path)}
        image = next((beside for s in _IMAGE_SUFFIXES if (beside := path.with_suffix(s)).is_file()), None)
        if image is not None:
            flags["image"] = str(image)
        if path.with_suffix(".txt").is_file():
            flags["prompt"] = f"@{path.with_suffix('.txt')}"
        jobs.append(BatchJob(path.name, flags, f"{path.stem}.mp4"))
    if jobs:
        return jobs
    raise UserError(
        "BATCH_EMPTY",
        f'There is no recording in "{folder}".',
        f"Files ending in {', '.join(sorted(AUDIO_SUFFIXES))} are looked for.",
        "Choose the folder with the recordings.",
        field="jobs",
    )


def read_job_list(path: Path, known_flags: Iterable[str]) -> list[BatchJob]:
    """Jobs of a CSV file (first line: column names) or of a JSONL file (one object a line).

    Columns are ``image``, ``audio``, ``prompt``, ``output`` and any flag of a render; files are relative to the list. A
    row that cannot be used becomes a job with a fault that names its line.

    Raises:
        UserError: ``BATCH_LIST_UNREADABLE``, ``BATCH_EMPTY``.
    """
    try:
        content = path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    known = frozenset(known_flags)
    rows = _jsonl_rows(content) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv_rows(content, path)
    jobs = [_row_job(path, line, row, known) for line, row in rows]
    if jobs:
        return jobs
    raise UserError(
        "BATCH_EMPTY", f'There is no job in "{path}".', "The list has no rows.", "Add rows to it.", field="jobs"
    )


def _jsonl_rows(content: str) -> Iterable[tuple[int, Any]]:
    for line, text in enumerate(content.splitlines(), 1):
        if text.strip():
            try:
                yield line, json.loads(text)
            except ValueError as error:
                yield line, error


def _csv_rows(content: str, path: Path) -> Iterable[tuple[int, Any]]:
    reader = csv.reader(io.StringIO(content))
    columns: list[str] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if columns is None:
                columns = [cell.strip() for cell in row]
                continue
            if len(row) > len(columns):
                yield reader.line_num, ValueError(f"it has {len(row)} cells for {len(columns)} columns")
                continue
            yield reader.line_num, {name: cell for name, cell in zip(columns, row, strict=False) if cell.strip()}
    except csv.Error as error:
        raise _unreadable(path, str(error)) from error


def _row_job(path: Path, line: int, row: Any, known: frozenset[str]) -> BatchJob:
    name = f"{path.name} line {line}"
    if not isinstance(row, dict):
        why = (
            f"it cannot be read ({row})" if isinstance(row, Exception) else "it is not an object with names and values"
        )
        return BatchJob(name, {}, fault=_bad_row(name, why))
    values = {str(key).strip().lstrip("-").replace("-", "_"): value for key, value in row.items() if value is not None}
    unknown = sorted(set(values) - known - {"output"})
    if unknown:
        return BatchJob(name, {}, fault=_bad_row(name, f"it has columns nobody knows: {', '.join(unknown)}"))
    strange = [key for key, value in values.items() if isinstance(value, (dict, list))]
    if strange:
        return BatchJob(name, {}, fault=_bad_row(name, f"{strange[0]} is not a single value"))
    flags = {key: _text(value) for key, value in values.items() if key != "output"}
    for key in _FILE_COLUMNS:
        if key in flags:
            flags[key] = str(path.parent / flags[key])
    for key in _FILE_LIST_COLUMNS:
        if key in flags:
            whole = path.parent / flags[key]
            parts = [flags[key]] if whole.exists() else flags[key].split("+")
            flags[key] = "+".join(str(path.parent / part.strip()) for part in parts)
    if flags.get("prompt", "").startswith("@"):
        flags["prompt"] = f"@{path.parent / flags['prompt'][1:]}"
    return BatchJob(name, flags, _text(values["output"]) if "output" in values else None)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _bad_row(name: str, why: str) -> UserError:
    return UserError(
        "BATCH_ROW_INVALID",
        f"{name} is no job.",
        f"{why[:1].upper()}{why[1:]}.",
        "Mend that line; its columns are image, audio, prompt, output and the flags of generate.",
        field="jobs",
    )


def _unreadable(path: Path, why: str) -> UserError:
    return UserError(
        "BATCH_LIST_UNREADABLE",
        f'The job list "{path}" cannot be read.',
        f"The reason: {why}.",
        "Give a folder of recordings, or a CSV or JSONL file in UTF-8.",
        field="jobs",
    )
