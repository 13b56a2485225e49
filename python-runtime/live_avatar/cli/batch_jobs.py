"""Rows of a batch as renders: their flags read over those of the batch, and rendered with one shared model."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.batch import BatchJob
from live_avatar.cli.arguments import Parser, make_parser
from live_avatar.cli.compute_flags import add_compute_flags
from live_avatar.cli.console import Console
from live_avatar.cli.farm_flags import add_farm_flags
from live_avatar.cli.flags import (
    add_material_flags,
    add_model_flags,
    add_output_flags,
    add_published_flags,
    add_setting_flags,
)
from live_avatar.cli.generate import prepare, run
from live_avatar.cli.request import Request, read_request, with_seed
from live_avatar.errors import UserError
from live_avatar.warm_model import WarmModel

if TYPE_CHECKING:
    from live_avatar.pipeline import PipelineOptions


def make_batch_parser() -> Parser:
    """Flags of a batch: those of a render, which hold for every job that does not say otherwise."""
    parser = make_parser(
        "batch",
        "Makes many videos with one loaded model, or with many: on several cards or machines. JOBS is a folder of "
        "recordings (name.png and name.txt beside name.wav belong to it), or a CSV or JSONL list with the columns "
        "image, audio, prompt, output and any flag. The same command goes on where it was.",
        'jobs.csv --size "384*256" --save_dir out --executor local',
    )
    parser.add_argument("jobs", metavar="JOBS", help="folder of recordings, or a CSV or JSONL list")
    add_material_flags(parser, required=False)
    add_setting_flags(parser)
    add_model_flags(parser)
    add_compute_flags(parser)
    add_farm_flags(parser)
    add_output_flags(parser, one_file=False)
    add_published_flags(parser)
    return parser


@dataclass(frozen=True, slots=True)
class JobFlags:
    """Reads a row's flags over those of the batch.

    Attributes:
        arguments: of the batch, spelled with underscores.
        folder: for videos.
    """

    parser: Parser
    arguments: list[str]
    folder: Path

    def request(self, job: BatchJob) -> Request:
        """What the row asks for.

        Raises:
            UserError: the code of the first fault found.
        """
        row = [f"--{name}={value}" for name, value in job.flags.items()]
        options = self.parser.parse_args([*self.arguments, *row])
        return read_request(options, self.folder / (job.output or _default_name(options)))


@dataclass(slots=True)
class SharedModel:
    """The model, loaded when the first job needs it, and kept as long as the jobs need it in the same way."""

    options: PipelineOptions
    warm: WarmModel = field(init=False)
    _weights: str | None = None

    def __post_init__(self) -> None:
        self.warm = WarmModel(self.options)

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

    def render(
        self, request: Request, seed: int | None, console: Console, should_stop: Callable[[], bool]
    ) -> tuple[int, int, float]:
        """Render one job; returns (seed, frames, seconds).

        Raises:
            Cancelled, UserError: as ``generate`` does.
        """
        job = request.job if seed is None else with_seed(request.job, seed)
        request = replace(request, job=job)
        plan = prepare(request, self.warm, console)
        result = run(request, plan, self.warm, console, should_stop)
        return job.base_seed, result.frames, result.seconds


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
