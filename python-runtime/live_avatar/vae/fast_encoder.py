"""The encoder with its norms in one kernel each: on a card they take longer than the convolutions between them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from live_avatar.numerics import current_card
from live_avatar.vae.fast_rows import PlainRows, Rows, Step, Unfinished
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.model import VideoVae
from live_avatar.vae.norm import RmsNorm
from live_avatar.vae.timeline import CONTEXT


def speed_up_encoder(vae: VideoVae) -> None:
    """Fuse the encoder's norms if that is faster where ``vae`` is; without Triton it is not."""
    from live_avatar.vae.fast_decoder import make_rows

    rows = make_rows(FastSettings(), vae.conv2.weight.device, lambda text: None)
    if not isinstance(rows, PlainRows):
        fuse_encoder_norms(vae, rows)


def fuse_encoder_norms(vae: VideoVae, rows: Rows) -> None:
    """Let ``rows`` do what stands between the encoder's convolutions, from here on."""
    for module in vae.encoder.modules():
        if isinstance(module, RmsNorm):
            module.fused = FusedNorm(module.gamma.detach().float().flatten().contiguous(), rows)


@dataclass(frozen=True, slots=True)
class FusedNorm:
    """:meth:`RmsNorm.silu_after` of one video: context and result written where the convolution reads them.

    Attributes:
        gamma: float32 [C].
    """

    gamma: Tensor
    rows: Rows

    def __call__(self, before: Tensor, x: Tensor) -> Tensor:
        """``before`` [1,C,2 or 0,H,W], then ``silu(norm(x))``; [1,C,n,H,W], channels last."""
        with current_card(x.device):
            return self._joined(before, x)

    def _joined(self, before: Tensor, x: Tensor) -> Tensor:
        step = Step(gamma=self.gamma, silu=True, target="rows")
        if before.shape[2] == CONTEXT:
            # A copy, because the operation leaves the next context in its place.
            context = _rows_of(before.to(x.dtype)).clone()
            step = Step(gamma=self.gamma, silu=True, target="stacked", cache=context)
        target = self.rows.finish(Unfinished(_rows_of(x)), step).target
        assert target is not None
        # In this order: strides of the other one are not what convolutions take for channels last.
        return target.unsqueeze(0).permute(0, 4, 1, 2, 3)


def _rows_of(video: Tensor) -> Tensor:
    """[1,C,T,H,W] as [T,H,W,C], contiguous: a view if the channels lie innermost."""
    return video[0].permute(1, 2, 3, 0).contiguous()
