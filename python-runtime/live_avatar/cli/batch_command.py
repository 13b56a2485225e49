"""``live-avatar batch``: many videos."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live_avatar.batch import Assignment, BatchJob, Ledger, PreparedJob, job_key, run_batch
from live_avatar.batch_list import read_folder, read_job_list
from live_avatar.batch_summary import SUMMARY_CSV, SUMMARY_JSON, BatchResult, JobRecord
from live_avatar.cli.arguments import Parser, with_underscores
from live_avatar.cli.batch_jobs import JobFlags, SharedModel, make_batch_parser
from live_avatar.cli.compute_flags import read_wishes
from live_avatar.cli.console import Console
from live_avatar.cli.farm_flags import FARM_FLAGS, FarmWishes, read_farm_wishes
from live_avatar.cli.flags import check_published_flags
from live_avatar.cli.request import Request, read_model_options
from live_avatar.cli.stopping import StopRequest
from live_avatar.cli.words import plural
from live_avatar.errors import UserError

_SOME_FAILED = 3
# One model serves the whole batch, and the batch decides where things go.
_BATCH_ONLY = FARM_FLAGS | frozenset(
    ("ckpt_dir", "load_lora", "no_load_lora", "lora_path_dmd", "device", "fp8", "memory_limit", "weight_cache",
     "save_dir", "overwrite", "keep_clips", "json", "quiet", "log_file")
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 when every job is done, 3 when some failed.

    Raises:
        UserError: nothing could be begun.
        Cancelled: stopped by a signal.
    """
    parser = make_batch_parser()
    words = with_underscores(arguments)
    options = parser.parse_args(words)
    folder = Path(options.save_dir).expanduser()
    with Console.of(options) as console, StopRequest() as stop:
        jobs = _read_jobs(Path(options.jobs).expanduser(), parser)
        model = SharedModel(read_model_options(options))
        # What is wrong for every job is said once, before the first.
        farm = read_farm_wishes(options)
        check_published_flags(options)
        read_wishes(options)
        model.weights()
        work = _Work(JobFlags(parser, words, folder), model, console, stop.requested)
        if farm.executor == "inline":
            result = run_batch(jobs, work.prepare, folder, overwrite=options.overwrite, on_job=work.tell)
        else:
            ledger = Ledger(jobs, work.prepare, folder, overwrite=options.overwrite, on_job=work.tell)
            result = _run_farm(farm, ledger, words, options, work)
        _report(result, folder, console)
    return _SOME_FAILED if result.count("failed") else 0


def _read_jobs(source: Path, parser: Parser) -> list[BatchJob]:
    if source.is_dir():
        return read_folder(source)
    known = {name for action in parser._actions for option in action.option_strings if (name := option.lstrip("-"))}
    return read_job_list(source, known - _BATCH_ONLY - {"help", "h"})


def _run_farm(
    farm: FarmWishes, ledger: Ledger, words: list[str], options: argparse.Namespace, work: _Work
) -> BatchResult:
    from live_avatar.farm.dispatch import Dispatch
    from live_avatar.farm.driver import Listener
    from live_avatar.farm.executors import run_farm, with_cards

    read_wishes(make_batch_parser().parse_args(with_cards(words, farm.gpus)))
    run_farm(
        farm,
        Dispatch(ledger, work.tell_again),
        arguments=words,
        folder=work.flags.folder,
        device=options.device,
        weights=work.model.weights,
        listener=Listener(work.tell_news, work.console.say, work.console.warning),
        should_stop=work.should_stop,
    )
    return ledger.result


@dataclass(slots=True)
class _Work:
    """Turns rows into renders, and says what becomes of them."""

    flags: JobFlags
    model: SharedModel
    console: Console
    should_stop: Callable[[], bool]
    _jobs: int = field(default=0)

    def prepare(self, job: BatchJob) -> PreparedJob:
        """Read a row's flags over those of the batch."""
        request = self.flags.request(job)
        files = (request.job.image, *request.job.audio, *request.job.speaker_masks)
        pose = () if request.job.pose_video is None else (request.job.pose_video,)
        try:
            key = job_key((*files, *pose), self._facts(request))
        except OSError as error:
            raise UserError(
                "FILE_UNREADABLE",
                f'"{error.filename}" cannot be read.',
                f"The system says: {error.strerror}.",
                "Check the path; in a list, files are relative to the list.",
            ) from error
        chosen = request.job.base_seed if request.seed_given else None
        output = request.job.output
        assert output is not None  # a batch names every video
        return PreparedJob(output, key, lambda seed: self._render(request, seed), chosen)

    def tell(self, record: JobRecord, number: int, total: int) -> None:
        """Say that a job begins or ended."""
        if record.state == "running":
            self.console.forget_warnings()
        self._jobs = total
        self.console.record({"kind": "job", "number": number, "of": total, "name": record.name, "state": record.state})
        words = {"running": "begins", "skipped": "is finished already"}.get(record.state, record.state)
        self.console.say(f"[{number}/{total}] {record.name} {words}: {record.output}")
        if record.error is not None:
            error = {key: record.error.get(key) or "" for key in ("code", "what", "why", "hint")}
            self.console.error(UserError(**error))

    def tell_news(self, assignment: Assignment, record: Mapping[str, Any]) -> None:
        """Pass on what a worker says of its job: all to machines, warnings and finished clips to people."""
        about = f"[{assignment.number}/{self._jobs}] {assignment.job.name}"
        if record["kind"] == "warning":
            self.console.warning(record["code"], f"{about}: {record['text']}")
            return
        self.console.record({**record, "job": assignment.number})
        if record["kind"] == "clip":
            self.console.say(f"{about}: clip {record['clip'] + 1} of {record['clips']}")

    def tell_again(self, assignment: Assignment, why: str) -> None:
        """Say that a job is tried once more."""
        about = f"[{assignment.number}/{self._jobs}] {assignment.job.name}"
        self.console.warning("FARM_JOB_AGAIN", f"{about} is tried once more. {why}")

    def _render(self, request: Request, seed: int | None) -> tuple[int, int, float]:
        return self.model.render(request, seed, self.console, self.should_stop)

    def _facts(self, request: Request) -> object:
        """What besides its files decides a video."""
        job = request.job
        settings = (job.prompts, job.size, job.infer_frames, job.sample_steps, job.num_clip, job.rotary_rounding)
        skipped = () if request.wishes.last_step == "run" else (request.wishes.last_step,)
        return settings, self.model.weights(), request.model.precision, *skipped


def _report(result: BatchResult, folder: Path, console: Console) -> None:
    done, skipped, failed = result.count("done"), result.count("skipped"), result.count("failed")
    console.result(
        f"{plural(len(result.records), 'job')}: {done} done, {skipped} finished before, {failed} failed. "
        f"The summary is in {folder / SUMMARY_CSV}",
        {
            "kind": "batch_result",
            "jobs": len(result.records),
            "done": done,
            "skipped": skipped,
            "failed": failed,
            "summary": str(folder / SUMMARY_JSON),
        },
    )
