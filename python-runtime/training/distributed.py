"""Data-parallel training on whatever GPUs there are: one process a GPU, gradients averaged, nothing else shared."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as distributed
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Workers:
    """This process among its equals."""

    rank: int
    count: int
    device: torch.device

    @classmethod
    def start(cls, device: str = "auto") -> Workers:
        """Join the group that ``torchrun`` made, or be the only process."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        rank = int(os.environ.get("RANK", "0"))
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        place = torch.device(device, rank if device == "cuda" else 0) if device == "cuda" else torch.device(device)
        if place.type == "cuda":
            torch.cuda.set_device(place)
        if count > 1:
            distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
        return cls(rank, count, place)

    @property
    def first(self) -> bool:
        """Whether this process reports and saves."""
        return self.rank == 0

    def say(self, text: str) -> None:
        """Print from the first process only."""
        if self.first:
            print(text, flush=True)

    def share_parameters(self, module: nn.Module) -> None:
        """Give every process the first one's parameters and buffers."""
        if self.count > 1:
            for tensor in [*module.parameters(), *module.buffers()]:
                distributed.broadcast(tensor.data, 0)

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace gradients by their mean over all processes, in one message."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.count == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        offset = 0
        for gradient in gradients:
            gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
            offset += gradient.numel()

    def agree(self, value: float) -> float:
        """The first process's value, everywhere (for clocks that decide when to stop)."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a tensor over all processes."""
        if self.count > 1:
            values = values.clone()
            distributed.all_reduce(values)
            values /= self.count
        return values

    def finish(self) -> None:
        """Leave the group."""
        if self.count > 1:
            distributed.destroy_process_group()
