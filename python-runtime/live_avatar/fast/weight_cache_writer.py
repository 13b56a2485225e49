"""Writes prepared weights to the cache while the next ones are prepared."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from live_avatar.errors import UserError
from live_avatar.fast.flat_layer import FlatLayout, content_sum
from live_avatar.fast.weight_cache import CachedGroup, CacheEntry
from live_avatar.fast.weight_cache_file import write_flat_file

_THREADS = 2
# Groups that wait for the disk; each holds up to a layer in host memory.
_WAITING = 3


class CacheWriter:
    """Takes group after group. A disk that cannot take them ends the writing, never the loading. Use it with ``with``.

    Attributes:
        fault: why nothing is written any more, or ``None``.
    """

    def __init__(self, entry: CacheEntry) -> None:
        self.fault: str | None = None
        self._entry = entry
        self._pool = ThreadPoolExecutor(_THREADS, "weight-cache")
        self._room = Semaphore(_WAITING)
        self._writing: list[Future[CachedGroup | None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        groups = [future.result() for future in self._writing] if error is None else []
        written = [group for group in groups if group is not None]
        if error is None and self.fault is None:
            try:
                self._entry.complete(written)
            except (OSError, UserError) as disk:
                self.fault = _reason(disk)
        if error is not None or self.fault is not None:
            self._entry.discard()

    def add(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Write a group of tensors, which may be on the card; they are copied before this returns."""
        if self.fault is None:
            layout = FlatLayout.of(tensors)
            buffer = torch.empty(layout.bytes, dtype=torch.uint8)
            self._room.acquire()
            layout.pack(tensors, buffer)
            self._submit(name, layout, buffer)

    def add_packed(self, name: str, layout: FlatLayout, buffer: Tensor) -> None:
        """Write a group that lies in host memory already and stays unchanged there."""
        if self.fault is None:
            self._room.acquire()
            self._submit(name, layout, buffer)

    def _submit(self, name: str, layout: FlatLayout, buffer: Tensor) -> None:
        future = self._pool.submit(self._write, name, layout, buffer)
        future.add_done_callback(lambda _: self._room.release())
        self._writing.append(future)

    def _write(self, name: str, layout: FlatLayout, buffer: Tensor) -> CachedGroup | None:
        if self.fault is not None:
            return None
        try:
            path = self._entry.file(name)
            total = int(content_sum(buffer[: layout.bytes]).item())
            write_flat_file(path, layout, buffer)
            return CachedGroup(name, path.stat().st_size, total)
        except (OSError, UserError) as error:
            self.fault = _reason(error)
            return None


def _reason(error: OSError | UserError) -> str:
    return error.why.rstrip(".") if isinstance(error, UserError) else str(error)
