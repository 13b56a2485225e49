"""RMS norm and SiLU in one GPU pass for VAE training; half of a training step was spent on these elementwise passes."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from live_avatar.vae.norm import RmsNorm

_ROWS = 128


@triton.jit  # type: ignore[untyped-decorator]
def _forward(x_ptr, gamma_ptr, y_ptr, rows, channels: tl.constexpr, width: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0) * block + tl.arange(0, block)
    column = tl.arange(0, width)
    inside = (row < rows)[:, None] & (column < channels)[None, :]
    offset = row.to(tl.int64)[:, None] * channels + column[None, :]
    x = tl.load(x_ptr + offset, mask=inside, other=0.0).to(tl.float32)
    gamma = tl.load(gamma_ptr + column, mask=column < channels, other=0.0).to(tl.float32)
    inverse = 1.0 / tl.maximum(tl.sqrt(tl.sum(x * x, axis=1) / channels), 1e-12)
    u = x * inverse[:, None] * gamma[None, :]
    tl.store(y_ptr + offset, u / (1.0 + tl.exp(-u)), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _backward(  # type: ignore[no-untyped-def]
    x_ptr,
    gamma_ptr,
    grad_ptr,
    out_ptr,
    sums_ptr,
    rows,
    channels: tl.constexpr,
    width: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0) * block + tl.arange(0, block)
    column = tl.arange(0, width)
    inside = (row < rows)[:, None] & (column < channels)[None, :]
    offset = row.to(tl.int64)[:, None] * channels + column[None, :]
    x = tl.load(x_ptr + offset, mask=inside, other=0.0).to(tl.float32)
    grad = tl.load(grad_ptr + offset, mask=inside, other=0.0).to(tl.float32)
    gamma = tl.load(gamma_ptr + column, mask=column < channels, other=0.0).to(tl.float32)
    inverse = 1.0 / tl.maximum(tl.sqrt(tl.sum(x * x, axis=1) / channels), 1e-12)
    normed = x * inverse[:, None]
    u = normed * gamma[None, :]
    sigmoid = 1.0 / (1.0 + tl.exp(-u))
    grad_u = grad * sigmoid * (1.0 + u * (1.0 - sigmoid))
    tl.atomic_add(sums_ptr + column, tl.sum(grad_u * normed, axis=0), mask=column < channels)
    grad_normed = grad_u * gamma[None, :]
    shared = tl.sum(grad_normed * normed, axis=1) / channels
    tl.store(out_ptr + offset, (grad_normed - normed * shared[:, None]) * inverse[:, None], mask=inside)


class _NormSilu(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, gamma: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last_3d)
        y = torch.empty_like(x)
        context.save_for_backward(x, gamma)
        _launch(_forward, x, gamma, y)
        return y

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        x, gamma = context.saved_tensors
        grad = gradients[0].to(x.dtype).contiguous(memory_format=torch.channels_last_3d)
        out = torch.empty_like(x)
        sums = torch.zeros(x.shape[1], dtype=torch.float32, device=x.device)
        _launch(_backward, x, gamma, grad, out, sums)
        return out, sums.view_as(gamma).to(gamma.dtype)


def _launch(kernel: Any, x: Tensor, *others: Tensor) -> None:
    channels = x.shape[1]
    rows = x.numel() // channels
    width = triton.next_power_of_2(channels)
    kernel[(triton.cdiv(rows, _ROWS),)](x, *others, rows, channels=channels, width=width, block=_ROWS, num_warps=8)


def norm_silu(x: Tensor, gamma: Tensor) -> Tensor:
    """silu(x / rms(x) * gamma) over channels of [B, C, T, H, W] bfloat16, channels last."""
    result: Tensor = _NormSilu.apply(x, gamma)  # type: ignore[no-untyped-call]
    return result


def use_fused_norm() -> None:
    """Make every VAE norm of this process use the fused pass. Call only on CUDA, under bfloat16 autocast.

    Raises:
        RuntimeError: when the kernel does not agree with the plain formula on this machine.
    """
    norm = RmsNorm(48, 3).cuda()
    torch.nn.init.uniform_(norm.gamma, 0.5, 1.5)
    x = torch.randn(2, 48, 3, 24, 40, device="cuda", dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last_3d)

    def plain(states: Tensor) -> Tensor:
        return torch.nn.functional.silu(norm(states.float()))

    def fused(states: Tensor) -> Tensor:
        return norm_silu(states, norm.gamma)

    results = []
    for function in (plain, fused):
        leaf = x.clone().requires_grad_()
        norm.zero_grad()
        y = function(leaf)
        (y.float() * torch.linspace(-1, 1, y.numel(), device="cuda").view_as(y)).sum().backward()
        assert leaf.grad is not None
        assert norm.gamma.grad is not None
        results.append((y.float(), leaf.grad.float(), norm.gamma.grad.clone()))
    for wanted, found in zip(*results, strict=True):
        error = float((wanted - found).norm() / wanted.norm())
        if not error < 0.01:
            raise RuntimeError(f"the fused norm differs from the plain one by {error:.3f}")

    def silu_after(self: RmsNorm, before: Tensor, x: Tensor) -> Tensor:
        y = norm_silu(x.to(torch.bfloat16), self.gamma)
        return torch.cat([before.to(y.dtype), y], dim=2)

    RmsNorm.silu_after = silu_after  # type: ignore[method-assign]
