"""How near two videos are to each other, and how sharp and in time with the sound one is. Frames uint8 [T, H, W, 3]."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

Frames = NDArray[np.uint8]
Track = NDArray[np.float64]

# Of the structural similarity (Wang et al. 2004): the stabilising constants and an 11 x 11 window of sigma 1.5.
_K1, _K2, _WINDOW, _SIGMA = 0.01, 0.03, 11, 1.5
_LUMA = (0.299, 0.587, 0.114)
_SMALLEST_ERROR = 1e-10
_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Comparison:
    """A video against a reference.

    Attributes:
        psnr: mean of the frames' peak signal-to-noise ratios, dB; ``worst_psnr`` the lowest.
        ssim: mean structural similarity of luma.
        sharpness: root mean square of the Laplacian of luma, as a share of the reference's.
        lip_sync: correlation of the measured opening of the mouth with the true one, or with the reference's where the
            truth is not known; ``None`` where the measure is not at hand.
    """

    psnr: float
    worst_psnr: float
    ssim: float
    sharpness: float
    lip_sync: float | None

    def as_dict(self) -> dict[str, float | None]:
        """JSON values."""
        return asdict(self)


def compare(video: Frames, reference: Frames, mouth: Track | None = None) -> Comparison:
    """Compare two videos of the same take; ``mouth`` is the true opening for each frame."""
    if video.shape != reference.shape:
        raise ValueError(f"videos of {video.shape} and {reference.shape}")
    peaks = psnr(video, reference)
    return Comparison(
        psnr=float(peaks.mean()),
        worst_psnr=float(peaks.min()),
        ssim=float(ssim(video, reference).mean()),
        sharpness=float(sharpness(video).mean() / max(1e-9, sharpness(reference).mean())),
        lip_sync=lip_sync(video, mouth_opening(reference) if mouth is None else mouth),
    )


def psnr(first: Frames, second: Frames) -> Track:
    """dB of each frame; 100 for equal ones."""
    parts = []
    for a, b in zip(_chunks(first), _chunks(second), strict=True):
        error = (a - b).double().square().mean((1, 2, 3)).clamp_min(_SMALLEST_ERROR)
        parts.append(-10 * torch.log10(error))
    return torch.cat(parts).numpy()


def ssim(first: Frames, second: Frames) -> Track:
    """Structural similarity of luma, of each frame; 1 for equal ones."""
    distance = torch.arange(_WINDOW) - _WINDOW // 2
    line = torch.exp(-(distance.float() ** 2) / (2 * _SIGMA**2))
    window = torch.outer(line, line)[None, None] / line.sum() ** 2

    def local(values: Tensor) -> Tensor:
        return functional.conv2d(values, window)

    parts = []
    for a, b in zip(_chunks(first), _chunks(second), strict=True):
        x, y = _luma(a).unsqueeze(1), _luma(b).unsqueeze(1)
        mean_x, mean_y = local(x), local(y)
        variance_x, variance_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
        shared = local(x * y) - mean_x * mean_y
        likeness = (2 * mean_x * mean_y + _K1**2) * (2 * shared + _K2**2)
        spread = (mean_x**2 + mean_y**2 + _K1**2) * (variance_x + variance_y + _K2**2)
        parts.append((likeness / spread).mean((1, 2, 3)))
    return torch.cat(parts).double().numpy()


def sharpness(frames: Frames) -> Track:
    """Root mean square of the Laplacian of luma, 8-bit units, of each frame."""
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    parts = [
        functional.conv2d(_luma(part).unsqueeze(1) * 255, kernel).square().mean((1, 2, 3)).sqrt()
        for part in _chunks(frames)
    ]
    return torch.cat(parts).double().numpy()


def mouth_opening(frames: Frames) -> Track | None:
    """Opening of the mouth measured in the pixels, of each frame, or ``None`` without the training tools."""
    try:
        from training.avatars.measures import mouth_opening as measured  # not part of the installed program
    except ImportError:
        return None
    return np.asarray(measured(frames), np.float64)


def lip_sync(video: Frames, mouth: Track | None) -> float | None:
    """Correlation of the measured opening with ``mouth``."""
    opening = mouth_opening(video)
    if opening is None or mouth is None:
        return None
    length = min(len(opening), len(mouth))
    first, second = opening[:length], mouth[:length]
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def mean_of(comparisons: list[Comparison]) -> Comparison:
    """The mean of several takes' figures (the lowest of the worst)."""
    syncs = [each.lip_sync for each in comparisons if each.lip_sync is not None]
    return Comparison(
        psnr=float(np.mean([each.psnr for each in comparisons])),
        worst_psnr=min(each.worst_psnr for each in comparisons),
        ssim=float(np.mean([each.ssim for each in comparisons])),
        sharpness=float(np.mean([each.sharpness for each in comparisons])),
        lip_sync=float(np.mean(syncs)) if syncs else None,
    )


def _chunks(frames: Frames) -> list[Tensor]:
    """Float [T, 3, H, W] in 0..1, a few frames at a time."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames))
    return [part.permute(0, 3, 1, 2).float() / 255 for part in pixels.split(_CHUNK)]


def _luma(pixels: Tensor) -> Tensor:
    """[T, 3, H, W] -> [T, H, W]."""
    weights = torch.tensor(_LUMA).view(1, 3, 1, 1)
    return (pixels * weights).sum(1)
