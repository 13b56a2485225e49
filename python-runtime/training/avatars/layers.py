"""The parts of an avatar that only move as a whole: backdrop, shoulders, head, hair and glasses, drawn once a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from training.avatars import palette
from training.avatars.appearance import Appearance, Colour
from training.avatars.hair import Hair, hair_of
from training.avatars.shapes import MIRROR_X, Canvas, flipped, mirrored, spline

WIDTH: Final = 384
HEIGHT: Final = 256
# Moving layers reach this far beyond the frame, so that the head can move without showing their border.
MARGIN: Final = 16
EYE_Y: Final = 116.0
BROW_Y: Final = 88.0
MOUTH_Y: Final = 167.0
SKIN_SHADE: Final = (0.84, 0.73, 0.70)
SHADE: Final = (0.74, 0.72, 0.76)
DEEP_SHADE: Final = (0.58, 0.56, 0.62)
LIGHT: Final = (1.22, 1.21, 1.2)


@dataclass(frozen=True, slots=True)
class StaticLayers:
    """Layers of one avatar.

    Attributes:
        backdrop: [3, H, W] opaque, at the output resolution.
        body: [4, H, W] premultiplied neck and shoulders, at the output resolution.
        moving: [12, h, w] premultiplied RGBA of hair behind, head, and hair with glasses in front.
    """

    backdrop: Tensor
    body: Tensor
    moving: Tensor


def draw_layers(look: Appearance, scale: float, oversample: float, device: torch.device) -> StaticLayers:
    """Draw the layers at ``scale`` output pixels per canonical pixel; moving ones ``oversample`` times finer."""
    edge = 1.4 / scale

    def still() -> Canvas:
        return Canvas(0, 0, WIDTH, HEIGHT, scale, edge, device)

    def moving() -> Canvas:
        return Canvas(-MARGIN, -MARGIN, WIDTH + MARGIN, HEIGHT + MARGIN, scale * oversample, edge, device)

    hair, face = hair_of(look), face_outline(look)
    behind, head, front = moving(), moving(), moving()
    _draw_hair_behind(behind, look, hair)
    _draw_head(head, look, face, hair)
    _draw_hair_front(front, look, hair)
    _draw_glasses(front, look)
    backdrop, body = still(), still()
    _draw_backdrop(backdrop, look)
    _draw_body(body, look, face, hair)
    return StaticLayers(backdrop.colour, body.layer(), torch.cat([c.layer() for c in (behind, head, front)]))


def face_outline(look: Appearance) -> Tensor:
    """Outline of the face without ears, crown to chin (at y 209)."""
    w, jaw, chin = look.face_width, look.jaw_width, look.chin_width
    return spline(
        mirrored(
            [
                (0, 26),
                (36, 31),
                (59, 54),
                (w, 92),
                (w, 128),
                (w * (jaw + 0.03), 162),
                (w * jaw * 0.5 + chin * 0.72, 189),
                (chin * 0.72, 205.5),
                (0, 208.5),
            ]
        )
    )


def lip_colour(look: Appearance) -> Colour:
    """Lips: the skin tinted with rose, always well apart from the skin and from the mouth's interior."""
    shade = palette.scaled(look.skin, (0.92, 0.80, 0.79))
    shade = palette.mix(shade, (0.95, 0.66, 0.62), 0.22 * (1 - look.skin[0]))
    return palette.mix(shade, palette.rgb(palette.LIP_TINT), look.lip_tint * (0.85 + 0.15 * look.skin[0]))


def brow_colour(look: Appearance) -> Colour:
    """Brows: the hair's colour, darkened where it is light or close to the skin, so that they stay readable."""
    light, skin = sum(look.hair) / 3, sum(look.skin) / 3
    # Light brows on dark skin are readable as they are.
    share = (0.25 + 0.45 * max(0.0, light - 0.3)) * min(1.0, max(0.0, 1 - (light - skin - 0.1) / 0.15))
    colour = palette.mix(look.hair, (0.20, 0.13, 0.11), share)
    nearness = 1 - abs(skin - sum(colour) / 3) / 0.16
    return palette.mix(colour, (0.12, 0.07, 0.06), 0.9 * max(0.0, min(1.0, 1.8 * nearness)))


