"""``live-avatar generate``: one video."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.cli.arguments import Parser, make_parser, with_underscores
from live_avatar.cli.compute_flags import add_compute_flags
from live_avatar.cli.console import Console
from live_avatar.cli.describe import plan_lines
from live_avatar.cli.flags import (
    add_material_flags,
    add_model_flags,
    add_output_flags,
    add_published_flags,
    add_setting_flags,
)
from live_avatar.cli.request import Request, read_request
from live_avatar.cli.stopping import StopRequest
from live_avatar.cli.words import duration, plural
from live_avatar.errors import Cancelled, UserError
from live_avatar.warm_model import WarmModel, with_own_memory

if TYPE_CHECKING:
    from live_avatar.planner import Plan
    from live_avatar.render import RenderJob, RenderResult

# Faults after which the same command continues, once what is wrong was mended.
_CAN_GO_ON = frozenset(("DISK_FULL", "DEVICE_LOST", "OUT_OF_MEMORY", "RANK_LOST", "RANK_HUNG", "RANK_OUT_OF_MEMORY"))
_EXAMPLE = '--image anna.png --audio anna.wav --prompt "A woman talks calmly in daylight" --size "384*256"'
_DESCRIPTION = (
    "Makes a talking video from a portrait, a recording and a prompt. Flags may be spelled with dashes or underscores. "
    "If a run is stopped or killed, the same command goes on where it was."
)


def make_generate_parser() -> Parser:
    """All flags of a render."""
    parser = make_parser("generate", _DESCRIPTION, _EXAMPLE)
    add_material_flags(parser, required=True)
    add_setting_flags(parser)
    add_model_flags(parser)
    add_compute_flags(parser)
    add_output_flags(parser, one_file=True)
    add_published_flags(parser)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
        UserError: a fault the user can mend.
        Cancelled: stopped by a signal.
    """
    options = make_generate_parser().parse_args(with_underscores(arguments))
    with Console.of(options) as console, StopRequest() as stop:
        request = read_request(options)
        model = WarmModel(request.model)
        plan = prepare(request, model, console)
        run(request, plan, model, console, stop.requested)
    return 0


def prepare(request: Request, model: WarmModel, console: Console) -> Plan:
    """Check the output and the material, and say what is going to happen.

    Raises:
        UserError: any fault of an input or a setting, and ``OUTPUT_EXISTS``, ``SIZE_TOO_LARGE_FOR_MEMORY``.
    """
    from live_avatar.machine import Machine
    from live_avatar.media.join import check_output

    job = request.job
    if job.output is not None:
        check_output(job.output, overwrite=job.overwrite)
    machine = Machine.detect(request.model.device)
    plan = model.plan(job, request.wishes, machine if model.pipeline is None else with_own_memory(machine))
    console.record({"kind": "plan", "base_seed": job.base_seed, "output": str(job.output), **plan.as_dict()})
    for line in plan_lines(plan):
        console.say(line)
    console.say(f"{'LoRA':9} {request.model.lora or 'none'}")
    console.say(
        f"{'Seed':9} {job.base_seed}" + ("" if request.seed_given else "  (--base_seed makes it the same again)")
    )
    console.say(f"{'Output':9} {job.output}")
    for note in request.notes:
        console.warning("FLAG_WITHOUT_EFFECT", note)
    for code, text in plan.warnings:
        console.warning(code, text)
    check_material(job, console)
    return plan


def check_material(job: RenderJob, console: Console) -> None:
    """Say what of portrait, recordings and prompts will make a worse video.

    Raises:
        UserError: material that cannot be used at all.
    """
    from live_avatar.checks import problems
    from live_avatar.checks.prompt import check_prompt
    from live_avatar.checks.report import report_image
    from live_avatar.checks.sound import check_sound_file
    from live_avatar.media.audio_file import probe_audio

    findings = list(report_image(job.image, job.size).findings)
    if len(job.audio) > 1:
        findings = [finding for finding in findings if finding.code != "FACE_SEVERAL"]
    for path in job.audio:
        findings += check_sound_file(path, probe_audio(path))
    for span in job.prompts:
        findings += check_prompt(span.text)
    for finding in problems(findings):
        console.warning(finding.code, finding.text)


def run(
    request: Request, plan: Plan, model: WarmModel, console: Console, should_stop: Callable[[], bool]
) -> RenderResult:
    """Load what the plan needs and render, showing progress, and say what came of it.

    Raises:
        UserError: as :meth:`live_avatar.warm_model.WarmModel.render`.
        Cancelled: stopped; said how to go on.
    """
    from live_avatar.events import RenderEvent, StageEvent
    from live_avatar.speed_record import SpeedMeter, write_speed

    job = request.job
    meter = SpeedMeter(time.monotonic() - model.load_seconds)
    begun = stopped_loading = False

    def watch(event: RenderEvent) -> None:
        nonlocal begun, stopped_loading
        meter.observe(event)
        of_load = isinstance(event, StageEvent) and event.stage == "load"
        if not begun and not of_load:
            begun = True
            console.begin_progress(plan.frames, plan.infer_frames)
        console.event(event)
        if of_load and should_stop():
            stopped_loading = not begun
            raise Cancelled

    if model.pipeline is None:
        console.say("Loading the model")
    try:
        result = model.render(job, plan, request.wishes, watch, should_stop)
    except Cancelled:
        console.end_progress()
        console.urgent("Stopped before the first picture." if stopped_loading else how_to_go_on(job.folder))
        raise
    except UserError as error:
        if error.code in _CAN_GO_ON:
            console.end_progress()
            console.urgent(how_to_go_on(job.folder))
        raise
    finally:
        speed = meter.speed()
        # Of a way that was left for another nothing can be said.
        if speed is not None and model.kept_to_plan:
            write_speed(plan.speed_key, speed)
    console.end_progress()
    _report(result, job, console)
    return result


def how_to_go_on(folder: Path) -> str:
    """What is kept of a stopped run, and what to do."""
    clips = len(list(folder.glob("clip_*.m4s"))) if folder.is_dir() else 0
    kept = f"{plural(clips, 'finished clip')} {'is' if clips == 1 else 'are'} kept in {folder}" if clips else "Stopped"
    return f"{kept}. Run the same command again to go on from there."


def _report(result: RenderResult, job: RenderJob, console: Console) -> None:
    record = {
        "kind": "result",
        "output": str(result.output),
        "frames": result.frames,
        "clips": result.clips,
        "seconds": result.seconds,
        "reused_clips": result.reused_clips,
        "generated_frames": result.generated_frames,
        "state_seconds": result.state_seconds,
        "base_seed": job.base_seed,
        "warnings": [list(warning) for warning in result.warnings],
    }
    made = result.generated_frames / result.seconds if result.seconds > 0 else 0.0
    reused = f", {plural(result.reused_clips, 'clip')} reused" if result.reused_clips else ""
    length = f"{plural(result.frames, 'frame')} in {plural(result.clips, 'clip')}"
    saving = duration(result.state_seconds)
    console.say(
        f"Done in {duration(result.seconds)}: {length}{reused}, "
        f"{made:.2f} frames a second" + (f", {saving} of it for saving states" if result.state_seconds >= 0.05 else "")
    )
    console.result(str(result.output), record)
