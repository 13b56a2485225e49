"""What an avatar does, frame by frame: mouth, eyelids, gaze, head, expression and light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.avatars.labels import EXPRESSIONS, LIGHTS

FRAMES_PER_SECOND: Final = 25
BLINK_SHAPE: Final = (0.45, 1.0, 1.0, 0.6, 0.2)


@dataclass(frozen=True, slots=True)
class Performance:
    """Per-frame state of T frames at 25 per second; float32 CPU tensors.

    Attributes:
        mouth: [T, 3] opening in [0, 1], width in [-1, 1], rounding in [0, 1].
        teeth, tongue: [T] visibility in [0, 1].
        blink: [T], 1 is closed.
        gaze: [T, 2] shift of the irises in canonical pixels.
        head: [T, 4] shift x, shift y (canonical pixels), tilt (degrees), turn (pixels of parallax).
        expression: [T, 5] weights in the order of ``EXPRESSIONS``, each row sums to 1.
    """

    mouth: Tensor
    teeth: Tensor
    tongue: Tensor
    blink: Tensor
    gaze: Tensor
    head: Tensor
    expression: Tensor

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return self.mouth.shape[0]

    def slice(self, start: int, stop: int) -> Performance:
        """Frames ``start`` to ``stop``."""
        return self.take(torch.arange(start, min(stop, self.frames)))

    def take(self, frames: Tensor) -> Performance:
        """The frames of the given indices."""
        return Performance(
            *(
                value[frames]
                for value in (
                    self.mouth,
                    self.teeth,
                    self.tongue,
                    self.blink,
                    self.gaze,
                    self.head,
                    self.expression,
                )
            )
        )


def label_weights(label: str | Tensor, names: tuple[str, ...], frames: int) -> Tensor:
    """Weights [T, len(names)] of one constant label, or the given weights checked for shape.

    Raises:
        ValueError: unknown label or wrong shape.
    """
    if isinstance(label, Tensor):
        if label.shape != (frames, len(names)):
            raise ValueError(f"weights must be [{frames}, {len(names)}], not {list(label.shape)}")
        return label.float().cpu()
    if label not in names:
        raise ValueError(f"{label!r} is none of {names}")
    return torch.nn.functional.one_hot(torch.tensor(names.index(label)), len(names)).float().repeat(frames, 1)


def expression_weights(label: str | Tensor, frames: int) -> Tensor:
    """Expression weights [T, 5]."""
    return label_weights(label, EXPRESSIONS, frames)


def light_weights(label: str | Tensor, frames: int) -> Tensor:
    """Light weights [T, 4]."""
    return label_weights(label, LIGHTS, frames)


def transition(before: Tensor, after: Tensor, start: int, length: int) -> Tensor:
    """Weights [T, N] that go smoothly from ``before`` to ``after`` in ``length`` frames from frame ``start`` on."""
    t = ((torch.arange(before.shape[0]) - start + 1) / max(length, 1)).clamp(0, 1)
    share = (t * t * (3 - 2 * t))[:, None]
    return before * (1 - share) + after * share


def performance_from_mouth(
    mouth: Tensor | NDArray[np.float32],
    expression: str | Tensor = "neutral",
    seed: int = 0,
    still_frames: int = 0,
    ramp_frames: int = 12,
) -> Performance:
    """Add eyelids, gaze and head to a mouth track; deterministic in ``seed``.

    The nod follows the smoothed opening, so it can be heard; the sway is slow and small.

    Args:
        mouth: [T, 3] opening, width, rounding.
        expression: a label or weights [T, 5].
        still_frames: leading frames at rest (no sway, no nod, no blink); T counts them.
        ramp_frames: frames over which the sway and nod fade in after the still ones.
    """
    track = torch.as_tensor(np.asarray(mouth), dtype=torch.float32)
    if track.ndim != 2 or track.shape[1] != 3:
        raise ValueError(f"mouth must be [T, 3], not {list(track.shape)}")
    frames = track.shape[0]
    random = np.random.default_rng([seed, 7919])
    time = np.arange(frames) / FRAMES_PER_SECOND

    def sway(amplitude: float, slowest: float, fastest: float) -> NDArray[np.float64]:
        total = np.zeros(frames)
        for share in (0.65, 0.35):
            total += share * np.sin(2 * math.pi * (time / random.uniform(fastest, slowest) + random.uniform()))
        return amplitude * total

    opening = track[:, 0].numpy().astype(np.float64)
    kernel = np.exp(-0.5 * (np.arange(-12, 13) / 4.5) ** 2)
    nod = np.convolve(np.pad(opening, 12, mode="edge"), kernel / kernel.sum(), mode="valid")
    head = np.stack([sway(2.2, 9, 5), sway(0.8, 9, 5) + 4.5 * nod, sway(1.1, 10, 6), sway(1.8, 9, 5)], 1)
    gaze = np.stack([sway(1.3, 7, 4), sway(0.5, 7, 4)], 1)
    moving = np.clip((np.arange(frames) - still_frames + 1) / max(ramp_frames, 1), 0, 1)
    moving = (moving * moving * (3 - 2 * moving))[:, None]

    blink = np.zeros(frames)
    at = still_frames + int(random.uniform(20, 90))
    while at < frames:
        for k, value in enumerate(BLINK_SHAPE[: frames - at]):
            blink[at + k] = value
        at += int(random.uniform(55, 120))

    teeth, tongue = teeth_and_tongue(track)
    return Performance(
        mouth=track,
        teeth=teeth,
        tongue=tongue,
        blink=torch.from_numpy(blink).float(),
        gaze=torch.from_numpy(gaze * moving).float(),
        head=torch.from_numpy(head * moving).float(),
        expression=expression_weights(expression, frames),
    )


def teeth_and_tongue(mouth: Tensor) -> tuple[Tensor, Tensor]:
    """Visibility [T] of the upper teeth (spread lips) and of the tongue (open jaw) for a mouth track [T, 3]."""
    opening, wide, rounding = mouth.unbind(1)
    teeth = ((opening - 0.12) / 0.25).clamp(0, 1) * (1 - 1.3 * rounding + 0.25 * wide).clamp(0, 1)
    tongue = ((opening - 0.3) / 0.35).clamp(0, 1) * (1 - 0.8 * rounding).clamp(0, 1)
    return teeth, tongue


def fake_mouth(frames: int, seed: int) -> Tensor:
    """A mouth track [T, 3] that moves like speech, for tests and contact sheets: syllables, closures and pauses."""
    random = np.random.default_rng([seed, 104729])
    fine = 8
    track = np.zeros((frames * fine, 3))
    at = int(random.uniform(0, 12 * fine))
    while at < frames * fine:
        if random.uniform() < 0.12:
            at += int(random.uniform(6, 14) * fine)
            continue
        length = int(random.uniform(3.2, 6.5) * fine)
        span = slice(at, min(at + length, frames * fine))
        rounding = random.uniform(0.5, 1.0) if random.uniform() < 0.3 else 0.0
        top = random.uniform(0.2, 0.55) if rounding else random.uniform(0.25, 1.0)
        bump = np.sin(np.linspace(0, math.pi, length))[: span.stop - span.start] ** 0.8
        track[span, 0] = top * bump
        track[span, 1] = (-0.5 * rounding if rounding else random.uniform(-0.2, 1.0)) * bump
        track[span, 2] = rounding * bump
        at += length + int(random.uniform(-0.5, 1.5) * fine)
    kernel = np.exp(-0.5 * (np.arange(-16, 17) / 5.0) ** 2)
    kernel /= kernel.sum()
    smooth = np.stack([np.convolve(np.pad(c, 16), kernel, mode="valid") for c in track.T], 1)
    return torch.from_numpy(smooth.reshape(frames, fine, 3).mean(1)).float()