def _box(left: float, top: float, right: float, bottom: float) -> Tensor:
    return torch.tensor([[left, top], [right, top], [right, bottom], [left, bottom]])


def _draw_backdrop(canvas: Canvas, look: Appearance) -> None:
    whole = torch.ones_like(canvas.alpha)
    base, second = look.background, palette.mix(look.background, look.background_second, 0.55)
    soft = palette.mix(base, (1.0, 1.0, 1.0), 0.45)
    canvas.over(whole, base)
    if look.backdrop == "gradient":
        canvas.over(((canvas.y - 20) / 230).clamp(0, 1), second)
    elif look.backdrop == "disc":
        canvas.over(canvas.ellipse(192, 128, 136, 136), palette.mix(base, second, 0.9))
    elif look.backdrop == "hills":
        far: list[tuple[float, float]] = [(-20, 160), (50, 130), (130, 150), (220, 120), (310, 150), (410, 118)]
        near: list[tuple[float, float]] = [(-20, 210), (60, 190), (150, 214), (250, 190), (330, 206), (410, 186)]
        canvas.over(canvas.polygon(spline([*far, (410, 290), (410, 290), (-20, 290), (-20, 290)])), second)
        deeper = palette.scaled(second, (0.93, 0.94, 0.95))
        canvas.over(canvas.polygon(spline([*near, (410, 290), (410, 290), (-20, 290), (-20, 290)])), deeper)
    elif look.backdrop == "bokeh":
        for x, y, r in ((46, 62, 40), (338, 48, 52), (84, 196, 30), (352, 176, 34), (250, 16, 22)):
            canvas.over(0.55 * canvas.ellipse(x, y, r, r, edge=5.0), soft if r > 33 else second)
    elif look.backdrop == "window":
        canvas.over(canvas.polygon(_box(256, -30, 362, 132)), palette.mix(base, (1.0, 1.0, 1.0), 0.7))
        pane = palette.mix(second, (0.80, 0.90, 0.97), 0.6)
        for left, top in ((263, -30), (312, -30), (263, 66), (312, 66)):
            canvas.over(canvas.polygon(_box(left, top, left + 43, 59 if top < 0 else 125)), pane)
    canvas.over(0.28 * canvas.glow(192, 120, 120, 100), soft)


def _draw_body(canvas: Canvas, look: Appearance, face: Tensor, hair: Hair) -> None:
    neck = canvas.polygon(spline(mirrored([(0, 160), (28, 170), (27, 203), (29, 214), (38, 224), (38, 260), (0, 260)])))
    _paint_neck(canvas, look, face, neck)
    w = look.shoulder_width
    outline = [
        (0, 211),
        (30, 212),
        (44, 219),
        (74, 227),
        (w - 20, 236),
        (w - 2, 250),
        (w + 6, 272),
        (w + 8, 300),
        (0, 300),
    ]
    cloth = canvas.polygon(spline(mirrored(outline)))
    _COLLARS[look.collar](canvas, look, face, cloth, torch.maximum(cloth, neck))
    fold = palette.scaled(look.cloth, (0.84, 0.83, 0.86))
    for side in (-1, 1):
        crease = spline(flipped([(w - 36, 290), (w - 35, 266), (w - 31, 250)], side), closed=False)
        canvas.over(0.8 * canvas.stroke(crease, 3.0, edge=3.0), fold, only_inside=True)
    for lock in hair.front:
        if float(lock[:, 1].max()) > 230:
            cast = 0.3 * canvas.polygon(lock, edge=8.0, shift=(0.0, 5.0))
            canvas.over(cast, palette.scaled(look.cloth, DEEP_SHADE), only_inside=True)


def _paint_neck(canvas: Canvas, look: Appearance, face: Tensor, where: Tensor) -> None:
    """Neck and neckline skin, in the soft shadow of the chin."""
    shade = palette.scaled(look.skin, SKIN_SHADE)
    canvas.over(where, palette.mix(look.skin, shade, 0.2))
    canvas.over(0.9 * where * canvas.polygon(face, edge=9.0, shift=(0.0, 13.0)), shade)


