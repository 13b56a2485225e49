"""Takes on the demo model for comparing ways of computing: the same material again and again, pictures as arrays.

Where the repository's training tools and their speech synthesis are at hand, the people and voices are ones the model
has never met and the true opening of the mouth is known; elsewhere the examples that come with the program are used.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live_avatar.audio_features import frame_features
from live_avatar.bench.settings import DEMO_MODEL, EXAMPLE
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.lora import read_lora
from live_avatar.denoiser import Denoiser
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND, MODEL_SAMPLE_RATE, LatentShape
from live_avatar.image import fit_picture, open_picture, picture_to_tensor
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.models import load_audio, load_text, load_transformer, load_vae
from live_avatar.noise import SeededDraws
from live_avatar.portrait import motion_latents, reference_latent
from live_avatar.sampler import Schedule
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.vae.block_decoder import BlockDecoder, PlainDecoder
from live_avatar.vae.model import VideoVae

Frames = NDArray[np.uint8]
Track = NDArray[np.float64]

SIZE = (384, 256)
_INFER_FRAMES = 48
_EXAMPLES = ("anna", "ben", "mei")


@dataclass(frozen=True, slots=True)
class DemoTake:
    """What one take is made from.

    Attributes:
        pixels: portrait float32 [3, H, W] in [-1, 1].
        samples: mono sound at 16 kHz.
        mouth: true opening of the mouth for each frame of the sound, 0 to 1; ``None`` where nobody knows it.
    """

    name: str
    pixels: Tensor
    prompt: str
    samples: NDArray[np.float32]
    seed: int
    mouth: Track | None


@dataclass(slots=True)
class DemoModel:
    """The demo model in float32, with its LoRA; the denoiser is the plain one."""

    denoiser: CausalAvatarTransformer
    vae: VideoVae
    layout: CheckpointLayout
    device: torch.device


def load_demo_model(device: torch.device, folder: Path = DEMO_MODEL) -> DemoModel:
    """Load denoiser and VAE."""
    layout = CheckpointLayout.find(folder)
    lora = read_lora(folder / "liveavatar.safetensors")
    denoiser = load_transformer(layout, torch.float32, device, transform=lora.merge)
    return DemoModel(denoiser, load_vae(layout, torch.float32, device), layout, device)


def demo_takes(count: int) -> Iterator[DemoTake]:
    """The first ``count`` takes; there are three examples, and as many unseen people as asked for."""
    try:
        from training.benchmark import make_subject  # not part of the installed program

        make_subject(0)
    except (ImportError, OSError):
        yield from _example_takes(count)
        return
    from training.avatars.renderer import AvatarRenderer, to_uint8

    for index in range(count):
        subject = make_subject(index)
        drawn = torch.as_tensor(to_uint8(AvatarRenderer([subject.look], width=SIZE[0]).portrait(0)))
        pixels = drawn.permute(2, 0, 1).float() / 127.5 - 1
        mouth = np.asarray(subject.speech.mouth[:, 0], np.float64)
        samples = np.asarray(subject.speech.samples, np.float32)
        yield DemoTake(f"unseen {index}", pixels, subject.prompt, samples, 1000 + index, mouth)


def _example_takes(count: int) -> Iterator[DemoTake]:
    for index, name in enumerate(_EXAMPLES[:count]):
        folder = EXAMPLE.parent / name
        portrait = fit_picture(open_picture(folder / "portrait.png").image, *SIZE)
        prompt = (folder / "prompt.txt").read_text("utf-8").strip()
        yield DemoTake(name, picture_to_tensor(portrait), prompt, _read_wav(folder / "voice.wav"), 1000 + index, None)


def _read_wav(path: Path) -> NDArray[np.float32]:
    """A mono 16-bit file at 16 kHz; resampled in a straight line, which is good enough to compare with itself."""
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64) / 32768
    at = np.arange(int(len(samples) * MODEL_SAMPLE_RATE / rate)) * rate / MODEL_SAMPLE_RATE
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


@torch.inference_mode()
def conditions_of(take: DemoTake, model: DemoModel) -> Conditions:
    """The conditions of a take, computed in float32 once for all ways of denoising."""
    context = load_text(model.layout, torch.float32, model.device).encode(take.prompt)
    features = load_audio(model.layout, torch.float32, model.device).features(take.samples).cpu()
    return Conditions(
        reference=reference_latent(model.vae, take.pixels),
        motion=motion_latents(model.vae, take.pixels),
        prompt=lambda block: take.prompt,
        context=lambda text: context,
        audio=lambda block: frame_features(features, block * BLOCK_FRAMES, BLOCK_FRAMES),
    )


def demo_shape(take: DemoTake) -> LatentShape:
    """Sizes of a take's latents."""
    _, height, width = take.pixels.shape
    return LatentShape.of_picture(width, height, _INFER_FRAMES)


@torch.inference_mode()
def pictures(
    take: DemoTake,
    conditions: Conditions,
    denoiser: Denoiser,
    vae: VideoVae,
    schedule: Schedule,
    blocks: int,
    *,
    packed: bool = False,
    decoder: BlockDecoder | None = None,
) -> Frames:
    """Frames uint8 [12 * blocks, H, W, 3] of the beginning of a take."""
    settings = SessionSettings(demo_shape(take), schedule, packed=packed, blocks=blocks)
    session = Session(denoiser, decoder or PlainDecoder(vae), settings, conditions, SeededDraws(take.seed))
    frames = [frame for _ in range(blocks) for frame in session.decode_frames(session.denoise_block()).take()]
    return np.stack(frames)


def whole_blocks(take: DemoTake, seconds: float) -> int:
    """Blocks in the sound, at most ``seconds`` of them."""
    available = len(take.samples) / MODEL_SAMPLE_RATE
    return max(1, int(min(available, seconds) * FRAMES_PER_SECOND) // BLOCK_FRAMES)
