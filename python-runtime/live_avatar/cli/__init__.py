"""The command ``live-avatar``. Each subcommand is imported only when it is used, so that ``--help`` is quick."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence

from live_avatar import __version__
from live_avatar.distributed.launch import is_torchrun_follower
from live_avatar.errors import Cancelled, UserError
from live_avatar.threads import prepare_threads

OK, INTERNAL_ERROR, USER_ERROR, SOME_FAILED, STOPPED = 0, 1, 2, 3, 130

# Name: module with main(arguments) -> exit status, and one line of help.
_COMMANDS: dict[str, tuple[str, str]] = {
    "generate": ("live_avatar.cli.generate", "make a talking video from a portrait, a recording and a prompt"),
    "batch": ("live_avatar.cli.batch_command", "make many videos, unattended; can be continued"),
    "plan": ("live_avatar.cli.plan_command", "say what a video would be and cost, without making it"),
    "check": ("live_avatar.cli.check_command", "say whether a portrait, a recording and a prompt are good material"),
    "inspect": ("live_avatar.cli.inspect_command", "look at a model folder: what it holds, what is missing or damaged"),
    "models": ("live_avatar.cli.models_command", "download, import and remove models"),
    "doctor": ("live_avatar.cli.doctor_command", "look at driver, cards and libraries, and try how they work together"),
    "random-weights": ("live_avatar.cli.random_weights_command", "write a stand-in for a model, to measure with"),
    "verify": ("live_avatar.verify.__main__", "check the engine against golden data"),
    "bench": ("live_avatar.bench", "measure the engine"),
    "worker": ("live_avatar.worker", "serve a parent program over JSON lines on stdio"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0 done; 1 a fault of the program; 2 a fault the user can mend; 3 a batch with failed jobs; 130 stopped by the user.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in _COMMANDS:
        try:
            return _without_command(arguments)
        except UserError as error:
            return _report(error, arguments)
    name, rest = arguments[0], arguments[1:]
    prepare_threads()
    # So that cuda:N is the same card in every process that this one starts.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if is_torchrun_follower():
        from live_avatar.distributed.gathering import follow_torchrun

        # The command is rank 0's, which leads; this process does as that says.
        follow_torchrun()
    try:
        status: int = importlib.import_module(_COMMANDS[name][0]).main(rest)
        sys.stdout.flush()
    except UserError as error:
        return _report(error, rest)
    except (Cancelled, KeyboardInterrupt):
        return STOPPED
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be said there, not even by the interpreter on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception:
        from live_avatar.cli.crash import report_crash

        return report_crash(name, "--json" in rest)
    return status


def _without_command(arguments: list[str]) -> int:
    from live_avatar.cli.arguments import Parser

    width = max(map(len, _COMMANDS))
    parser = Parser(
        prog="live-avatar",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Turns a portrait, a voice recording and a prompt into a talking video.",
        usage="live-avatar COMMAND [flags]",
        epilog="commands:\n"
        + "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in _COMMANDS.items())
        + "\n\n'live-avatar COMMAND --help' lists the flags of a command.",
    )
    parser.add_argument("--version", action="version", version=f"live-avatar {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return USER_ERROR
    raise UserError(
        "COMMAND_UNKNOWN",
        f'There is no command "{options.command}".',
        f"The commands are {', '.join(_COMMANDS)}.",
        "See live-avatar --help.",
    )


def _report(error: UserError, arguments: Sequence[str]) -> int:
    if "--json" in arguments:
        print(json.dumps({"kind": "error", **error.as_dict()}, ensure_ascii=False), flush=True)
    else:
        print(f"{error.what}\n{error.why}\n{error.hint} [{error.code}]", file=sys.stderr)
    return USER_ERROR
