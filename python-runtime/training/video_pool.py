"""Scenes as the denoiser sees them: latents, speech features, prompts. Made once, kept on the device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from live_avatar.audio_features import AudioFeatureExtractor, frame_features
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.geometry import BLOCK_FRAMES, LATENT_FRAMES_PER_BLOCK, SAMPLES_PER_FRAME
from live_avatar.text import TextEncoder
from live_avatar.vae.model import VideoVae
from training.avatars.appearance import Split
from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.scenes import as_signal, draw_scenes, make_scene
from training.speech.corpus import Utterance
from training.text.prompts import LANGUAGES, sample_prompt

STILL_FRAMES = 25
STILL_LATENTS = 7
MOTION_FRAMES = 73
# Draws from which the random parts of a scene start, so that no training scene is ever a test scene.
_SEED_STRIDE = 1_000_000


def partial_layout(folder: Path) -> CheckpointLayout:
    """The parts of a checkpoint folder that exist before the denoiser does."""
    wav2vec = folder / "wav2vec2-large-xlsr-53-english"
    return CheckpointLayout(
        root=folder,
        config=folder / "config.json",
        transformer_files=(),
        text_encoder=folder / "models_t5_umt5-xxl-enc-bf16.pth",
        tokenizer=folder / "google" / "umt5-xxl",
        vae=folder / "Wan2.1_VAE.pth",
        wav2vec=wav2vec,
        wav2vec_weights=wav2vec / "model.safetensors",
    )


def encode_prompts(folder: Path, per_pair: int, seed: int, device: torch.device) -> Tensor:
    """Text encoder outputs [expressions, lights, per_pair, tokens, width] of training prompts, zero-padded."""
    encoder = TextEncoder.load(partial_layout(folder), torch.float32, device)
    contexts = []
    for expression in EXPRESSIONS:
        for light in LIGHTS:
            for index in range(per_pair):
                language = LANGUAGES[index % len(LANGUAGES)]
                contexts.append(encoder.encode(sample_prompt(expression, light, seed + index, language, "train")))
    longest = max(context.shape[0] for context in contexts)
    padded = torch.stack([torch.nn.functional.pad(c.float(), (0, 0, 0, longest - c.shape[0])) for c in contexts])
    grid: Tensor = padded.unflatten(0, (len(EXPRESSIONS), len(LIGHTS), per_pair)).to(device)
    return grid


@dataclass(slots=True)
class VideoPool:
    """Encoded clips of equal length.

    Attributes:
        latents: normalised [clips, 16, latent frames, h8, w8] float16, the talking part.
        reference: [clips, 16, 1, h8, w8]; motion: [clips, 16, 19, h8, w8], of the portrait.
        audio: float16 [clips, layers, A, frames].
        labels: int64 [clips, blocks, 2] (expression, light).
    """

    latents: Tensor
    reference: Tensor
    motion: Tensor
    audio: Tensor
    labels: Tensor

    @property
    def blocks(self) -> int:
        """Blocks per clip."""
        return self.latents.shape[2] // LATENT_FRAMES_PER_BLOCK


@torch.no_grad()
def make_pool(
    utterances: list[Utterance],
    folder: Path,
    vae: VideoVae,
    clips: int,
    blocks: int,
    seed: int,
    split: Split,
    device: torch.device,
    batch: int = 8,
) -> VideoPool:
    """Draw and encode ``clips`` clips of ``blocks`` blocks from pieces of ``utterances``."""
    extractor = AudioFeatureExtractor.load(folder / "wav2vec2-large-xlsr-53-english", torch.float32, device)
    frames = blocks * BLOCK_FRAMES
    pieces: list[tuple[Tensor, Tensor]] = []
    for utterance in utterances:
        features = extractor.features(utterance.samples).half()
        total = len(utterance.samples) // SAMPLES_PER_FRAME
        for start in range(0, total - frames + 1, frames // 2):
            audio = frame_features(features, start, frames)[0]
            pieces.append((torch.as_tensor(utterance.mouth[start : start + frames]), audio))
        if len(pieces) >= clips:
            break
    made: list[tuple[Tensor, ...]] = []
    for first in range(0, min(clips, len(pieces)), batch):
        chosen = range(first, min(first + batch, clips, len(pieces)))
        scenes = [make_scene(seed * _SEED_STRIDE + i, split, pieces[i][0], STILL_FRAMES, 0.5) for i in chosen]
        pictures = draw_scenes(scenes, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            latents = encode_talk(vae, pictures)
            still = as_signal(pictures[:, 0])
            motion = vae.encode_still(still, MOTION_FRAMES)
        audio = torch.stack([pieces[i][1] for i in chosen])
        labels = torch.stack([scene.labels for scene in scenes])
        made.append((latents.half(), motion[:, :, :1].half(), motion.half(), audio, labels.to(device)))
    return VideoPool(*(torch.cat(part) for part in zip(*made, strict=True)))


def encode_talk(vae: VideoVae, pictures: Tensor) -> Tensor:
    """Latents of the talking part, encoded in the stream that follows the portrait: [B, 16, L, h8, w8].

    Args:
        pictures: uint8 [B, 25 + 12 * blocks, 3, H, W].
    """
    state = vae.new_encoder_state()
    vae.stream_encode(as_signal(pictures[:, :STILL_FRAMES]).transpose(1, 2), state)
    parts = pictures[:, STILL_FRAMES:].split(BLOCK_FRAMES, dim=1)
    return torch.cat([vae.stream_encode(as_signal(part).transpose(1, 2), state) for part in parts], dim=2)
