"""Many renders unattended: which are done already, which are to be rendered, one after the other. No torch.

The work itself is passed in, so this module knows nothing of models or of the command line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from live_avatar.batch_summary import BatchResult, JobRecord, State, read_summary, write_summary
from live_avatar.errors import Cancelled, UserError

_HASH_CHUNK = 1 << 20


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


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job that is to be rendered.

    Attributes:
        number: from 1, in the order of the jobs.
        seed: the one chosen, or that of an earlier run of the same job, or ``None`` for one of the renderer's own.
    """

    number: int
    job: BatchJob
    prepared: PreparedJob
    seed: int | None


class Ledger:
    """What there is to do and what became of it; the summary on disk follows each change. One thread uses it.

    A video that a former run of this batch finished from the same inputs is skipped. One that is there but was made
    from something else, or by somebody else, is kept and its job fails, unless ``overwrite``.

    Args:
        prepare: reads a job's flags; may raise ``UserError``.
        on_job: told of every record when its job begins and when it ends, with its number from 1 and how many.

    Every method that changes a record may raise ``UserError`` with ``DISK_FULL``, when not even the summary can be
    written.
    """

    def __init__(
        self,
        jobs: Iterable[BatchJob],
        prepare: Callable[[BatchJob], PreparedJob],
        summary_folder: Path,
        *,
        overwrite: bool,
        on_job: Callable[[JobRecord, int, int], None],
    ) -> None:
        waiting = list(jobs)
        self.result = BatchResult([JobRecord(job.name) for job in waiting])
        self._waiting = iter(enumerate(waiting, 1))
        self._prepare_job, self._on_job = prepare, on_job
        self._folder, self._overwrite = summary_folder, overwrite
        self._before = read_summary(summary_folder)
        self._outputs: dict[Path, str] = {}

    def next(self) -> Assignment | None:
        """The next job that has to be rendered; those that need not or cannot be are settled on the way.

        Raises:
            Cancelled, KeyboardInterrupt: while a job was prepared; its record says so.
        """
        for number, job in self._waiting:
            record = self.result.records[number - 1]
            try:
                prepared = _prepare(job, self._prepare_job, self._outputs)
            except UserError as error:
                self._settle(number, "failed", error.as_dict())
                continue
            except (Cancelled, KeyboardInterrupt):
                self.stopped(number)
                raise
            except Exception as error:
                self._settle(number, "failed", internal_error(error))
                continue
            record.output, record.key = str(prepared.output), prepared.key
            former = self._before.get(record.output)
            if former is not None and _finished(former, prepared) and not self._overwrite:
                record.seed, record.video_bytes = former.seed, former.video_bytes
                record.frames, record.seconds = former.frames, former.seconds
                self._settle(number, "skipped")
                continue
            same = former is not None and former.key == prepared.key
            seed = former.seed if former is not None and same and prepared.seed is None else prepared.seed
            return Assignment(number, job, prepared, seed)
        return None

    def begin(self, assignment: Assignment) -> None:
        """It is being rendered from now on."""
        record = self.result.records[assignment.number - 1]
        record.state, record.seed = "running", assignment.seed
        self._on_job(record, assignment.number, len(self.result.records))

    def done(self, assignment: Assignment, seed: int, frames: int, seconds: float) -> None:
        """Its video is finished."""
        record = self.result.records[assignment.number - 1]
        try:
            record.video_bytes = assignment.prepared.output.stat().st_size
        except OSError as error:
            fault = UserError(
                "BATCH_VIDEO_MISSING",
                f'"{assignment.prepared.output}" was made and is not there.',
                f"The system says: {error.strerror}.",
                "See that nobody removes it, and that all machines of the batch see the same folder.",
            )
            self._settle(assignment.number, "failed", fault.as_dict())
            return
        record.seed, record.frames, record.seconds = seed, frames, seconds
        self._settle(assignment.number, "done")

    def failed(self, assignment: Assignment, error: dict[str, str | None]) -> None:
        """It cannot be rendered; ``error`` as ``UserError.as_dict`` gives it."""
        self._settle(assignment.number, "failed", error)

    def stopped(self, number: int) -> None:
        """The user stopped it."""
        self.result.records[number - 1].state = "stopped"
        write_summary(self._folder, self.result, self._before)

    def _settle(self, number: int, state: State, error: dict[str, str | None] | None = None) -> None:
        record = self.result.records[number - 1]
        record.state, record.error = state, error
        self._on_job(record, number, len(self.result.records))
        write_summary(self._folder, self.result, self._before)


def run_batch(
    jobs: Iterable[BatchJob],
    prepare: Callable[[BatchJob], PreparedJob],
    summary_folder: Path,
    *,
    overwrite: bool,
    on_job: Callable[[JobRecord, int, int], None],
) -> BatchResult:
    """Do all jobs in this process, one after the other. A failed one does not stop the rest. See :class:`Ledger`.

    Raises:
        Cancelled: from a render; the summary is written before.
        UserError: ``DISK_FULL`` when not even the summary can be written.
    """
    ledger = Ledger(jobs, prepare, summary_folder, overwrite=overwrite, on_job=on_job)
    while (assignment := ledger.next()) is not None:
        ledger.begin(assignment)
        try:
            seed, frames, seconds = assignment.prepared.render(assignment.seed)
        except UserError as error:
            ledger.failed(assignment, error.as_dict())
        except (Cancelled, KeyboardInterrupt):
            ledger.stopped(assignment.number)
            raise
        except Exception as error:  # one job's bug must not cost the night's other jobs
            ledger.failed(assignment, internal_error(error))
        else:
            ledger.done(assignment, seed, frames, seconds)
    return ledger.result


def internal_error(error: BaseException) -> dict[str, str | None]:
    """A fault of the program, as a record of a job keeps it."""
    return {"code": "INTERNAL_ERROR", "what": f"{type(error).__name__}: {error}", "why": "", "hint": "", "field": None}


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
