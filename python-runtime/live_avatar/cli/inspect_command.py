"""``live-avatar inspect``: what a model folder holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.cli.arguments import make_parser, with_underscores
from live_avatar.cli.console import Console
from live_avatar.cli.flags import DEFAULT_CKPT_DIR, add_console_flags
from live_avatar.cli.request import choose_lora
from live_avatar.cli.words import size

if TYPE_CHECKING:
    from live_avatar.checkpoint.inspect import CheckpointReport, PartReport

_NOT_USABLE = 2


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns 0 when the folder can be used and 2 when not.

    Raises:
        UserError: a fault the user can mend.
    """
    parser = make_parser(
        "inspect",
        "Looks at a model folder: what it holds, what is missing or damaged, sizes, hashes.",
        "ckpt/Wan2.2-S2V-14B --hashes",
    )
    parser.add_argument("folder", nargs="?", metavar="DIR", help=f"model folder (default {DEFAULT_CKPT_DIR})")
    parser.add_argument("--ckpt_dir", metavar="DIR", help="the same, by the name it has elsewhere")
    parser.add_argument("--lora_path_dmd", metavar="LORA", help="LoRA to look at too (default: one that is found)")
    parser.add_argument("--hashes", action="store_true", help="read every byte and print SHA-256")
    add_console_flags(parser)
    options = parser.parse_args(with_underscores(arguments))
    if options.folder and options.ckpt_dir:
        parser.error("the folder is given twice")
    root = Path(options.folder or options.ckpt_dir or DEFAULT_CKPT_DIR).expanduser()

    from live_avatar.checkpoint.inspect import inspect_checkpoint
    from live_avatar.checkpoint.lora import resolve_lora

    lora = choose_lora(root, options.lora_path_dmd)
    with Console.of(options) as console:
        show = not options.json and not options.quiet and sys.stderr.isatty()
        report = inspect_checkpoint(
            root,
            hashes=options.hashes,
            lora=None if lora is None else resolve_lora(lora, root.parent),
            progress=_show_hashing if show else None,
        )
        console.result("\n".join(report_lines(report)), {"kind": "inspect", **report.as_dict()})
    return 0 if report.usable else _NOT_USABLE


def report_lines(report: CheckpointReport) -> list[str]:
    """The report as a table for people."""
    lines = [f"{report.root}: {size(report.bytes)}, {'can be used' if report.usable else 'CANNOT be used'}"]
    for part in report.parts:
        lines += _part_lines(part)
    return lines


def _part_lines(part: PartReport) -> list[str]:
    facts = [size(sum(file.bytes for file in part.files))]
    if part.tensors:
        facts.append(f"{part.tensors} tensors, {part.parameters / 1e6:.2f} million values")
        facts.append(", ".join(f"{count} {dtype}" for dtype, count in part.dtypes.items()))
    lines = [f"{part.name:13} {part.state:8} {'; '.join(facts)}"]
    if part.sizes and part.name != "config":  # the transformer repeats them, completed from its tensors
        lines.append(f"{'':13} {', '.join(f'{key} {_value(value)}' for key, value in part.sizes.items())}")
    lines += [f"{'':13} missing: {name}" for name in part.missing]
    if part.problem is not None:
        problem = part.problem
        lines.append(f"{'':13} {problem['what']} {problem['why']} {problem['hint']} [{problem['code']}]")
    lines += [
        f"{'':13} {file.path} {size(file.bytes)}" + (f" {file.sha256}" if file.sha256 else "") for file in part.files
    ]
    return lines


def _value(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, (list, tuple)) else str(value)


def _show_hashing(name: str, done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    print(f"\r{done / max(1, total):4.0%} {name:60}", end=end, file=sys.stderr, flush=True)
