"""What the user should know of a plan that can be carried out. No torch."""

from __future__ import annotations

from live_avatar.footprint import DiskUse
from live_avatar.geometry import FRAMES_PER_SECOND


def plan_warnings(
    left_out: float, wanted_frames: int, disk: DiskUse, disk_available: int, frames: int, with_lora: bool
) -> list[tuple[str, str]]:
    """(code, sentence) of each."""
    warnings = []
    if left_out > 0:
        warnings.append(
            (
                "AUDIO_CUT",
                f"The video ends after {frames / FRAMES_PER_SECOND:.2f} s; the last {left_out:.2f} s of the sound's "
                f"{wanted_frames / FRAMES_PER_SECOND:.2f} s are left out. Raise --num_clip to keep them.",
            )
        )
    if disk.peak > disk_available:
        warnings.append(
            (
                "DISK_TOO_SMALL",
                f"The run needs about {disk.peak / 1e9:.2f} GB of disk and {disk_available / 1e9:.2f} GB are free. "
                "It would stop cleanly when the disk is full, and can go on after space is freed.",
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
