"""Draw a sheet of avatars, mouths, expressions or lights: ``python -m training.avatars.contact_sheet out.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from training.avatars.appearance import sample_appearance
from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.avatars.performance import Performance, expression_weights, performance_from_mouth
from training.avatars.renderer import AvatarRenderer, to_uint8

# Opening, width, rounding of the mouths shown: closed, schwa, "ee", "ah", wide "ah", "oh", "oo", "f".
MOUTHS = (
    (0.0, 0.0, 0.0),
    (0.4, 0.0, 0.0),
    (0.3, 0.9, 0.0),
    (0.75, 0.0, 0.0),
    (1.0, 0.5, 0.0),
    (0.6, -0.2, 0.6),
    (0.3, -0.5, 1.0),
    (0.12, 0.3, 0.0),
)


def held(mouths: list[tuple[float, float, float]], expressions: list[str], blink: list[float]) -> Performance:
    """One frame per entry, head at rest."""
    play = performance_from_mouth(torch.tensor(mouths), still_frames=len(mouths))
    weights = torch.cat([expression_weights(name, 1) for name in expressions])
    return Performance(play.mouth, play.teeth, play.tongue, torch.tensor(blink), play.gaze, play.head, weights)


def sheet(kind: str, seed: int, width: int, split: str) -> NDArray[np.uint8]:
    """The picture [rows, columns, 3] uint8 of one kind: looks, mouths, expressions or lights."""
    count = {"looks": 20, "mouths": 4, "expressions": 5, "lights": 5}[kind]
    looks = [sample_appearance(seed + k, "train" if split == "train" else "test") for k in range(count)]
    renderer = AvatarRenderer(looks, width=width, cache=True)
    if kind == "looks":
        pictures = [to_uint8(renderer.portrait(k)).numpy() for k in range(count)]
        return np.concatenate([np.concatenate(pictures[k : k + 5], 1) for k in range(0, count, 5)], 0)
    if kind == "mouths":
        play = held(list(MOUTHS), ["neutral"] * 8, [0.0] * 8)
        clips = renderer.render([play] * count)
        margin = width * 60 // 384
        clips = clips[..., margin : width - margin]
        return _grid([clips[:, :4].flatten(0, 1), clips[:, 4:].flatten(0, 1)], count)
    if kind == "expressions":
        names = [*EXPRESSIONS, "happy"]
        mouths = [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.3, 0.5, 0.0), (0.5, 0.0, 0.3), (0.5, 0.5, 0.0)]
        play = held(mouths, names, [0.0] * 5 + [1.0])
        return _rows(renderer.render([play] * count))
    play = held([(0.0, 0.0, 0.0)], ["neutral"], [0.0])
    lit = torch.cat([renderer.render([play] * count, name) for name in LIGHTS], 1)
    return _rows(lit)


def _rows(clips: torch.Tensor) -> NDArray[np.uint8]:
    """[B, T, 3, H, W] to one row per clip."""
    pictures = to_uint8(clips).numpy()
    return np.concatenate([np.concatenate(list(row), 1) for row in pictures], 0)


def _grid(halves: list[torch.Tensor], count: int) -> NDArray[np.uint8]:
    rows = []
    for index in range(count):
        for half in halves:
            pictures = to_uint8(half.reshape(count, -1, *half.shape[1:])[index]).numpy()
            rows.append(np.concatenate(list(pictures), 1))
    return np.concatenate(rows, 0)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", choices=("looks", "mouths", "expressions", "lights"), default="looks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--split", choices=("train", "test"), default="train")
    arguments = parser.parse_args()
    picture = sheet(arguments.kind, arguments.seed, arguments.width, arguments.split)
    Image.fromarray(picture).save(arguments.out)


if __name__ == "__main__":
    main()
