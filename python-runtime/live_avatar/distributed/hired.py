"""A follower as its lead holds it: the process, the connection, its last words."""

from __future__ import annotations

import contextlib
import logging
import queue
import subprocess
import threading
from collections import deque
from dataclasses import dataclass, field

from live_avatar.distributed.channel import Channel, Message
from live_avatar.distributed.faults import ended_words

END_SECONDS = 5.0
_LAST_LINES = 20
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RankStatus:
    """What a rank does, for whoever shows it.

    Attributes:
        device: its card in words; memory: bytes held by tensors, held by the process, and of the whole card.
    """

    rank: int
    device: str
    phase: str
    done: int
    memory: tuple[int, int, int] | None = None


@dataclass(slots=True)
class HiredFollower:
    """One follower, as the lead holds it.

    Attributes:
        device: in words.
        process: if this lead started it; channel: once it is connected.
        memory: see :class:`RankStatus`.
        replies: what it answered, in order; last_lines: of its log.
    """

    rank: int
    device: str
    process: subprocess.Popen[str] | None = None
    channel: Channel | None = None
    memory: tuple[int, int, int] | None = None
    replies: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))
    reading_log: threading.Thread | None = None

    def hire(self, process: subprocess.Popen[str]) -> None:
        """It is this process, whose log is read from now on."""
        self.process = process
        self.reading_log = threading.Thread(target=self._read_log, name="rank log", daemon=True)
        self.reading_log.start()

    def end_words(self) -> str:
        """How it ended, when it does not answer any more."""
        if self.process is None:
            return "Its connection ended"
        try:
            status = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return "It closed its connection"
        if self.reading_log is not None:
            self.reading_log.join(1.0)
        return ended_words(status, self.last_lines)

    def _read_log(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError, OSError), self.process.stderr as lines:
            for line in lines:
                self.last_lines.append(line)
                _log.info("rank %d: %s", self.rank, line.rstrip())
