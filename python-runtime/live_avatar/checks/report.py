"""All that is measured and found of one picture, one recording or one prompt: what the studio shows beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from live_avatar.checks import faces
from live_avatar.checks.faces import Box, Face
from live_avatar.checks.finding import Finding
from live_avatar.checks.picture import check_pixels, check_size
from live_avatar.checks.prompt import check_prompt
from live_avatar.checks.sound import check_sampled, decibels, sample_sound, speech_share
from live_avatar.geometry import choose_output_size
from live_avatar.image import covered_box, open_picture


@dataclass(frozen=True, slots=True)
class ImageReport:
    """A portrait.

    Attributes:
        width, height: upright.
        video: (width, height) it will be rendered at.
        crop: what the video shows of it.
        faces: the surest first; ``None`` where they cannot be looked for.
        findings: all checks.
    """

    width: int
    height: int
    video: tuple[int, int]
    crop: Box
    faces: tuple[Face, ...] | None
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        found = self.faces
        return {
            "width": self.width,
            "height": self.height,
            "video": {"width": self.video[0], "height": self.video[1]},
            "crop": self.crop.as_dict(),
            "faces": None
            if found is None
            else [{"box": f.box.as_dict(), "score": round(f.score, 3), "frontal": f.frontal} for f in found],
            "findings": [finding.as_dict() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class AudioReport:
    """A recording.

    Attributes:
        seconds: length; ``None`` where the header does not say and the file was not read to its end.
        measured_seconds: how much of its beginning the levels are of.
        loudness: LUFS; peak: decibels of full scale; both ``None`` for silence.
        speech_share: share of 40 ms frames that are not silent.
    """

    seconds: float | None
    measured_seconds: float
    sample_rate: int
    channels: int
    codec: str
    loudness: float | None
    peak: float | None
    speech_share: float
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        names = ("seconds", "measured_seconds", "sample_rate", "channels", "codec", "loudness", "peak", "speech_share")
        return {name: getattr(self, name) for name in names} | {
            "findings": [finding.as_dict() for finding in self.findings]
        }


def report_image(path: Path, requested: tuple[int, int]) -> ImageReport:
    """Check a portrait for a video of the ``requested`` size (width, height: an area budget).

    Raises:
        UserError: ``IMAGE_…``: it cannot be used at all.
    """
    picture = open_picture(path).image
    size = picture.size
    video = choose_output_size(requested[0] * requested[1], *size)
    crop = Box(*covered_box(size, *video))
    found: list[Face] | None = faces.find_faces(picture) if faces.can_detect() else None
    about_faces = [faces.not_checked()] if found is None else faces.judge_faces(found, crop)
    about_pixels = check_pixels(np.asarray(picture), None if not found else _rows_and_columns(found[0].box))
    findings = (*check_size(*size), *about_faces, *about_pixels)
    return ImageReport(*size, video, crop, None if found is None else tuple(found), findings)


def report_audio(path: Path) -> AudioReport:
    """Check a recording by its header and its first two minutes.

    Raises:
        UserError: ``AUDIO_…``: it cannot be used at all.
    """
    from live_avatar.media.audio_file import probe_audio

    probe = probe_audio(path)
    sampled = sample_sound(path)
    return AudioReport(
        seconds=probe.duration,
        measured_seconds=round(sampled.seconds, 3),
        sample_rate=probe.sample_rate,
        channels=probe.channels,
        codec=probe.codec,
        loudness=sampled.loudness,
        peak=decibels(sampled.statistics.peak),
        speech_share=speech_share(sampled.statistics),
        findings=tuple(check_sampled(path, probe, sampled)),
    )


def report_prompt(text: str) -> tuple[Finding, ...]:
    """Check a prompt."""
    return tuple(check_prompt(text))


def _rows_and_columns(box: Box) -> tuple[slice, slice]:
    rows = slice(int(box.y), max(int(box.y) + 1, int(box.y + box.height)))
    return rows, slice(int(box.x), max(int(box.x) + 1, int(box.x + box.width)))
