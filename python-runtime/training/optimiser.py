"""Muon for matrices, AdamW for the rest, an averaged copy of the weights, and a schedule driven by the clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

# Quintic Newton-Schulz coefficients: fast to near-orthogonal, exact enough after five rounds.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Approximately replace the singular values of [n, rows, columns] matrices by one."""
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x.bfloat16() if matrices.is_cuda else x.float()
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(rounds):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    orthogonal: Tensor = (x.transpose(1, 2) if tall else x).float()
    return orthogonal


class Muon:
    """Momentum whose update is orthogonalised; same-shaped matrices go through in one batch.

    Convolution kernels are taken as [out, in * taps]. The update's RMS matches AdamW's: one learning rate serves both.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        self.parameters = list(parameters)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self._groups: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
        for parameter in self.parameters:
            rows = parameter.shape[0]
            self._groups[rows, parameter.numel() // rows].append(parameter)
        self._moments = {
            shape: torch.zeros(len(group), *shape, device=group[0].device) for shape, group in self._groups.items()
        }

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update all parameters that have a gradient."""
        for (rows, columns), group in self._groups.items():
            gradients = torch.stack([_gradient(parameter).reshape(rows, columns) for parameter in group])
            moment = self._moments[rows, columns]
            moment.lerp_(gradients, 1 - self.momentum)
            update = orthogonalise(gradients.lerp(moment, self.momentum)) * (0.2 * max(rows, columns) ** 0.5)
            for parameter, change in zip(group, update, strict=True):
                parameter.mul_(1 - rate * self.weight_decay).add_(change.view_as(parameter), alpha=-rate)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.contiguous()


class AveragedWeights:
    """Exponential moving average of a module's parameters; used for export and evaluation."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages towards the parameters, faster at the start."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        live: list[Tensor] = [parameter.data for parameter in self.parameters]
        torch._foreach_lerp_(self.averages, live, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange averages and parameters; call again to undo."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            kept = parameter.data.clone()
            parameter.data.copy_(average)
            average.copy_(kept)


class Trainer:
    """Muon and AdamW over one module, with warm-up, a flat part and a linear fall to 2 % by progress in [0, 1].

    Args:
        module: its trainable parameters are optimised.
        rate: peak learning rate.
        muon: names of parameters (2-D or more) for which this is true use Muon.
    """

    def __init__(
        self, module: nn.Module, rate: float, muon: set[str], clip: float, average: float = 0.995, warm_up: int = 100
    ) -> None:
        named = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
        self.parameters = list(named.values())
        self.rate = rate
        self.clip = clip
        self.warm_up = warm_up
        self.steps = 0
        self._muon = Muon([parameter for name, parameter in named.items() if name in muon])
        self._adam = torch.optim.AdamW(
            [parameter for name, parameter in named.items() if name not in muon],
            lr=rate,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=self.parameters[0].is_cuda,
        )
        self.average = AveragedWeights(module, average)

    def step(self, progress: float) -> float:
        """Clip, update and clear the gradients; returns the gradient norm."""
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.clip)) if self.steps % 50 == 0 else self._clip()
        self.steps += 1
        fall = min(1.0, max(0.02, (1 - progress) / 0.7))
        rate = self.rate * fall * min(1.0, self.steps / self.warm_up)
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._muon.step(rate)
        self._adam.zero_grad(set_to_none=True)
        for parameter in self._muon.parameters:
            parameter.grad = None
        self.average.update()
        return norm

    def _clip(self) -> float:
        # Without reading the norm back, which would wait for the device.
        nn.utils.clip_grad_norm_(self.parameters, self.clip, foreach=True)
        return 0.0
