"""What a benchmark run measures on. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# In a checkout; an installed package has no examples, and the flags name the material.
_RESOURCES = Path(__file__).resolve().parents[3] / "resources"
DEMO_MODEL = _RESOURCES / "models" / "demo"
EXAMPLE = _RESOURCES / "examples" / "anna"
SEED = 420
BAR_SIZE = (384, 256)
BAR_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Setup:
    """Material and settings.

    Attributes:
        lora: as :class:`live_avatar.pipeline.PipelineOptions` has it.
        audio: looped where a part needs more sound than there is.
        size: (width, height) of step and render: an area budget.
        seconds: sound of the render.
        minutes, memory_size: sound and size of the memory run.
        blocks: blocks measured one by one.
        repeats: processes started to measure a start.
        profile: whether to ask torch's profiler where a block's time goes.
    """

    ckpt_dir: Path = DEMO_MODEL
    lora: str | None = None
    device: str = "auto"
    image: Path = EXAMPLE / "portrait.png"
    audio: Path = EXAMPLE / "voice.wav"
    prompt: str = "A person talks to the camera in daylight."
    size: tuple[int, int] = BAR_SIZE
    infer_frames: int = 48
    sample_steps: int = 4
    seconds: float = BAR_SECONDS
    minutes: float = 10.0
    memory_size: tuple[int, int] = (128, 64)
    blocks: int = 8
    repeats: int = 5
    profile: bool = False

    @property
    def has_bars(self) -> bool:
        """Whether the bars of the demo's speed and memory are about this: the demo model, 5 s, 384*256, standard."""
        return (
            self.ckpt_dir.resolve() == DEMO_MODEL
            and (self.size, self.seconds, self.infer_frames, self.sample_steps) == (BAR_SIZE, BAR_SECONDS, 48, 4)
            and not self.device.startswith("cuda")
        )