def _crew(canvas: Canvas, look: Appearance, face: Tensor, cloth: Tensor, inner: Tensor) -> None:
    canvas.over(cloth, look.cloth)
    canvas.over(cloth * canvas.ellipse(MIRROR_X, 209, 44, 23), palette.scaled(look.cloth, (0.86, 0.85, 0.88)))
    _paint_neck(canvas, look, face, inner * canvas.ellipse(MIRROR_X, 208, 37, 18))


def _v_neck(canvas: Canvas, look: Appearance, face: Tensor, cloth: Tensor, inner: Tensor) -> None:
    canvas.over(cloth, look.cloth)
    rim = mirrored([(0, 200), (47, 200), (42, 213), (23, 233), (0, 250), (0, 250)])
    hole = mirrored([(0, 200), (39, 200), (35, 211), (18, 229), (0, 243), (0, 243)])
    canvas.over(cloth * canvas.polygon(spline(rim)), palette.scaled(look.cloth, (0.85, 0.84, 0.87)))
    _paint_neck(canvas, look, face, inner * canvas.polygon(spline(hole)))


def _shirt(canvas: Canvas, look: Appearance, face: Tensor, cloth: Tensor, inner: Tensor) -> None:
    canvas.over(cloth, look.cloth)
    _paint_neck(
        canvas,
        look,
        face,
        inner * canvas.polygon(spline(mirrored([(0, 198), (36, 198), (26, 216), (0, 238), (0, 238)]))),
    )
    seam = spline([(192, 238), (192, 290)], closed=False)
    canvas.over(0.5 * canvas.stroke(seam, 2.0), palette.scaled(look.cloth, SHADE))
    flap: list[tuple[float, float]] = [
        (27, 203),
        (27, 203),
        (39, 210),
        (47, 221),
        (27, 246),
        (27, 246),
        (1, 236),
        (1, 236),
    ]
    flap += [(20, 222)]
    for side in (-1, 1):
        shape = spline(flipped(flap, side))
        canvas.over(0.35 * canvas.polygon(shape, edge=5.0, shift=(0.0, 3.0)), palette.scaled(look.cloth, SHADE))
        canvas.over(canvas.polygon(shape), palette.mix(look.cloth, (1.0, 1.0, 1.0), 0.24))


def _hoodie(canvas: Canvas, look: Appearance, face: Tensor, cloth: Tensor, inner: Tensor) -> None:
    hood = mirrored([(0, 190), (38, 193), (60, 207), (72, 225), (55, 242), (0, 252)])
    canvas.over(cloth, look.cloth)
    canvas.over(canvas.polygon(spline(hood)), palette.scaled(look.cloth, (0.84, 0.83, 0.86)))
    collar = mirrored([(0, 208), (35, 200), (49, 212), (43, 229), (19, 245), (0, 250)])
    canvas.over(canvas.polygon(spline(collar)), palette.mix(look.cloth, (1.0, 1.0, 1.0), 0.1))
    hole = canvas.polygon(spline(mirrored([(0, 198), (28, 198), (28, 211), (16, 227), (0, 233)])))
    _paint_neck(canvas, look, face, hole)
    for side in (-1, 1):
        cord = spline(flipped([(16, 242), (19, 256), (18, 290)], side), closed=False)
        canvas.over(canvas.stroke(cord, 3.2), palette.mix(look.cloth, (1.0, 1.0, 1.0), 0.7))


def _turtleneck(canvas: Canvas, look: Appearance, face: Tensor, cloth: Tensor, inner: Tensor) -> None:
    canvas.over(cloth, look.cloth)
    roll = mirrored([(0, 200), (27, 200), (33, 204), (34, 218), (40, 228), (0, 233)])
    canvas.over(0.4 * canvas.polygon(spline(roll), edge=6.0, shift=(0.0, 4.0)), palette.scaled(look.cloth, SHADE))
    canvas.over(canvas.polygon(spline(roll)), palette.mix(look.cloth, (1.0, 1.0, 1.0), 0.1))
    shadow = canvas.ellipse(MIRROR_X, 201, 34, 13, edge=8.0)
    canvas.over(0.5 * shadow, palette.scaled(look.cloth, DEEP_SHADE), only_inside=True)


