"""What the user should know of a plan that can be carried out. No torch."""

from __future__ import annotations

from live_avatar.footprint import DiskUse
from live_avatar.geometry import FRAMES_PER_SECOND
from live_avatar.sentence import fill


def plan_warnings(
    left_out: float, wanted_frames: int, disk: DiskUse, disk_available: int, frames: int, with_lora: bool
) -> list[tuple[str, str]]:
    """(code, sentence) of each."""
    warnings: list[tuple[str, str]] = []
    if left_out > 0:
        warnings.append(
            (
                "AUDIO_CUT",
                fill(
                    "The video ends after {end:.2f} s; the last {left_out:.2f} s of the sound's {sound:.2f} s are left "
                    "out. Raise --num_clip to keep them.",
                    end=round(frames / FRAMES_PER_SECOND, 2),
                    left_out=round(left_out, 2),
                    sound=round(wanted_frames / FRAMES_PER_SECOND, 2),
                ),
            )
        )
    if disk.peak > disk_available:
        warnings.append(
            (
                "DISK_TOO_SMALL",
                fill(
                    "The run needs about {needed:.2f} GB of disk and {free:.2f} GB are free. It would stop cleanly "
                    "when the disk is full, and can go on after space is freed.",
                    needed=round(disk.peak / 1e9, 2),
                    free=round(disk_available / 1e9, 2),
                ),
            )
        )
    if not with_lora:
        warnings.append(
            (
                "LORA_OFF",
                "No LoRA is loaded: the base weights need many more denoising steps than 6, so expect poor pictures "
                "unless the LoRA is already merged into them.",
            )
        )
    return warnings
