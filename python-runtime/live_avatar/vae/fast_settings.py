"""How the fast decoder goes about its work. The pictures are the same up to rounding whatever is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK

RowKernels = Literal["auto", "triton", "torch"]


@dataclass(frozen=True, slots=True)
class FastSettings:
    """What was measured to be best is the default.

    Attributes:
        block_latents: latent frames decoded at once, and captured as a graph; other numbers run without one.
        folded_channels: convolutions of at most so many input channels see the three taps in time side by side, as one
            picture convolution of three times the channels: cuDNN's tiles fit 288 better than 96. 0 for none.
        upsampling: ``phases`` convolves before enlarging, with four kernels of 2x2 for the four new pixels; ``nearest``
            enlarges first, as the network is written.
        head: ``taps`` has a picture convolution answer for each tap in time and adds them while converting; ``padded``
            convolves in time too, with idle outputs.
        frames_per_pass: frames at full resolution per pass, bounding memory; ``None`` for all.
        kernels: ``auto`` takes Triton where it is installed and the tensors are on a card.
        graph: capture the decoding of a block as one CUDA graph.
        measured_convolutions: let cuDNN choose its kernels by measuring. It is 1 % faster, but the choice, and with it
            the rounding, may differ from process to process, and a take must go on bit for bit. Otherwise by rule.
        row_tile, row_warps: numbers and warps of a program of the row kernels.
    """

    block_latents: int = LATENT_FRAMES_PER_BLOCK
    folded_channels: int = 96
    upsampling: Literal["phases", "nearest"] = "phases"
    head: Literal["taps", "padded"] = "taps"
    frames_per_pass: int | None = 4
    kernels: RowKernels = "auto"
    graph: bool = True
    measured_convolutions: bool = False
    row_tile: int = 4096
    row_warps: int = 4
