"""How far a rank has come, on its card too, for whoever asks from another thread."""

from __future__ import annotations

import threading
from collections import deque

import torch


class Progress:
    """Counts acts that are done. One thread marks, another reads."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._done = 0
        self._queued: deque[torch.cuda.Event] = deque()

    def mark(self) -> None:
        """An act is done, or queued on the card."""
        if self._device.type != "cuda":
            with self._lock:
                self._done += 1
            return
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self._device))
        with self._lock:
            self._queued.append(event)

    def done(self) -> int:
        """Acts finished so far."""
        with self._lock:
            while self._queued and self._queued[0].query():
                self._queued.popleft()
                self._done += 1
            return self._done
