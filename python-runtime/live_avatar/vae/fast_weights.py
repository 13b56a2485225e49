"""The decoder's weights as the fast path reads them, made from the network's own modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from live_avatar.vae.fast_rows import COLOURS, TAPS, ConvolutionInput
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.layers import CausalConv3d, ResidualBlock, SpatialAttention, Upsample
from live_avatar.vae.model import VideoVae
from live_avatar.vae.norm import RmsNorm

# How the two taps of a phase gather the three of a kernel that follows a doubling of every pixel: [phase, tap, kernel
# position]. Of the even pixel's neighbours two are equal, of the odd one's as well.
_PHASE_TAPS = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
# Idle outputs fill the last convolution up to what the card's matrix units take.
_OUTPUTS_STEP = 8


@dataclass(frozen=True, slots=True)
class Convolution:
    """A causal convolution.

    Attributes:
        key: name of its cache, or empty if it has none (upsampling).
        reads: form of its input.
        weight: [O,C,3,k,k] for a stacked input, [O,3C,k,k] for a folded one, [O,C,k,k] for rows; channels last.
        bias: float32 [O].
        channels: of one input frame.
        level: how often the picture was enlarged before it.
    """

    key: str
    reads: ConvolutionInput
    weight: Tensor
    bias: Tensor
    channels: int
    level: int

    def apply(self, rows: Tensor) -> Tensor:
        """[T(+2),H,W,·] as ``reads`` says -> [T,H,W,O], without the bias."""
        pad = self.weight.shape[-1] // 2
        if self.reads == "stacked":
            volume = functional.conv3d(rows.permute(3, 0, 1, 2)[None], self.weight, padding=(0, pad, pad))
            return volume[0].permute(1, 2, 3, 0).contiguous()
        return functional.conv2d(rows.permute(0, 3, 1, 2), self.weight, padding=pad).permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """A residual block; ``shortcut`` [O,C] or ``None``, its bias being part of that of ``second``."""

    first_norm: Tensor
    first: Convolution
    second_norm: Tensor
    second: Convolution
    shortcut: Tensor | None


@dataclass(frozen=True, slots=True)
class AttentionWeights:
    """Attention within a frame: gamma [C], query, key and value as one product, output product without its bias."""

    norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor
    output: Tensor
    output_bias: Tensor


@dataclass(frozen=True, slots=True)
class UpsampleWeights:
    """``time`` doubles the frame rate, if there is one; ``space`` doubles the size."""

    time: Convolution | None
    space: Convolution


@dataclass(frozen=True, slots=True)
class StageWeights:
    """Residual blocks of one resolution, after the enlargement that leads to it."""

    upsample: UpsampleWeights | None
    blocks: tuple[BlockWeights, ...]


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """All of it.

    Attributes:
        entry, entry_bias: the 1x1 convolution before the decoder, [z,z] and [z].
        start: first convolution of the decoder.
        before, attention, after: the middle.
        stages: coarse to fine.
        norm, head: the last convolution; ``head_bias`` float32 [3] holds for the sum of its taps.
        head_taps: how many taps stand side by side in its outputs.
    """

    entry: Tensor
    entry_bias: Tensor
    start: Convolution
    before: BlockWeights
    attention: AttentionWeights
    after: BlockWeights
    stages: tuple[StageWeights, ...]
    norm: Tensor
    head: Convolution
    head_bias: Tensor
    head_taps: int

    def causal(self) -> list[Convolution]:
        """Convolutions that have a cache."""
        found = [self.start, self.head]
        for block in (self.before, self.after, *(block for stage in self.stages for block in stage.blocks)):
            found += [block.first, block.second]
        found += [s.upsample.time for s in self.stages if s.upsample is not None and s.upsample.time is not None]
        return found


@torch.no_grad()
def read_weights(vae: VideoVae, settings: FastSettings) -> DecoderWeights:
    """Arrange the weights of ``vae``, on its device and in its dtype. Those that need no change are shared with it."""
    return _Reader(vae, settings).read()


class _Reader:
    def __init__(self, vae: VideoVae, settings: FastSettings) -> None:
        self.vae = vae
        self.settings = settings
        self.level = 0

    def read(self) -> DecoderWeights:
        vae, decoder = self.vae, self.vae.decoder
        start = self._causal(decoder.conv1)
        before, attention, after = decoder.middle
        middle = (
            self._block(cast(ResidualBlock, before)),
            _attention(cast(SpatialAttention, attention)),
            self._block(cast(ResidualBlock, after)),
        )
        stages: list[StageWeights] = []
        blocks: list[BlockWeights] = []
        upsample: UpsampleWeights | None = None
        for layer in decoder.upsamples:
            if isinstance(layer, Upsample):
                stages.append(StageWeights(upsample, tuple(blocks)))
                upsample, blocks = self._upsample(layer), []
            else:
                blocks.append(self._block(cast(ResidualBlock, layer)))
        stages.append(StageWeights(upsample, tuple(blocks)))
        last = cast(CausalConv3d, decoder.head["2"])
        norm = cast(RmsNorm, decoder.head["0"])
        head_taps = TAPS if self.settings.head == "taps" else 1
        weights = DecoderWeights(
            vae.conv2.weight.flatten(1),
            vae.conv2.bias,  # type: ignore[arg-type]  # it has one
            start,
            *middle,
            tuple(stages),
            _row(norm.gamma),
            self._head(last, head_taps),
            _bias(last),
            head_taps,
        )
        known = {convolution.key for convolution in weights.causal()}
        if known != set(vae.new_decoder_state().keys):
            raise ValueError("the fast decoder does not know all convolutions of this network")
        return weights

    def _causal(self, conv: CausalConv3d, extra_bias: Tensor | None = None) -> Convolution:
        channels = conv.in_channels
        bias = _bias(conv) if extra_bias is None else _bias(conv) + extra_bias
        if channels <= self.settings.folded_channels and conv.kernel_size[1] > 1:
            folded = conv.weight.permute(0, 2, 1, 3, 4).flatten(1, 2)
            return Convolution(conv.key, "folded", _channels_last(folded), bias, channels, self.level)
        return Convolution(conv.key, "stacked", _channels_last(conv.weight), bias, channels, self.level)

    def _block(self, block: ResidualBlock) -> BlockWeights:
        parts, shortcut = block.residual, block.shortcut
        return BlockWeights(
            _row(cast(RmsNorm, parts["0"]).gamma),
            self._causal(cast(CausalConv3d, parts["2"])),
            _row(cast(RmsNorm, parts["3"]).gamma),
            self._causal(cast(CausalConv3d, parts["6"]), None if shortcut is None else _bias(shortcut)),
            None if shortcut is None else shortcut.weight.flatten(1),
        )

    def _upsample(self, layer: Upsample) -> UpsampleWeights:
        time: Convolution | None = None
        if layer.time_conv is not None:
            conv = layer.time_conv
            weight = _channels_last(conv.weight)
            time = Convolution(conv.key, "stacked", weight, _bias(conv), conv.in_channels, self.level)
        conv2d = cast(nn.Conv2d, layer.resample["1"])
        weight = conv2d.weight
        if self.settings.upsampling == "phases":
            # Sums of bfloat16 weights are rounded once more; both sides of the comparison carry such errors.
            taps = _PHASE_TAPS.to(weight.device)
            phases = torch.einsum("apr,bqs,oirs->aboipq", taps, taps, weight.float())
            weight = phases.flatten(0, 2).to(weight.dtype)
        space = Convolution("", "rows", _channels_last(weight), _bias(conv2d), conv2d.in_channels, self.level)
        self.level += 1
        return UpsampleWeights(time, space)

    def _head(self, conv: CausalConv3d, taps: int) -> Convolution:
        # [3,C,3,3,3] to [3 taps x 3 colours, C,3,3], or [3,C,3,3,3] as it is; then idle outputs.
        weight = conv.weight
        if taps > 1:
            weight = weight.permute(2, 0, 1, 3, 4).flatten(0, 1)
        used = taps * COLOURS
        idle = -used % _OUTPUTS_STEP
        weight = torch.cat([weight, weight.new_zeros(idle, *weight.shape[1:])])
        bias = torch.zeros(used + idle, device=weight.device)
        reads: ConvolutionInput = "rows" if taps > 1 else "stacked"
        return Convolution(conv.key, reads, _channels_last(weight), bias, conv.in_channels, self.level)


def _attention(layer: SpatialAttention) -> AttentionWeights:
    qkv, output = layer.to_qkv, layer.proj
    return AttentionWeights(
        _row(layer.norm.gamma),
        qkv.weight.flatten(1),
        qkv.bias,  # type: ignore[arg-type]  # it has one
        output.weight.flatten(1),
        _bias(output),
    )


def _row(gamma: Tensor) -> Tensor:
    return gamma.detach().float().flatten().contiguous()


def _bias(conv: nn.Conv2d | nn.Conv3d) -> Tensor:
    assert conv.bias is not None
    return conv.bias.detach().float()


def _channels_last(weight: Tensor) -> Tensor:
    memory = torch.channels_last_3d if weight.dim() == 5 else torch.channels_last
    return weight.detach().contiguous(memory_format=memory)
