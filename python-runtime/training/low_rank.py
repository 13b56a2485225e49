"""LoRA factors on the published target modules, trained beside frozen weights and saved in the published key form."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from live_avatar.checkpoint.lora import lora_targets
from live_avatar.model.transformer import CausalAvatarTransformer

# alpha / rank of the published file.
SCALE = 0.5


class LowRankLinear(nn.Module):
    """A frozen linear layer plus ``SCALE`` * B A."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(
            torch.randn(rank, base.in_features, device=base.weight.device) / math.sqrt(base.in_features)
        )
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device))

    def forward(self, states: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        change = nn.functional.linear(nn.functional.linear(states, self.down), self.up)
        output: Tensor = self.base(states) + SCALE * change
        return output


def add_low_rank(model: CausalAvatarTransformer, rank: int) -> dict[str, LowRankLinear]:
    """Freeze ``model`` and put factors on every LoRA target."""
    model.requires_grad_(False)
    added = {}
    for name in lora_targets(model.config):
        parent_name, _, leaf = name.rpartition(".")
        parent = model.get_submodule(parent_name)
        base = parent.get_submodule(leaf)
        assert isinstance(base, nn.Linear)
        added[name] = LowRankLinear(base, rank)
        _replace(parent, leaf, added[name])
    return added


def remove_low_rank(model: CausalAvatarTransformer, added: dict[str, LowRankLinear], merge: bool) -> None:
    """Put the plain layers back, with the factors merged or without them."""
    for name, layer in added.items():
        parent_name, _, leaf = name.rpartition(".")
        parent = model.get_submodule(parent_name)
        if merge:
            layer.base.weight.data += SCALE * (layer.up.data @ layer.down.data)
        _replace(parent, leaf, layer.base)


def _replace(parent: nn.Module, leaf: str, layer: nn.Module) -> None:
    if isinstance(parent, nn.Sequential):
        parent[int(leaf)] = layer
    else:
        setattr(parent, leaf, layer)


def save_low_rank(added: dict[str, LowRankLinear], path: Path) -> None:
    """Write ``<module>.lora_A.default.weight`` and ``.lora_B.default.weight`` in bfloat16."""
    tensors = {}
    for name, layer in added.items():
        tensors[f"{name}.lora_A.default.weight"] = layer.down.detach().bfloat16().cpu().contiguous()
        tensors[f"{name}.lora_B.default.weight"] = layer.up.detach().bfloat16().cpu().contiguous()
    save_file(tensors, path)
