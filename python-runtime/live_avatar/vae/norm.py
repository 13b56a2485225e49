"""RMS normalisation over channels, alone or followed by SiLU. Sums are taken in float32 (spec 5.2)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from live_avatar.vae.timeline import join_frames

SMALLEST_NORM = 1e-12


class RmsNorm(nn.Module):
    """x / max(||x||, 1e-12) * sqrt(C) * gamma over channels (dim 1).

    ``gamma`` keeps the published shape: [C,1,1,1] in residual blocks and heads, [C,1,1] in attention.

    Attributes:
        fused: does :meth:`silu_after` in one kernel (:mod:`live_avatar.vae.fast_encoder`), or ``None``.
    """

    fused: Callable[[Tensor, Tensor], Tensor] | None = None

    def __init__(self, channels: int, spatial_dims: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *[1] * spatial_dims))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``; same shape and dtype."""
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=torch.float32)
        return x * _inverse(norm, x.shape[1]).to(x.dtype) * self.gamma.to(x.dtype)

    def silu_after(self, before: Tensor, x: Tensor) -> Tensor:
        """``before`` followed in time by ``silu(norm(x))``, in the dtype of ``x``; [B,C,T,H,W]."""
        if self.fused is not None and not torch.is_grad_enabled() and len(x) == 1:
            return self.fused(before, x)
        if x.device.type != "cpu" or torch.is_grad_enabled():
            return join_frames([before.to(x.dtype), F.silu(self(x))])
        # Measured at 16 channels: bfloat16 arithmetic on such short rows is scalar code, three times slower than
        # going to float32 once and working in place; frame by frame the scratch stays small and is not paged in anew.
        start = before.shape[2]
        shape = (x.shape[0], x.shape[1], start + x.shape[2], *x.shape[3:])
        joined = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last_3d)
        joined[:, :, :start].copy_(before)
        scratch = torch.empty_like(joined[:, :, 0], dtype=torch.float32, memory_format=torch.channels_last)
        gamma = self.gamma.float().view(1, -1, 1, 1)
        for frame in range(x.shape[2]):
            y = scratch.copy_(x[:, :, frame])
            norm = torch.linalg.vector_norm(y, dim=1, keepdim=True)
            y.mul_(_inverse(norm, x.shape[1])).mul_(gamma)
            joined[:, :, start + frame].copy_(F.silu(y, inplace=True))
        return joined


def _inverse(norm: Tensor, channels: int) -> Tensor:
    return norm.clamp_min(SMALLEST_NORM).reciprocal() * math.sqrt(channels)
