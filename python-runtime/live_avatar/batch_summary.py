"""What became of the jobs of a batch, and the summary of it on disk. No torch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

SUMMARY_JSON, SUMMARY_CSV = "batch_summary.json", "batch_summary.csv"

State = Literal["waiting", "running", "done", "skipped", "failed", "stopped"]


@dataclass(slots=True)
class JobRecord:
    """What became of a job; a line of the summary.

    Attributes:
        name: where the job comes from, for people.
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


@dataclass(slots=True)
class BatchResult:
    """All records in the order of the jobs."""

    records: list[JobRecord] = field(default_factory=list)

    def count(self, *states: State) -> int:
        """Number of jobs in any of these states."""
        return sum(record.state in states for record in self.records)


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