def _blazer(canvas: Canvas, look: Appearance, face: Tensor, cloth: Tensor, inner: Tensor) -> None:
    vest_colour = palette.mix(look.cloth_second, (1.0, 1.0, 1.0), 0.55)
    canvas.over(cloth, look.cloth)
    vest = canvas.polygon(spline(mirrored([(0, 190), (31, 196), (40, 222), (30, 290), (0, 290)])))
    canvas.over(cloth * vest, vest_colour)
    _paint_neck(canvas, look, face, inner * canvas.ellipse(MIRROR_X, 208, 34, 18))
    lapel: list[tuple[float, float]] = [(28, 205), (28, 205), (47, 213), (62, 234), (62, 234), (50, 240), (56, 252)]
    lapel += [(56, 252), (34, 292), (26, 292), (33, 240)]
    for side in (-1, 1):
        shape = spline(flipped(lapel, side))
        canvas.over(0.35 * canvas.polygon(shape, edge=6.0, shift=(0.0, 3.0)), palette.scaled(look.cloth, DEEP_SHADE))
        canvas.over(canvas.polygon(shape), palette.mix(look.cloth, (1.0, 1.0, 1.0), 0.13))


_COLLARS: Final[dict[str, Callable[[Canvas, Appearance, Tensor, Tensor, Tensor], None]]] = {
    "crew": _crew,
    "v_neck": _v_neck,
    "shirt": _shirt,
    "hoodie": _hoodie,
    "turtleneck": _turtleneck,
    "blazer": _blazer,
}


def _draw_head(canvas: Canvas, look: Appearance, face: Tensor, hair: Hair) -> None:
    skin, shade = look.skin, palette.scaled(look.skin, SKIN_SHADE)
    warm = palette.mix(skin, palette.rgb("#E0685F"), 0.45)
    w = look.face_width
    for side in (-1, 1):
        x = MIRROR_X + side * (w + 1.5)
        canvas.over(canvas.ellipse(x, 121, 9.5, 15), palette.mix(skin, shade, 0.15))
        canvas.over(0.75 * canvas.ellipse(x + side * 0.8, 121, 4.6, 9, edge=3.5), palette.mix(shade, warm, 0.3))
    canvas.over(canvas.polygon(face), skin)
    turn = (((canvas.x - MIRROR_X) / w - 0.35) / 0.85).clamp(0, 1)
    canvas.over(0.38 * turn * turn, shade, only_inside=True)
    canvas.over(0.22 * ((canvas.y - 178) / 40).clamp(0, 1), shade, only_inside=True)
    canvas.over(0.28 * canvas.glow(170, 84, 30, 24), palette.mix(skin, (1.0, 1.0, 1.0), 0.4), only_inside=True)
    for lock in hair.front:
        cast = canvas.polygon(lock, edge=9.0, shift=(2.0, 6.0))
        canvas.over(0.55 * cast, shade, only_inside=True)
    for side in (-1, 1):
        spot = canvas.glow(MIRROR_X + side * 42, 147, 12.5, 9)
        canvas.over(look.blush * spot, warm, only_inside=True)
        socket = canvas.glow(MIRROR_X + side * look.eye_spacing, EYE_Y - 5, 17, 11)
        canvas.over(0.2 * socket, palette.mix(shade, warm, 0.2), only_inside=True)
    _draw_nose(canvas, look)


