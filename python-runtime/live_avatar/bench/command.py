"""Runs ``live-avatar generate`` in a process of its own, as a user would, and watches what it reports. No torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live_avatar.bench.settings import SEED, Setup
from live_avatar.errors import UserError

Record = dict[str, Any]


@dataclass(slots=True)
class Run:
    """A finished render.

    Attributes:
        records: (seconds since the process was started, JSON line) of everything it reported.
        seconds: until the process had ended.
        peak_bytes: most memory it had resident.
    """

    records: list[tuple[float, Record]] = field(default_factory=list)
    seconds: float = 0.0
    peak_bytes: int = 0

    def of_kind(self, kind: str) -> list[tuple[float, Record]]:
        """The records of one kind."""
        return [(at, record) for at, record in self.records if record.get("kind") == kind]

    @property
    def plan(self) -> Record:
        """What the command said it would make."""
        return self.of_kind("plan")[0][1]

    @property
    def size(self) -> str:
        """Size of the pictures."""
        width, height = self.plan["size"]
        return f"{width}*{height}"

    @property
    def result(self) -> Record:
        """What came of it."""
        return self.of_kind("result")[0][1]


def child_environment() -> dict[str, str]:
    """This environment, in which a child finds this very package."""
    package_root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": package_root + (os.pathsep + path if path else ""), "PYTHONUTF8": "1"}


def generate(
    setup: Setup, audio: Path, size: tuple[int, int], output: Path, on_record: Callable[[Record], None] | None = None
) -> Run:
    """Render ``audio`` to ``output``; ``on_record`` gets every JSON line as it comes.

    Raises:
        UserError: as the command answered.
        RuntimeError: the command failed otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        facts, errors = Path(folder) / "facts.json", Path(folder) / "stderr"
        words = [sys.executable, "-m", "live_avatar.bench.child", str(facts), "generate", "--json"]
        words += ["--ckpt_dir", str(setup.ckpt_dir), "--device", setup.device]
        words += ["--no_load_lora"] if setup.lora is None else ["--lora_path_dmd", setup.lora]
        words += ["--image", str(setup.image), "--audio", str(audio), "--prompt", setup.prompt]
        words += ["--size", f"{size[0]}*{size[1]}", "--infer_frames", str(setup.infer_frames)]
        words += ["--sample_steps", str(setup.sample_steps), "--base_seed", str(SEED), "--save_file", str(output)]
        run = Run()
        started = time.monotonic()
        with errors.open("wb") as log:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=child_environment()
            )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                record = json.loads(line)
                run.records.append((time.monotonic() - started, record))
                if on_record is not None:
                    on_record(record)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
        run.seconds = time.monotonic() - started
        if status != 0:
            raise _failure(run, status, errors.read_text("utf-8", "replace"))
        run.peak_bytes = int(json.loads(facts.read_text("utf-8"))["peak_bytes"])
    return run


def _failure(run: Run, status: int, log: str) -> Exception:
    for _, record in run.of_kind("error"):
        return UserError(record["code"], record["what"], record["why"], record["hint"], record.get("field"))
    return RuntimeError(f"generate ended with exit status {status}: {log[-2000:]}")
