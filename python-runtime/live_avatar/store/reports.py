"""What a transfer tells while it runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Act = Literal["download", "copy", "check"]
_EVERY_SECONDS = 0.25
_SPEED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How far it is.

    Attributes:
        act: what is done at the moment.
        path: the file it is done to.
        done_bytes, total_bytes: of the model, as far as it is on this disk.
        bytes_per_second: over the last seconds; ``None`` at the beginning.
    """

    act: Act
    path: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float | None


class Listener(Protocol):
    """Who wants to know."""

    def progress(self, progress: TransferProgress) -> None:
        """A few times a second."""

    def waiting(self, seconds: float, why: str) -> None:
        """The server wants a rest, or the connection was lost."""

    def note(self, code: str, path: str, text: str) -> None:
        """Something to know of a file; the work goes on."""


class ProgressMeter:
    """Adds up what several threads do, and tells it at a bearable rate.

    Args:
        done: bytes that were there at the beginning.
        total: bytes of the model.
        tell: gets each report.
    """

    def __init__(self, done: int, total: int, tell: Callable[[TransferProgress], None]) -> None:
        self._done, self._total, self._tell = done, total, tell
        self._lock = threading.Lock()
        self._told = float("-inf")
        self._recent: deque[tuple[float, int]] = deque()
        self.fetched = 0

    def add(self, act: Act, path: str, count: int) -> None:
        """``count`` bytes more are done; less than 0 takes back what is thrown away."""
        with self._lock:
            self._done += count
            self.fetched += max(0, count)
            self._report(act, path, self.fetched)

    def busy(self, act: Act, path: str) -> None:
        """Something goes on that adds nothing."""
        with self._lock:
            self._report(act, path, self.fetched)

    def _report(self, act: Act, path: str, moved: int) -> None:
        now = time.monotonic()
        if now - self._told < _EVERY_SECONDS:
            return
        self._told = now
        self._recent.append((now, moved))
        while now - self._recent[0][0] > _SPEED_SECONDS:
            self._recent.popleft()
        since, before = self._recent[0]
        speed = (moved - before) / (now - since) if now - since > 0.5 else None
        self._tell(TransferProgress(act, path, self._done, self._total, speed))
