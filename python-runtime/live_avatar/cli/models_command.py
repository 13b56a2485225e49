"""``live-avatar models``: download, import and remove model folders."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from live_avatar.cli.arguments import make_parser, with_underscores
from live_avatar.cli.console import Console
from live_avatar.cli.flags import DEFAULT_CKPT_DIR, add_console_flags
from live_avatar.cli.request import choose_lora
from live_avatar.cli.words import plural, size
from live_avatar.errors import UserError

if TYPE_CHECKING:
    from live_avatar.store.reports import Listener, TransferProgress

_ACTS = {"download": "fetching", "copy": "copying", "check": "checking"}


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
        UserError: a fault the user can mend.
        Cancelled: the user stopped it; what is finished is kept.
    """
    parser = make_parser(
        "models",
        "Brings models to this disk and takes them away; what was begun goes on when run again.",
        f"download --to {DEFAULT_CKPT_DIR}",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="download|import|remove")
    _add_download(commands.add_parser("download", help="from the hub or a mirror of it", allow_abbrev=False))
    _add_import(commands.add_parser("import", help="from a folder or drive", allow_abbrev=False))
    _add_remove(commands.add_parser("remove", help="delete what was downloaded or imported", allow_abbrev=False))
    options = parser.parse_args(with_underscores(arguments))
    run: Callable[[argparse.Namespace, Console], None] = options.run
    with Console.of(options) as console:
        run(options, console)
    return 0


def _add_download(parser: argparse.ArgumentParser) -> None:
    from live_avatar.store import published

    parser.set_defaults(run=_download)
    parser.add_argument(
        "--to", metavar="DIR", default=str(DEFAULT_CKPT_DIR), help=f"the new model folder (default {DEFAULT_CKPT_DIR})"
    )
    parser.add_argument(
        "--repo",
        metavar="OWNER/NAME",
        default=published.BASE_REPOSITORY,
        help=f"the model (default {published.BASE_REPOSITORY})",
    )
    parser.add_argument("--revision", metavar="REV", default="main", help="branch, tag or commit of it (default main)")
    parser.add_argument(
        "--lora_repo",
        metavar="OWNER/NAME",
        default=published.LORA_REPOSITORY,
        help=f"its LoRA; empty: none (default {published.LORA_REPOSITORY})",
    )
    parser.add_argument("--endpoint", metavar="URL", help="a mirror of the hub (default: HF_ENDPOINT, or the hub)")
    parser.add_argument("--proxy", metavar="URL", help="an HTTP proxy (default: as the system's environment says)")
    parser.add_argument(
        "--speed_limit",
        metavar="MB",
        type=_positive,
        help="at most so many megabytes (10^6 bytes) a second (default: no limit)",
    )
    parser.add_argument("--parts", metavar="N", type=_count, default=4, help="connections at a time (default 4)")
    parser.add_argument(
        "--patience", metavar="S", type=_positive, default=30.0, help="seconds of silence put up with (default 30)"
    )
    _add_common(parser)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_import)
    parser.add_argument("source", metavar="SOURCE", help="folder in the published layout")
    parser.add_argument("--to", metavar="DIR", required=True, help="the new model folder")
    parser.add_argument(
        "--how",
        choices=("copy", "move"),
        default="copy",
        help="copy, which shares its bytes if the disk can, or move (default copy)",
    )
    parser.add_argument("--lora_path_dmd", metavar="LORA", help="LoRA to take along (default: one that is found)")
    _add_common(parser)


def _add_remove(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_remove)
    parser.add_argument("folder", metavar="DIR", help="model folder")
    parser.add_argument("--dry_run", action="store_true", help="only say what it would free")
    add_console_flags(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="read every byte again, and bring anew what is damaged")
    parser.add_argument("--stop_on_eof", action="store_true", help="end when standard input ends (for programs)")
    add_console_flags(parser)


def _download(options: argparse.Namespace, console: Console) -> None:
    from live_avatar.store.download import DownloadOptions, download_model
    from live_avatar.store.pace import Patience
    from live_avatar.store.published import DEFAULT_ENDPOINT

    wanted = DownloadOptions(
        to=Path(options.to).expanduser(),
        repository=options.repo,
        lora_repository=options.lora_repo or None,
        revision=options.revision,
        endpoint=options.endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT,
        proxy=options.proxy,
        bytes_per_second=None if options.speed_limit is None else options.speed_limit * 1e6,
        parts=options.parts,
        check=options.check,
        patience=Patience(silence_seconds=options.patience),
    )
    with _locked(wanted.to), _stopping(options) as stop:
        result = download_model(wanted, _listener(console), stop)
    text = f"{wanted.to}: {size(result.bytes)} in {plural(result.files, 'file')}, every checksum right"
    console.result(text, {"kind": "done", "folder": str(wanted.to), **asdict(result)})


