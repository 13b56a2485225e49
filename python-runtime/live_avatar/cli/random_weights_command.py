"""``live-avatar random-weights``: a stand-in for a model whose weights are not at hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from live_avatar.cli.arguments import make_parser, with_underscores
from live_avatar.cli.console import Console
from live_avatar.cli.flags import add_console_flags
from live_avatar.cli.words import duration, size


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
        UserError: a fault the user can mend.
    """
    parser = make_parser(
        "random-weights",
        "Writes a model folder in the published layout whose weights are drawn when they are loaded: for measuring "
        "speed and memory without the published files. Its pictures are noise.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="new folder")
    parser.add_argument(
        "--preset", default="14b", metavar="NAME", help="14b (default), slice (4 of its layers), medium, small, tiny"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what is drawn depends on it (default 0)")
    outliers = "factor of a few outlier channels behind the norms, as trained models have them (default 1: none)"
    parser.add_argument("--outliers", type=float, default=1.0, metavar="FACTOR", help=outliers)
    add_console_flags(parser)
    options = parser.parse_args(with_underscores(arguments))

    from live_avatar.checkpoint.drawn import Drawing
    from live_avatar.checkpoint.random_weights import apparent_bytes, write_random_model

    folder: Path = options.folder.expanduser()
    with Console.of(options) as console:
        started = time.monotonic()
        write_random_model(folder, options.preset, Drawing(options.seed, options.outliers))
        seconds = time.monotonic() - started
        seeming, taken = apparent_bytes(folder)
        console.result(
            f"{folder}: a model of {size(seeming)} that takes {size(taken)} on disk, made in {duration(seconds)}",
            {"kind": "random_weights", "folder": str(folder), "bytes": seeming, "disk": taken, "seconds": seconds},
        )
    return 0
