"""The user's speed limit, over all connections of a transfer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# A quarter of a second ahead evens out what comes in pieces; more would be a burst.
_AHEAD_SECONDS = 0.25


class SpeedLimit:
    """How long to wait after each piece that was received.

    Args:
        bytes_per_second: of all connections together.
        clock: seconds that only go forward.
    """

    def __init__(self, bytes_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._paid_until = clock()

    def spend(self, count: int) -> float:
        """Bytes were received: the seconds to wait before more is read. Time without traffic is not saved up."""
        with self._lock:
            now = self._clock()
            self._paid_until = max(self._paid_until, now) + count / self._bytes_per_second
            return max(0.0, self._paid_until - now - _AHEAD_SECONDS)
