"""Colours of the drawn avatars, sRGB hex. Chosen to sit well together and to stay apart for the measures."""

from __future__ import annotations

from typing import Final

SKINS: Final = ("#FBDFCD", "#F6CDB0", "#EDBB93", "#DCA577", "#C48D62", "#A06C48", "#80543A", "#64412F")
HAIRS: Final = (
    "#2C2529",  # black
    "#45302A",  # espresso
    "#66432E",  # brown
    "#8A5533",  # chestnut
    "#A4492F",  # auburn
    "#CC7438",  # ginger
    "#B68D54",  # dark blond
    "#E0BE74",  # blond
    "#A5A3A6",  # grey
    "#DAD6D2",  # silver
    "#B9657E",  # rose
    "#3B6477",  # petrol
)
EYES: Final = ("#5B3A26", "#7A5230", "#4F7A4E", "#4A86B4", "#6E8793", "#8C6D34")
CLOTHES: Final = (
    "#31486B",  # navy
    "#2F827C",  # teal
    "#E4765F",  # coral
    "#E2A941",  # mustard
    "#42704F",  # forest
    "#70477A",  # plum
    "#6FA8D2",  # sky
    "#F0E6D6",  # cream
    "#454A54",  # charcoal
    "#A94B3D",  # brick
    "#9DB69B",  # sage
    "#A99DCE",  # lavender
)
BACKGROUNDS: Final = (
    "#F5E6D9",  # sand
    "#DBE9E5",  # mint
    "#E6E0F0",  # lilac
    "#F7E8CB",  # vanilla
    "#CFE1EE",  # sky
    "#ECD7D2",  # blush
    "#D6DFCA",  # pistachio
    "#BACDD8",  # mist
    "#8FB0B3",  # lagoon
    "#A79CBD",  # dusk
    "#D9A98E",  # terracotta
)
GLASSES: Final = ("#2E2A2D", "#6B4632", "#A0812F", "#7B2F3E", "#3B5570", "#EFE6D8")
LIP_TINT: Final = "#C9525C"
MOUTH_INTERIOR: Final = "#481320"
TEETH: Final = "#FBF6EF"
TONGUE: Final = "#C8585F"
SCLERA: Final = "#FCFAF6"


def rgb(colour: str) -> tuple[float, float, float]:
    """``"#RRGGBB"`` as three floats in [0, 1]."""
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def mix(a: tuple[float, ...], b: tuple[float, ...], share: float) -> tuple[float, ...]:
    """Linear mixture: ``a`` at share 0, ``b`` at share 1."""
    return tuple(p + (q - p) * share for p, q in zip(a, b, strict=True))


def scaled(a: tuple[float, ...], by: tuple[float, float, float]) -> tuple[float, ...]:
    """Channel-wise product, clipped to 1: how shadows (below 1) and highlights (above 1) are made."""
    return tuple(min(1.0, p * q) for p, q in zip(a, by, strict=True))