def _draw_nose(canvas: Canvas, look: Appearance) -> None:
    s, x, y = look.nose_scale, MIRROR_X, 140.0
    deep = palette.scaled(look.skin, (0.74, 0.58, 0.55))
    shine = palette.mix(look.skin, (1.0, 1.0, 1.0), 0.5)
    canvas.over(0.3 * canvas.glow(x + 4, y - 3, 9 * s, 11), palette.scaled(look.skin, SKIN_SHADE), only_inside=True)

    def line(points: list[tuple[float, float]]) -> Tensor:
        return spline([(x + dx * s, y + dy * s) for dx, dy in points], closed=False)

    if look.nose == "button":
        canvas.over(0.8 * canvas.stroke(line([(-7, 1), (-4, 5), (0, 6.2), (4, 5), (7, 1)]), 2.4), deep)
    elif look.nose == "soft":
        canvas.over(0.8 * canvas.stroke(line([(6, -6), (9, 1), (6, 5), (0, 5.5), (-5, 4)]), 2.3), deep)
    else:
        canvas.over(0.45 * canvas.stroke(line([(5, -26), (6, -14), (9, -2)]), 2.0, edge=2.6), deep)
        canvas.over(0.8 * canvas.stroke(line([(9, -2), (7, 4), (0, 6), (-6, 4)]), 2.3), deep)
    canvas.over(0.38 * canvas.glow(x - 1.5, y - 5, 3.2 * s, 4.0), shine)


def _draw_hair_behind(canvas: Canvas, look: Appearance, hair: Hair) -> None:
    tone = palette.scaled(look.hair, (0.80, 0.79, 0.81))
    for outline in hair.behind:
        canvas.over(canvas.polygon(outline), tone)
    canvas.over(0.7 * canvas.glow(MIRROR_X, 190, 58, 46), palette.scaled(tone, (0.66, 0.64, 0.68)), only_inside=True)
    for path in hair.strands_behind:
        canvas.over(0.7 * canvas.stroke(path, 2.6), palette.scaled(look.hair, DEEP_SHADE), only_inside=True)


def _draw_hair_front(canvas: Canvas, look: Appearance, hair: Hair) -> None:
    for outline in hair.front:
        canvas.over(canvas.polygon(outline), look.hair)
    side = (((canvas.x - MIRROR_X) / 90 - 0.1) / 0.9).clamp(0, 1)
    canvas.over(0.35 * side, palette.scaled(look.hair, SHADE), only_inside=True)
    canvas.over(0.35 * ((canvas.y - 80) / 150).clamp(0, 1), palette.scaled(look.hair, SHADE), only_inside=True)
    bright = palette.mix(palette.scaled(look.hair, LIGHT), (1.0, 0.95, 0.9), 0.1)
    for path in hair.lights:
        canvas.over(0.6 * canvas.stroke(path, 8.0, edge=9.0), bright, only_inside=True)
    for path in hair.strands:
        canvas.over(0.6 * canvas.stroke(path, 2.2), palette.scaled(look.hair, (0.66, 0.64, 0.68)), only_inside=True)


def _draw_glasses(canvas: Canvas, look: Appearance) -> None:
    if look.glasses == "none":
        return
    y = EYE_Y + 2.0
    centre = look.eye_spacing + 1.0
    rx, ry = (23.5, 22.5) if look.glasses == "round" else (25.0, 19.5)
    power = 2.0 if look.glasses == "round" else 4.0
    for side in (-1, 1):
        u, v = ((canvas.x - MIRROR_X) * side - centre).abs() / rx, (canvas.y - y).abs() / ry
        radius = (u**power + v**power).clamp_min(1e-8) ** (1 / power)
        distance = (radius - 1) * min(rx, ry)
        inside = (0.5 - distance / canvas.edge).clamp(0, 1)
        canvas.over(0.10 * inside, (1.0, 1.0, 1.0))
        rim = (0.5 - (distance.abs() - 1.5) / canvas.edge).clamp(0, 1)
        canvas.over(rim, look.glasses_colour)
        arm = spline(flipped([(centre + rx, y - 4), (look.face_width + 2, y - 6)], side), closed=False)
        canvas.over(canvas.stroke(arm, 2.8), look.glasses_colour)
    gap = centre - rx
    bridge = spline(flipped([(-gap - 0.5, y - 3), (0, y - 7), (gap + 0.5, y - 3)], 1), closed=False)
    canvas.over(canvas.stroke(bridge, 2.8), look.glasses_colour)
