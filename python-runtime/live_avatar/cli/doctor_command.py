"""``live-avatar doctor``: whether this machine can render, and how its cards work together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from live_avatar.cli.arguments import make_parser, with_underscores
from live_avatar.cli.console import Console
from live_avatar.cli.flags import add_console_flags

_NOT_USABLE = 2
_MARKS = {"ok": "  ", "warning": "! ", "error": "X "}


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns 0 when all is well enough to render and 2 when not.

    Raises:
        UserError: a fault the user can mend.
    """
    parser = make_parser("doctor", "Looks at driver, cards, libraries and the ways between cards, and tries them.")
    parser.add_argument("--no_links", action="store_true", help="do not try the ways between cards")
    add_console_flags(parser)
    options = parser.parse_args(with_underscores(arguments))

    from live_avatar.distributed.doctor import examine

    usable = True
    with Console.of(options) as console:
        for check in examine(try_links=not options.no_links, progress=lambda text: console.say(f"  {text} ...")):
            usable = usable and check.state != "error"
            console.result(f"{_MARKS[check.state]}{check.subject:8} {check.text}", {"kind": "check", **asdict(check)})
        words = "This machine can render." if usable else "This machine cannot render as it is."
        console.result(words, {"kind": "doctor", "usable": usable})
    return 0 if usable else _NOT_USABLE
