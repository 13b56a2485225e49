"""From pictures of who is where to routing weights for several speakers (spec section 10)."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape


def regions_on_grid(pictures: Tensor, shape: LatentShape) -> Tensor:
    """Shrink region pictures to the token grid.

    Args:
        pictures: [actors, H, W] values in 0..1, fitted to the picture the model sees.

    Returns:
        bool [actors, rows, columns], one-hot: where regions overlap the later speaker wins.
    """
    size = (shape.rows, shape.columns)
    grid = functional.interpolate(pictures[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0] > 0.5
    later = torch.flip(torch.cumsum(torch.flip(grid.int(), [0]), 0), [0]) - grid.int()
    return grid & (later == 0)


def routing_weights(regions: Tensor) -> Tensor:
    """Where each speaker's audio acts: everywhere but inside the other speakers' dilated regions.

    The background hears everybody; where two dilated regions overlap nobody is heard.

    Args:
        regions: bool [actors, rows, columns] (``regions_on_grid``).

    Returns:
        float32 [actors, 3N, 1] for the three latent frames of any block.
    """
    dilated = torch.stack([_dilate(region.float()) for region in regions])
    others = dilated.sum(0, keepdim=True) - dilated
    return (others == 0).float().flatten(1).repeat(1, LATENT_FRAMES_PER_BLOCK).unsqueeze(-1)


def _dilate(region: Tensor) -> Tensor:
    """Grow a [rows, columns] region by a tenth of its longer side."""
    rows, columns = region.nonzero(as_tuple=True)
    if rows.numel() == 0:
        return region
    side = max(int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1)
    radius = max(1, int(0.1 * side + 0.9999))
    return functional.max_pool2d(region[None, None], 2 * radius + 1, stride=1, padding=radius)[0, 0]
