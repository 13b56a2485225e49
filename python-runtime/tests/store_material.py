"""What the tests of the model store share."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from live_avatar.store.reports import TransferProgress

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "resources" / "models" / "demo"


@dataclass
class Heard:
    """A listener that remembers."""

    reports: list[TransferProgress] = field(default_factory=list)
    waits: list[tuple[float, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def progress(self, progress: TransferProgress) -> None:
        self.reports.append(progress)

    def waiting(self, seconds: float, why: str) -> None:
        self.waits.append((seconds, why))

    def note(self, code: str, path: str, text: str) -> None:
        self.notes.append((code, text))


def content_of(folder: Path) -> dict[str, str]:
    """SHA-256 of all files but the store's own, by the system's own program where there is one."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and ".model-store" not in path.parts)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def models(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """``live-avatar models …`` as a program of its own."""
    return subprocess.run(
        command(*arguments), env=environment_of(environment), capture_output=True, text=True, timeout=120
    )


def start_models(*arguments: str) -> subprocess.Popen[str]:
    """The same, not waited for."""
    return subprocess.Popen(
        command(*arguments), env=environment_of(None), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "live_avatar", "models", *arguments, "--json"]


def environment_of(more: dict[str, str] | None) -> dict[str, str]:
    foreign = ("HF_ENDPOINT", "HF_HUB_OFFLINE", "LIVE_AVATAR_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {name: value for name, value in os.environ.items() if name.upper() not in foreign}
    return {**kept, "PYTHONPATH": str(ROOT / "python-runtime"), "OMP_NUM_THREADS": "1", **(more or {})}


def last_line(text: str) -> dict[str, object]:
    """The outcome that a command printed."""
    value = json.loads(text.strip().splitlines()[-1])
    assert isinstance(value, dict)
    return value
