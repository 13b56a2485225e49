"""An argument parser that answers in the house's way: one code and one sentence, both spellings of every flag."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from live_avatar.compute_wishes import Place
from live_avatar.errors import UserError

_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


class Parser(argparse.ArgumentParser):
    """``argparse`` without guessing of abbreviations; faults are ``UserError`` with code ``ARGUMENTS_INVALID``."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            UserError: ``ARGUMENTS_INVALID``, always.
        """
        raise UserError(
            "ARGUMENTS_INVALID",
            "The command line cannot be understood.",
            f"{message[:1].upper()}{message[1:]}.",
            f"See {self.prog} --help.",
        )


def make_parser(command: str, description: str, example: str = "") -> Parser:
    """An empty parser for a subcommand. The ``example`` is words that may follow its name."""
    prog = f"live-avatar {command}"
    return Parser(prog=prog, description=description, epilog=example_words(prog, example), allow_abbrev=False)


def example_words(prog: str, example: str) -> str | None:
    """What ``--help`` ends with."""
    return f"Example: {prog} {example}" if example else None


def with_underscores(arguments: Sequence[str]) -> list[str]:
    """Spell flag names with underscores, as they are declared; values and what follows ``--`` stay as they are."""
    spelled: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*spelled, *arguments[position:]]
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            argument = f"--{name.replace('-', '_')}{equals}{value}"
        spelled.append(argument)
    return spelled


def place(text: str) -> Place:
    """Read auto, or true/false as people write them: whether to keep something in main memory.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    lowered = text.strip().lower()
    if lowered == "auto":
        return "auto"
    if lowered in _TRUE | _FALSE:
        return "host" if lowered in _TRUE else "device"
    raise argparse.ArgumentTypeError(f'"{text}" is neither auto, true nor false')


def add_switch(group: argparse._ArgumentGroup, name: str, text: str) -> None:
    """A flag that is off unless it is given: alone, or with true or false after it as the published scripts do."""
    group.add_argument(f"--{name}", nargs="?", const=True, default=False, type=boolean, metavar="BOOL", help=text)


def boolean(text: str) -> bool:
    """Read true/false as people write them.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    lowered = text.strip().lower()
    if lowered in _TRUE | _FALSE:
        return lowered in _TRUE
    raise argparse.ArgumentTypeError(f'"{text}" is neither true nor false')
