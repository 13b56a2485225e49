"""One process of the self-test: moves known data to every other rank and back, and measures how fast.

``python -m live_avatar.distributed.probe RANK RANKS ADDRESS PORT TRANSPORT DEVICE``; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from torch import Tensor

from live_avatar.distributed.stores import named_part, reach_store

_SMALL = 1 << 12
# A hidden state at 704 x 384.
_LARGE = 32 << 20
_REPEATS = 5
# A prime, so that a piece out of its place is noticed.
_PERIOD = 251


def pattern(size: int, source: int, target: int, device: torch.device) -> Tensor:
    """Bytes that no other pair sends: uint8 [size]."""
    run = torch.arange(_PERIOD, device=device).add(source * 17 + target * 5).remainder(256).to(torch.uint8)
    return run.repeat(-(-size // _PERIOD))[:size]


def main(arguments: list[str]) -> None:
    """Run with the arguments named above."""
    rank, ranks = int(arguments[0]), int(arguments[1])
    address, port, transport = arguments[2], int(arguments[3]), arguments[4]
    device = torch.device(arguments[5])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store = reach_store(address, port)
    # In one order on all ranks, so that every meeting has both sides at hand.
    groups = {}
    for source in range(ranks):
        for target in range(ranks):
            if rank in (source, target) and source != target:
                near = 0 if rank == source else 1
                groups[source, target] = _open(transport, named_part(store, f"{source} {target}"), near, device)
    wrong: list[list[int]] = []
    edges: list[list[float]] = []
    for (source, target), group in groups.items():
        for size in (_SMALL, _LARGE):
            if not _move(group, size, source, target, rank, device, transport):
                wrong.append([source, target])
        seconds = _measure(group, source, target, rank, device, transport)
        if rank == target:
            edges.append([source, target, _LARGE / seconds])
    print(json.dumps({"rank": rank, "wrong": wrong, "edges": edges}), flush=True)
    # A group's orderly end waits for the other side.
    store.set(f"done {rank}", "yes")
    for other in range(ranks):
        store.get(f"done {other}")


def _open(transport: str, store: Any, near: int, device: torch.device) -> Any:
    if transport == "card":
        from live_avatar.distributed.card_links import card_group, greet

        group = card_group(store, near)
        greet(group, near, device)
        return group
    from live_avatar.distributed.host_links import host_group

    return host_group(store, near, loopback=True)


def _move(group: Any, size: int, source: int, target: int, rank: int, device: torch.device, transport: str) -> bool:
    """Send or receive the pattern of an edge; false if other bytes came."""
    wanted = pattern(size, source, target, device)
    if rank == source:
        _transfer(group, wanted, near=0, transport=transport)
        return True
    found = torch.zeros_like(wanted)
    found.copy_(_transfer(group, found, near=1, transport=transport))
    return torch.equal(found, wanted)


def _measure(group: Any, source: int, target: int, rank: int, device: torch.device, transport: str) -> float:
    """Seconds that a large message takes."""
    buffer = torch.zeros(_LARGE, dtype=torch.uint8, device=device)
    near = 0 if rank == source else 1
    # Until the other side is here as well.
    _transfer(group, buffer, near=near, transport=transport)
    started = time.perf_counter()
    for _ in range(_REPEATS):
        _transfer(group, buffer, near=near, transport=transport)
    return (time.perf_counter() - started) / _REPEATS


def _transfer(group: Any, tensor: Tensor, near: int, transport: str) -> Tensor:
    """Move one message and wait for it; the tensor that lies at this end."""
    end = tensor
    if transport == "host" and tensor.device.type == "cuda":
        end = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        if near == 0:
            end.copy_(tensor)
    work = group.send([end], 1, 0) if near == 0 else group.recv([end], 0, 0)
    work.wait()
    if end is not tensor and near == 1:
        tensor.copy_(end)
    if tensor.device.type == "cuda":
        torch.cuda.synchronize(tensor.device)
    return tensor


if __name__ == "__main__":
    main(sys.argv[1:])
