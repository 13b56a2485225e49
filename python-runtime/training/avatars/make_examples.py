"""Write the example portraits and prompts: ``python -m training.avatars.make_examples``.

The people are of the test split, so the demo model has never seen them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from training.avatars.appearance import sample_appearance
from training.avatars.renderer import AvatarRenderer, to_uint8

WIDTH: Final = 1152
DEFAULT_FOLDER: Final = Path(__file__).resolve().parents[3] / "resources" / "examples"


@dataclass(frozen=True, slots=True)
class Example:
    """One person: folder name, seed of the test split, prompt in four parts (look, action, light and place, style)."""

    name: str
    seed: int
    prompt: str


EXAMPLES: Final = (
    Example(
        "anna",
        1158,
        "A woman with short auburn hair in a green shirt. She smiles warmly and speaks happily to the viewer. "
        "Natural daylight in front of a plain green wall. Flat cartoon illustration with soft shading.",
    ),
    Example(
        "ben",
        1165,
        "A man with short black hair in a dark blue sweater. He speaks calmly with a neutral expression. "
        "Warm evening light at sunset in a quiet room. Flat cartoon illustration with soft shading.",
    ),
    Example(
        "mei",
        1071,
        "一位戴着眼镜的黑色短发女士，穿着深灰色高领毛衣。她面带微笑，开心地对着镜头说话。"
        "明亮的摄影棚灯光，简洁的浅色背景。扁平卡通插画风格，柔和的阴影。",
    ),
)


def write_example(example: Example, folder: Path) -> Path:
    """Write ``portrait.png`` (1152x768, neutral, daylight, mouth closed) and ``prompt.txt``; returns the portrait."""
    target = folder / example.name
    target.mkdir(parents=True, exist_ok=True)
    renderer = AvatarRenderer([sample_appearance(example.seed, "test")], width=WIDTH)
    portrait = target / "portrait.png"
    Image.fromarray(to_uint8(renderer.portrait(0)).numpy()).save(portrait, optimize=True)
    (target / "prompt.txt").write_text(example.prompt + "\n", encoding="utf-8")
    return portrait


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_FOLDER)
    arguments = parser.parse_args()
    for example in EXAMPLES:
        portrait = write_example(example, arguments.out)
        print(f"{portrait}: {portrait.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
