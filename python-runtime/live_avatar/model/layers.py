"""Norms, attention and projections shared by every part of the transformer (spec sections 2.4 and 2.8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


def layer_norm(states: Tensor, eps: float) -> Tensor:
    """Layer norm without affine part over the last axis, computed in float32 and rounded to the input's dtype."""
    return functional.layer_norm(states.float(), states.shape[-1:], eps=eps).to(states.dtype)


def modulate(states: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """``states * (1 + scale) + shift`` in float32."""
    return torch.addcmul(shift, states.float(), 1 + scale)


class RmsNorm(nn.Module):
    """RMS norm over the full width, all heads jointly: normalise in float32, cast, then multiply by the weight."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, states: Tensor) -> Tensor:
        """Normalise [..., D] and return it in the input's dtype."""
        wide = states.float()
        normed = (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)).to(states.dtype)
        return normed * self.weight.to(states.dtype)


class Fp32Linear(nn.Linear):
    """A linear layer whose product is always formed in float32, whatever its weights are stored in."""

    def forward(self, states: Tensor) -> Tensor:
        """[..., in] of any dtype -> [..., out] float32."""
        bias = None if self.bias is None else self.bias.float()
        return functional.linear(states.float(), self.weight.float(), bias)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention over all given keys, scale 1/sqrt(head_dim), no mask.

    Args:
        query: [B, Tq, heads, head_dim]; key, value: [B, Tk, heads, head_dim].

    Returns:
        [B, Tq, heads * head_dim].
    """
    query, key, value = (states.transpose(1, 2) for states in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


@dataclass(slots=True)
class KeyValue:
    """Keys and values ready for attention, each [B, tokens, heads, head_dim]."""

    key: Tensor
    value: Tensor


class AttentionProjections(nn.Module):
    """The q, k, v, o projections and the q, k norms; what is attended to is the caller's choice."""

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)
        self.norm_q = RmsNorm(dim, eps)
        self.norm_k = RmsNorm(dim, eps)

    def query(self, states: Tensor) -> Tensor:
        """[B, T, D] -> normed queries [B, T, heads, head_dim]."""
        query: Tensor = self.norm_q(self.q(states)).unflatten(-1, (self.heads, -1))
        return query

    def key_value(self, states: Tensor) -> KeyValue:
        """[B, T, D] -> normed, unrotated keys and values [B, T, heads, head_dim]."""
        key, value = self.norm_k(self.k(states)), self.v(states)
        return KeyValue(key.unflatten(-1, (self.heads, -1)), value.unflatten(-1, (self.heads, -1)))

    def cross(self, states: Tensor, memory: KeyValue) -> Tensor:
        """Attend from [B, T, D] to prepared keys and values, which may have batch 1; returns the output projection."""
        batch = states.shape[0]
        key, value = (part.expand(batch, -1, -1, -1) for part in (memory.key, memory.value))
        projected: Tensor = self.o(attention(self.query(states), key, value))
        return projected