def _import(options: argparse.Namespace, console: Console) -> None:
    from live_avatar.checkpoint.inspect import inspect_checkpoint
    from live_avatar.checkpoint.lora import resolve_lora
    from live_avatar.store.import_model import ImportOptions, import_model
    from live_avatar.store.record import ModelRecord

    source = Path(options.source).expanduser().resolve()
    target = Path(options.to).expanduser()
    if target.resolve() == source or source in target.resolve().parents:
        raise UserError(
            "MODEL_TARGET_IN_SOURCE",
            "The model cannot be imported into its own folder.",
            f"{target} lies in {source}.",
            "Choose another folder.",
            field="to",
        )
    lora = choose_lora(source, options.lora_path_dmd)
    lora_path = None if lora is None else resolve_lora(lora, source.parent)
    begun = ModelRecord.read(target)
    if begun is None or not begun.files:
        # Before hours of copying: can it be used at all?
        report = inspect_checkpoint(source, lora=lora_path)
        problem = next((part.problem for part in report.parts if part.problem is not None), None)
        if problem is not None:
            code, what, why, hint = (str(problem[key]) for key in ("code", "what", "why", "hint"))
            raise UserError(code, what, why, hint, field="source")
    wanted = ImportOptions(source, target, options.how, lora_path, options.check)
    with _locked(wanted.to), _stopping(options) as stop:
        result = import_model(wanted, _listener(console), stop)
    text = f"{wanted.to}: {size(result.bytes)} in {plural(result.files, 'file')}, every byte checked"
    console.result(text, {"kind": "done", "folder": str(wanted.to), **asdict(result)})


def _remove(options: argparse.Namespace, console: Console) -> None:
    from live_avatar.store.remove_model import plan_removal, remove_model

    folder = Path(options.folder).expanduser()
    if options.dry_run:
        removal = plan_removal(folder)
    else:
        plan_removal(folder)
        with _locked(folder):
            removal = remove_model(folder)
    verb = "would free" if options.dry_run else "freed"
    kept = f"; {plural(len(removal.kept_files), 'other file')} stay" if removal.kept_files else ""
    console.result(f"{verb} {size(removal.freed_bytes)}{kept}", {"kind": "removed", **asdict(removal)})


def _listener(console: Console) -> Listener:
    class Told:
        def progress(self, progress: TransferProgress) -> None:
            if console.as_json:
                console.record({"kind": "progress", **asdict(progress)})
            elif not console.quiet and sys.stderr.isatty():
                print(f"\r{_line(progress):100}", end="", file=sys.stderr, flush=True)

        def waiting(self, seconds: float, why: str) -> None:
            console.record({"kind": "waiting", "seconds": round(seconds, 1), "why": why})
            console.say(f"{why[:1].upper()}{why[1:]}; going on in {seconds:.0f} s.")

        def note(self, code: str, path: str, text: str) -> None:
            console.record({"kind": "note", "code": code, "path": path, "text": text})
            console.say(f"Note: {text} [{code}]")

    return Told()


def _line(progress: TransferProgress) -> str:
    share = progress.done_bytes / max(1, progress.total_bytes)
    amount = f"{size(progress.done_bytes)} of {size(progress.total_bytes)}"
    speed = "" if progress.bytes_per_second is None else f", {size(progress.bytes_per_second)}/s"
    return f"{share:4.0%} {amount}{speed}, {_ACTS[progress.act]} {progress.path}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process a model folder.

    Raises:
        UserError: ``MODEL_FOLDER_BUSY``, ``MODEL_TARGET_NOT_WRITABLE``.
    """
    from filelock import FileLock, Timeout

    from live_avatar.store.space import target_fault

    # Beside the folder: what is in it may be removed.
    lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UserError(
            "MODEL_FOLDER_BUSY",
            f"Another process works on {folder}.",
            "Two at a time would spoil each other's work.",
            "Wait until it is done, or stop it.",
        ) from error
    except OSError as error:
        raise target_fault(error, folder) from error
    try:
        yield
    finally:
        # Windows removes no open file: there it stays, empty.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()


@contextmanager
def _stopping(options: argparse.Namespace) -> Iterator[threading.Event]:
    """An event that signals set, and the end of standard input if asked; work ends within a second or two."""
    stop = threading.Event()

    def receive(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    if options.stop_on_eof:
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True, name="stdin").start()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 32:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to 32")
    return value
