"""The command: choose the parts, print each figure as it comes, keep all of them in a file. No torch."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from live_avatar.bench.figures import Figure, table_head, table_line
from live_avatar.bench.report_file import write_report
from live_avatar.bench.settings import Setup
from live_avatar.cli.arguments import Parser, make_parser, with_underscores
from live_avatar.errors import UserError

PARTS = ("start", "load", "step", "render", "memory", "card")
# The memory run takes many minutes and is asked for by name or by --minutes, the one of a card by name.
_DEFAULT_PARTS = ("start", "load", "step", "render")
# Several cards on one take: a measurement of its own, with flags of its own.
_MULTI = "--multi"
_VERSION = 1
_CROWDED = 0.1

Samples = list[dict[str, float]]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns 0, also when a bar is missed, and 2 for a fault the user can mend."""
    try:
        _run(list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        # Here --json names a file: the fault is told in words all the same.
        print(f"{error.what}\n{error.why}\n{error.hint} [{error.code}]", file=sys.stderr)
        return 2
    return 0


def _run(arguments: list[str]) -> None:
    if _MULTI in arguments:
        from live_avatar.bench.multi import main as measure_several

        measure_several([argument for argument in arguments if argument != _MULTI])
        return
    parser = make_bench_parser()
    options = parser.parse_args(with_underscores(arguments))
    setup, parts = read_setup(options), _parts(options)

    from live_avatar.bench.surroundings import describe_machine, machine_lines

    machine = describe_machine(setup.device)
    for line in machine_lines(machine):
        print(line)
    print(f"model {setup.ckpt_dir.name}, LoRA {'none' if setup.lora is None else Path(setup.lora).name}", flush=True)
    report: dict[str, Any] = {
        "version": _VERSION,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine,
        "setup": {name: _plain(getattr(setup, name)) for name in Setup.__dataclass_fields__},
        "parts": {},
    }
    # Written at once, so that a wrong path is known before the measuring, and then after every part.
    if options.json is not None:
        write_report(options.json, report)
    for part in parts:
        report["parts"][part] = _measure(part, setup, machine)
        if options.json is not None:
            write_report(options.json, report)
    missed = [row["what"] for entry in report["parts"].values() for row in entry["figures"] if row["met"] is False]
    if missed:
        print(f"\nMissed: {', '.join(missed)}")


def _measure(part: str, setup: Setup, machine: dict[str, Any]) -> dict[str, Any]:
    """Run one part and print its figures as they come."""
    from live_avatar.bench.stopwatch import OtherPrograms

    print(f"\n{part}\n{table_head()}", flush=True)
    others, started = OtherPrograms(), time.monotonic()
    figures: list[Figure] = []
    samples: Samples = []
    for figure in _figures(part, setup, samples):
        figures.append(figure)
        print(table_line(figure), flush=True)
    busy = others.processors()
    if busy is not None and busy > _CROWDED and busy + machine["threads"] > machine["processors"]:
        print(f"Other programs kept {busy:.1f} of {machine['processors']} processors busy: this machine can do better.")
    entry = {
        "seconds": time.monotonic() - started,
        "busy_with_other_programs": busy,
        "figures": [figure.as_dict() for figure in figures],
    }
    return entry | ({"samples": samples} if samples else {})


def _figures(part: str, setup: Setup, samples: Samples) -> Iterator[Figure]:
    """The figures of a part; what it needs is imported now."""
    measure: Callable[[Setup], Iterator[Figure]]
    if part == "start":
        from live_avatar.bench.start import measure_start as measure
    elif part == "load":
        from live_avatar.bench.load import measure_load as measure
    elif part == "step":
        from live_avatar.bench.step import measure_step as measure
    elif part == "render":
        from live_avatar.bench.whole_render import measure_render as measure
    elif part == "card":
        from live_avatar.bench.card import measure_card as measure
    else:
        from live_avatar.bench.memory import measure_memory

        return measure_memory(setup, samples)
    return measure(setup)


def make_bench_parser() -> Parser:
    """All flags, with the defaults of :class:`Setup`."""
    default = Setup()
    parser = make_parser("bench", "Measures the engine on this machine and prints a table, with the bars beside it.")
    choice = f"any of {','.join(PARTS)} (default {','.join(_DEFAULT_PARTS)}; memory too if --minutes is given)"
    parser.add_argument("--only", metavar="PARTS", help=choice)
    several = "measure several cards on one take instead; bench --multi --help shows its flags"
    parser.add_argument(_MULTI, action="store_true", help=several)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure and the machine to FILE as well")
    parser.add_argument(
        "--ckpt_dir", metavar="DIR", type=Path, default=default.ckpt_dir, help="default: the demo model"
    )
    parser.add_argument("--lora_path_dmd", metavar="FILE", help="default: the model folder's own, if there is one")
    parser.add_argument("--no_load_lora", action="store_true", help="measure without a LoRA")
    parser.add_argument("--device", default=default.device, help="auto, cpu, cuda or cuda:N (default auto)")
    parser.add_argument("--image", metavar="FILE", type=Path, default=default.image, help="default: an example")
    parser.add_argument("--audio", metavar="FILE", type=Path, default=default.audio, help="looped; default: an example")
    parser.add_argument("--prompt", metavar="TEXT", default=default.prompt)
    parser.add_argument(
        "--size", metavar="W*H", default=_size(default.size), help="of step and render (default %(default)s)"
    )
    parser.add_argument("--infer_frames", metavar="N", type=int, default=default.infer_frames, help="frames per clip")
    parser.add_argument("--sample_steps", metavar="N", type=int, default=default.sample_steps, help="denoising steps")
    parser.add_argument("--seconds", metavar="N", type=float, default=default.seconds, help="sound of the render part")
    parser.add_argument("--minutes", metavar="M", type=float, help="sound of the memory part (default 10)")
    small = "of the memory part (default %(default)s)"
    parser.add_argument("--memory_size", metavar="W*H", default=_size(default.memory_size), help=small)
    parser.add_argument("--blocks", metavar="N", type=int, default=default.blocks, help="blocks measured by step")
    parser.add_argument("--repeats", metavar="N", type=int, default=default.repeats, help="processes started by start")
    parser.add_argument("--profile", action="store_true", help="step also says what kinds of operations take the time")
    return parser


def read_setup(options: argparse.Namespace) -> Setup:
    """The setup that the flags ask for.

    Raises:
        UserError: ``ARGUMENTS_INVALID``, ``SIZE_INVALID``, ``INFER_FRAMES_INVALID``.
    """
    from live_avatar.cli.request import choose_lora
    from live_avatar.geometry import check_infer_frames, parse_size

    minutes = Setup().minutes if options.minutes is None else options.minutes
    for name, value, least in (
        ("seconds", options.seconds, 0.04),
        ("minutes", minutes, 0.001),
        ("blocks", options.blocks, 1),
        ("repeats", options.repeats, 1),
    ):
        if not least <= value < math.inf:
            raise _refused(f"--{name} is {value:g}.", f"It is at least {least:g}.", name)
    check_infer_frames(options.infer_frames)
    return Setup(
        ckpt_dir=options.ckpt_dir,
        lora=None if options.no_load_lora else choose_lora(options.ckpt_dir, options.lora_path_dmd),
        device=options.device,
        image=options.image,
        audio=options.audio,
        prompt=options.prompt,
        size=parse_size(options.size),
        infer_frames=options.infer_frames,
        sample_steps=options.sample_steps,
        seconds=options.seconds,
        minutes=minutes,
        memory_size=parse_size(options.memory_size),
        blocks=options.blocks,
        repeats=options.repeats,
        profile=options.profile,
    )


def _parts(options: argparse.Namespace) -> list[str]:
    if options.only is None:
        asked = ("memory",) if options.minutes is not None else ()
        return [part for part in PARTS if part in (*_DEFAULT_PARTS, *asked)]
    wanted = [name.strip() for name in options.only.split(",")]
    unknown = sorted(set(wanted) - set(PARTS))
    if unknown:
        raise _refused(f'There is no part "{unknown[0]}".', f"The parts are {', '.join(PARTS)}.", "only")
    return [part for part in PARTS if part in wanted]


def _refused(what: str, why: str, field: str) -> UserError:
    return UserError("ARGUMENTS_INVALID", what, why, "See live-avatar bench --help.", field=field)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}*{size[1]}"
