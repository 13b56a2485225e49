"""Many renders unattended: what there is to do, what is done already, and a summary kept up to date. No torch.

The work itself is passed in, so this module knows nothing of models or of the command line.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from live_avatar.errors import Cancelled, UserError

AUDIO_SUFFIXES = frozenset(
    (".wav", ".mp3", ".flac", ".m4a", ".ogg", ".opus", ".aac", ".wma", ".aiff", ".aif", ".mp4", ".mkv", ".mov", ".webm")
)
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SUMMARY_JSON, SUMMARY_CSV = "batch_summary.json", "batch_summary.csv"
# Columns that name files, which are relative to the job list.
_FILE_COLUMNS = ("image", "prompt_schedule", "pose_video")
_FILE_LIST_COLUMNS = ("audio", "speaker_masks")
_HASH_CHUNK = 1 << 20

State = Literal["waiting", "running", "done", "skipped", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One row of a batch.

    Attributes:
        name: where it comes from, for people: a file name, or the list's name with the line number.
        flags: flags of this job alone, by name without dashes; they win over those of the whole batch.
        output: file name of the video, relative to the folder for videos unless absolute; ``None`` for a default.
        fault: why the row cannot be used, or ``None``.
    """

    name: str
    flags: Mapping[str, str]
    output: str | None = None
    fault: UserError | None = None


