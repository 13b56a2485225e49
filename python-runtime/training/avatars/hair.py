"""Hair styles as outlines: what lies behind the head, what lies on it, and a few lines for form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor

from training.avatars.appearance import Appearance
from training.avatars.shapes import MIRROR_X, flipped, mirrored, spline

Outline = list[tuple[float, float]]


@dataclass(slots=True)
class Hair:
    """Closed outlines [N, 2] and open paths [N, 2] in canonical pixels.

    Attributes:
        behind: painted before neck and shoulders, in a darker tone.
        front: painted over the head.
        strands: darker lines over ``front``; lights: brighter soft lines over ``front``.
        strands_behind: darker lines over ``behind``.
    """

    behind: list[Tensor] = field(default_factory=list)
    front: list[Tensor] = field(default_factory=list)
    strands: list[Tensor] = field(default_factory=list)
    lights: list[Tensor] = field(default_factory=list)
    strands_behind: list[Tensor] = field(default_factory=list)


def hair_of(look: Appearance) -> Hair:
    """The hair of ``look``, scaled to its face width and volume."""
    hair = _STYLES[look.hair_style](look)
    stretch = look.face_width / 68.0
    for group in (hair.behind, hair.front, hair.strands, hair.lights, hair.strands_behind):
        for path in group:
            path[:, 0] = MIRROR_X + (path[:, 0] - MIRROR_X) * stretch
    return hair


def _line(points: Outline, side: int = 1) -> Tensor:
    return spline(flipped(points, side), closed=False)


def _crown_light(side: int) -> Tensor:
    return _line([(18, 24), (38, 30), (53, 43), (61, 60)], side)


def _crop(look: Appearance) -> Hair:
    v = look.hair_volume
    right: Outline = [(0, 16 - 4 * v), (34, 19 - 4 * v), (58, 34), (71, 60), (73, 90), (70, 122), (66, 122)]
    right += [(63, 96), (57, 76), (52, 64), (44, 60), (22, 57), (0, 56)]
    side = look.part_side
    return Hair(
        front=[spline(mirrored(right))],
        lights=[_crown_light(-side)],
        strands=[_line([(-20, 22), (-26, 34), (-27, 48)], side), _line([(8, 19), (6, 32), (8, 46)], side)],
    )


def _side_part(look: Appearance) -> Hair:
    v = 8 * (look.hair_volume - 1)
    outline: Outline = [(-69, 122), (-73, 94), (-71, 62), (-57, 33), (-34, 19 - v), (0, 9 - v), (36, 9 - v)]
    outline += [(64, 27), (77, 58), (76, 92), (70, 122), (66, 122), (63, 98), (60, 80), (50, 71), (24, 64)]
    outline += [(-8, 52), (-32, 37), (-38, 36), (-46, 50), (-57, 68), (-62, 92), (-65, 122)]
    side = look.part_side
    return Hair(
        front=[spline(flipped(outline, side))],
        strands=[
            _line([(-34, 36), (-6, 33), (28, 44), (54, 66)], side),
            _line([(-28, 26), (6, 20), (42, 30), (64, 56)], side),
        ],
        lights=[_line([(8, 21), (34, 24), (52, 38), (60, 54)], side)],
    )


def _quiff(look: Appearance) -> Hair:
    v = 10 * (look.hair_volume - 1)
    outline: Outline = [(-69, 120), (-72, 92), (-69, 62), (-62, 40), (-58, 20 - v), (-36, 8 - v), (-6, 8 - v)]
    outline += [(26, 3 - v), (56, 9 - v), (68, 28), (70, 60), (72, 92), (69, 120), (65, 120), (62, 92), (57, 70)]
    outline += [(48, 57), (22, 54), (-8, 58), (-36, 54), (-52, 60), (-59, 72), (-62, 92), (-65, 120)]
    side = look.part_side
    return Hair(
        front=[spline(flipped(outline, side))],
        strands=[
            _line([(-34, 54), (-30, 36), (-8, 24), (24, 20)], side),
            _line([(2, 55), (6, 42), (26, 32), (50, 30)], side),
        ],
        lights=[_line([(-36, 20), (-14, 15), (14, 12), (40, 14)], side)],
    )


def _curly(look: Appearance) -> Hair:
    v = look.hair_volume
    lumps: Outline = []
    for k in range(27):
        angle = math.radians(-38 + 256 * k / 26)
        bump = 1.0 if k % 2 else 0.93
        lumps.append((94 * v * bump * math.cos(angle), 82 - 73 * v * bump * math.sin(angle)))
    behind = [*lumps, (-58, 150), (0, 140), (58, 150)]
    right_lumps = [p for p in lumps if p[0] > 1e-6 and p[1] < 128]
    inner: Outline = [
        (70, 130),
        (62, 122),
        (64, 104),
        (55, 92),
        (57, 78),
        (43, 68),
        (36, 57),
        (20, 60),
        (10, 53),
        (0, 57),
    ]
    crown = max(lumps, key=lambda p: -p[1])
    right = [(0.0, crown[1]), *sorted(right_lumps, key=lambda p: math.atan2(p[1] - 82, p[0])), *inner]
    return Hair(
        behind=[spline(flipped(behind, 1))],
        front=[spline(mirrored(right))],
        strands=[
            _line([(-50, 36), (-40, 44), (-28, 38)]),
            _line([(24, 30), (34, 40), (47, 36)]),
            _line([(-10, 24), (0, 34), (12, 27)]),
            _line([(-78, 72), (-70, 82), (-60, 76)]),
            _line([(60, 74), (70, 83), (79, 73)]),
        ],
        lights=[_line([(-62, 40), (-48, 26), (-28, 18)]), _line([(30, 17), (48, 25), (60, 37)])],
    )


def _fringe_edge(look: Appearance, low: float) -> tuple[Outline, list[Tensor]]:
    """Inner hairline from the right lock over the forehead to the left lock, and its strand lines."""
    side = look.part_side
    if look.fringe == "full":
        right: Outline = [(53, low), (61, 148), (64, 118), (61, 92), (58, 80), (53, 73), (26, 71)]
        edge: Outline = [*right, (0, 72), *((-x, y) for x, y in reversed(right))]
        strands = [_line([(-22, 30), (-26, 50), (-27, 69)]), _line([(20, 30), (25, 50), (27, 69)])]
        return edge, strands
    if look.fringe == "swept":
        edge = [(53, low), (61, 148), (64, 118), (62, 92), (56, 80), (36, 73), (6, 61), (-20, 45), (-30, 36), (-38, 42)]
        edge += [(-52, 64), (-62, 92), (-64, 118), (-61, 148), (-53, low)]
        strands = [_line([(-27, 34), (2, 36), (34, 52), (54, 76)], side), _line([(-22, 24), (14, 24), (46, 42)], side)]
        return edge, strands
    right = [(53, low), (61, 148), (64, 118), (61, 90), (50, 68), (28, 50), (8, 37)]
    strands = [_line([(8, 30), (36, 44), (58, 74)]), _line([(-8, 30), (-36, 44), (-58, 74)])]
    return [*right, (0, 30), *((-x, y) for x, y in reversed(right))], strands


def _framed(look: Appearance, outer: Outline, low: float) -> tuple[Tensor, list[Tensor]]:
    """Front outline from a right outer half (top to bottom) and the fringe."""
    edge, strands = _fringe_edge(look, low)
    left = [(-x, y) for x, y in reversed(outer) if x != 0.0]
    return spline(flipped([*left, *outer, *edge], look.part_side)), strands


def _bob(look: Appearance) -> Hair:
    v = 6 * (look.hair_volume - 1)
    outer: Outline = [(0, 10 - v), (40, 15 - v), (68, 38), (82, 76), (88, 118), (91, 158), (84, 184), (68, 186)]
    behind: Outline = [(0, 14), (60, 30), (84, 90), (90, 150), (82, 190), (44, 202), (0, 202)]
    front, strands = _framed(look, outer, 176)
    strands += [_line([(73, 96), (76, 132), (74, 170)], s) for s in (-1, 1)]
    return Hair(
        behind=[spline(mirrored(behind))], front=[front], strands=strands, lights=[_crown_light(-look.part_side)]
    )


def _long(look: Appearance) -> Hair:
    v = 6 * (look.hair_volume - 1)
    outer: Outline = [
        (0, 10 - v),
        (40, 15 - v),
        (68, 38),
        (81, 76),
        (86, 118),
        (90, 170),
        (96, 225),
        (98, 290),
        (66, 290),
    ]
    behind: Outline = [(0, 14), (60, 30), (84, 90), (90, 170), (98, 240), (98, 290), (0, 290)]
    front, strands = _framed(look, outer, 200)
    strands += [_line([(72, 100), (75, 160), (80, 256)], s) for s in (-1, 1)]
    return Hair(
        behind=[spline(mirrored(behind))], front=[front], strands=strands, lights=[_crown_light(-look.part_side)]
    )


def _wavy(look: Appearance) -> Hair:
    v = 6 * (look.hair_volume - 1)
    outer: Outline = [(0, 9 - v), (42, 14 - v), (71, 38), (85, 76), (84, 104), (94, 130), (91, 158), (102, 186)]
    outer += [(97, 214), (106, 240), (100, 290), (70, 290), (66, 246), (73, 222), (62, 198)]
    behind: Outline = [(0, 14), (60, 30), (84, 90), (92, 170), (100, 240), (98, 290), (0, 290)]
    front, strands = _framed(look, outer, 172)
    strands += [_line([(70, 96), (76, 128), (73, 160), (82, 190), (80, 216), (88, 256)], s) for s in (-1, 1)]
    return Hair(
        behind=[spline(mirrored(behind))], front=[front], strands=strands, lights=[_crown_light(-look.part_side)]
    )


def _tied(look: Appearance) -> tuple[Tensor, list[Tensor]]:
    """Hair pulled back: close to the head, short locks before the ears, fringe on the forehead."""
    side = look.part_side
    outer: Outline = [(0, 13), (36, 17), (60, 36), (73, 66), (74, 96), (70, 124), (66, 124), (64, 104)]
    if look.fringe == "full":
        right: Outline = [*outer, (60, 86), (54, 74), (28, 71), (0, 72)]
        return spline(mirrored(right)), [_line([(-22, 32), (-26, 68)]), _line([(20, 32), (25, 68)])]
    if look.fringe == "swept":
        left = [(-x, y) for x, y in reversed(outer) if x != 0.0]
        edge: Outline = [(61, 88), (52, 76), (30, 69), (0, 58), (-24, 40), (-32, 38), (-44, 54), (-60, 86)]
        outline = flipped([*left, *outer, *edge], side)
        return spline(outline), [_line([(-30, 36), (0, 36), (32, 50), (56, 76)], side)]
    right = [*outer, (60, 84), (50, 66), (28, 55), (0, 52)]
    strands = [_line([(30, 54), (33, 36), (24, 22)], s) for s in (-1, 1)]
    return spline(mirrored(right)), strands


def _bun(look: Appearance) -> Hair:
    front, strands = _tied(look)
    r = 24 * look.hair_volume
    ring: Outline = [(r * 1.12 * math.cos(a / 6 * math.pi), 27 - r * math.sin(a / 6 * math.pi)) for a in range(12)]
    return Hair(
        behind=[spline(flipped([(x + 44 * look.part_side, y) for x, y in ring], 1))],
        front=[front],
        strands=strands,
        strands_behind=[_line([(34, 18), (46, 13), (57, 22), (60, 34)], look.part_side)],
        lights=[_crown_light(-look.part_side)],
    )


def _ponytail(look: Appearance) -> Hair:
    front, strands = _tied(look)
    side = look.part_side
    tail: Outline = [(40, 90), (74, 104), (96, 128), (106, 166), (108, 206), (100, 250), (92, 290), (62, 290)]
    tail += [(66, 240), (68, 196), (58, 160), (40, 140)]
    return Hair(
        behind=[spline(flipped(tail, side))],
        front=[front],
        strands=strands,
        strands_behind=[_line([(72, 118), (88, 150), (90, 200), (82, 262)], side)],
        lights=[_crown_light(-side)],
    )


def _pixie(look: Appearance) -> Hair:
    v = 8 * (look.hair_volume - 1)
    outline: Outline = [(-68, 132), (-76, 112), (-77, 72), (-62, 34), (-34, 14 - v), (2, 8 - v), (40, 12 - v)]
    outline += [(68, 34), (79, 70), (78, 110), (69, 134), (65, 130), (63, 104), (60, 86), (44, 78), (16, 70)]
    outline += [(-14, 54), (-32, 38), (-38, 40), (-48, 60), (-60, 84), (-63, 106), (-65, 130)]
    side = look.part_side
    return Hair(
        front=[spline(flipped(outline, side))],
        strands=[
            _line([(-33, 38), (-4, 36), (28, 52), (54, 80)], side),
            _line([(-28, 26), (8, 20), (44, 34), (68, 72)], side),
            _line([(-48, 44), (-64, 74), (-68, 108)], side),
        ],
        lights=[_line([(10, 22), (36, 26), (54, 40), (63, 58)], side)],
    )


_STYLES: Final[dict[str, Callable[[Appearance], Hair]]] = {
    "crop": _crop,
    "side_part": _side_part,
    "quiff": _quiff,
    "curly": _curly,
    "bob": _bob,
    "long": _long,
    "wavy": _wavy,
    "bun": _bun,
    "ponytail": _ponytail,
    "pixie": _pixie,
}
