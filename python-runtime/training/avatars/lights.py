"""Lights a prompt can ask for, as one gain and one lift per pixel: out = (rgb mixed with its grey) * gain + lift."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from training.avatars.labels import LIGHTS
from training.avatars.layers import HEIGHT, WIDTH

# How much of each light takes the colour out of the scene.
GREYING: Final = (0.0, 0.10, 0.30, 0.0)


def light_fields(scale: float, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Gain [4, 3, H, W], lift [4, 3, H, W] and greying [4] of the lights in the order of ``LIGHTS``."""
    rows, columns = round(HEIGHT * scale), round(WIDTH * scale)
    x = ((torch.arange(columns, device=device, dtype=torch.float32) + 0.5) / columns * 2 - 1).expand(rows, columns)
    y = ((torch.arange(rows, device=device, dtype=torch.float32) + 0.5) / rows * 2 - 1)[:, None].expand(rows, columns)

    def tint(red: float, green: float, blue: float) -> Tensor:
        return torch.tensor([red, green, blue], device=device)[:, None, None]

    one = torch.ones(3, rows, columns, device=device)
    edge = ((x**2 * 0.9 + (y * 0.8) ** 2).sqrt() - 0.45).clamp(0, 1)
    white = 0.12 + 0.70 * (edge * edge * (3 - 2 * edge))
    gains = {
        "day": one,
        "evening": tint(1.0, 0.75, 0.50) * (0.93 + 0.12 * x - 0.04 * y),
        "night": tint(0.44, 0.52, 0.74) * (0.97 - 0.15 * x - 0.05 * y),
        "studio": one * (1 - white),
    }
    lifts = {
        "day": 0 * one,
        "evening": tint(0.03, 0.005, 0.0) * one,
        "night": tint(0.02, 0.04, 0.10) * one,
        "studio": one * white,
    }
    return (
        torch.stack([gains[name] for name in LIGHTS]),
        torch.stack([lifts[name] for name in LIGHTS]),
        torch.tensor(GREYING, device=device),
    )


def apply_light(frames: Tensor, weights: Tensor, fields: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Light frames [T, 3, H, W] in [0, 1] with weights [T, 4]."""
    gain, lift, greying = fields
    weights = weights.to(frames)
    if bool((weights == weights[:1]).all()):
        weights = weights[:1]
    grey = (weights @ greying)[:, None, None, None]
    luma = (frames * frames.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    mixed_gain = torch.einsum("tl,lchw->tchw", weights, gain)
    mixed_lift = torch.einsum("tl,lchw->tchw", weights, lift)
    return ((frames + (luma - frames) * grey) * mixed_gain + mixed_lift).clamp_(0.0, 1.0)