@dataclass(slots=True)
class JobRecord:
    """What became of a job; a line of the summary.

    Attributes:
        name: see :class:`BatchJob`.
        output: path of the video.
        state: ``skipped`` means that it was finished and unchanged.
        key: hash of everything the video is made from.
        seed: seed used, kept so that a continued batch uses it again.
        video_bytes: size of the finished video, to see whether it is still the same.
        frames, seconds: of the render.
        error: code, what, why, hint; or ``None``.
    """

    name: str
    output: str = ""
    state: State = "waiting"
    key: str = ""
    seed: int | None = None
    video_bytes: int = 0
    frames: int = 0
    seconds: float = 0.0
    error: dict[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job whose flags were read.

    Attributes:
        output: the video.
        key: see :class:`JobRecord`.
        render: makes the video with the seed of an earlier run, or with ``None`` with one of its own; returns
            (seed, frames, seconds) and raises ``UserError`` or ``Cancelled``.
        seed: the seed the user chose, or ``None``.
    """

    output: Path
    key: str
    render: Callable[[int | None], tuple[int, int, float]]
    seed: int | None


@dataclass(slots=True)
class BatchResult:
    """All records in the order of the jobs."""

    records: list[JobRecord] = field(default_factory=list)

    def count(self, *states: State) -> int:
        """Number of jobs in any of these states."""
        return sum(record.state in states for record in self.records)


def run_batch(
    jobs: Iterable[BatchJob],
    prepare: Callable[[BatchJob], PreparedJob],
    summary_folder: Path,
    *,
    overwrite: bool,
    on_job: Callable[[JobRecord, int, int], None],
) -> BatchResult:
    """Do all jobs, one after the other. A failed one does not stop the rest; the summary is written after each.

    A video that a former run of this batch finished from the same inputs is skipped. One that is there but was made
    from something else, or by somebody else, is kept and its job fails, unless ``overwrite``.

    Args:
        prepare: reads a job's flags; may raise ``UserError``.
        on_job: told of every record when its job begins and when it ends, with its number from 1 and how many.

    Raises:
        Cancelled: from a render; the summary is written before.
        UserError: ``DISK_FULL`` when not even the summary can be written.
    """
    waiting = list(jobs)
    before = read_summary(summary_folder)
    result = BatchResult([JobRecord(job.name) for job in waiting])
    outputs: dict[Path, str] = {}
    for number, (job, record) in enumerate(zip(waiting, result.records, strict=True), 1):
        try:
            prepared = _prepare(job, prepare, outputs)
            record.output, record.key = str(prepared.output), prepared.key
            former = before.get(record.output)
            if former is not None and _finished(former, prepared) and not overwrite:
                record.state, record.seed = "skipped", former.seed
                record.video_bytes, record.frames, record.seconds = former.video_bytes, former.frames, former.seconds
            else:
                record.state = "running"
                on_job(record, number, len(waiting))
                same = former is not None and former.key == prepared.key
                seed = former.seed if former is not None and same and prepared.seed is None else prepared.seed
                record.seed = seed
                record.seed, record.frames, record.seconds = prepared.render(seed)
                record.video_bytes = prepared.output.stat().st_size
                record.state = "done"
        except UserError as error:
            record.state, record.error = "failed", error.as_dict()
        except (Cancelled, KeyboardInterrupt):
            record.state = "stopped"
            write_summary(summary_folder, result, before)
            raise
        except Exception as error:  # one job's bug must not cost the night's other jobs
            record.state = "failed"
            record.error = {"code": "INTERNAL_ERROR", "what": f"{type(error).__name__}: {error}", "why": "", "hint": ""}
        on_job(record, number, len(waiting))
        write_summary(summary_folder, result, before)
    return result


def _prepare(job: BatchJob, prepare: Callable[[BatchJob], PreparedJob], outputs: dict[Path, str]) -> PreparedJob:
    if job.fault is not None:
        raise job.fault
    prepared = prepare(job)
    path = prepared.output.absolute()
    if path in outputs:
        raise UserError(
            "BATCH_OUTPUT_TWICE",
            f'Two jobs write "{prepared.output}".',
            f"The other one is {outputs[path]}.",
            "Give each job its own output.",
            field="output",
        )
    outputs[path] = job.name
    return prepared


def _finished(record: JobRecord, prepared: PreparedJob) -> bool:
    """Whether the video of an earlier run stands for this job."""
    if record.key != prepared.key or record.state not in ("done", "skipped"):
        return False
    if prepared.seed is not None and prepared.seed != record.seed:
        return False
    return prepared.output.is_file() and prepared.output.stat().st_size == record.video_bytes


def job_key(files: Iterable[Path], facts: object) -> str:
    """Hash of the content of ``files`` and of ``facts`` (anything with a stable ``repr``).

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            part = hashlib.sha256()
            while piece := file.read(_HASH_CHUNK):
                part.update(piece)
        digest.update(part.digest())
    digest.update(repr(facts).encode())
    return digest.hexdigest()


def read_summary(folder: Path) -> dict[str, JobRecord]:
    """Records of an earlier run by output; empty when there was none."""
    try:
        jobs = json.loads((folder / SUMMARY_JSON).read_text("utf-8"))["jobs"]
        records = [JobRecord(**job) for job in jobs]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {record.output: record for record in records if record.output}


def write_summary(folder: Path, result: BatchResult, before: Mapping[str, JobRecord]) -> None:
    """Write ``batch_summary.json`` and ``.csv`` whole. A waiting job shows what an earlier run knew of it.

    Raises:
        UserError: ``DISK_FULL``.
    """
    from live_avatar.media.atomic import atomic_write_json, atomic_write_text

    folder.mkdir(parents=True, exist_ok=True)
    by_name = {record.name: record for record in before.values()}
    records = [by_name.get(r.name, r) if r.state == "waiting" else r for r in result.records]
    shown = {record.output for record in records}
    kept = [record for output, record in before.items() if output not in shown]
    counts = {state: result.count(state) for state in ("done", "skipped", "failed", "stopped", "waiting")}
    atomic_write_json(
        folder / SUMMARY_JSON, {"version": 1, "counts": counts, "jobs": [asdict(r) for r in (*records, *kept)]}
    )
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("job", "state", "output", "frames", "seconds", "seed", "code", "message"))
    for record in records:
        error = record.error or {}
        message = " ".join(filter(None, (error.get("what"), error.get("why"), error.get("hint"))))
        seconds = f"{record.seconds:.1f}"
        seed = "" if record.seed is None else record.seed
        row = (record.name, record.state, record.output, record.frames, seconds, seed, error.get("code") or "", message)
        writer.writerow(row)
    # A byte order mark makes spreadsheet programs read Chinese names right.
    atomic_write_text(folder / SUMMARY_CSV, "\ufeff" + table.getvalue())


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
