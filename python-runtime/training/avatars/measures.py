"""What a viewer would see, as numbers read from finished pixels: lip gap, expression, light, colours, sharpness.

Frames are uint8 [T, H, W, 3] (numpy or torch), as decoded from a video; other sizes than 384x256 are resized first.
Nothing here knows the true performance or appearance.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.avatars import measure_nets as nets
from training.avatars.features import GAP_CLOSED, GAP_OPEN
from training.avatars.labels import EXPRESSIONS, LIGHTS

Box = tuple[int, int, int, int]
Floats = NDArray[np.float64]
Frames = Tensor | NDArray[np.uint8]

MOUTH_BOX: Final[Box] = (146, 144, 238, 210)
HEAD_BOX: Final[Box] = (96, 4, 288, 226)
# Patches that lie inside a region for every hair style, collar and head movement.
REGIONS: Final[dict[str, tuple[Box, ...]]] = {
    "hair": ((172, 19, 212, 27),),
    "skin": nets.CHEEKS,
    "clothes": ((184, 250, 200, 256),),
    "background": ((4, 30, 60, 120), (324, 30, 380, 120)),
}
CHUNK: Final = 64


def _chunks(frames: Frames) -> list[Tensor]:
    """Float frames [<=64, 3, 256, 384] in [0, 1], in order."""
    pixels = torch.as_tensor(frames)
    if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != torch.uint8:
        raise ValueError(f"frames must be uint8 [T, H, W, 3], not {pixels.dtype} {list(pixels.shape)}")
    return [nets.resized(part.movedim(-1, 1).float() / 255) for part in pixels.cpu().split(CHUNK)]


@torch.no_grad()
def mouth_opening(frames: Frames) -> Floats:
    """Opening [T] of the mouth: the lip gap at its widest column, 0 closed, 1 as far as the drawings go.

    Rows between the lips are counted in eleven columns about the middle of the face; the mean of the three largest
    counts is the gap, so the mouth need not be exactly in the middle.
    """
    parts = _chunks(frames)
    skin = torch.cat([nets.skin_reference(part)[None] for part in parts]).median(0).values
    gaps = []
    for part in parts:
        inside = nets.gap_net()(nets.mouth_columns(part, skin)).sigmoid()
        counts = inside.sum(1).reshape(part.shape[0], -1)
        gaps.append(counts.topk(3, dim=1).values.mean(1))
    return ((torch.cat(gaps) - GAP_CLOSED) / GAP_OPEN).double().numpy()


def expression(frames: Frames, samples: int = 12) -> tuple[str, dict[str, float]]:
    """The expression shown over the frames, and the mean probability of each, from ``samples`` evenly spread frames."""
    names, scores = EXPRESSIONS, _scores(frames, samples, light_only=False)
    return names[int(np.argmax(scores))], dict(zip(names, scores, strict=True))


def light(frames: Frames, samples: int = 12) -> tuple[str, dict[str, float]]:
    """The light shown over the frames, and the mean probability of each."""
    names, scores = LIGHTS, _scores(frames, samples, light_only=True)
    return names[int(np.argmax(scores))], dict(zip(names, scores, strict=True))


@torch.no_grad()
def _scores(frames: Frames, samples: int, light_only: bool) -> list[float]:
    pixels = torch.as_tensor(frames)
    spread = torch.linspace(0, pixels.shape[0] - 1, min(samples, pixels.shape[0])).round().long()
    part = torch.cat(_chunks(pixels[spread]))
    if light_only:
        logits = nets.light_net()(nets.light_input(part))
    else:
        logits = nets.expression_net()(nets.face_input(part, nets.skin_reference(part)))
    result: list[float] = logits.softmax(1).mean(0).tolist()
    return result


def region_colours(frames: Frames) -> dict[str, Floats]:
    """Mean CIE Lab colour [T, 3] of hair, skin, clothes and background at fixed patches."""
    collected: dict[str, list[Tensor]] = {name: [] for name in REGIONS}
    for part in _chunks(frames):
        for name, boxes in REGIONS.items():
            pixels = [part[:, :, y0:y1, x0:x1].flatten(2) for x0, y0, x1, y1 in boxes]
            collected[name].append(torch.cat(pixels, 2).mean(2))
    return {name: rgb_to_lab(torch.cat(means).double().numpy()) for name, means in collected.items()}


def rgb_to_lab(colours: Floats) -> Floats:
    """sRGB [..., 3] in [0, 1] to CIE Lab (D65)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def delta_e(first: Floats, second: Floats) -> Floats:
    """CIE76 colour difference [...] of Lab colours [..., 3]."""
    return np.asarray(np.linalg.norm(np.asarray(first) - np.asarray(second), axis=-1), dtype=np.float64)


def sharpness(frames: Frames) -> Floats:
    """Root mean square of the Laplacian of luma [T] inside ``HEAD_BOX`` (8-bit units)."""
    x0, y0, x1, y1 = HEAD_BOX
    values = []
    for part in _chunks(frames):
        luma = (part[:, :, y0:y1, x0:x1] * 255 * part.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
        centre = luma[:, 1:-1, 1:-1]
        laplacian = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:] - 4 * centre
        values.append(laplacian.square().mean((1, 2)).sqrt())
    return torch.cat(values).double().numpy()


def psnr(first: Frames, second: Frames, box: Box | None = None) -> Floats:
    """Peak signal-to-noise ratio [T] in dB, inside ``box`` (canonical pixels) if given."""
    values = []
    for a, b in zip(_chunks(first), _chunks(second), strict=True):
        difference = a - b
        if box is not None:
            x0, y0, x1, y1 = box
            difference = difference[:, :, y0:y1, x0:x1]
        error = difference.double().square().mean((1, 2, 3)).clamp_min(1e-10)
        values.append(-10 * torch.log10(error))
    return torch.cat(values).numpy()


def gaussian_blur(frames: Frames, sigma: float) -> NDArray[np.uint8]:
    """Frames uint8 [T, H, W, 3] blurred spatially; for tests of how the measures stand blur."""
    return blurred(torch.as_tensor(frames).movedim(-1, 1).float(), sigma).round().to(torch.uint8).movedim(1, -1).numpy()


def blurred(frames: Tensor, sigma: float) -> Tensor:
    """Float frames [T, 3, H, W] blurred with a Gaussian of ``sigma`` pixels."""
    reach = max(1, int(3 * sigma + 0.5))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=frames.dtype) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    count = frames.shape[1]
    padded = torch.nn.functional.pad(frames, (reach, reach, reach, reach), mode="replicate")
    rows = torch.nn.functional.conv2d(padded, kernel[None, None, :, None].expand(count, 1, -1, 1), groups=count)
    return torch.nn.functional.conv2d(rows, kernel[None, None, None].expand(count, 1, 1, -1), groups=count)
