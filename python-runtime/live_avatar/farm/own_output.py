"""Standard output kept for one thread: a library whose threads print must not write between the records of a batch."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO


class _OneThreadsStream(io.TextIOBase):
    """Writes of the thread that made it go to ``own``, those of others to ``aside``."""

    def __init__(self, own: TextIO, aside: TextIO) -> None:
        self._own, self._aside = own, aside
        self._thread = threading.get_ident()

    def _stream(self) -> TextIO:
        return self._own if threading.get_ident() == self._thread else self._aside

    def write(self, text: str) -> int:
        return self._stream().write(text)

    def flush(self) -> None:
        self._stream().flush()

    def fileno(self) -> int:
        return self._own.fileno()


@contextmanager
def own_output() -> Iterator[None]:
    """What other threads print goes to standard error meanwhile."""
    with redirect_stdout(_OneThreadsStream(sys.stdout, sys.stderr)):
        yield
