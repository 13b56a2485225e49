"""Checks of a portrait besides its faces: size, light and sharpness. Pure; uint8 arrays [H, W, 3]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from live_avatar.checks.finding import Finding, fine

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
    """``IMAGE_SMALL`` under 512 pixels on the short side, or ``IMAGE_SIZE_OK``."""
    shortest = min(width, height)
    measured = f"The picture has {width}x{height} pixels."
    if shortest >= SMALLEST_SIDE:
        return [fine("IMAGE_SIZE_OK", measured, shortest, "pixels")]
    wanted = f"At least {SMALLEST_SIDE}x{SMALLEST_SIDE} is wanted: details that are not there have to be made up."
    return [Finding("IMAGE_SMALL", measured, wanted, value=shortest, unit="pixels")]


def check_pixels(pixels: Pixels, face: tuple[slice, slice] | None = None) -> list[Finding]:
    """``IMAGE_DARK`` and ``IMAGE_BURNT``, or ``IMAGE_LIGHT_OK``; ``IMAGE_BLURRED``, or ``IMAGE_SHARPNESS_OK``.

    Args:
        pixels: the picture.
        face: rows and columns of the face; without them the middle of the picture is measured, where faces are.
    """
    plane = centre(luma(pixels)) if face is None else luma(pixels)[face]
    where = "middle of the picture" if face is None else "face"
    return [*_check_light(plane, where), _check_sharpness(plane, where)]


def _check_light(plane: Luma, where: str) -> list[Finding]:
    findings = []
    median = round(float(np.median(plane)), 1)
    if median < DARK_MEDIAN:
        findings.append(
            Finding(
                "IMAGE_DARK",
                f"The {where} is dark: brightness {median:.0f} of 255.",
                "Even light on the face is wanted.",
                value=median,
                unit="of 255",
            )
        )
    burnt = round(float(np.mean(plane >= BURNT_LEVEL)), 4)
    if burnt > BURNT_SHARE:
        findings.append(
            Finding(
                "IMAGE_BURNT",
                f"{burnt:.0%} of the {where} is white without detail.",
                "A picture that is not overexposed is wanted.",
                value=burnt,
                unit="share of the area",
            )
        )
    return findings or [fine("IMAGE_LIGHT_OK", f"The {where} has brightness {median:.0f} of 255.", median, "of 255")]


def _check_sharpness(plane: Luma, where: str) -> Finding:
    sharpness = round(laplacian_variance(plane), 2)
    if sharpness >= BLURRED_VARIANCE:
        return fine("IMAGE_SHARPNESS_OK", f"The {where} is sharp: {sharpness:.0f}.", sharpness, "sharpness")
    return Finding(
        "IMAGE_BLURRED",
        f"The {where} is blurred: sharpness {sharpness:.1f}, where {BLURRED_VARIANCE:.0f} is the least.",
        "A picture in focus is wanted; the video cannot be sharper than it.",
        value=sharpness,
        unit="sharpness",
    )
