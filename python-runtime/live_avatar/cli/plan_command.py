"""``live-avatar plan``: what a video would be and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from live_avatar.cli.arguments import example_words, with_underscores
from live_avatar.cli.console import Console
from live_avatar.cli.describe import plan_lines
from live_avatar.cli.generate import check_material, make_generate_parser
from live_avatar.cli.request import Request, read_request
from live_avatar.cli.simulate import add_simulate_flags, simulate, simulation_wanted
from live_avatar.distributed.wishes import CutWishes

if TYPE_CHECKING:
    from live_avatar.planner import Plan


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status. Takes the flags of ``generate``; a prompt is not needed.

    Raises:
        UserError: a fault the user can mend.
    """
    parser = make_generate_parser()
    parser.add_argument(
        "--for_card",
        metavar="NAME:GB[:GB]",
        help='plan for a card that is not here, such as "RTX 4090:24", maybe with its main memory (default 64)',
    )
    add_simulate_flags(parser)
    parser.prog = "live-avatar plan"
    parser.epilog = example_words(parser.prog, "--image anna.png --audio anna.wav --simulate 1,2,4")
    parser.description = "Says what a video would be and cost, from the headers of the files. Takes generate's flags."
    options = parser.parse_args(with_underscores(arguments))
    prompted = options.prompt is not None or options.prompt_schedule is not None
    if not prompted:
        options.prompt = "a person talks to the camera"
    with Console.of(options) as console:
        several = simulation_wanted(options)
        request = read_request(options)
        if several and not request.wishes.cut.several:
            # What is simulated is several like the one that would make it.
            request = replace(request, wishes=replace(request.wishes, cut=CutWishes()))
        job = request.job
        plan = _plan(request, options.for_card)
        console.result(
            "\n".join(plan_lines(plan)),
            {"kind": "plan", "output": str(job.output), "lora": request.model.lora, **plan.as_dict()},
        )
        for note in request.notes:
            console.warning("FLAG_WITHOUT_EFFECT", note)
        for code, text in plan.warnings:
            console.warning(code, text)
        check_material(job, console)
        if several:
            simulate(options, plan, console)
    return 0


def _plan(request: Request, described: str | None) -> Plan:
    """The plan for this computer, or for a card that is only described."""
    from live_avatar.fast.described_card import describe_card
    from live_avatar.machine import Machine
    from live_avatar.planner import plan

    model = request.model
    machine, card = (Machine.detect(model.device), None) if described is None else describe_card(described)
    return plan(
        request.job,
        model.ckpt_dir,
        model.lora,
        machine,
        precision=model.precision,
        wishes=request.wishes,
        card=card,
        measured=described is None,
    )
