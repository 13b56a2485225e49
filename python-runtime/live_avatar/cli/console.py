"""What a command says and where: results on stdout, progress and faults on stderr, or JSON lines on stdout alone."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self

from live_avatar.cli.progress import ProgressView
from live_avatar.cli.words import duration, size
from live_avatar.errors import UserError
from live_avatar.events import DoneEvent, RenderEvent, StateEvent, WarningEvent


class Console:
    """Prints for people or machines, and keeps the log file. Use it with ``with``.

    Args:
        as_json: one JSON object a line on stdout and nothing else there.
        quiet: no progress, only the result and what goes wrong.
        log_file: appended to, or ``None``.

    Raises:
        UserError: ``LOG_NOT_WRITABLE``.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, log_file: Path | None = None) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # A terminal of an old code page must not end a run over a letter it does not have.
                stream.reconfigure(encoding="utf-8" if as_json else None, errors="backslashreplace")
        self.as_json = as_json
        self.quiet = quiet
        self._log = None if log_file is None else _open_log(log_file)
        self._progress: ProgressView | None = None
        self._warned: set[tuple[str, str]] = set()
        self._reader_gone = False

    @classmethod
    def of(cls, options: argparse.Namespace) -> Console:
        """The console that the flags ask for."""
        log_file = None if options.log_file is None else Path(options.log_file).expanduser()
        return cls(as_json=options.json, quiet=options.quiet, log_file=log_file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.end_progress()
        if self._log is not None:
            if isinstance(error, UserError):
                self._write_log("error", error.as_dict())
            elif error is not None:
                self._write_log("error", {"what": f"{type(error).__name__}: {error}"})
            self._log.close()

    def say(self, text: str) -> None:
        """Tell people something; not in JSON, not when quiet."""
        if not self.as_json and not self.quiet:
            self._print(text)

    def result(self, text: str, record: dict[str, Any]) -> None:
        """The outcome: ``text`` for people, even quiet ones, ``record`` for machines and the log."""
        self.record(record)
        if not self.as_json:
            self._print(text)

    def record(self, values: dict[str, Any]) -> None:
        """A JSON line, where those are wanted, and a line in the log. ``values`` has its ``kind``."""
        self._write_log(str(values.get("kind")), values)
        if self.as_json:
            self._print(json.dumps(values, ensure_ascii=False, allow_nan=False))

    def warning(self, code: str, text: str) -> None:
        """Something to know; each is said once a job."""
        if (code, text) in self._warned:
            return
        self._warned.add((code, text))
        self.record({"kind": "warning", "code": code, "text": text})
        if not self.as_json:
            self._aside(f"Note: {text.strip()} [{code}]")

    def error(self, error: UserError) -> None:
        """A fault that does not end the command (one job of a batch)."""
        self.record({"kind": "error", **error.as_dict()})
        if not self.as_json:
            self._aside(f"{error.what} {error.why} {error.hint} [{error.code}]")

    def urgent(self, text: str) -> None:
        """For people, at once, whatever else is on the screen."""
        self._write_log("message", {"text": text})
        if self.as_json:
            self.record({"kind": "message", "text": text})
        else:
            self._aside(text)

    def begin_progress(self, frames: int, infer_frames: int) -> None:
        """A render of ``frames`` frames begins."""
        self.end_progress()
        if not self.as_json and not self.quiet:
            self._progress = ProgressView(frames, infer_frames, sys.stderr)

    def forget_warnings(self) -> None:
        """Another job begins: what was said of the last one may be said again."""
        self._warned.clear()

    def end_progress(self) -> None:
        """Take the progress bar away."""
        if self._progress is not None:
            self._progress.close()
            self._progress = None

    def event(self, event: RenderEvent) -> None:
        """An event of a render."""
        if isinstance(event, WarningEvent):
            # The checks before the run may have said it already, in their words.
            if event.code not in {code for code, _ in self._warned}:
                self.warning(event.code, event.text)
            return
        self.record(asdict(event))
        if isinstance(event, DoneEvent):
            self.end_progress()
        elif self._progress is not None:
            if isinstance(event, StateEvent):
                self._progress.state_saved(f"{size(event.bytes)} in {duration(event.seconds)}")
            else:
                self._progress.observe(event)

    def _aside(self, text: str) -> None:
        if self._progress is not None:
            self._progress.write(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def _print(self, text: str) -> None:
        if self._reader_gone:
            return
        try:
            print(text, flush=True)
        except BrokenPipeError:
            # The video is what counts: it is finished even if nobody reads along any more.
            self._reader_gone = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _write_log(self, kind: str, values: dict[str, Any]) -> None:
        if self._log is not None:
            rest = {key: value for key, value in values.items() if key != "kind"}
            self._log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {kind} {json.dumps(rest, ensure_ascii=False)}\n")
            self._log.flush()


def _open_log(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise UserError(
            "LOG_NOT_WRITABLE",
            f'The log file "{path}" cannot be written.',
            f"The system says: {error.strerror}.",
            "Choose another place for --log_file.",
            field="log_file",
        ) from error
