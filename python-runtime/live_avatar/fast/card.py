"""Looks at a card for the planner, and keeps this process within a share of it."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import psutil
import torch

from live_avatar.fast.attention import available_attention
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.task import Card
from live_avatar.footprint import CUDA_CONTEXT_BYTES
from live_avatar.machine import Machine

_LINK_BYTES = 64 * 2**20
_LINK_COPIES = 3
_LINK_ROUNDS = 12


def apply_memory_limit(device: torch.device, limit: int | None) -> None:
    """Make torch refuse to take more of the card than ``limit`` less what CUDA itself takes; ``None`` lifts it."""
    if device.type != "cuda":
        return
    total = torch.cuda.get_device_properties(device).total_memory
    share = 1.0 if limit is None else min(1.0, (limit - CUDA_CONTEXT_BYTES) / total)
    torch.cuda.set_per_process_memory_fraction(share, device)


def usable_bytes(device: torch.device, limit: int | None) -> int:
    """Bytes that torch's allocator of this process can have in all: what it has, and what is free within the limit."""
    free, _ = torch.cuda.mem_get_info(device)
    usable = free + torch.cuda.memory_reserved(device)
    return usable if limit is None else min(usable, limit - CUDA_CONTEXT_BYTES)


def detect_card(device: torch.device, limit: int | None = None, *, measure_link: bool = False) -> Card:
    """The card as the planner wants it.

    Args:
        limit: see :func:`memory_limit`.
        measure_link: time a few copies instead of looking the link's speed up; takes about 0.1 s.
    """
    properties = torch.cuda.get_device_properties(device)
    capability = (properties.major, properties.minor)
    rates = rates_of(properties.name, capability, properties.multi_processor_count)
    if measure_link:
        rates = rates.with_link(link_rate(device))
    names = available_attention(device)
    return Card(
        name=properties.name,
        capability=capability,
        free=usable_bytes(device, limit),
        host_free=int(psutil.virtual_memory().available),
        rates=rates,
        float8_attention=any("float8" in name and not name.startswith("sdpa") for name in names),
    )


def card_of_machine(machine: Machine, limit: int | None = None) -> Card:
    """The card of a machine that was looked at already, with the memory that is free there."""
    free = machine.memory_available
    card = detect_card(torch.device(machine.device), limit)
    return replace(card, free=free if limit is None else min(free, limit - CUDA_CONTEXT_BYTES))


def link_rate(device: torch.device) -> float:
    """Bytes a second from pinned host memory to the card; the best of some rounds: an idle link wakes up slowly."""
    source = torch.empty(_LINK_BYTES, dtype=torch.uint8, pin_memory=True)
    target = torch.empty_like(source, device=device, pin_memory=False)
    best = math.inf
    for _ in range(_LINK_ROUNDS):
        torch.cuda.synchronize(device)
        started = time.perf_counter()
        for _ in range(_LINK_COPIES):
            target.copy_(source, non_blocking=True)
        torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return _LINK_COPIES * _LINK_BYTES / best
