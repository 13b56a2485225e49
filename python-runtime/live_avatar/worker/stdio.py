"""The two pipes to whoever started the worker: requests in, messages out, and nothing else on either."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator

from live_avatar.protocol import MAX_LINE_BYTES

_READ_BYTES = 1 << 16


class TooLong:
    """Stands for a line that was longer than allowed and was skipped."""


def claim_standard_streams() -> tuple[int, int]:
    """Keep standard input and output for the protocol; returns their new descriptors (input, output).

    From here on whatever prints to standard output, also in C or in a child process, prints to standard error, and
    whatever reads standard input reads nothing. The new descriptors are not inherited by child processes.
    """
    requests, messages = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # started without a standard error
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    return requests, messages


def use_utf8() -> None:
    """Start this program again in UTF-8 mode where the locale would have file names in another encoding."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def read_lines(descriptor: int, limit: int = MAX_LINE_BYTES) -> Iterator[bytes | TooLong]:
    """Lines without their end, until the end of input; a last line without an end is not complete and is dropped.

    Memory stays bounded: of a line over ``limit`` bytes only the fact that there was one is kept.
    """
    line = bytearray()
    too_long = False
    while piece := _read(descriptor):
        while True:
            head, newline, piece = piece.partition(b"\n")
            if len(line) + len(head) > limit:
                too_long = True
                line.clear()
            elif not too_long:
                line += head
            if not newline:
                break
            yield TooLong() if too_long else bytes(line)
            line.clear()
            too_long = False


def write_message(descriptor: int, message: object) -> None:
    """Write one message as a line. ASCII only, so that no locale and no lone surrogate can spoil it.

    Raises:
        OSError: nobody listens any more.
        ValueError: the message holds a number that JSON does not have.
    """
    line = json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
    view = memoryview(line)
    while view:
        view = view[os.write(descriptor, view) :]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _READ_BYTES)
    except OSError:  # a closed pipe is an error on some systems
        return b""
