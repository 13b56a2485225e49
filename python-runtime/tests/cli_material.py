"""Material for the tests of the command line: small files, and the command run in this process."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from live_avatar.cli import main
from tests.media_material import write_sound

GOLDEN = Path(__file__).parent / "golden"
CKPT = GOLDEN / "ckpt"
LORA = GOLDEN / "lora" / "liveavatar.safetensors"
PORTRAIT = GOLDEN / "media" / "e2e.png"
SPEECH = GOLDEN / "media" / "speech_0p5s.wav"
PROMPT = "A calm person talks to the camera in daylight."


def material(**changes: object) -> list[str]:
    """Flags of ``generate`` for a tiny video; ``None`` leaves one out, ``True`` is a bare flag."""
    flags: dict[str, object] = {
        "ckpt_dir": CKPT,
        "lora_path_dmd": LORA,
        "image": PORTRAIT,
        "audio": SPEECH,
        "prompt": PROMPT,
        "size": "64*64",
        "infer_frames": 24,
        "sample_steps": 1,
        "device": "cpu",
    } | changes
    words: list[str] = []
    for name, value in flags.items():
        if value is not None:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of a command run here."""
    capsys.readouterr()
    status = main(arguments)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def json_lines(text: str) -> list[dict[str, Any]]:
    """Each line as JSON."""
    return [json.loads(line) for line in text.splitlines()]


def tone(path: Path, seconds: float, rate: int = 16_000, level: float = 0.3) -> Path:
    """A recording that swells and fades three times a second."""
    time = np.arange(round(seconds * rate)) / rate
    sound = level * np.sin(2 * np.pi * 220 * time) * np.sin(2 * np.pi * 1.5 * time) ** 2
    return write_sound(path, sound[None].astype(np.float32), rate)


def empty_wav(path: Path) -> Path:
    """A WAV file with a header and not one sample."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
    return path


def picture(path: Path, width: int = 80, height: int = 64) -> Path:
    """A picture of soft noise."""
    noise = np.random.default_rng(1).integers(40, 220, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


def files_in(folder: Path) -> set[str]:
    """Everything below ``folder``, relative."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
