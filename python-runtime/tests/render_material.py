"""Jobs on the miniature golden checkpoint, for the tests of rendering."""

from __future__ import annotations

import functools
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from live_avatar.errors import Cancelled
from live_avatar.events import BlockEvent, ClipEvent, RenderEvent
from live_avatar.pipeline import Pipeline, PipelineOptions
from live_avatar.render import RenderJob, RenderResult, render
from live_avatar.take import PromptSpan

GOLDEN = Path(__file__).parent / "golden"
CHECKPOINT = GOLDEN / "ckpt"
PORTRAIT = GOLDEN / "media" / "e2e.png"
SPEECH = GOLDEN / "media" / "speech_2p3s.wav"
RATE = 16_000


@functools.cache
def golden_pipeline() -> Pipeline:
    """The golden checkpoint in float32 on the CPU, one thread; shared by all tests of a process."""
    torch.set_num_threads(1)
    return Pipeline.load(PipelineOptions(CHECKPOINT, None, "cpu", "fp32"))


def make_job(output: Path | None, **changes: Any) -> RenderJob:
    """A job of 58 frames in clips of 12, one denoising step."""
    values: dict[str, Any] = {
        "image": PORTRAIT,
        "audio": (SPEECH,),
        "prompts": (PromptSpan(0, "A calm person talks."),),
        "output": output,
        "size": (64, 64),
        "base_seed": 420,
        "infer_frames": 12,
        "sample_steps": 1,
    }
    return RenderJob(**(values | changes))


def video(job: RenderJob) -> Path:
    """The finished video of a job that makes one."""
    assert job.output is not None
    return job.output


def voice(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Noise that comes and goes four times a second: float32 [samples] at 16 kHz."""
    count = round(seconds * RATE)
    noise = np.random.default_rng(seed).standard_normal(count)
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE)
    return (0.1 * noise * swell).astype(np.float32)


def write_wav(path: Path, sound: np.ndarray[Any, np.dtype[np.float32]]) -> Path:
    """Write 16-bit mono at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return path


def write_half_mask(path: Path, *, left: bool) -> Path:
    """A picture as large as the portrait, white in its left or right half."""
    width, height = Image.open(PORTRAIT).size
    mask = np.zeros((height, width), np.uint8)
    mask[:, slice(0, width // 2) if left else slice(width // 2, width)] = 255
    Image.fromarray(mask).save(path)
    return path


def clip_events(events: list[RenderEvent]) -> list[ClipEvent]:
    """The clip events among all."""
    return [event for event in events if isinstance(event, ClipEvent)]


def never() -> bool:
    """A ``should_stop`` that lets a render run to its end."""
    return False


def run(job: RenderJob) -> tuple[RenderResult, list[RenderEvent]]:
    """Render to the end; the result and all events."""
    events: list[RenderEvent] = []
    return render(job, golden_pipeline(), events.append, never), events


def run_until(job: RenderJob, blocks: int) -> list[RenderEvent]:
    """Cancel when so many blocks are done."""
    events: list[RenderEvent] = []
    with pytest.raises(Cancelled):
        render(job, golden_pipeline(), events.append, lambda: count(events, BlockEvent) >= blocks)
    return events


def count(events: list[RenderEvent], kind: type) -> int:
    """Number of events of a kind."""
    return sum(isinstance(event, kind) for event in events)


def command(*flags: str) -> list[str]:
    """Flags of a small job for the command line, and more."""
    return [
        "--image", str(PORTRAIT), "--audio", str(SPEECH), "--prompt", "A calm person talks.", "--ckpt_dir",
        str(CHECKPOINT), "--device", "cpu", "--size", "64*64", "--infer_frames", "12", "--sample_steps", "2", *flags,
    ]  # fmt: skip
