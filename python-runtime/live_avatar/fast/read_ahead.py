"""Files to a device faster than one thread can read: pieces are read ahead by several, into pinned memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from live_avatar.checkpoint.headers import damaged

READING_THREADS = 8
_PIECE_BYTES = 32 << 20
_PIECES_PER_THREAD = 2


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Bytes of a file.

    Attributes:
        target: host memory uint8 [bytes] to read into; without it the bytes go to the device.
    """

    path: Path
    offset: int
    bytes: int
    target: Tensor | None = None


class _Staging:
    """Pinned memory for one piece on its way to the card."""

    def __init__(self) -> None:
        self.data = torch.empty(_PIECE_BYTES, dtype=torch.uint8, pin_memory=True)
        self.copied = torch.cuda.Event(blocking=True)


@dataclass(slots=True)
class _Piece:
    """A piece that is being read.

    Attributes:
        begin, end: bytes of the request.
        host: host memory for the whole request, or ``None`` when pieces go to the card by ``staging``.
    """

    request: ReadRequest
    begin: int
    end: int
    host: Tensor | None
    staging: _Staging | None
    reading: Future[None]


class ReadAhead:
    """Reads what it is asked for, in order, and runs ahead of whoever takes it. Use it with ``with``.

    At most ``2 * threads`` pieces of 32 MiB are read and not yet taken.
    """

    def __init__(self, device: torch.device, threads: int = READING_THREADS) -> None:
        self._device = device
        self._ahead = _PIECES_PER_THREAD * threads
        self._pool = ThreadPoolExecutor(threads, "read-ahead")
        self._free: list[_Staging] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def read(self, requests: Iterable[ReadRequest]) -> Generator[Tensor]:
        """uint8 [bytes] of each request, on the device or, where a target was given, that.

        A tensor on the card is taken from memory when its first piece is there, and is ready for whatever is queued on
        the current stream afterwards.

        Raises:
            UserError: ``CHECKPOINT_FILE_DAMAGED`` for a file that ends early or cannot be read.
        """
        waiting = self._start_pieces(requests)
        window = deque(islice(waiting, self._ahead))
        destination: Tensor | None = None
        while window:
            piece = window.popleft()
            piece.reading.result()
            if piece.staging is None:
                destination = piece.host
            else:
                if piece.begin == 0:
                    destination = torch.empty(piece.request.bytes, dtype=torch.uint8, device=self._device)
                assert destination is not None
                part = piece.staging.data[: piece.end - piece.begin]
                destination[piece.begin : piece.end].copy_(part, non_blocking=True)
                piece.staging.copied.record(torch.cuda.current_stream(self._device))
                self._free.append(piece.staging)
            window.extend(islice(waiting, 1))
            if piece.end == piece.request.bytes:
                assert destination is not None
                yield destination
                destination = None

    def _start_pieces(self, requests: Iterable[ReadRequest]) -> Iterator[_Piece]:
        for request in requests:
            host = request.target
            if host is None and self._device.type != "cuda":
                host = torch.empty(request.bytes, dtype=torch.uint8)
            for begin in range(0, max(1, request.bytes), _PIECE_BYTES):
                end = min(begin + _PIECE_BYTES, request.bytes)
                staging = None
                if host is None:
                    staging = self._free.pop() if self._free else _Staging()
                    reading = self._pool.submit(_fill_staging, request, begin, end, staging)
                else:
                    reading = self._pool.submit(_fill, request.path, request.offset + begin, host[begin:end])
                yield _Piece(request, begin, end, host, staging, reading)


def _fill_staging(request: ReadRequest, begin: int, end: int, staging: _Staging) -> None:
    # Its last content may still be on the way to the card.
    staging.copied.synchronize()
    _fill(request.path, request.offset + begin, staging.data[: end - begin])


def _fill(path: Path, offset: int, data: Tensor) -> None:
    """Read ``len(data)`` bytes from ``offset`` on."""
    rest: memoryview = data.numpy().data
    try:
        with open(path, "rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), offset, len(rest), os.POSIX_FADV_SEQUENTIAL)
            file.seek(offset)
            while rest:
                count = file.readinto(rest)
                if not count:
                    raise damaged(path, f"It ends before byte {offset + len(data)}.")
                rest = rest[count:]
    except OSError as error:
        raise damaged(path, f"It cannot be read ({error}).") from error
