"""Soft-edged flat shapes on a torch canvas: splines, distances, coverage, compositing.

Coordinates are canonical pixels of the 384x256 frame whatever the resolution. Colours are [0, 1], premultiplied on
the canvas. Everything is pointwise, so the CPU and the GPU draw the same picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

Points = Sequence[tuple[float, float]]
MIRROR_X = 192.0


def spline(points: Points, closed: bool = True, samples: int = 6) -> Tensor:
    """Catmull-Rom curve through ``points`` as a polygon [N, 2] (float32, CPU). A doubled point makes a corner."""
    p = torch.tensor(points, dtype=torch.float64)
    if closed:
        before, after, second = p.roll(1, 0), p.roll(-1, 0), p.roll(-2, 0)
    else:
        padded = torch.cat([p[:1], p, p[-1:]])
        before, p, after, second = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (torch.arange(samples, dtype=torch.float64) / samples)[None, :, None]
    a, b, c, d = (q[:, None, :] for q in (before, p, after, second))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    # Between the two copies of a doubled point the curve would make a small loop.
    curve = torch.where((b == c).all(-1, keepdim=True), b, curve)
    flat = curve.reshape(-1, 2)
    if not closed:
        flat = torch.cat([flat, torch.tensor([points[-1]], dtype=torch.float64)])
    keep = torch.ones(len(flat), dtype=torch.bool)
    keep[1:] = (flat[1:] - flat[:-1]).abs().sum(1) > 1e-9
    return flat[keep].float()


def mirrored(right: Points) -> list[tuple[float, float]]:
    """A left-right symmetric outline from its right half, given as (offset from the middle, y), top to bottom."""
    left = [(MIRROR_X - dx, y) for dx, y in reversed(right) if dx != 0.0]
    return [(MIRROR_X + dx, y) for dx, y in right] + left


def flipped(points: Points, side: int) -> list[tuple[float, float]]:
    """``points`` given as (offset, y), placed about the middle; ``side`` -1 mirrors them."""
    return [(MIRROR_X + side * dx, y) for dx, y in points]


def coverage(distance: Tensor, edge: float | Tensor) -> Tensor:
    """Share of a pixel covered, from the signed distance (negative inside), with a soft edge ``edge`` wide."""
    return (0.5 - distance / edge).clamp(0.0, 1.0)


def smooth(value: Tensor) -> Tensor:
    """Cubic step on [0, 1]."""
    t = value.clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def polygon_distance(x: Tensor, y: Tensor, vertices: Tensor) -> Tensor:
    """Signed distance of points (x, y) of one shape to a closed polygon [N, 2]; negative inside (even-odd)."""
    shape = x.shape
    result = torch.empty(x.numel(), dtype=x.dtype, device=x.device)
    x, y = x.reshape(-1, 1), y.reshape(-1, 1)
    v = vertices.to(x)
    w = v.roll(-1, 0)
    edge_x, edge_y = w[:, 0] - v[:, 0], w[:, 1] - v[:, 1]
    length = (edge_x**2 + edge_y**2).clamp_min(1e-9)
    slope = edge_x / torch.where(edge_y.abs() < 1e-9, torch.full_like(edge_y, 1e-9), edge_y)
    step = 1 << (11 if x.device.type == "cpu" else 18)
    for start in range(0, x.shape[0], step):
        px, py = x[start : start + step] - v[:, 0], y[start : start + step] - v[:, 1]
        t = ((px * edge_x + py * edge_y) / length).clamp_(0.0, 1.0)
        squared = ((px - edge_x * t) ** 2 + (py - edge_y * t) ** 2).amin(1)
        crosses = ((py >= 0) != (py >= edge_y)) & (px < slope * py)
        inside = crosses.sum(1) % 2 == 1
        result[start : start + step] = torch.where(inside, -squared.sqrt(), squared.sqrt())
    return result.reshape(shape)


def stroke_distance(x: Tensor, y: Tensor, path: Tensor) -> Tensor:
    """Distance of points to an open polyline [N, 2]."""
    best: Tensor | None = None
    points: list[list[float]] = path.tolist()
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        ex, ey = bx - ax, by - ay
        t = (((x - ax) * ex + (y - ay) * ey) / max(ex * ex + ey * ey, 1e-9)).clamp(0.0, 1.0)
        squared = (x - ax - ex * t) ** 2 + (y - ay - ey * t) ** 2
        best = squared if best is None else torch.minimum(best, squared)
    if best is None:
        raise ValueError("a stroke needs two points")
    return best.sqrt()


class Canvas:
    """One transparent layer: premultiplied colour [3, H, W] and alpha [H, W], drawn back to front.

    Args:
        left, top, right, bottom: canonical rectangle the layer covers.
        scale: layer pixels per canonical pixel.
        edge: width of a soft edge in canonical pixels.
    """

    def __init__(
        self, left: float, top: float, right: float, bottom: float, scale: float, edge: float, device: torch.device
    ) -> None:
        columns, rows = round((right - left) * scale), round((bottom - top) * scale)
        self.scale, self.edge, self.left, self.top = scale, edge, left, top
        xs = left + (torch.arange(columns, device=device, dtype=torch.float32) + 0.5) / scale
        ys = top + (torch.arange(rows, device=device, dtype=torch.float32) + 0.5) / scale
        self.x, self.y = xs.expand(rows, columns), ys[:, None].expand(rows, columns)
        self.colour = torch.zeros(3, rows, columns, device=device)
        self.alpha = torch.zeros(rows, columns, device=device)

    def layer(self) -> Tensor:
        """Premultiplied RGBA [4, H, W]."""
        return torch.cat([self.colour, self.alpha[None]])

    def tint(self, colour: Sequence[float]) -> Tensor:
        """A colour as [3, 1, 1] on the canvas's device."""
        return torch.tensor(list(colour), device=self.alpha.device, dtype=torch.float32)[:, None, None]

    def over(self, cover: Tensor, colour: Sequence[float] | Tensor, only_inside: bool = False) -> None:
        """Paint ``colour`` where ``cover`` [H, W] is; ``only_inside`` keeps to what is already painted."""
        paint = colour if isinstance(colour, Tensor) else self.tint(colour)
        if only_inside:
            self.colour = self.colour * (1 - cover) + paint * (cover * self.alpha)
            return
        self.colour = self.colour * (1 - cover) + paint * cover
        self.alpha = self.alpha + cover * (1 - self.alpha)

    def polygon(self, outline: Tensor, edge: float | None = None, shift: tuple[float, float] = (0.0, 0.0)) -> Tensor:
        """Coverage [H, W] of a closed polygon; only its bounding box is computed."""
        soft = self.edge if edge is None else edge
        cover = torch.zeros_like(self.alpha)
        moved = outline + torch.tensor(shift)
        rows, columns = self._box(moved, soft)
        if rows.start < rows.stop and columns.start < columns.stop:
            cover[rows, columns] = self._polygon_cover(self.x[rows, columns], self.y[rows, columns], moved, soft)
        return smooth(cover) if soft > 3.0 else cover

    def _polygon_cover(self, x: Tensor, y: Tensor, outline: Tensor, soft: float) -> Tensor:
        if x.device.type != "cpu" or x.numel() < 4096:
            return coverage(polygon_distance(x, y, outline), soft)
        # Most pixels are far from the outline: a coarse pass finds the blocks that need exact distances.
        block = 8
        shape = (-(-x.shape[0] // block), -(-x.shape[1] // block))
        origin = torch.stack([x[0, 0], y[0, 0]])
        step = block / self.scale
        coarse_x = (origin[0] + (torch.arange(shape[1]) * block + (block - 1) / 2) / self.scale).expand(shape)
        coarse_y = (origin[1] + (torch.arange(shape[0]) * block + (block - 1) / 2) / self.scale)[:, None].expand(shape)
        coarse = polygon_distance(coarse_x, coarse_y, outline)
        near = coarse.abs() < 0.71 * step + soft
        spread = coarse.repeat_interleave(block, 0).repeat_interleave(block, 1)[: x.shape[0], : x.shape[1]]
        cover = (spread < 0).to(x.dtype)
        fine = near.repeat_interleave(block, 0).repeat_interleave(block, 1)[: x.shape[0], : x.shape[1]]
        cover[fine] = coverage(polygon_distance(x[fine], y[fine], outline), soft)
        return cover

    def stroke(self, path: Tensor, width: float, edge: float | None = None) -> Tensor:
        """Coverage [H, W] of a round-ended line ``width`` wide."""
        soft = self.edge if edge is None else edge
        cover = torch.zeros_like(self.alpha)
        rows, columns = self._box(path, soft + width)
        if rows.start < rows.stop and columns.start < columns.stop:
            distance = stroke_distance(self.x[rows, columns], self.y[rows, columns], path)
            cover[rows, columns] = coverage(distance - width / 2, soft)
        return cover

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, edge: float | None = None) -> Tensor:
        """Coverage [H, W] of an ellipse (first-order distance)."""
        soft = self.edge if edge is None else edge
        u, v = (self.x - cx) / rx, (self.y - cy) / ry
        radius = (u * u + v * v).sqrt().clamp_min(1e-6)
        gradient = ((u / rx) ** 2 + (v / ry) ** 2).sqrt().clamp_min(1e-6) / radius
        cover = coverage((radius - 1.0) / gradient, soft)
        return smooth(cover) if soft > 3.0 else cover

    def glow(self, cx: float, cy: float, rx: float, ry: float) -> Tensor:
        """Gaussian spot [H, W] with standard deviations (rx, ry)."""
        return torch.exp(-0.5 * (((self.x - cx) / rx) ** 2 + ((self.y - cy) / ry) ** 2))

    def _box(self, outline: Tensor, margin: float) -> tuple[slice, slice]:
        low, high = outline.amin(0).tolist(), outline.amax(0).tolist()
        rows, columns = self.alpha.shape

        def clamp(value: float, size: int) -> int:
            return max(0, min(size, int(value)))

        return (
            slice(
                clamp((low[1] - margin - self.top) * self.scale, rows),
                clamp((high[1] + margin - self.top) * self.scale + 2, rows),
            ),
            slice(
                clamp((low[0] - margin - self.left) * self.scale, columns),
                clamp((high[0] + margin - self.left) * self.scale + 2, columns),
            ),
        )
