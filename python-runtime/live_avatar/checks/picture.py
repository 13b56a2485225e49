"""Checks of a portrait that need no face detector: size, light and sharpness. Pure; uint8 arrays [H, W, 3]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from live_avatar.checks.finding import Finding

Pixels = npt.NDArray[np.uint8]
Luma = npt.NDArray[np.float32]

SMALLEST_SIDE = 512
DARK_MEDIAN = 45
BURNT_LEVEL = 250
BURNT_SHARE = 0.3
# Variance of the Laplacian of luma, short side near 384 px: sharp drawings measure hundreds, heavy blur 1 or 2.
BLURRED_VARIANCE = 4.0
_MEASURED_SIDE = 384
_LUMA_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luma(pixels: Pixels) -> Luma:
    """Brightness 0..255 of each pixel (BT.709 weights on the stored values)."""
    return np.asarray(pixels[..., :3].astype(np.float32) @ _LUMA_WEIGHTS, np.float32)


def centre(plane: Luma) -> Luma:
    """The middle half of the width and the middle 60 % of the height, where a portrait has its face."""
    height, width = plane.shape
    return plane[height // 5 : height - height // 5, width // 4 : width - width // 4]


def laplacian_variance(plane: Luma) -> float:
    """Variance of the 4-neighbour Laplacian after area reduction to a short side of about 384 px.

    Without the reduction a large, slightly soft photograph would measure like a blurred small one.
    """
    factor = max(1, min(plane.shape) // _MEASURED_SIDE)
    height, width = (side // factor * factor for side in plane.shape)
    small = plane[:height, :width].reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3))
    if min(small.shape) < 3:
        return 0.0
    inner = small[1:-1, 1:-1]
    laplacian = small[:-2, 1:-1] + small[2:, 1:-1] + small[1:-1, :-2] + small[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def check_size(width: int, height: int) -> list[Finding]:
    """``IMAGE_SMALL`` under 512 pixels on the short side."""
    if min(width, height) >= SMALLEST_SIDE:
        return []
    return [
        Finding(
            "IMAGE_SMALL",
            f"The picture has {width}x{height} pixels.",
            f"At least {SMALLEST_SIDE}x{SMALLEST_SIDE} is wanted: details that are not there have to be made up.",
        )
    ]


def check_pixels(pixels: Pixels) -> list[Finding]:
    """``IMAGE_DARK``, ``IMAGE_BURNT``, ``IMAGE_BLURRED``; measured in the middle of the picture, where the face is."""
    plane = centre(luma(pixels))
    findings = []
    median = float(np.median(plane))
    if median < DARK_MEDIAN:
        findings.append(
            Finding(
                "IMAGE_DARK",
                f"The middle of the picture is dark: brightness {median:.0f} of 255.",
                "Even light on the face is wanted.",
            )
        )
    burnt = float(np.mean(plane >= BURNT_LEVEL))
    if burnt > BURNT_SHARE:
        findings.append(
            Finding(
                "IMAGE_BURNT",
                f"{burnt:.0%} of the middle of the picture is white without detail.",
                "A picture that is not overexposed is wanted.",
            )
        )
    sharpness = laplacian_variance(plane)
    if sharpness < BLURRED_VARIANCE:
        findings.append(
            Finding(
                "IMAGE_BLURRED",
                f"The picture is blurred: sharpness {sharpness:.1f}, where {BLURRED_VARIANCE:.0f} is the least.",
                "A picture in focus is wanted; the video cannot be sharper than it.",
            )
        )
    return findings
