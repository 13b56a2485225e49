"""Encoder of the causal VAE: video to the moments of its latent posterior (spec 5.3)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from live_avatar.vae.config import VaeConfig
from live_avatar.vae.layers import CausalConv3d, Downsample, NormConv, ResidualBlock, SpatialAttention
from live_avatar.vae.norm import RmsNorm
from live_avatar.vae.timeline import EncoderTimeline


class Encoder(nn.Module):
    """[B,3,T,H,W] -> [B,2z,T',H/8,W/8]."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        width = config.stage_widths[0]
        self.conv1 = CausalConv3d(3, width)
        layers: list[nn.Module] = []
        for stage, stage_width in enumerate(config.stage_widths):
            for _ in range(config.residual_blocks):
                layers.append(ResidualBlock(width, stage_width))
                width = stage_width
            if stage < len(config.temporal_downsampling):
                layers.append(Downsample(width, config.temporal_downsampling[stage]))
        self.downsamples = nn.ModuleList(layers)
        self.middle = nn.ModuleList([ResidualBlock(width, width), SpatialAttention(width), ResidualBlock(width, width)])
        self.head = NormConv({"0": RmsNorm(width, 3), "2": CausalConv3d(width, 2 * config.latent_channels)})

    def forward(self, frames: Tensor, timeline: EncoderTimeline) -> Tensor:
        """Encode ``frames`` as the continuation of ``timeline``."""
        x = self.conv1.causal(frames, timeline)
        for layer in [*self.downsamples, *self.middle]:
            x = cast(Tensor, layer(x, timeline))
        return self.head.step("0", "2", x, timeline)
