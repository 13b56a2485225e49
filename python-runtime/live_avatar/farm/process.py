"""A worker process of the local executor: tasks come as JSON lines on standard input, answers go to standard output.

It ends with its standard input, whatever it does then: a batch that is killed leaves no process behind.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

from live_avatar.farm.render_jobs import JobRenderer
from live_avatar.farm.tasks import Task
from live_avatar.threads import prepare_threads


class _Answers:
    """One JSON object a line to whoever started this process."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, kind: str, values: Mapping[str, Any]) -> None:
        with self._lock:
            print(json.dumps({"kind": kind, "values": values}, ensure_ascii=True), file=self._stream, flush=True)


def _read(tasks: queue.SimpleQueue[Task], renderer: JobRenderer) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if order["kind"] == "task":
            tasks.put(Task(**order["values"]))
        elif order["kind"] == "stop":
            renderer.stop()
    # Not sys.exit: that would wait for the render. What it has finished is on disk.
    os._exit(0)


def main() -> None:
    """Serve until standard input ends. The arguments of the batch are those of this process."""
    # Libraries print; the answers must stay alone in their stream.
    answers = _Answers(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    prepare_threads()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    renderer = JobRenderer(sys.argv[1:], lambda record: answers.send("news", record))
    threading.Thread(target=_read, args=(tasks, renderer), name="orders", daemon=True).start()
    answers.send("ready", {"pid": os.getpid()})
    while True:
        outcome = renderer.render(tasks.get())
        answers.send("outcome", outcome.as_dict())


if __name__ == "__main__":
    main()
