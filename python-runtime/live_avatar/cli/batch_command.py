"""``live-avatar batch``: many videos."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.batch import (
    SUMMARY_CSV,
    SUMMARY_JSON,
    BatchJob,
    BatchResult,
    JobRecord,
    PreparedJob,
    job_key,
    read_folder,
    read_job_list,
    run_batch,
)
from live_avatar.cli.arguments import Parser, make_parser, with_underscores
from live_avatar.cli.console import Console
from live_avatar.cli.flags import (
    add_material_flags,
    add_model_flags,
    add_output_flags,
    add_published_flags,
    add_setting_flags,
    check_published_flags,
)
from live_avatar.cli.generate import load_model, prepare, run
from live_avatar.cli.request import Request, read_model_options, read_request, with_seed
from live_avatar.cli.stopping import StopRequest
from live_avatar.cli.words import plural
from live_avatar.errors import UserError

if TYPE_CHECKING:
    from live_avatar.pipeline import Pipeline, PipelineOptions

_SOME_FAILED = 3
# One model serves the whole batch, and the batch decides where things go.
_BATCH_ONLY = frozenset(
    ("ckpt_dir", "load_lora", "no_load_lora", "lora_path_dmd", "device", "fp8", "save_dir",
     "overwrite", "keep_clips", "json", "quiet", "log_file")
)  # fmt: skip


def make_batch_parser() -> Parser:
    """Flags of a batch: those of a render, which hold for every job that does not say otherwise."""
    parser = make_parser(
        "batch",
        "Makes many videos with one loaded model. JOBS is a folder of recordings (name.png and name.txt beside "
        "name.wav belong to it), or a CSV or JSONL list with the columns image, audio, prompt, output and any flag. "
        "The same command goes on where it was: finished videos are skipped.",
    )
    parser.add_argument("jobs", metavar="JOBS", help="folder of recordings, or a CSV or JSONL list")
    add_material_flags(parser, required=False)
    add_setting_flags(parser)
    add_model_flags(parser)
    add_output_flags(parser, one_file=False)
    add_published_flags(parser)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 when every job is done, 3 when some failed.

    Raises:
        UserError: nothing could be begun.
        Cancelled: stopped by a signal.
    """
    parser = make_batch_parser()
    options = parser.parse_args(with_underscores(arguments))
    folder = Path(options.save_dir).expanduser()
    with Console.of(options) as console, StopRequest() as stop:
        jobs = _read_jobs(Path(options.jobs).expanduser(), parser)
        model = _SharedModel(read_model_options(options), console, stop.requested)
        # What is wrong for every job is said once, before the first.
        check_published_flags(options)
        model.weights()
        work = _Work(parser, options, with_underscores(arguments), folder, model, console)
        result = run_batch(jobs, work.prepare, folder, overwrite=options.overwrite, on_job=work.tell)
        _report(result, folder, console)
    return _SOME_FAILED if result.count("failed") else 0


def _read_jobs(source: Path, parser: Parser) -> list[BatchJob]:
    if source.is_dir():
        return read_folder(source)
    known = {name for action in parser._actions for option in action.option_strings if (name := option.lstrip("-"))}
    return read_job_list(source, known - _BATCH_ONLY - {"help", "h"})


@dataclass(slots=True)
class _SharedModel:
    """The model, loaded when the first job needs it."""

    options: PipelineOptions
    console: Console
    should_stop: Callable[[], bool]
    _pipeline: Pipeline | None = None
    _weights: str | None = None

    def weights(self) -> str:
        """Identity of the weights and the LoRA, read without loading them."""
        if self._weights is None:
            from live_avatar.checkpoint.fingerprint import weights_fingerprint
            from live_avatar.checkpoint.layout import CheckpointLayout
            from live_avatar.checkpoint.lora import resolve_lora

            root, lora = self.options.ckpt_dir, self.options.lora
            extra = () if lora is None else (resolve_lora(lora, root.parent),)
            self._weights = weights_fingerprint((*CheckpointLayout.find(root).files, *extra))
        return self._weights

    def pipeline(self) -> Pipeline:
        if self._pipeline is None:
            self._pipeline = load_model(self.options, self.console, self.should_stop)
        return self._pipeline


@dataclass(slots=True)
class _Work:
    """Turns rows into renders."""

    parser: Parser
    options: argparse.Namespace
    arguments: list[str]
    folder: Path
    model: _SharedModel
    console: Console

    def prepare(self, job: BatchJob) -> PreparedJob:
        """Read a row's flags over those of the batch."""
        row = [f"--{name}={value}" for name, value in job.flags.items()]
        options = self.parser.parse_args([*self.arguments, *row])
        output = self.folder / (job.output or _default_name(options))
        request = read_request(options, output)
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
        return PreparedJob(output, key, lambda seed: self._render(request, seed), chosen)

    def tell(self, record: JobRecord, number: int, total: int) -> None:
        """Say that a job begins or ended."""
        if record.state == "running":
            self.console.forget_warnings()
        self.console.record({"kind": "job", "number": number, "of": total, "name": record.name, "state": record.state})
        words = {"running": "begins", "skipped": "is finished already"}.get(record.state, record.state)
        self.console.say(f"[{number}/{total}] {record.name} {words}: {record.output}")
        if record.error is not None:
            error = {key: record.error.get(key) or "" for key in ("code", "what", "why", "hint")}
            self.console.error(UserError(**error))

    def _render(self, request: Request, seed: int | None) -> tuple[int, int, float]:
        job = request.job if seed is None else with_seed(request.job, seed)
        request = replace(request, job=job)
        plan = prepare(request, self.console)
        result = run(request, plan, self.model.pipeline(), self.console, self.model.should_stop)
        return job.base_seed, result.frames, result.seconds

    def _facts(self, request: Request) -> object:
        """What besides its files decides a video."""
        job = request.job
        settings = (job.prompts, job.size, job.infer_frames, job.sample_steps, job.num_clip, job.rotary_rounding)
        return settings, self.model.weights(), request.model.precision


def _default_name(options: argparse.Namespace) -> str:
    if not options.audio:
        raise UserError(
            "AUDIO_MISSING",
            "The job has no recording.",
            "A video is made from a portrait, a recording and a prompt.",
            "Fill in the column audio.",
            field="audio",
        )
    return "_".join(Path(part).stem for part in options.audio.split("+")) + ".mp4"


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
