"""Faces in a portrait: where they are, and what is judged of them.

The detector is dlib's: gradients in five poses, its weights compiled into the library, so it needs no file and no
network. It was made for photographs; drawn faces score lower, and a face it misses is only a note
(docs/decisions/0009-face-detection.md has the figures).
"""

from __future__ import annotations

import functools
import importlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from live_avatar.checks.finding import Finding, Severity, fine

Pixels = npt.NDArray[np.uint8]

# The detector finds faces from 80 pixels up; these long sides find 1/8 and 1/16 of the picture.
_LONG_SIDES = (640, 1280)
_SURE = 0.0
# A false second face would worry for nothing; true ones of photographs score 1 and more.
_SURE_BESIDE = 0.4
# Drawn faces score down to here; what is not a face does too, so it takes the frontal pose and the absence of others.
_LIKELY = -0.5
_FRONT, _LEFT, _RIGHT = 0, 1, 2
WANTED_SHARE = 0.2
LEAST_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright picture."""

    x: float
    y: float
    width: float
    height: float

    def as_dict(self) -> dict[str, float]:
        """JSON values, to a hundredth of a pixel."""
        values = (("x", self.x), ("y", self.y), ("width", self.width), ("height", self.height))
        return {name: round(value, 2) for name, value in values}

    def holds(self, other: Box) -> bool:
        """Whether ``other`` lies inside."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any place."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return across > 0 and down > 0

    def within(self, width: int, height: int) -> Box:
        """The part of it inside a picture of that size."""
        left, top = max(0.0, self.x), max(0.0, self.y)
        right, bottom = min(float(width), self.x + self.width), min(float(height), self.y + self.height)
        return Box(left, top, max(0.0, right - left), max(0.0, bottom - top))


@dataclass(frozen=True, slots=True)
class Face:
    """A face from the brows to the chin.

    Attributes:
        score: the detector's; from 0 on it is sure.
        frontal: whether it looks at the camera; ``None`` when it is tilted, which the detector does not tell apart.
    """

    box: Box
    score: float
    frontal: bool | None


def can_detect() -> bool:
    """Whether the detector can be used: it is installed, and the processor has the instructions it is built with."""
    try:
        import dlib  # noqa: F401
    except ImportError:
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    # torch would tell too, but takes a second to import.
    features: dict[str, bool] = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    return features["AVX2"]


def find_faces(picture: Image.Image) -> list[Face]:
    """Faces in an upright RGB picture, the surest first. Takes a tenth of a second; call it from one thread.

    Raises:
        ImportError: see :func:`can_detect`.
    """
    found = _detect(picture, _LONG_SIDES[0])
    likely = [face for face in found if face.frontal][:1]
    if max(picture.size) > _LONG_SIDES[0]:
        found = sorted([*found, *_detect(picture, _LONG_SIDES[1])], key=lambda face: -face.score)
    sure: list[Face] = []
    for face in found:
        least = _SURE_BESIDE if sure else _SURE
        if face.score >= least and not any(face.box.overlaps(other.box) for other in sure):
            sure.append(face)
    return sure or likely


def judge_faces(faces: Sequence[Face], crop: Box) -> list[Finding]:
    """``FACE_NONE``, ``FACE_SEVERAL``, ``FACE_SIDE``, ``FACE_SMALL``, ``FACE_CUT``, or ``FACE_OK``.

    Args:
        faces: as found, the surest first.
        crop: what the video will show of the picture.
    """
    if not faces:
        return [
            Finding(
                "FACE_NONE",
                "No face was found.",
                "A clear face that looks at the camera is wanted. Drawn faces are sometimes missed; then go on.",
                "note",
                0,
                "faces",
            )
        ]
    face = faces[0]
    findings = []
    if len(faces) > 1:
        findings.append(
            Finding(
                "FACE_SEVERAL",
                f"{len(faces)} faces were found.",
                "One face is wanted: with several it is left to chance whose lips move.",
                value=len(faces),
                unit="faces",
            )
        )
    if face.frontal is False:
        findings.append(
            Finding(
                "FACE_SIDE",
                "The face is seen from the side.",
                "A face that looks at the camera is wanted: the model has to make up the half it does not see.",
            )
        )
    share = face.box.height / crop.height
    if share < WANTED_SHARE:
        severity: Severity = "warning" if share < LEAST_SHARE else "note"
        findings.append(
            Finding(
                "FACE_SMALL",
                f"The face takes {share:.0%} of the picture's height.",
                f"At least {WANTED_SHARE:.0%} is wanted: lips of a few pixels cannot follow the speech.",
                severity,
                round(share, 4),
                "share of height",
            )
        )
    if not crop.holds(face.box):
        findings.append(
            Finding(
                "FACE_CUT",
                "The face reaches beyond what the video will show.",
                "A face that is whole is wanted: choose a size closer to the picture's shape, or leave more around it.",
            )
        )
    if not findings:
        findings.append(
            fine(
                "FACE_OK",
                f"One face was found; it takes {share:.0%} of the height.",
                round(share, 4),
                "share of height",
            )
        )
    return findings


def not_checked() -> Finding:
    """For a computer on which the detector cannot be used."""
    return Finding(
        "FACE_NOT_CHECKED",
        "Faces were not looked for.",
        "The detector cannot be used on this computer; look yourself that one face looks at the camera.",
        "note",
    )


def _detect(picture: Image.Image, long_side: int) -> list[Face]:
    factor = min(1.0, long_side / max(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    pixels = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    boxes, scores, poses = _detector().run(np.ascontiguousarray(pixels), 0, _LIKELY)
    faces = []
    for box, score, pose in zip(boxes, scores, poses, strict=True):
        place = Box(box.left() / factor, box.top() / factor, box.width() / factor, box.height() / factor)
        frontal = True if pose == _FRONT else False if pose in (_LEFT, _RIGHT) else None
        faces.append(Face(place.within(*picture.size), float(score), frontal))
    return sorted(faces, key=lambda face: -face.score)


@functools.cache
def _detector() -> Any:
    import dlib

    return dlib.get_frontal_face_detector()
