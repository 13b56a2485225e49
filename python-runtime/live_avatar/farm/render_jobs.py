"""What a worker does with its jobs: reads their flags, renders them with one model, keeps a log of each."""

from __future__ import annotations

import hashlib
import os
import platform
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from live_avatar.batch import BatchJob, internal_error
from live_avatar.cli.batch_jobs import JobFlags, SharedModel, make_batch_parser
from live_avatar.cli.console import Console
from live_avatar.cli.request import read_model_options
from live_avatar.errors import Cancelled, UserError
from live_avatar.farm.places import visible_cards
from live_avatar.farm.tasks import News, Outcome, Task

LOG_FOLDER = "batch_logs"


def log_path(folder: Path, output: Path) -> Path:
    """The log of the job that makes ``output``, in the batch's ``folder``; two outputs never share one."""
    part = hashlib.sha256(str(output).encode()).hexdigest()[:8]
    return folder / LOG_FOLDER / f"{output.stem}-{part}.log"


class WorkerConsole(Console):
    """Writes the log of a job and passes on what machines are told; prints nothing."""

    def __init__(self, log_file: Path, tell: News) -> None:
        super().__init__(as_json=True, log_file=log_file)
        self._tell = tell

    def record(self, values: dict[str, Any]) -> None:
        """Log it and pass it on."""
        super().record(values)
        self._tell(values)

    def _print(self, text: str) -> None:
        """Nobody reads along: :meth:`record` has passed it on."""


class JobRenderer:
    """Renders one job after the other. Any thread may stop it.

    Args:
        arguments: of the batch, spelled with underscores.
        tell: told of the records of a render, from the thread that renders.

    Raises:
        UserError: the arguments cannot be used.
    """

    def __init__(self, arguments: Sequence[str], tell: News) -> None:
        parser = make_batch_parser()
        options = parser.parse_args(arguments)
        self._folder = Path(options.save_dir).expanduser()
        self._flags = JobFlags(parser, list(arguments), self._folder)
        self._model = SharedModel(read_model_options(options))
        self._tell = tell
        self._stop = threading.Event()

    def render(self, task: Task, **place: object) -> Outcome:
        """Do a job. Whatever goes wrong is in the outcome. What is known of the ``place`` is told first."""
        self._tell({"kind": "worker", "host": platform.node(), "pid": os.getpid(), "cards": visible_cards(), **place})
        try:
            request = self._flags.request(BatchJob(task.name, task.flags, task.output))
            log_file = log_path(self._folder, request.job.output or Path(task.name))
            with WorkerConsole(log_file, self._tell) as console:
                made = self._model.render(request, task.seed, console, self._stop.is_set)
            return Outcome("done", *made)
        except UserError as error:
            return Outcome("failed", error=error.as_dict())
        except Cancelled:
            return Outcome("stopped")
        except Exception as error:
            return Outcome("failed", error=internal_error(error))

    def stop(self) -> None:
        """Stop after the current block, and render nothing more."""
        self._stop.set()

    def weights(self) -> str:
        """Fingerprint of the model as this worker sees it.

        Raises:
            UserError: there is no such model here.
        """
        return self._model.weights()
