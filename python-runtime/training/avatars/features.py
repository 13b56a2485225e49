"""The parts of a face that change shape with every frame: eyes, brows and mouth, drawn analytically per frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from training.avatars import palette
from training.avatars.appearance import Appearance, Colour
from training.avatars.labels import EXPRESSIONS
from training.avatars.layers import BROW_Y, EYE_Y, MOUTH_Y, SKIN_SHADE, brow_colour, lip_colour
from training.avatars.performance import Performance
from training.avatars.shapes import MIRROR_X, coverage, smooth

# The lip gap in canonical pixels is GAP_CLOSED + GAP_OPEN * opening for every avatar: what the benchmark measures.
GAP_CLOSED: Final = 1.8
GAP_OPEN: Final = 32.0
JAW_DROP: Final = 8.5
# Exponent of the lip line's arc: 0.5 is an ellipse, 1 a parabola.
PROFILE: Final = 0.56
# Resting brows fall outwards by this much at either end, which looks friendly.
BROW_TILT: Final = 2.2

# Rows: expressions. Columns: corner lift, inner brow lift, outer brow lift, brow inwards, upper lid, lower lid, width.
CONTROLS: Final = {
    "neutral": (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    "happy": (1.0, 2.0, 3.5, 0.0, 0.92, 0.62, 1.0),
    "sad": (-0.95, 8.5, -5.0, 1.5, 0.80, 0.0, -0.25),
    "angry": (-0.55, -9.5, 2.0, 4.5, 0.80, 0.25, -0.2),
    "surprised": (0.0, 11.0, 10.0, 0.0, 1.34, -0.35, -0.3),
}


@dataclass(slots=True)
class Tile:
    """A rectangle of T frames that one feature is painted on.

    Attributes:
        frames: view [T, 3, h, w] into the pictures, [0, 1].
        u, v: [T, h, w] coordinates on the face, canonical pixels.
        edge: width of a soft edge, canonical pixels.
    """

    frames: Tensor
    u: Tensor
    v: Tensor
    edge: float

    def over(self, cover: Tensor, colour: Colour | Tensor) -> None:
        """Paint ``colour`` where ``cover`` [T, h, w] is."""
        paint = colour if isinstance(colour, Tensor) else self.frames.new_tensor(colour)[:, None, None]
        self.frames += (paint - self.frames) * cover[:, None]

    def inside(self, distance: Tensor, edge: float | None = None) -> Tensor:
        """Coverage of the region where the signed distance is negative."""
        return coverage(distance, self.edge if edge is None else edge)


def controls(expression: Tensor) -> Tensor:
    """Face controls [T, 7] of expression weights [T, 5]."""
    return expression @ expression.new_tensor([CONTROLS[name] for name in EXPRESSIONS])


def _column(value: Tensor) -> Tensor:
    return value[:, None, None]


def _slope(value: Tensor, half: float | Tensor, power: float, t: Tensor) -> Tensor:
    """d/du of value * (1 - t^2)^power at t = u / half."""
    s = (1 - t * t).clamp_min(0.06)
    return value * power * s ** (power - 1) * (-2 * t) / half


def draw_eye(tile: Tile, look: Appearance, play: Performance, side: int) -> None:
    """One eye (``side`` -1 left, 1 right in the picture): white, iris, pupil, lights, lids and lashes."""
    control = controls(play.expression)
    upper, lower = _column(control[:, 4]), _column(control[:, 5])
    blink, gaze = _column(play.blink), play.gaze
    scale = look.eye_scale
    half = 15.4 * scale
    lash = palette.mix(brow_colour(look), (0.13, 0.09, 0.10), 0.75)
    iris_dark = palette.scaled(look.eye, (0.62, 0.62, 0.66))
    u = (tile.u - MIRROR_X) * side - look.eye_spacing
    v = tile.v - EYE_Y
    t = u / half
    s = (1 - t * t).clamp_min(0)
    base = -look.eye_tilt * t
    lift = 12.5 * scale * (upper * (1 - blink) - 0.42 * blink)
    drop = 8.6 * scale * (1 - 0.62 * lower) + (0.42 * 12.5 - 8.6) * scale * blink * (1 - 0.62 * lower)
    top = base - lift * s**0.58
    bottom = base + drop * s**0.68
    top_distance = (top - v) / (1 + _slope(lift, half, 0.58, t) ** 2).sqrt()
    bottom_distance = (v - bottom) / (1 + _slope(drop, half, 0.68, t) ** 2).sqrt()
    side_distance = (t.abs() - 1) * half
    distance = torch.maximum(torch.maximum(top_distance, bottom_distance), side_distance)
    opened = tile.inside(distance)
    tile.over(opened, palette.rgb(palette.SCLERA))
    iu = u * side - _column(gaze[:, 0])
    iv = v - _column(gaze[:, 1]) + 1.2
    radius = (iu * iu + iv * iv).sqrt()
    iris = 10.9 * scale
    tile.over(opened * tile.inside(radius - iris), iris_dark)
    inner = (iu * iu + (iv - 1.6) ** 2).sqrt()
    tile.over(opened * tile.inside(inner - iris * 0.76, 3.0), look.eye)
    tile.over(opened * tile.inside(radius - iris * 0.52), (0.12, 0.09, 0.11))
    shadow = smooth(1 + (top - v + 1.0) / 6.0) * opened
    tile.over(0.30 * shadow, palette.rgb("#5B4A5C"))
    for dx, dy, r in ((-3.6, -4.0, 3.2), (3.6, 3.8, 1.6)):
        spot = ((iu - dx) ** 2 + (iv - dy) ** 2).sqrt()
        tile.over(opened * tile.inside(spot - r * scale), (1.0, 1.0, 1.0))
    _draw_lids(tile, look, lash, _Lids(u, v, t, top - v, top_distance, bottom_distance, lift, blink, half))


@dataclass(frozen=True, slots=True)
class _Lids:
    """Where the lids of one eye are: coordinates, height above the upper lid, signed distances to both, its lift."""

    u: Tensor
    v: Tensor
    t: Tensor
    above: Tensor
    top: Tensor
    bottom: Tensor
    lift: Tensor
    blink: Tensor
    half: float


def _draw_lids(tile: Tile, look: Appearance, lash: Colour, lids: _Lids) -> None:
    """Upper lash line (with a wing for ``lashes``), lower lid line and crease."""
    t, half, blink = lids.t, lids.half, lids.blink
    within = tile.inside((t.abs() - 1.0) * half)
    weight = (1.5 if look.lashes else 1.15) * (1 + 0.3 * t.clamp(-1, 1)) * (1.15 - t * t).clamp_min(0.1).sqrt()
    tile.over(within * tile.inside((lids.top - 0.3).abs() - weight - 0.3), lash)
    if look.lashes:
        start_u, reach = half * 0.84, 6.0
        start_v = -0.84 * look.eye_tilt - lids.lift * (1 - 0.84**2) ** 0.58 - 0.2
        along = ((lids.u - start_u) / reach).clamp(0, 1)
        rise = along * (1.2 * (1 - blink) - 1.5 * blink)
        across = (lids.u - start_u - reach * along) ** 2 + (lids.v - start_v + rise) ** 2
        tile.over(tile.inside(across.sqrt() - 1.8 * (1 - 0.65 * along)), lash)
    soft = palette.scaled(look.skin, (0.70, 0.56, 0.54))
    line = within * tile.inside((lids.bottom - 0.4).abs() - 0.5, 2.0)
    tile.over(0.5 * (1 - blink) * line, soft)
    crease = within * tile.inside((lids.above - 4.4).abs() - 0.5, 2.2)
    tile.over(0.42 * (1 - 0.6 * blink) * crease * (1.6 - 2 * t * t).clamp(0, 1), soft)


def draw_brow(tile: Tile, look: Appearance, play: Performance, side: int) -> None:
    """One brow: a tapered stroke that carries most of the expression."""
    control = controls(play.expression)
    inner, outer, inwards = (_column(control[:, k]) for k in (1, 2, 3))
    colour = brow_colour(look)
    half = 16.5
    u = (tile.u - MIRROR_X) * side - look.eye_spacing - 1.5 + inwards
    v = tile.v - BROW_Y
    t = (u / half).clamp(-1, 1)
    rise = 0.5 * (outer - inner) - BROW_TILT
    middle = -0.5 * (outer + inner) - look.brow_arch * (1 - (t - 0.2) ** 2) + 0.5 * look.brow_arch
    centre = middle - rise * t
    slope = (-rise + 2 * look.brow_arch * (t - 0.2)) / half
    thickness = look.brow_thickness * (0.88 - 0.18 * t - 0.22 * t * t)
    gap = ((u - t * half) ** 2 + (v - centre) ** 2 / (1 + slope * slope)).sqrt()
    tile.over(tile.inside(gap - thickness), colour)


def draw_mouth(tile: Tile, look: Appearance, play: Performance) -> Tensor:
    """Lips, dark interior, teeth and tongue; returns the coverage [T, h, w] of everything between the lips.

    The gap at the middle is exactly GAP_CLOSED + GAP_OPEN * opening.
    """
    control = controls(play.expression)
    opening, wide, rounding = (_column(play.mouth[:, k]) for k in range(3))
    mood = _column(control[:, 0])
    corner = mood * (1 - 0.35 * opening) + look.smile * (1 - mood.abs()) * (1 - 0.85 * opening)
    corner = corner * (1 - 0.8 * rounding)
    half = look.mouth_half_width + 4.5 * wide - 9.5 * rounding + 4.0 * _column(control[:, 6])
    half = half - 2.0 * opening
    gap = GAP_CLOSED + GAP_OPEN * opening
    u, v = tile.u - MIRROR_X, tile.v - MOUTH_Y
    t = u / half
    limited = t.clamp(-1.15, 1.15)
    s = (1 - t * t).clamp_min(0)
    lift = 8.5 * corner
    base = lift * (0.3 - limited * limited)
    base_slope = -2 * lift * limited / half
    above = (0.30 + 0.10 * rounding) * gap
    below = gap - above
    profile = s**PROFILE
    top, bottom = base - above * profile, base + below * profile
    top_slope = base_slope - _slope(above, half, PROFILE, t)
    bottom_slope = base_slope + _slope(below, half, PROFILE, t)

    full = look.lip_fullness * (1 + 0.22 * rounding) * (1 - 0.2 * opening)
    reach = half * 1.07
    rim = (1 - (u / reach) ** 2).clamp_min(0)
    bow = 1 - 0.30 * torch.exp(-0.5 * (u / 3.6) ** 2)
    lip_top = top - 5.6 * full * rim**0.85 * bow
    lip_bottom = bottom + 7.8 * full * rim**0.7
    rim_top = _slope(5.6 * full, reach, 0.85, u / reach)
    rim_bottom = _slope(7.8 * full, reach, 0.7, u / reach)
    upper = (lip_top - v) / (1 + (top_slope - rim_top) ** 2).sqrt()
    lower = (v - lip_bottom) / (1 + (bottom_slope + rim_bottom) ** 2).sqrt()
    lips = tile.inside(torch.maximum(upper, lower)) * tile.inside((u.abs() - reach) * 0.8)

    colour = lip_colour(look)
    shade = palette.scaled(look.skin, SKIN_SHADE)
    under = torch.exp(-0.5 * ((u / (half * 0.52)) ** 2 + ((v - lip_bottom - 5.5) / 3.2) ** 2))
    tile.over(0.6 * under, shade)
    dimple = torch.exp(-0.5 * (((u.abs() - half * 1.12) / 2.6) ** 2 + ((v - base) / 3.2) ** 2))
    tile.over((0.15 + 0.35 * corner.abs()).clamp(0, 0.6) * dimple, palette.scaled(look.skin, (0.76, 0.62, 0.60)))
    tile.over(lips, colour)
    tile.over(lips * tile.inside(v - 0.5 * (top + bottom), 2.0) * 0.35, palette.scaled(colour, (0.82, 0.74, 0.76)))
    shine = torch.exp(-0.5 * ((u / (half * 0.3)) ** 2 + ((v - bottom - 3.6 * full) / 1.7) ** 2))
    tile.over(0.28 * shine * lips, palette.mix(colour, (1.0, 1.0, 1.0), 0.55))

    inner_top = (top - v) / (1 + top_slope**2).sqrt()
    inner_bottom = (v - bottom) / (1 + bottom_slope**2).sqrt()
    # Both edges are summed, not multiplied, so that a gap thinner than the edge keeps its true area.
    hole = (tile.inside(inner_top) + tile.inside(inner_bottom) - 1).clamp(0, 1)
    hole = hole * tile.inside((u.abs() - half) * 0.9)
    tile.over(hole, palette.rgb(palette.MOUTH_INTERIOR))
    inset = tile.inside(torch.maximum(inner_top, inner_bottom) + 2.2) * hole
    tongue_v = base + below + 1.0
    tongue = ((u / (half * 0.62)) ** 2 + ((v - tongue_v) / (0.34 * gap).clamp_min(1.0)) ** 2).sqrt()
    tile.over(_column(play.tongue) * inset * tile.inside((tongue - 1) * 7.0), palette.rgb(palette.TONGUE))
    height = _column(play.teeth) * (0.36 * gap).clamp_max(8.0)
    teeth_edge = top + height * (1 - (u / (half * 0.9)).abs() ** 5) - 1.0
    tile.over(hole * tile.inside(v - teeth_edge), palette.rgb(palette.TEETH))
    return hole
