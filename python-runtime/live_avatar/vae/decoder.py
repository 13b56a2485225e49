"""Decoder of the causal VAE: latents to video (spec 5.3)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from live_avatar.vae.config import VaeConfig
from live_avatar.vae.layers import CausalConv3d, NormConv, ResidualBlock, SpatialAttention, Upsample
from live_avatar.vae.norm import RmsNorm
from live_avatar.vae.timeline import CONTEXT, DecoderTimeline, PrimingTimeline


class Decoder(nn.Module):
    """[B,z,L,H/8,W/8] -> [B,3,T,H,W]."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths = config.stage_widths[::-1]
        width = widths[0]
        self.conv1 = CausalConv3d(config.latent_channels, width)
        self.middle = nn.ModuleList([ResidualBlock(width, width), SpatialAttention(width), ResidualBlock(width, width)])
        layers: list[nn.Module] = []
        for stage, stage_width in enumerate(widths):
            for _ in range(config.residual_blocks + 1):
                layers.append(ResidualBlock(width, stage_width))
                width = stage_width
            if stage < len(config.temporal_downsampling):
                layers.append(Upsample(width, config.temporal_downsampling[::-1][stage]))
                width //= 2
        self.upsamples = nn.ModuleList(layers)
        self.head = NormConv({"0": RmsNorm(width, 3), "2": CausalConv3d(width, 3)})

    def forward(self, latents: Tensor, timeline: DecoderTimeline) -> Tensor:
        """Decode ``latents`` as the continuation of ``timeline``."""
        x = self.conv1.causal(latents, timeline)
        for layer in [*self.middle, *self.upsamples]:
            x = cast(Tensor, layer(x, timeline))
        return self.head.step("0", "2", x, timeline)

    def prime(self, latents: Tensor, timeline: PrimingTimeline) -> None:
        """Leave in the timeline's state what :meth:`forward` would, computing only frames that a cache depends on."""
        layers = [*self.middle, *self.upsamples]
        needed = [CONTEXT]
        for layer in reversed(layers):
            needed.append(_frames_needed(layer, needed[-1]))
        x = self.conv1.causal(timeline.keep_last(latents, needed[-1] + CONTEXT), timeline)
        for layer, frames in zip(layers, reversed(needed[1:]), strict=True):
            x = cast(Tensor, layer(timeline.keep_last(x, frames), timeline))
        self.head.input("0", "2", timeline.keep_last(x, CONTEXT), timeline)


def _frames_needed(layer: nn.Module, frames: int) -> int:
    """Last input frames ``layer`` needs for its last ``frames`` output frames."""
    if isinstance(layer, ResidualBlock):
        return frames + 2 * CONTEXT
    if isinstance(layer, Upsample) and layer.time_conv is not None:
        return -(-frames // 2) + CONTEXT
    return frames
