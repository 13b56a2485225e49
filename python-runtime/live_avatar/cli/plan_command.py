"""``live-avatar plan``: what a video would be and cost."""

from __future__ import annotations

from collections.abc import Sequence

from live_avatar.cli.arguments import with_underscores
from live_avatar.cli.console import Console
from live_avatar.cli.describe import plan_lines
from live_avatar.cli.generate import check_material, make_generate_parser
from live_avatar.cli.request import read_request


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Takes the flags of ``generate``; a prompt is not needed.

    Raises:
        UserError: a fault the user can mend.
    """
    from live_avatar.machine import Machine
    from live_avatar.planner import plan as make_plan

    parser = make_generate_parser()
    parser.prog = "live-avatar plan"
    parser.description = "Says what a video would be and cost, from the headers of the files. Takes generate's flags."
    options = parser.parse_args(with_underscores(arguments))
    prompted = options.prompt is not None or options.prompt_schedule is not None
    if not prompted:
        options.prompt = "a person talks to the camera"
    with Console.of(options) as console:
        request = read_request(options)
        job, model = request.job, request.model
        plan = make_plan(job, model.ckpt_dir, model.lora, Machine.detect(model.device), precision=model.precision)
        console.result(
            "\n".join(plan_lines(plan)),
            {"kind": "plan", "output": str(job.output), "lora": model.lora, **plan.as_dict()},
        )
        for note in request.notes:
            console.warning("FLAG_WITHOUT_EFFECT", note)
        for code, text in plan.warnings:
            console.warning(code, text)
        check_material(job, console)
    return 0
