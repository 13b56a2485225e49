"""The decoder as one flat pass over [frames, height, width, channels] (spec 5.3), the same for every block of a stream.

No step waits for the card, and all memory is taken in the same order every time: the pass can be captured as a graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from live_avatar.vae.fast_rows import COLOURS, Finished, Rows, Step, Unfinished
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.fast_weights import (
    AttentionWeights,
    BlockWeights,
    Convolution,
    DecoderWeights,
    StageWeights,
    UpsampleWeights,
    read_weights,
)
from live_avatar.vae.model import VideoVae
from live_avatar.vae.timeline import CONTEXT

Caches = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a pass writes: ``frames`` uint8 [T,H,W,3] for -1..1; ``values`` float32 [3,T,H,W], not cut off."""

    frames: Tensor
    values: Tensor

    @staticmethod
    def empty(count: int, height: int, width: int, device: torch.device) -> Pictures:
        """Room for ``count`` pictures."""
        return Pictures(
            torch.empty(count, height, width, COLOURS, dtype=torch.uint8, device=device),
            torch.empty(COLOURS, count, height, width, dtype=torch.float32, device=device),
        )


class FastProgram:
    """The pass over the weights of ``vae``, which must not change afterwards."""

    def __init__(self, vae: VideoVae, rows: Rows, settings: FastSettings) -> None:
        self.vae = vae
        self.config = vae.config
        self.settings = settings
        self.rows = rows
        self.weights: DecoderWeights = read_weights(vae, settings)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.vae.conv2.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of activations and caches."""
        return self.vae.conv2.weight.dtype

    def new_caches(self, height: int, width: int) -> Caches:
        """Caches of a stream that has seen nothing; zeros [2,H,W,C] by name, for latents of ``height`` x ``width``."""
        return {
            conv.key: torch.zeros(
                (CONTEXT, height << conv.level, width << conv.level, conv.channels),
                dtype=self.dtype,
                device=self.device,
            )
            for conv in self.weights.causal()
        }

    def frames_of(self, latents: int, first: bool) -> int:
        """Frames that a pass gives."""
        return 1 if first else latents * self.config.temporal_stride

    def run(self, latents: Tensor, caches: Caches, pictures: Pictures, *, first: bool = False) -> None:
        """Decode normalised latents [1,z,L,h,w] as the continuation of ``caches``; writes caches and ``pictures``.

        Args:
            first: they are the first latent frame of a stream (L = 1), which time upsampling leaves one frame.
        """
        weights = self.weights
        raw = self.vae.denormalise(latents).to(self.dtype)[0].permute(1, 2, 3, 0)
        entry = functional.linear(raw, weights.entry, weights.entry_bias)
        x = self._convolve(weights.start, Unfinished(entry.contiguous()), caches)
        x = self._block(weights.before, x, caches)
        x = self._attend(weights.attention, x)
        x = self._block(weights.after, x, caches)
        for stage in weights.stages[:-1]:
            x = self._stage(stage, x, caches, first)
        last = weights.stages[-1]
        assert last.upsample is not None
        coarse = self._upsample_time(last.upsample, x, caches, first)
        per_pass = self.settings.frames_per_pass or len(coarse)
        for start in range(0, len(coarse), per_pass):
            end = min(start + per_pass, len(coarse))
            y = self._enlarge(last.upsample.space, coarse[start:end])
            for block in last.blocks:
                y = self._block(block, y, caches)
            head = weights.head
            step = Step(gamma=weights.norm, silu=True, target="stacked", cache=caches[head.key])
            partial = self.convolve(head, _given(self._finish(y, step).target))
            self.rows.pictures(
                partial,
                weights.head_bias,
                weights.head_taps,
                pictures.frames[start:end],
                pictures.values[:, start:end],
            )

    def convolve(self, conv: Convolution, rows: Tensor) -> Tensor:
        """Where every convolution passes, for measurements."""
        return conv.apply(rows)

    def _finish(self, x: Unfinished, step: Step) -> Finished:
        """Finish ``x`` and let go of it before the next buffer is taken: that keeps the most memory down."""
        finished = self.rows.finish(x, step)
        x.release()
        return finished

    def _convolve(self, conv: Convolution, x: Unfinished, caches: Caches, gamma: Tensor | None = None) -> Unfinished:
        """Finish ``x``, with norm and SiLU if there is a ``gamma``, and convolve."""
        step = Step(gamma=gamma, silu=gamma is not None, target=conv.reads, cache=caches[conv.key])
        target = _given(self._finish(x, step).target)
        return Unfinished(self.convolve(conv, target), conv.bias)

    def _block(self, block: BlockWeights, x: Unfinished, caches: Caches) -> Unfinished:
        step = Step(True, block.first_norm, True, block.first.reads, caches[block.first.key])
        kept, target = self._finish(x, step)
        x = Unfinished(self.convolve(block.first, _given(target)), block.first.bias)
        del target
        y = self._convolve(block.second, x, caches, block.second_norm)
        residual = _given(kept)
        if block.shortcut is not None:
            residual = functional.linear(residual, block.shortcut)
        return Unfinished(y.source, y.bias, residual)

    def _attend(self, weights: AttentionWeights, x: Unfinished) -> Unfinished:
        frames, height, width, channels = x.shape()
        kept, rows = self._finish(x, Step(keep=True, gamma=weights.norm, target="rows"))
        qkv = functional.linear(_given(rows), weights.qkv, weights.qkv_bias)
        query, key, value = qkv.view(frames, 1, height * width, 3 * channels).chunk(3, dim=-1)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        output = functional.linear(mixed.reshape(frames, height, width, channels), weights.output)
        return Unfinished(output, weights.output_bias, kept)

    def _stage(self, stage: StageWeights, x: Unfinished, caches: Caches, first: bool) -> Unfinished:
        if stage.upsample is not None:
            x = self._enlarge(stage.upsample.space, self._upsample_time(stage.upsample, x, caches, first))
        for block in stage.blocks:
            x = self._block(block, x, caches)
        return x

    def _upsample_time(self, upsample: UpsampleWeights, x: Unfinished, caches: Caches, first: bool) -> Tensor:
        """The sum [T,H,W,C], twice as many frames if the stage doubles them."""
        if upsample.time is not None and not first:
            y = self._convolve(upsample.time, x, caches)
            x = Unfinished(y.source, y.bias, arrangement="pairs")
        return _given(self._finish(x, Step(keep=True)).kept)

    def _enlarge(self, conv: Convolution, x: Tensor) -> Unfinished:
        """[T,H,W,C] -> [T,2H,2W,C/2]."""
        if self.settings.upsampling == "phases":
            return Unfinished(self.convolve(conv, x), conv.bias, arrangement="phases")
        frames, height, width, channels = x.shape
        doubled = x[:, :, None, :, None].expand(frames, height, 2, width, 2, channels)
        doubled = doubled.reshape(frames, 2 * height, 2 * width, channels)
        return Unfinished(self.convolve(conv, doubled), conv.bias)


def _given(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor
