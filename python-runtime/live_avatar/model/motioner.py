"""FramePack: the last 19 motion latents become a short token sequence (spec section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# (latent frames, kernel = stride) of the three groups, newest first.
_GROUPS = ((1, (1, 2, 2)), (2, (2, 4, 4)), (16, (4, 8, 8)))
MOTION_LATENT_FRAMES = sum(frames for frames, _ in _GROUPS)


class FramePacker(nn.Module):
    """Newest frame at full grid, the two before it at half, the sixteen before those at quarter resolution."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(channels, dim, _GROUPS[0][1], stride=_GROUPS[0][1])
        self.proj_2x = nn.Conv3d(channels, dim, _GROUPS[1][1], stride=_GROUPS[1][1])
        self.proj_4x = nn.Conv3d(channels, dim, _GROUPS[2][1], stride=_GROUPS[2][1])

    def forward(self, motion: Tensor) -> Tensor:
        """Pack motion latents.

        Args:
            motion: [B, 16, T, h8, w8] normalised latents, oldest first; only the last 19 count, missing ones are zero.

        Returns:
            [B, M, D] tokens, order newest | half | quarter, each flattened (frame, row, column).
        """
        batch, channels, _, height, width = motion.shape
        recent = motion[:, :, -MOTION_LATENT_FRAMES:]
        missing = MOTION_LATENT_FRAMES - recent.shape[2]
        padded = torch.cat([recent.new_zeros(batch, channels, missing, height, width), recent], dim=2)
        quarter, half, newest = padded.split([frames for frames, _ in reversed(_GROUPS)], dim=2)
        packed = (self.proj(newest), self.proj_2x(half), self.proj_4x(quarter))
        return torch.cat([tokens.flatten(2).transpose(1, 2) for tokens in packed], dim=1)
