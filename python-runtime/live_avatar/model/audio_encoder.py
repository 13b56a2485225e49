"""Causal audio encoder (spec section 3.3): 12 feature columns of one block -> tokens for its 3 latent frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from live_avatar.model.layers import Fp32Linear, layer_norm

# The three convolutions reach 5 columns to the left of a block; the published 73 replicas give the same numbers.
LEFT_REPLICAS = 5
_EPS = 1e-6


@dataclass(slots=True)
class AudioTokens:
    """One block's sound as the injectors take it, in the compute dtype.

    Attributes:
        local: [actors, 3, tokens + 1, D]; whole: [actors, 3, 1, D].
    """

    local: Tensor
    whole: Tensor


class _ValidConv(nn.Module):
    """A stride-``stride`` convolution of width 3 without padding, in float32."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, 3, stride=stride)

    def forward(self, states: Tensor) -> Tensor:
        """[B, T, channels_in] -> [B, T', channels_out] float32."""
        bias = None if self.conv.bias is None else self.conv.bias.float()
        # As one product of a few rows: twice as fast as a convolution of so few columns.
        windows = states.unfold(1, *self.conv.kernel_size, *self.conv.stride)
        return functional.linear(windows.flatten(2), self.conv.weight.float().flatten(1), bias)


class _AudioConvolutions(nn.Module):
    """Local tokens (one per audio token and latent frame) and one global token per latent frame."""

    def __init__(self, audio_dim: int, dim: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.conv1_local = _ValidConv(audio_dim, dim // 4 * tokens, 1)
        self.conv1_global = _ValidConv(audio_dim, dim // 4, 1)
        self.conv2 = _ValidConv(dim // 4, dim // 2, 2)
        self.conv3 = _ValidConv(dim // 2, dim, 2)
        self.final_linear = Fp32Linear(dim, dim)
        self.padding_tokens = nn.Parameter(torch.zeros(1, 1, 1, dim))

    def _deepen(self, states: Tensor) -> Tensor:
        states = functional.silu(layer_norm(states, _EPS))
        states = functional.silu(layer_norm(self.conv2(states), _EPS))
        return functional.silu(layer_norm(self.conv3(states), _EPS))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[actors, T, A] -> local [actors, T', tokens + 1, D] and global [actors, T', 1, D], float32."""
        actors = features.shape[0]
        split = self.conv1_local(features).unflatten(-1, (self.tokens, -1)).transpose(1, 2).flatten(0, 1)
        # All through the other layers at once, whose weights are widened for it each time.
        deep = self._deepen(torch.cat([split, self.conv1_global(features)]))
        local = deep[:-actors].unflatten(0, (actors, self.tokens)).transpose(1, 2)
        padding = self.padding_tokens.float().expand(actors, local.shape[1], 1, -1)
        whole: Tensor = self.final_linear(deep[-actors:])
        return torch.cat([local, padding], dim=2), whole.unsqueeze(2)


class CausalAudioEncoder(nn.Module):
    """Weighted mix of the speech encoder's hidden states, then the causal convolutions.

    Each block is encoded in isolation: its first column stands for everything before it (spec 0.8).
    """

    def __init__(self, audio_layers: int, audio_dim: int, dim: int, tokens: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((1, audio_layers, 1, 1), 0.01))
        self.encoder = _AudioConvolutions(audio_dim, dim, tokens)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Encode blocks.

        Args:
            features: [actors, layers, A, 12] speech features, one column per video frame.

        Returns:
            local [actors, 3, tokens + 1, D] and global [actors, 3, 1, D], float32.
        """
        weights = functional.silu(self.weights.float())
        mixed = (features.float() * weights).sum(1) / weights.sum()
        left = mixed[..., :1].expand(-1, -1, LEFT_REPLICAS)
        local, whole = self.encoder(torch.cat([left, mixed], dim=-1).transpose(1, 2))
        return local, whole
