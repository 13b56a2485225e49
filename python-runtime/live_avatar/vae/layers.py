"""Building blocks of the causal VAE (spec 5.2). Tensors are [batch, channels, frames, height, width].

Parameter names are those of the published file, hence the numbered containers.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from live_avatar.vae.norm import RmsNorm
from live_avatar.vae.timeline import DecoderTimeline, EncoderTimeline, Timeline, join_frames


def channels_last(x: Tensor) -> Tensor:
    """``x`` with channels innermost in memory: convolutions are 2-4 times faster so on CPU, and fast on GPUs."""
    return x.contiguous(memory_format=torch.channels_last_3d)


def per_frame(x: Tensor) -> Tensor:
    """View [B,C,T,H,W] as a batch of pictures [B*T,C,H,W], channels last."""
    # By way of [B,T,H,W,C]: a direct view of one frame gets strides that convolutions do not take for channels last.
    return x.permute(0, 2, 3, 4, 1).contiguous().flatten(0, 1).permute(0, 3, 1, 2)


def per_video(x: Tensor, batch: int) -> Tensor:
    """Undo :func:`per_frame`."""
    rows = x.permute(0, 2, 3, 1).contiguous()
    return rows.view(batch, -1, *rows.shape[1:]).permute(0, 4, 1, 2, 3)


class CausalConv3d(nn.Conv3d):
    """Convolution over three frames (current and two earlier) and a 3x3 neighbourhood, or over time alone."""

    key: str = ""  # Qualified name, set by the owning VAE: the name of this layer's cache.

    def __init__(self, channels_in: int, channels_out: int, spatial_kernel: int = 3, time_stride: int = 1) -> None:
        pad = spatial_kernel // 2
        super().__init__(
            channels_in,
            channels_out,
            (3, spatial_kernel, spatial_kernel),
            stride=(time_stride, 1, 1),
            padding=(0, pad, pad),
        )

    def causal(self, x: Tensor, timeline: Timeline) -> Tensor:
        """Convolve ``x`` after the left context that ``timeline`` supplies."""
        before = timeline.before(self.key, x)
        y: Tensor = self(timeline.joined(self.key, join_frames([before.to(x.dtype), x])))
        return y


class NormConv(nn.ModuleDict):
    """Pairs of (RMS norm, causal convolution) under their published numbers."""

    def step(self, norm: str, conv: str, x: Tensor, timeline: Timeline) -> Tensor:
        """Norm, SiLU, causal convolution."""
        y: Tensor = self[conv](self.input(norm, conv, x, timeline))
        return y

    def input(self, norm: str, conv: str, x: Tensor, timeline: Timeline) -> Tensor:
        """Norm and SiLU, preceded by the left context the convolution needs."""
        key = cast(CausalConv3d, self[conv]).key
        return timeline.joined(key, cast(RmsNorm, self[norm]).silu_after(timeline.before(key, x), x))


class ResidualBlock(nn.Module):
    """Twice (norm, SiLU, causal convolution), added to the input or to a 1x1x1 projection of it."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.residual = NormConv(
            {
                "0": RmsNorm(channels_in, 3),
                "2": CausalConv3d(channels_in, channels_out),
                "3": RmsNorm(channels_out, 3),
                "6": CausalConv3d(channels_out, channels_out),
            }
        )
        self.shortcut = nn.Conv3d(channels_in, channels_out, 1) if channels_in != channels_out else None

    def forward(self, x: Tensor, timeline: Timeline) -> Tensor:
        """Apply the block; frames in as out, but for what the timeline adds or drops."""
        y = self.residual.step("0", "2", x, timeline)
        y = self.residual.step("3", "6", y, timeline)
        if self.shortcut is not None:
            x = self.shortcut(x)
        x = timeline.match(x, y.shape[2])
        return x + y if torch.is_grad_enabled() else y.add_(x)


class SpatialAttention(nn.Module):
    """Single-head attention over the positions of each frame, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RmsNorm(channels, 2)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, timeline: Timeline) -> Tensor:
        """Apply to every frame on its own; ``timeline`` is not needed."""
        pictures = per_frame(x)
        frames, channels, height, width = pictures.shape
        tokens = self.to_qkv(self.norm(pictures)).permute(0, 2, 3, 1).reshape(frames, 1, height * width, 3 * channels)
        if x.device.type == "cpu":
            tokens = tokens.float()  # Half precision attention is several times slower there.
        query, key, value = tokens.chunk(3, dim=-1)
        mixed = F.scaled_dot_product_attention(query, key, value).to(x.dtype)
        mixed = mixed.reshape(frames, height, width, channels).permute(0, 3, 1, 2)
        return x + per_video(self.proj(mixed), x.shape[0])


class Downsample(nn.Module):
    """Halve height and width, and with ``temporal`` also the frame rate."""

    def __init__(self, channels: int, temporal: bool) -> None:
        super().__init__()
        self.resample = nn.ModuleDict({"1": nn.Conv2d(channels, channels, 3, stride=2)})
        self.time_conv = CausalConv3d(channels, channels, 1, time_stride=2) if temporal else None

    def forward(self, x: Tensor, timeline: EncoderTimeline) -> Tensor:
        """[B,C,T,H,W] -> [B,C,T',H/2,W/2]."""
        x = per_video(self.resample["1"](F.pad(per_frame(x), (0, 1, 0, 1))), x.shape[0])
        if self.time_conv is None:
            return x
        first, rest = timeline.downsampling_input(self.time_conv.key, x)
        parts = [] if first is None else [first]
        if rest.shape[2] >= 3:
            parts.append(self.time_conv(rest))
        return join_frames(parts)


class Upsample(nn.Module):
    """Double height and width while halving the channels; with ``temporal`` first double the frame rate.

    The first frame of a stream stays one frame.
    """

    def __init__(self, channels: int, temporal: bool) -> None:
        super().__init__()
        self.resample = nn.ModuleDict({"1": nn.Conv2d(channels, channels // 2, 3, padding=1)})
        self.time_conv = CausalConv3d(channels, 2 * channels, 1) if temporal else None

    def forward(self, x: Tensor, timeline: DecoderTimeline) -> Tensor:
        """[B,C,T,H,W] -> [B,C/2,T',2H,2W]."""
        if self.time_conv is not None:
            first, rest = timeline.split_start(self.time_conv.key, x)
            parts = [] if first is None else [first]
            if rest.shape[2] > 0:
                parts.append(_interleave(self.time_conv.causal(rest, timeline)))
            x = parts[0] if len(parts) == 1 else join_frames(parts)
        enlarged = F.interpolate(per_frame(x), scale_factor=2.0, mode="nearest")
        return per_video(self.resample["1"](enlarged), x.shape[0])


def _interleave(x: Tensor) -> Tensor:
    """[B,2C,T,H,W], the first C channels being the even frames, to [B,C,2T,H,W]; one copy, kept channels last."""
    batch, channels, frames, height, width = x.shape
    pairs = x.permute(0, 2, 3, 4, 1).reshape(batch, frames, height, width, 2, channels // 2)
    rows = pairs.permute(0, 1, 4, 2, 3, 5).contiguous().view(batch, 2 * frames, height, width, channels // 2)
    return rows.permute(0, 4, 1, 2, 3)
