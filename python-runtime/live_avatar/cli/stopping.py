"""Ctrl-C and termination: the first asks to stop after the current block, the second ends the process at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOPPING = b"\nStopping after this block; press Ctrl-C again to stop at once.\n"


class StopRequest:
    """Turns signals into a question that a render asks between blocks. Use it with ``with``."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def requested(self) -> bool:
        """Whether the run should stop."""
        return self._requested.is_set()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._requested.set()
        # Python runs handlers only between two of its own steps; the system's default ends even a long tensor sum.
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_DFL)
        # Not print: the signal may have come in the middle of one.
        with contextlib.suppress(OSError):
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _STOPPING)
