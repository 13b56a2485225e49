"""Sizes of the causal video VAE, read from the shapes of its weights, and the published latent statistics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from live_avatar.errors import UserError

# Per-channel mean and standard deviation of the published 16-channel latents (spec 5.1).
PUBLISHED_LATENT_MEAN: tuple[float, ...] = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
PUBLISHED_LATENT_STD: tuple[float, ...] = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VaeConfig:
    """Shape of the network (spec 5.3).

    Attributes:
        stage_widths: channels of each resolution stage, full resolution first; published (96, 192, 384, 384).
        residual_blocks: residual blocks per encoder stage; a decoder stage has one more.
        temporal_downsampling: for each of the ``len(stage_widths) - 1`` spatial halvings, whether time is halved too.
        latent_channels: channels of a latent frame.
    """

    stage_widths: tuple[int, ...] = (96, 192, 384, 384)
    residual_blocks: int = 2
    temporal_downsampling: tuple[bool, ...] = (False, True, True)
    latent_channels: int = 16

    def __post_init__(self) -> None:
        if len(self.temporal_downsampling) != len(self.stage_widths) - 1:
            raise ValueError("temporal_downsampling needs one entry per step between stages")

    @classmethod
    def of_width(cls, base_width: int, latent_channels: int = 16) -> VaeConfig:
        """The published topology at another base width (multipliers 1, 2, 4, 4)."""
        return cls(
            stage_widths=(base_width, 2 * base_width, 4 * base_width, 4 * base_width), latent_channels=latent_channels
        )

    @property
    def spatial_stride(self) -> int:
        """Pixels per latent position along each side."""
        return int(2 ** len(self.temporal_downsampling))

    @property
    def temporal_stride(self) -> int:
        """Video frames per latent frame after the first."""
        return int(2 ** sum(self.temporal_downsampling))

    @classmethod
    def from_state_dict(cls, shapes: Mapping[str, Sequence[int]]) -> VaeConfig:
        """Read the sizes from parameter shapes.

        Args:
            shapes: parameter name (published names, spec 5.6) -> shape.

        Raises:
            UserError: ``VAE_WEIGHTS_INVALID`` when the names are not those of this VAE.
        """
        try:
            return cls._read(shapes)
        except (KeyError, ValueError, IndexError) as error:
            raise UserError(
                "VAE_WEIGHTS_INVALID",
                "The VAE weights cannot be used.",
                f"They are not laid out like Wan2.1_VAE: {error}.",
                "Point to an unmodified Wan2.1_VAE.pth or a VAE exported by this project.",
                field="checkpoint",
            ) from error

    @classmethod
    def _read(cls, shapes: Mapping[str, Sequence[int]]) -> VaeConfig:
        layers = sorted({int(m[1]) for name in shapes if (m := re.match(r"encoder\.downsamples\.(\d+)\.", name))})
        widths: list[int] = []
        counts: list[int] = [0]
        temporal: list[bool] = []
        width = int(shapes["encoder.conv1.weight"][0])
        for layer in layers:
            prefix = f"encoder.downsamples.{layer}"
            if f"{prefix}.resample.1.weight" in shapes:
                widths.append(width)
                counts.append(0)
                temporal.append(f"{prefix}.time_conv.weight" in shapes)
            else:
                width = int(shapes[f"{prefix}.residual.2.weight"][0])
                counts[-1] += 1
        widths.append(width)
        if len(set(counts)) != 1:
            raise ValueError(f"uneven residual blocks per stage {counts}")
        return cls(tuple(widths), counts[0], tuple(temporal), int(shapes["conv2.weight"][0]))
