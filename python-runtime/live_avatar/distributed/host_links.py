"""Edges through the memory of processors, with gloo: between processors, and between cards without NCCL.

A thread at each end does the waiting, because gloo's own waits cannot be interrupted when another rank fails.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor

from live_avatar.distributed.links import EdgeSetting, Parcel, RankFailed
from live_avatar.distributed.parcels import ParcelLayout

# Failures are found by the watch, long before.
_TIMEOUT = timedelta(hours=1)
_MEETING_TIMEOUT = timedelta(seconds=120)
_LOOK_SECONDS = 0.2
_Item = TypeVar("_Item")
# Made directly, not as part of a default group: there may be several teams, one after the other.
_gloo: Any = torch.distributed.ProcessGroupGloo


def host_group(store: Any, near: int, *, loopback: bool) -> Any:
    """A group of two over ``store``, which both ends give the same prefix; ``near`` is 0 for the sender.

    Args:
        loopback: both ends are on this machine. Otherwise the interface is the one that this machine's name leads to,
            or ``GLOO_SOCKET_IFNAME``.
    """
    if not loopback:
        return _gloo(store, near, 2, timeout=_MEETING_TIMEOUT)
    options = _gloo._Options()
    options._devices = [_gloo.create_device(hostname="127.0.0.1")]
    options._timeout = _MEETING_TIMEOUT
    return _gloo(store, near, 2, options)


@dataclass(slots=True)
class _Place:
    """Memory of one message: on the processor, and for a card beside it; ``busy`` until the card has read or filled."""

    host: Tensor
    device: Tensor | None
    busy: torch.cuda.Event | None = None


class _Places:
    """A few places that grow to the largest message."""

    def __init__(self, count: int, device: torch.device, *, mirrored: bool) -> None:
        self._device = device
        self._mirrored = mirrored and device.type == "cuda"
        self._free: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(_Place(torch.empty(0, dtype=torch.uint8), None))

    def take(self, size: int, setting: EdgeSetting) -> _Place:
        place = _patiently(self._free, setting)
        if place.host.numel() < size:
            place.host = torch.empty(size, dtype=torch.uint8, pin_memory=self._device.type == "cuda")
            place.device = torch.empty(size, dtype=torch.uint8, device=self._device) if self._mirrored else None
        return place

    def give_back(self, place: _Place) -> None:
        self._free.put(place)


class HostSender:
    """The sending end of an edge through host memory."""

    def __init__(self, group: Any, device: torch.device, setting: EdgeSetting) -> None:
        self._group = group
        self._device = device
        self._setting = setting
        self._places = _Places(setting.places, device, mirrored=False)
        self._work: queue.SimpleQueue[tuple[_Place, int] | None] = queue.SimpleQueue()
        self._broken = threading.Event()
        threading.Thread(target=self._send_all, name="sender", daemon=True).start()

    def send(self, tensors: Sequence[Tensor]) -> None:
        """Copy the tensors and let them travel."""
        if self._broken.is_set():
            raise RankFailed
        layout = ParcelLayout.of(tensors)
        place = self._places.take(layout.bytes, self._setting)
        for target, source in zip(layout.views(place.host), tensors, strict=True):
            target.copy_(source, non_blocking=True)
        place.busy = None
        if self._device.type == "cuda":
            place.busy = torch.cuda.Event(blocking=True)
            place.busy.record(torch.cuda.current_stream(self._device))
        self._work.put((place, layout.bytes))

    def close(self) -> None:
        """End the thread."""
        self._work.put(None)

    def _send_all(self) -> None:
        while (work := self._work.get()) is not None:
            place, size = work
            try:
                if place.busy is not None:
                    place.busy.synchronize()
                self._group.send([place.host[:size]], 1, 0).wait(_TIMEOUT)
            except RuntimeError:
                # The other end is gone; the watch says why.
                self._broken.set()
                return
            self._places.give_back(place)


class HostReceiver:
    """The receiving end of an edge through host memory."""

    def __init__(self, group: Any, device: torch.device, setting: EdgeSetting) -> None:
        self._group = group
        self._device = device
        self._setting = setting
        self._places = _Places(setting.places, device, mirrored=True)
        self._expected: queue.SimpleQueue[ParcelLayout | None] = queue.SimpleQueue()
        self._arrived: queue.SimpleQueue[tuple[_Place, ParcelLayout] | None] = queue.SimpleQueue()
        threading.Thread(target=self._receive_all, name="receiver", daemon=True).start()

    def expect(self, layout: ParcelLayout) -> None:
        """One more message is on its way."""
        self._expected.put(layout)

    def take(self) -> Parcel:
        """The next of the expected messages."""
        arrived = _patiently(self._arrived, self._setting)
        if arrived is None:
            raise RankFailed
        place, layout = arrived
        buffer = place.host
        if place.device is not None:
            buffer = place.device
            buffer[: layout.bytes].copy_(place.host[: layout.bytes], non_blocking=True)
        return Parcel(layout.views(buffer), lambda: self._release(place))

    def close(self) -> None:
        """End the thread."""
        self._expected.put(None)

    def _release(self, place: _Place) -> None:
        if self._device.type == "cuda":
            place.busy = torch.cuda.Event(blocking=True)
            place.busy.record(torch.cuda.current_stream(self._device))
        self._places.give_back(place)

    def _receive_all(self) -> None:
        try:
            while (layout := self._expected.get()) is not None:
                place = self._places.take(layout.bytes, self._setting)
                if place.busy is not None:
                    place.busy.synchronize()
                    place.busy = None
                self._group.recv([place.host[: layout.bytes]], 0, 0).wait(_TIMEOUT)
                self._arrived.put((place, layout))
        except (RuntimeError, RankFailed):
            # The other end is gone; the watch says why.
            self._arrived.put(None)


def _patiently(waiting: queue.SimpleQueue[_Item], setting: EdgeSetting) -> _Item:
    while True:
        try:
            return waiting.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            if setting.failed():
                raise RankFailed from None
