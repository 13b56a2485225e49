"""The flags of ``live-avatar bench --multi``, and what they ask for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from live_avatar.bench.multi_cases import CARD_CASES, PROCESSOR_CASES, Case, given_cut, read_cuts
from live_avatar.cli.arguments import make_parser, with_underscores
from live_avatar.errors import UserError
from live_avatar.footprint import CUDA_CONTEXT_BYTES
from live_avatar.geometry import parse_size

_GB = 1e9


def read_flags(argv: Sequence[str]) -> argparse.Namespace:
    """What was asked for.

    Raises:
        UserError: ``ARGUMENTS_INVALID``.
    """
    options = make_multi_parser().parse_args(with_underscores(argv))
    for name in ("steps", "blocks", "minutes", "endurance", "room"):
        value = getattr(options, name)
        if value is not None and not 0 < value < 1e6:
            raise _refused(f"--{name} is {value:g}.", "It is more than 0.", name)
    return options


def cases_of(options: argparse.Namespace, *, on_cards: bool) -> tuple[Case, ...]:
    """Those of the command line, or the usual ones.

    Raises:
        UserError: ``ARGUMENTS_INVALID``, ``SIZE_INVALID``, ``CUT_INVALID``.
    """
    usual = CARD_CASES if on_cards else PROCESSOR_CASES
    cuts = usual[0].cuts if options.cuts is None else read_cuts(options.cuts)
    if options.layers is not None:
        cuts = (given_cut(options.layers), *(cuts if options.cuts is not None else ()))
    if options.size is None and options.memory_limit is None and options.precision is None:
        return (replace(usual[0], cuts=cuts), *usual[1:])
    limits = [None] if options.memory_limit is None else [_limit(part) for part in options.memory_limit.split(",")]
    size = usual[0].size if options.size is None else parse_size(options.size)
    return tuple(Case(size, limit, options.precision or "auto", cuts) for limit in limits)


def _limit(text: str) -> float | None:
    try:
        limit = None if text.strip() == "none" else float(text)
    except ValueError:
        limit = 0.0
    if limit is not None and not limit * _GB > CUDA_CONTEXT_BYTES:
        raise _refused(
            f'"{text}" is no limit of memory.',
            f"It is gigabytes, more than {CUDA_CONTEXT_BYTES / _GB:.1f}, or none.",
            "memory_limit",
        )
    return limit


def counts_of(text: str | None, devices: int) -> list[int]:
    """Numbers of ranks to measure, rising.

    Raises:
        UserError: ``ARGUMENTS_INVALID``.
    """
    try:
        counts = [1, devices] if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if not all(1 <= count <= devices for count in counts):
        raise _refused(f'"{text}" are no numbers of ranks.', f"They are from 1 to {devices} here.", "ranks")
    return sorted(set(counts))


def devices_of(options: argparse.Namespace) -> tuple[str, ...]:
    """The device of every rank there may be.

    Raises:
        UserError: ``DEVICE_UNAVAILABLE``.
    """
    if options.devices is not None:
        return tuple(options.devices.split(","))
    if options.device == "cpu":
        most = 2
        if options.ranks is not None and options.ranks.replace(",", "").isdecimal():
            most = max(int(part) for part in options.ranks.split(",") if part)
        return ("cpu",) * max(1, most)
    found = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    if not found:
        raise UserError(
            "DEVICE_UNAVAILABLE",
            "There is no card to measure.",
            "PyTorch sees no NVIDIA card on this machine.",
            "Use --device cpu to measure a small network on the processor.",
            field="device",
        )
    return found


def _refused(what: str, why: str, field: str) -> UserError:
    return UserError("ARGUMENTS_INVALID", what, why, "See live-avatar bench --multi --help.", field=field)


def make_multi_parser() -> argparse.ArgumentParser:
    """All flags."""
    parser = make_parser(
        "bench --multi", "Measures several ranks on one take, with the simulator's prediction beside each figure."
    )
    add = parser.add_argument
    add("--ranks", metavar="LIST", help="numbers of cards, such as 1,2,4 (default: 1 and all there are; cpu: 1,2)")
    add("--device", choices=("auto", "cpu"), default="auto", help="cpu: processes on the processor, a small network")
    add("--devices", metavar="LIST", help="devices of the ranks, such as cuda:0,cuda:2 (default: all cards)")
    add("--size", metavar="W*H", help="one size instead of the usual cases")
    add("--steps", metavar="N", type=int, default=4, help="denoising steps (default 4)")
    add("--memory_limit", metavar="LIST", help="gigabytes of each card that may be taken, such as none,24,16")
    add("--precision", choices=("auto", "bf16", "fp8"), help="of the weights (default: as planned)")
    add("--cuts", metavar="LIST", help="any of best,layers,even,balanced,steps (default: all, for the first case)")
    add("--layers", metavar="LIST", help="layers of each rank, such as 18,22, in place of the cuts of so many ranks")
    add("--room", metavar="N", type=int, help="blocks in flight (default: as planned)")
    add("--blocks", metavar="N", type=int, default=32, help="blocks measured one by one (default 32)")
    add("--minutes", metavar="M", type=float, help="so much more video of the first case: block period and memory")
    add("--no_loss", action="store_true", help="kill no rank at the end")
    add("--trace", metavar="PICTURE", type=Path, help="draw two measured blocks into this SVG file")
    add("--endurance", metavar="MINUTES", type=float, help="a long take of a small network on processes, replayed")
    add("--preset", default=None, help="network, as random-weights has them (default: 14b, on the processor medium)")
    add("--json", metavar="FILE", type=Path, help="write every figure to FILE as well")
    return parser
