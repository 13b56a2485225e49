"""Memory of the fast decoder, computed from sizes alone, before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from live_avatar.vae.config import VaeConfig
from live_avatar.vae.fast_settings import FastSettings

_CONTEXT = 2
_TAPS = 3
_COLOURS = 3
_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class DecoderBytes:
    """Bytes on the card while a stream is decoded, beside the network's own weights.

    Attributes:
        caches: the state of the stream.
        activations: the most that is held within a pass; with a graph it stays taken.
        pictures: what a pass writes.
    """

    caches: int
    activations: int
    pictures: int

    @property
    def total(self) -> int:
        """All of it; cuDNN's scratch comes on top."""
        return self.caches + self.activations + self.pictures


def decoder_bytes(config: VaeConfig, width: int, height: int, settings: FastSettings, item: int = 2) -> DecoderBytes:
    """What decoding ``width`` x ``height`` takes with numbers of ``item`` bytes."""
    widths = config.stage_widths[::-1]
    doubles = config.temporal_downsampling[::-1]
    stride = config.spatial_stride
    area = (width // stride) * (height // stride)
    frames = settings.block_latents
    channels = widths[0]
    cached = _CONTEXT * area * (config.latent_channels + 4 * channels)
    # Query, key and value beside the residual and the input.
    most = 5 * frames * area * channels
    for stage, stage_width in enumerate(widths):
        last = stage == len(doubles)
        rows = min(frames, settings.frames_per_pass or frames) if last else frames
        # The first block of a stage reads ``channels``; the rest, and what comes out, has ``stage_width``.
        cached += _CONTEXT * area * (channels + (2 * config.residual_blocks + 1) * stage_width)
        # A block at work: its residual, a convolution's input, and its output or the one before it.
        held = area * stage_width * (2 * rows + _input_rows(rows, stage_width, settings))
        if last:
            cached += _CONTEXT * area * stage_width
            held += frames * (area // 4) * 2 * channels
            most = max(most, held)
            break
        most = max(most, held)
        if doubles[stage]:
            cached += _CONTEXT * area * stage_width
            frames = frames * 2
        area, channels = 4 * area, stage_width // 2
    pictures = frames * width * height * _COLOURS * (1 + _FLOAT32)
    return DecoderBytes(cached * item, most * item, pictures)


def _input_rows(rows: int, channels: int, settings: FastSettings) -> int:
    """Frames that a convolution's input takes."""
    return _TAPS * rows if channels <= settings.folded_channels else rows + _CONTEXT
