"""Named groups of settings for common jobs (mission section 3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from live_avatar.errors import UserError


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings that a preset stands for; a flag given beside it wins.

    Attributes:
        name: what ``--preset`` takes.
        title: what people see.
        size: (width, height), an area budget.
        clips: at most so many clips are made.
        sample_steps: denoising steps.
    """

    name: str
    title: str
    size: tuple[int, int]
    clips: int
    sample_steps: int


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("quick_preview", "Quick preview", (384, 256), 10, 3),
        Preset("standard", "Standard", (688, 368), 100, 4),
        Preset("endless", "Endless", (688, 368), 1000, 4),
        Preset("high_resolution", "High resolution", (704, 384), 50, 4),
    )
}


def find_preset(name: str) -> Preset:
    """The preset called ``name``: its name or title, in any case, with spaces, dashes or underscores.

    Raises:
        UserError: ``PRESET_UNKNOWN``.
    """
    preset = PRESETS.get(re.sub(r"[\s_-]+", "_", name.strip().lower()))
    if preset is not None:
        return preset
    raise UserError(
        "PRESET_UNKNOWN",
        f'There is no preset "{name}".',
        f"The presets are {', '.join(PRESETS)}.",
        "Use one of these, or give --size, --num_clip and --sample_steps yourself.",
        field="preset",
    )
