"""Three-dimensional rotary positions (spec section 2.5), computed on the fly: no table, so no length limit."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from live_avatar.geometry import LatentShape

RotaryRounding = Literal["float16", "none"]

REFERENCE_PREFILL_FRAME = 30
_THETA = 10_000.0
# (first frame index, frame step, token frames, divisor of the latent grid) of the three motion groups (spec 4).
_MOTION_GROUPS = ((-1, 1, 1, 2), (-3, 2, 1, 4), (-19, 5, 4, 8))


def split_head_dim(head_dim: int) -> tuple[int, int, int]:
    """Number of rotary pairs given to (frame, row, column); their sum is ``head_dim // 2``."""
    pairs = head_dim // 2
    return pairs - 2 * (pairs // 3), pairs // 3, pairs // 3


def spread_positions(points: int, side: int) -> list[int]:
    """``points`` integer positions spread over ``0 .. side-1``, truncated as the published code does."""
    if points == 1:
        return [0]
    return [k * (side - 1) // (points - 1) for k in range(points)]


class RotaryPositions:
    """Makes (cos, sin) for token positions and rotates queries and keys.

    Args:
        head_dim: width of one attention head (even).
        shape: latent sizes of the picture.
        rounding: ``float16`` reproduces the published table (fp64 -> fp32 -> fp16); ``none`` keeps float64 accuracy.
        device: where the angles are computed and used.
    """

    def __init__(self, head_dim: int, shape: LatentShape, rounding: RotaryRounding, device: torch.device) -> None:
        self.shape = shape
        self.rounding = rounding
        self.device = device
        self._inverse_frequencies = [
            _THETA ** (-torch.arange(pairs, dtype=torch.float64, device=device) / pairs)
            for pairs in split_head_dim(head_dim)
        ]
        grid_rows = torch.arange(shape.rows).repeat_interleave(shape.columns)
        grid_columns = torch.arange(shape.columns).repeat(shape.rows)
        self._grid = torch.cat([self._angles(1, grid_rows), self._angles(2, grid_columns)], dim=-1)
        self.motion = self._motion_table()

    def frames(self, frame_index: Tensor) -> Tensor:
        """Table for whole latent frames at the given positions.

        Args:
            frame_index: integer or float [..., F] absolute latent-frame positions, on any device.

        Returns:
            [..., F * N, head_dim / 2, 2] float32 (cos, sin), tokens ordered (frame, row, column).
        """
        phases = self._angles(0, frame_index)
        lead, count = phases.shape[:-2], phases.shape[-2]
        tokens = self.shape.frame_tokens
        temporal = phases.unsqueeze(-2).expand(*lead, count, tokens, phases.shape[-1])
        spatial = self._grid.expand(*lead, count, tokens, self._grid.shape[-1])
        return self._table(torch.cat([temporal, spatial], dim=-1).flatten(-3, -2))

    def condition(self, reference_frame: int) -> Tensor:
        """Table for the condition sequence [reference | motion]: [C, head_dim / 2, 2] float32."""
        return torch.cat([self.frames(torch.tensor([reference_frame])), self.motion])

    def _angles(self, axis: int, positions: Tensor) -> Tensor:
        frequencies = self._inverse_frequencies[axis]
        return positions.to(self.device, torch.float64).unsqueeze(-1) * frequencies

    def _table(self, angles: Tensor) -> Tensor:
        table = torch.stack([angles.cos(), angles.sin()], dim=-1).float()
        return table.half().float() if self.rounding == "float16" else table

    def _motion_table(self) -> Tensor:
        shape, parts = self.shape, []
        for first, step, frames, divisor in _MOTION_GROUPS:
            rows, columns = shape.height // divisor, shape.width // divisor
            index = torch.arange(first, first + step * frames, step)
            row_index = torch.tensor(spread_positions(rows, shape.rows))
            column_index = torch.tensor(spread_positions(columns, shape.columns))
            sides = (frames, rows, columns)
            angles = [
                self._angles(0, index)[:, None, None].expand(*sides, -1),
                self._angles(1, row_index)[None, :, None].expand(*sides, -1),
                self._angles(2, column_index)[None, None, :].expand(*sides, -1),
            ]
            parts.append(torch.cat(angles, dim=-1).flatten(0, 2))
        return self._table(torch.cat(parts))


def rotate(states: Tensor, table: Tensor) -> Tensor:
    """Rotate interleaved pairs of each head.

    Args:
        states: [..., tokens, heads, head_dim] queries or keys after their RMS norm.
        table: [..., tokens, head_dim / 2, 2] float32 (cos, sin).

    Returns:
        Rotated states, same shape and dtype; the product is formed in float32.
    """
    pairs = torch.view_as_complex(states.float().unflatten(-1, (-1, 2)))
    turned = torch.view_as_real(pairs * torch.view_as_complex(table).unsqueeze(-2))
    return turned.flatten(-2).to(states.dtype)
