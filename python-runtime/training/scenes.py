"""Random scenes: an avatar saying something in some mood and light, with moments where mood and light change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from live_avatar.geometry import BLOCK_FRAMES
from training.avatars.appearance import Appearance, Split, sample_appearance
from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.avatars.performance import Performance, label_weights, performance_from_mouth, transition
from training.avatars.renderer import AvatarRenderer

# A mood or light reaches its new value this many frames after the prompt changed.
CHANGE_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip before it is drawn.

    Attributes:
        labels: (expression, light) indices per block [blocks, 2]; they change at most once.
        performance: ``still`` frames at rest (neutral), then the talking frames.
        light: weights [T, 4]; the still frames are in daylight.
    """

    appearance: Appearance
    performance: Performance
    light: Tensor
    labels: Tensor
    still: int


def make_scene(seed: int, split: Split, mouth: Tensor, still: int, change_share: float) -> Scene:
    """Scene ``seed`` for a mouth track [T, 3]; deterministic.

    Args:
        still: leading frames that show the portrait: neutral, daylight, silent.
        change_share: probability that mood and light change once, at a block boundary.
    """
    random = numpy.random.default_rng([seed, 20_251])
    frames = mouth.shape[0]
    blocks = -(-frames // BLOCK_FRAMES)
    labels = torch.empty(blocks, 2, dtype=torch.long)
    labels[:] = torch.tensor(_labels(random))
    # The first talking frames already show the mood: the model answers to a prompt at once.
    expression = label_weights(EXPRESSIONS[int(labels[0, 0])], EXPRESSIONS, frames)
    light = label_weights(LIGHTS[int(labels[0, 1])], LIGHTS, frames)
    if blocks > 3 and random.random() < change_share:
        block = int(random.integers(2, blocks - 1))
        labels[block:] = torch.tensor(_labels(random))
        after = (
            label_weights(EXPRESSIONS[int(labels[-1, 0])], EXPRESSIONS, frames),
            label_weights(LIGHTS[int(labels[-1, 1])], LIGHTS, frames),
        )
        start = block * BLOCK_FRAMES
        expression = transition(expression, after[0], start, CHANGE_FRAMES)
        light = transition(light, after[1], start, CHANGE_FRAMES)
    rest = label_weights("neutral", EXPRESSIONS, still), label_weights("day", LIGHTS, still)
    performance = performance_from_mouth(
        torch.cat([torch.zeros(still, 3), mouth]),
        torch.cat([rest[0], expression]),
        seed=seed,
        still_frames=still,
    )
    return Scene(sample_appearance(seed, split), performance, torch.cat([rest[1], light]), labels, still)


def _labels(random: numpy.random.Generator) -> list[int]:
    # Neutral daylight is what most prompts mean; every pair still occurs often.
    expression = 0 if random.random() < 0.15 else int(random.integers(len(EXPRESSIONS)))
    light = 0 if random.random() < 0.2 else int(random.integers(len(LIGHTS)))
    return [expression, light]


def draw_scenes(scenes: Sequence[Scene], device: torch.device) -> Tensor:
    """Draw scenes of equal length: uint8 [clips, T, 3, H, W] on ``device``."""
    clips = []
    for scene in scenes:
        renderer = AvatarRenderer([scene.appearance], device=device, dtype=torch.float32)
        pictures = renderer.render_clip(0, scene.performance, scene.light)
        clips.append(((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8))
    return torch.stack(clips)


def as_signal(pictures: Tensor) -> Tensor:
    """uint8 pictures to float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1
