"""What an avatar looks like: attributes and proportions, sampled from disjoint training and test combinations."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, fields
from typing import Final, Literal

from training.avatars import palette

Split = Literal["train", "test"]
Colour = tuple[float, ...]

HAIR_STYLES: Final = ("crop", "side_part", "quiff", "curly", "bob", "long", "wavy", "bun", "ponytail", "pixie")
FRINGES: Final = ("none", "swept", "full")
FRINGE_STYLES: Final = ("bob", "long", "wavy", "ponytail", "bun")
COLLARS: Final = ("crew", "v_neck", "shirt", "hoodie", "turtleneck", "blazer")
BACKDROPS: Final = ("plain", "gradient", "disc", "hills", "bokeh", "window")
GLASSES_SHAPES: Final = ("none", "round", "square")
NOSES: Final = ("button", "soft", "straight")
LASHED_STYLES: Final = ("bob", "long", "wavy", "bun", "ponytail", "pixie")

# Natural colours are drawn twice as often as the last two, dyed ones.
HAIR_WEIGHTS: Final = (2,) * (len(palette.HAIRS) - 2) + (1, 1)
# One combination in TEST_SHARE is kept for testing.
TEST_SHARE: Final = 6


@dataclass(frozen=True, slots=True)
class Appearance:
    """One avatar. Colours are sRGB in [0, 1]; lengths are canonical pixels of the 384x256 frame.

    ``skin_index`` ... ``backdrop`` are the discrete attributes whose combination decides the split;
    the rest is continuous variation.
    """

    skin_index: int
    hair_index: int
    hair_style: str
    fringe: str
    collar: str
    cloth_index: int
    glasses: str
    backdrop: str
    skin: Colour
    hair: Colour
    eye: Colour
    cloth: Colour
    cloth_second: Colour
    background: Colour
    background_second: Colour
    glasses_colour: Colour
    lip_tint: float
    blush: float
    lashes: bool
    nose: str
    face_width: float
    jaw_width: float
    chin_width: float
    eye_spacing: float
    eye_scale: float
    eye_tilt: float
    brow_thickness: float
    brow_arch: float
    nose_scale: float
    mouth_half_width: float
    lip_fullness: float
    smile: float
    shoulder_width: float
    hair_volume: float
    part_side: int


def combination_key(appearance: Appearance) -> str:
    """The discrete attributes as text, skin to backdrop, in the order of the fields."""
    return "/".join(str(getattr(appearance, field.name)) for field in fields(appearance)[:8])


def split_of(appearance: Appearance) -> Split:
    """The split a combination belongs to, from a hash of its key."""
    digest = hashlib.sha256(combination_key(appearance).encode()).digest()
    return "test" if digest[0] % TEST_SHARE == 0 else "train"


def sample_appearance(seed: int, split: Split = "train") -> Appearance:
    """Draw an avatar of ``split``; the same seed gives the same avatar on every machine."""
    generator = random.Random(f"avatar {split} {seed}")
    while True:
        candidate = _draw(generator)
        if split_of(candidate) == split:
            return candidate


def _jitter(generator: random.Random, colour: Colour, amount: float) -> Colour:
    level = generator.uniform(-amount, amount)
    return tuple(min(1.0, max(0.0, c + level + generator.uniform(-amount, amount) * 0.4)) for c in colour)


def _draw(generator: random.Random) -> Appearance:
    uniform, choice = generator.uniform, generator.choice
    skin_index = generator.randrange(len(palette.SKINS))
    hair_index = generator.choices(range(len(palette.HAIRS)), HAIR_WEIGHTS)[0]
    hair_style = choice(HAIR_STYLES)
    skin_level = sum(palette.rgb(palette.SKINS[skin_index])) / 3
    cloth_index = generator.randrange(len(palette.CLOTHES))
    cloth = palette.rgb(palette.CLOTHES[cloth_index])
    background = palette.rgb(choice(palette.BACKGROUNDS))
    lashes = hair_style in LASHED_STYLES or (hair_style == "curly" and generator.random() < 0.5)
    return Appearance(
        skin_index=skin_index,
        hair_index=hair_index,
        hair_style=hair_style,
        fringe=choice(FRINGES) if hair_style in FRINGE_STYLES else "none",
        collar=choice(COLLARS),
        cloth_index=cloth_index,
        glasses=choice(GLASSES_SHAPES[1:]) if generator.random() < 0.3 else "none",
        backdrop=choice(BACKDROPS),
        skin=_jitter(generator, palette.rgb(palette.SKINS[skin_index]), 0.018),
        hair=_jitter(generator, palette.rgb(palette.HAIRS[hair_index]), 0.022),
        eye=_jitter(generator, palette.rgb(choice(palette.EYES)), 0.03),
        cloth=_jitter(generator, cloth, 0.025),
        cloth_second=palette.rgb(choice([c for i, c in enumerate(palette.CLOTHES) if i != cloth_index])),
        background=_jitter(generator, background, 0.02),
        background_second=palette.rgb(choice(palette.BACKGROUNDS[:8])),
        glasses_colour=choice([c for c in map(palette.rgb, palette.GLASSES) if abs(sum(c) / 3 - skin_level) > 0.17]),
        lip_tint=uniform(0.45, 0.7) if lashes else uniform(0.32, 0.45),
        blush=uniform(0.25, 0.6),
        lashes=lashes,
        nose=choice(NOSES),
        face_width=uniform(67.0, 72.0),
        jaw_width=uniform(0.82, 0.88) if lashes else uniform(0.85, 0.92),
        chin_width=uniform(20.0, 25.0) if lashes else uniform(24.0, 31.0),
        eye_spacing=uniform(30.0, 33.0),
        eye_scale=uniform(1.08, 1.18) if lashes else uniform(0.98, 1.08),
        eye_tilt=uniform(0.0, 2.4),
        brow_thickness=uniform(2.2, 2.8) if lashes else uniform(2.9, 3.7),
        brow_arch=uniform(3.4, 5.6) if lashes else uniform(2.2, 4.0),
        nose_scale=uniform(0.9, 1.12),
        mouth_half_width=uniform(24.5, 27.5),
        lip_fullness=uniform(0.86, 1.04) if lashes else uniform(0.68, 0.86),
        smile=uniform(0.28, 0.42),
        shoulder_width=uniform(122.0, 132.0) if lashes else uniform(132.0, 144.0),
        hair_volume=uniform(0.96, 1.06),
        part_side=choice((-1, 1)),
    )
