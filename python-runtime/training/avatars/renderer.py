"""Performances and lights to pictures: still layers drawn once, moving ones warped, features painted per frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from training.avatars.appearance import Appearance
from training.avatars.features import JAW_DROP, Tile, draw_brow, draw_eye, draw_mouth
from training.avatars.layers import HEIGHT, MARGIN, WIDTH, StaticLayers, draw_layers
from training.avatars.lights import apply_light, light_fields
from training.avatars.performance import Performance, light_weights, performance_from_mouth
from training.avatars.shapes import MIRROR_X

PIVOT_Y: Final = 226.0
EYES: Final = {-1: (128, 80, 190, 140), 1: (194, 80, 256, 140)}
BROWS: Final = {-1: (128, 60, 192, 112), 1: (192, 60, 256, 112)}
MOUTH: Final = (138, 134, 246, 218)
CHUNK: Final = {"cpu": 8, "cuda": 128}


class AvatarRenderer:
    """Draws clips of several avatars.

    Args:
        appearances: one per clip.
        device, dtype: of the result; the arithmetic is float32.
        width: picture width, a multiple of 3; the height is two thirds of it. Default 384.
        cache: keep the still layers of every avatar between calls.
    """

    def __init__(
        self,
        appearances: Sequence[Appearance],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        width: int = WIDTH,
        cache: bool = False,
    ) -> None:
        if width * HEIGHT % WIDTH:
            raise ValueError(f"a width of {width} has no height in the ratio 3:2")
        self.appearances = list(appearances)
        self.device, self.dtype = torch.device(device), dtype
        self.width, self.height = width, width * HEIGHT // WIDTH
        self.scale = width / WIDTH
        self._oversample = 1.5 if self.scale <= 1 else 1.0
        self._lights = light_fields(self.scale, self.device)
        self._cache: dict[int, StaticLayers] | None = {} if cache else None

    @torch.no_grad()
    def render(self, performances: Sequence[Performance], lights: Sequence[str | Tensor] | str = "day") -> Tensor:
        """Draw one clip per avatar: [B, T, 3, H, W] in [-1, 1]. All clips have the same length.

        Args:
            performances: one per avatar.
            lights: a label for all, or per clip a label or weights [T, 4].
        """
        frames = {play.frames for play in performances}
        if len(performances) != len(self.appearances) or len(frames) != 1:
            raise ValueError("one performance per avatar is needed, all of the same length")
        each = [lights] * len(performances) if isinstance(lights, str) else list(lights)
        result = torch.empty(
            (len(performances), frames.pop(), 3, self.height, self.width), dtype=self.dtype, device=self.device
        )
        for index, (play, light) in enumerate(zip(performances, each, strict=True)):
            self.render_clip(index, play, light, out=result[index])
        return result

    @torch.no_grad()
    def render_clip(
        self, index: int, performance: Performance, light: str | Tensor = "day", out: Tensor | None = None
    ) -> Tensor:
        """Draw avatar ``index`` alone: [T, 3, H, W] in [-1, 1], written to ``out`` when given."""
        look = self.appearances[index]
        layers = self._layers(index)
        weights = light_weights(light, performance.frames).to(self.device)
        shape = (performance.frames, 3, self.height, self.width)
        result = torch.empty(shape, dtype=self.dtype, device=self.device) if out is None else out
        step = CHUNK.get(self.device.type, 32)
        for start in range(0, performance.frames, step):
            part = _to_device(performance.slice(start, start + step), self.device)
            drawn = self._draw(look, layers, part)
            lit = apply_light(drawn, weights[start : start + step], self._lights)
            result[start : start + step] = lit.mul_(2).sub_(1).to(self.dtype)
        return result

    def portrait(self, index: int, light: str = "day") -> Tensor:
        """The still picture [3, H, W] in [-1, 1] of an avatar at rest: neutral, mouth closed."""
        return self.render_clip(index, performance_from_mouth(torch.zeros(1, 3), still_frames=1), light)[0]

    @torch.no_grad()
    def mouth_interior(self, index: int, performance: Performance) -> Tensor:
        """What lies between the lips, as coverage [T, h, w] of the picture rectangle ``MOUTH``: truth for measures."""
        play = _to_device(performance, self.device)
        u, v = self._face_coordinates(play, (0, 0, WIDTH, HEIGHT))
        blank = torch.zeros(play.frames, 3, self.height, self.width, device=self.device)
        return draw_mouth(self._tile(blank, u, v, MOUTH), self.appearances[index], play)

    def _layers(self, index: int) -> StaticLayers:
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        layers = draw_layers(self.appearances[index], self.scale, self._oversample, self.device)
        if self._cache is not None:
            self._cache[index] = layers
        return layers

    def _draw(self, look: Appearance, layers: StaticLayers, play: Performance) -> Tensor:
        count = play.frames
        u, v = self._face_coordinates(play, (0, 0, WIDTH, HEIGHT))
        jaw = JAW_DROP * play.mouth[:, 0, None, None]
        fall = ((v - 152) / 50).clamp(0, 1)
        near = 1 - (((u - MIRROR_X).abs() - 58) / 30).clamp(0, 1)
        v_warped = v - jaw * fall * fall * (3 - 2 * fall) * near
        grid = torch.stack(
            [
                (u + MARGIN) / (WIDTH + 2 * MARGIN) * 2 - 1,
                (v_warped + MARGIN) / (HEIGHT + 2 * MARGIN) * 2 - 1,
            ],
            dim=-1,
        )
        source = layers.moving[None].expand(count, -1, -1, -1)
        moved = F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=False)
        behind, head, front = moved.split(4, dim=1)
        frames: Tensor = layers.backdrop * (1 - behind[:, 3:]) + behind[:, :3]
        frames = frames * (1 - layers.body[3:]) + layers.body[:3]
        frames = frames * (1 - head[:, 3:]) + head[:, :3]
        for side, box in EYES.items():
            draw_eye(self._tile(frames, u, v, box), look, play, side)
        draw_mouth(self._tile(frames, u, v, MOUTH), look, play)
        frames = frames * (1 - front[:, 3:]) + front[:, :3]
        for side, box in BROWS.items():
            draw_brow(self._tile(frames, u, v, box), look, play, side)
        return frames

    def _tile(self, frames: Tensor, u: Tensor, v: Tensor, box: tuple[int, int, int, int]) -> Tile:
        left, top, right, bottom = (round(side * self.scale) for side in box)
        rows, columns = slice(top, bottom), slice(left, right)
        return Tile(frames[:, :, rows, columns], u[:, rows, columns], v[:, rows, columns], 1.4 / self.scale)

    def _face_coordinates(self, play: Performance, box: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
        """Canonical face coordinates [T, h, w] of every pixel: shift and tilt about the neck, parallax of a turn."""
        left, top, right, bottom = box
        columns, rows = round((right - left) * self.scale), round((bottom - top) * self.scale)
        x = left + (torch.arange(columns, device=self.device, dtype=torch.float32) + 0.5) / self.scale
        y = top + (torch.arange(rows, device=self.device, dtype=torch.float32) + 0.5) / self.scale
        shift_x, shift_y, tilt, turn = (play.head[:, k, None, None] for k in range(4))
        cosine, sine = torch.cos(torch.deg2rad(tilt)), torch.sin(torch.deg2rad(tilt))
        dx, dy = x - MIRROR_X - shift_x, y[:, None] - PIVOT_Y - shift_y
        u = MIRROR_X + cosine * dx + sine * dy
        v = PIVOT_Y - sine * dx + cosine * dy
        depth = torch.exp(-0.5 * (((u - MIRROR_X) / 50) ** 2 + ((v - 132) / 58) ** 2))
        return u - turn * depth, v


def to_uint8(frames: Tensor) -> Tensor:
    """[..., 3, H, W] in [-1, 1] to uint8 [..., H, W, 3], as a video file holds it."""
    scaled = (frames.float() + 1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return scaled.movedim(-3, -1).contiguous()


def _to_device(play: Performance, device: torch.device) -> Performance:
    return Performance(
        *(
            value.to(device)
            for value in (play.mouth, play.teeth, play.tongue, play.blink, play.gaze, play.head, play.expression)
        )
    )
