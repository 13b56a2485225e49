"""Rotary positions of a part of the picture, so that training can begin on head and shoulders alone."""

from __future__ import annotations

import torch
from torch import Tensor

from live_avatar.geometry import LatentShape
from live_avatar.model.rope import RotaryPositions

_ALIGNMENT = 8


class CroppedRotary(RotaryPositions):
    """The tables of the full picture, restricted to the tokens of a latent rectangle.

    Args:
        head_dim: width of one attention head.
        full: latent sizes of the whole picture.
        box: (top, left, height, width) in latents, each a multiple of 8 so that motion tokens are whole.
    """

    def __init__(self, head_dim: int, full: LatentShape, box: tuple[int, int, int, int], device: torch.device) -> None:
        if any(side % _ALIGNMENT for side in box):
            raise ValueError("the rectangle must lie on multiples of 8 latents")
        super().__init__(head_dim, full, "float16", device)
        self.box = box
        self.motion = self._crop_motion(self.motion)
        self._kept = self._inside(full.height, full.width, 2).to(device)
        self._full_tokens = full.frame_tokens
        self.shape = LatentShape(box[2], box[3], full.infer_frames)
        self._complete = full

    def frames(self, frame_index: Tensor) -> Tensor:
        """As the full table, with the tokens inside the rectangle only."""
        cropped, self.shape = self.shape, self._complete
        table = super().frames(frame_index)
        self.shape = cropped
        inside: Tensor = table.unflatten(-3, (-1, self._full_tokens)).index_select(-3, self._kept).flatten(-4, -3)
        return inside

    def _inside(self, height: int, width: int, divisor: int) -> Tensor:
        top, left, rows, columns = (side // divisor for side in self.box)
        grid = torch.arange(height // divisor * (width // divisor)).view(height // divisor, width // divisor)
        return grid[top : top + rows, left : left + columns].flatten()

    def _crop_motion(self, table: Tensor) -> Tensor:
        parts, offset = [], 0
        for frames, divisor in ((1, 2), (1, 4), (4, 8)):
            tokens = (self.shape.height // divisor) * (self.shape.width // divisor)
            kept = self._inside(self.shape.height, self.shape.width, divisor)
            group = table[offset : offset + frames * tokens].unflatten(0, (frames, tokens))
            parts.append(group[:, kept.to(table.device)].flatten(0, 1))
            offset += frames * tokens
        return torch.cat(parts)
