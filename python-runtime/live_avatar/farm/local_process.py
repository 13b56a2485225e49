"""One worker process of this machine, as the batch holds it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from live_avatar.distributed.faults import ended_words
from live_avatar.distributed.launch import python_path

_END_SECONDS = 5.0
_LAST_BYTES = 4096
Message = tuple["LocalProcess", str, dict[str, Any]]


class LocalProcess:
    """Starts it at once; what it says goes to ``messages`` as (this, kind, values), its end as kind ``ended``.

    Args:
        name: of the worker, for people.
        arguments: of the batch.
        environment: what differs from this process's.
        log_file: its standard error is appended there.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log_file: Path,
        messages: queue.SimpleQueue[Message],
    ) -> None:
        self.name = name
        self.state: Literal["starting", "ready", "leaving"] = "starting"
        self._log_file = log_file
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "live_avatar.farm.process", *arguments],
                env={**os.environ, "PYTHONPATH": python_path(), **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                # A group of its own: a Ctrl+C reaches the batch alone, which then ends its workers in order.
                start_new_session=os.name == "posix",
                creationflags=flags,
            )
        threading.Thread(target=self._listen, args=(messages,), name=f"worker {name}", daemon=True).start()

    def send(self, kind: str, values: Mapping[str, Any] | None = None) -> None:
        """Send an order. That it cannot hear any more is told by its end."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(json.dumps({"kind": kind, "values": values}) + "\n")
            self.process.stdin.flush()

    def leave(self) -> None:
        """Have it end at once."""
        self.state = "leaving"
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def end(self) -> None:
        """See that it has ended."""
        self.leave()
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def end_words(self) -> str:
        """How it ended, and what it said last."""
        return ended_words(self.process.wait(), self._last_lines())

    def _last_lines(self) -> list[str]:
        try:
            with self._log_file.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST_BYTES))
                return log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    def _listen(self, messages: queue.SimpleQueue[Message]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                # A process that is killed may leave half a line.
                with contextlib.suppress(ValueError):
                    message = json.loads(line)
                    messages.put((self, message["kind"], message["values"]))
        messages.put((self, "ended", {}))
