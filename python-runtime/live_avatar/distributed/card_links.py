"""Edges between cards, with NCCL. Nothing here waits for a card; only streams wait for each other.

A transfer that waits for its other end spins on the card, and the passes there are slower for it. So a receive begins
when its message is wanted and not before: the one that spins is then the rank that has nothing better to do.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from live_avatar.distributed.links import EdgeSetting, Parcel
from live_avatar.distributed.parcels import ParcelLayout

_TIMEOUT = timedelta(hours=1)


def prepare_nccl() -> None:
    """Settings that NCCL and torch read when they are first used; what the user has set stays."""
    # The watch ends the team. By itself torch would end this process, which is the worker, without a word.
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
    os.environ.setdefault("TORCH_NCCL_ENABLE_MONITORING", "0")
    # A waiting transfer spins on as many processors of the card as it has channels, and each takes memory.
    os.environ.setdefault("NCCL_MAX_P2P_NCHANNELS", "4")


def card_group(store: Any, near: int) -> Any:
    """A group of two over ``store``, which both ends give the same prefix; ``near`` is 0 for the sender."""
    prepare_nccl()
    nccl: Any = torch.distributed.ProcessGroupNCCL
    options = nccl.Options()
    options._timeout = _TIMEOUT
    # Transfers go ahead of the work of the pass that is under way.
    options.is_high_priority_stream = True
    return nccl(store, near, 2, options)


def greet(group: Any, near: int, device: torch.device) -> None:
    """Send one byte, which makes the group's communicator: both ends must be here for that."""
    byte = _empty(1, device)
    transfer = group.send([byte], 1, 0) if near == 0 else group.recv([byte], 0, 0)
    transfer.wait()
    torch.cuda.current_stream(device).synchronize()


@dataclass(slots=True)
class _Place:
    """Memory of one message on the card, and the transfer that used it last."""

    buffer: Tensor
    transfer: Any = None


class CardSender:
    """The sending end of an edge between cards."""

    def __init__(self, group: Any, device: torch.device, setting: EdgeSetting) -> None:
        self._group = group
        self._device = device
        self._places = deque(_Place(_empty(0, device)) for _ in range(setting.places))

    def send(self, tensors: Sequence[Tensor]) -> None:
        """Copy the tensors and let them travel."""
        layout = ParcelLayout.of(tensors)
        place = self._places[0]
        self._places.rotate(-1)
        if place.transfer is not None:
            # The stream waits until what lies there has gone.
            place.transfer.wait()
        if place.buffer.numel() < layout.bytes:
            place.buffer = _empty(layout.bytes, self._device)
        for target, source in zip(layout.views(place.buffer), tensors, strict=True):
            target.copy_(source)
        place.transfer = self._group.send([place.buffer[: layout.bytes]], 1, 0)

    def close(self) -> None:
        """End the group's communicator."""
        _end(self._group)


class CardReceiver:
    """The receiving end of an edge between cards."""

    def __init__(self, group: Any, device: torch.device) -> None:
        self._group = group
        self._device = device
        self._free: list[Tensor] = []
        self._expected: deque[ParcelLayout] = deque()

    def expect(self, layout: ParcelLayout) -> None:
        """One more message is on its way."""
        self._expected.append(layout)

    def take(self) -> Parcel:
        """The next of the expected messages; the current stream waits for it."""
        layout = self._expected.popleft()
        buffer = self._free.pop() if self._free else _empty(0, self._device)
        if buffer.numel() < layout.bytes:
            buffer = _empty(layout.bytes, self._device)
        # It begins after what the current stream was given before: that may still read what is overwritten.
        self._group.recv([buffer[: layout.bytes]], 0, 0).wait()
        return Parcel(layout.views(buffer), lambda: self._free.append(buffer))

    def close(self) -> None:
        """End the group's communicator."""
        _end(self._group)


def _empty(size: int, device: torch.device) -> Tensor:
    return torch.empty(size, dtype=torch.uint8, device=device)


def _end(group: Any) -> None:
    # An orderly end would wait for the other side, which may be gone.
    group.abort()
