"""A batch command in a process of its own, watched through what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.cli_material import CKPT, LORA, PORTRAIT, PROMPT, tone

ROOT = Path(__file__).parents[1]
_END_SECONDS = 120.0
Watch = Callable[[dict[str, Any]], None]


def write_jobs(folder: Path, count: int = 3, seconds: float = 1.0) -> list[str]:
    """Flags of a batch of ``count`` jobs of several clips each."""
    tone(folder / "voice.wav", seconds)
    rows = [{"audio": "voice.wav", "output": f"{n}.mp4", "base_seed": n} for n in range(1, count + 1)]
    (folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flags = {"ckpt_dir": CKPT, "lora_path_dmd": LORA, "image": PORTRAIT, "prompt": PROMPT, "size": "64*64"}
    flags |= {"infer_frames": "12", "sample_steps": "1", "device": "cpu", "save_dir": folder / "out"}
    return [str(folder / "jobs.jsonl"), *(str(w) for name, value in flags.items() for w in (f"--{name}", value))]


class BatchCommand:
    """Reads every record of the command as it comes."""

    def __init__(
        self, folder: Path, *words: str, environment: Mapping[str, str] = os.environ, start_new_session: bool = False
    ) -> None:
        environment = {**environment, "OMP_NUM_THREADS": "1", "AVATAR_STUDIO_CACHE": str(folder / "cache")}
        self.records: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "live_avatar", "batch", "--json", *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=(folder / "stderr.txt").open("ab"),
            text=True,
            start_new_session=start_new_session,
        )

    def __iter__(self) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.records.append(json.loads(line))
            yield self.records[-1]

    def end(self, watch: Watch = lambda record: None) -> int:
        """Read to the end, showing ``watch`` every record; the exit status."""
        for record in self:
            watch(record)
        return self.process.wait(_END_SECONDS)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Records of a kind so far."""
        return [record for record in self.records if record["kind"] == kind]

    def workers(self) -> list[psutil.Process]:
        """Those of its workers that are there."""
        found = []
        for pid in {record["pid"] for record in self.of("worker")}:
            try:
                found.append(psutil.Process(pid))
            except psutil.NoSuchProcess:
                continue
        return found


class Killer:
    """Kills the worker of a job, ``times`` times, when it says ``kind``."""

    def __init__(self, job: int, kind: str, times: int = 1) -> None:
        self.job, self.kind, self.times = job, kind, times
        self._pid = 0

    def __call__(self, record: dict[str, Any]) -> None:
        if record.get("job") != self.job:
            return
        if record["kind"] == "worker":
            self._pid = record["pid"]
        if record["kind"] == self.kind and self.times > 0:
            self.times -= 1
            os.kill(self._pid, signal.SIGKILL)
