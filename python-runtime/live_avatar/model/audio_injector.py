"""Audio injection after selected transformer blocks (spec sections 3.4 and 10)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK
from live_avatar.model.layers import AttentionProjections, KeyValue, layer_norm, modulate

# Every other norm of the model uses 1e-6 (spec 0.11).
ADAPTIVE_EPS = 1e-5


@dataclass(slots=True)
class InjectedAudio:
    """What one injector needs of one block's audio; the same at every denoising step.

    Attributes:
        memory: keys and values [actors * 3, tokens + 1, heads, head_dim].
        shift, scale: [actors * 3, 1, D] float32.
    """

    memory: KeyValue
    shift: Tensor
    scale: Tensor


def adaptive_norm(hidden: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm of [..., D] with the injector's own epsilon, then shift and scale; float32."""
    return modulate(layer_norm(hidden.float(), ADAPTIVE_EPS), shift, scale)


class _AdaptiveNorm(nn.Module):
    """Layer norm whose shift and scale (in this order) come from the global audio token."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2 * dim)

    def forward(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 1, D] -> (shift, scale), each [B, 1, D] float32."""
        shift, scale = self.linear(functional.silu(condition)).float().chunk(2, dim=-1)
        return shift, scale


class AudioInjector(nn.Module):
    """One adaptive norm and one cross attention per injected block."""

    def __init__(self, count: int, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.injector = nn.ModuleList(AttentionProjections(dim, heads, eps) for _ in range(count))
        self.injector_adain_layers = nn.ModuleList(_AdaptiveNorm(dim) for _ in range(count))

    def prepare(self, index: int, local: Tensor, whole: Tensor) -> InjectedAudio:
        """Keys, values, shift and scale of injector ``index``.

        Args:
            local: [actors, 3, tokens + 1, D]; whole: [actors, 3, 1, D], in the compute dtype.
        """
        shift, scale = self.modulation(index, whole.flatten(0, 1))
        return InjectedAudio(self.projections(index).key_value(local.flatten(0, 1)), shift, scale)

    def projections(self, index: int) -> AttentionProjections:
        """The cross attention of injector ``index``."""
        projections = self.injector[index]
        assert isinstance(projections, AttentionProjections)
        return projections

    def modulation(self, index: int, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale [B, 1, D] float32 that injector ``index`` makes from global audio tokens [B, 1, D]."""
        shift, scale = self.injector_adain_layers[index](whole)
        return shift, scale

    def forward(self, index: int, hidden: Tensor, audio: InjectedAudio, routing: Tensor | None) -> Tensor:
        """Add the audio residual of injector ``index``.

        Args:
            hidden: [B, 3N, D].
            audio: prepared for ``actors`` speakers (batch rows share it), or for B samples of one speaker each.
            routing: [actors, 3N, 1] weight of each speaker's residual, or None for one speaker.

        Returns:
            [B, 3N, D] in the dtype of ``hidden``.
        """
        batch, tokens, _ = hidden.shape
        per_frame = hidden.unflatten(1, (LATENT_FRAMES_PER_BLOCK, -1)).flatten(0, 1)
        groups = audio.shift.shape[0] // LATENT_FRAMES_PER_BLOCK
        speakers = routing is not None or groups != batch
        if speakers:
            # Several speakers act on one sample: each sees the same hidden states.
            if batch != 1:
                raise ValueError(f"audio for {groups} speakers cannot be shared by a batch of {batch}")
            per_frame = per_frame.repeat(groups, 1, 1)
        normed = adaptive_norm(per_frame, audio.shift, audio.scale).to(hidden.dtype)
        residual: Tensor = self.projections(index).cross(normed, audio.memory)
        residual = residual.unflatten(0, (groups, LATENT_FRAMES_PER_BLOCK)).flatten(1, 2)
        if speakers:
            weights = torch.ones(groups, tokens, 1, device=hidden.device) if routing is None else routing
            residual = (residual * weights.to(residual.dtype)).sum(0, keepdim=True)
        return hidden + residual
