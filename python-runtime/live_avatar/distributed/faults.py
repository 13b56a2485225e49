"""Faults of a team in words."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from live_avatar.distributed.board import Verdict
from live_avatar.errors import UserError

_AGAIN = "Start the render again: it goes on after the last saved state."


def rank_fault(verdict: Verdict, device: str) -> UserError:
    """A rank that cannot go on.

    Args:
        device: its card in words.
    """
    if verdict.fault == "memory":
        return UserError(
            "RANK_OUT_OF_MEMORY",
            f"Rank {verdict.rank} ({device}) ran out of memory.",
            f"{verdict.why}.",
            "Give it fewer layers, choose a smaller size or a narrower precision, and start the render again.",
            field="layers",
        )
    if verdict.fault == "hung":
        return UserError(
            "RANK_HUNG",
            f"Rank {verdict.rank} ({device}) hangs; all ranks were ended.",
            f"{verdict.why}.",
            f"{_AGAIN} If it hangs again, look at that card and its connections with live-avatar doctor.",
        )
    return UserError(
        "RANK_LOST",
        f"Rank {verdict.rank} ({device}) was lost; all ranks were ended.",
        f"{verdict.why}.",
        _AGAIN,
    )


def ended_words(status: int, last_lines: Sequence[str]) -> str:
    """How a process ended: its exit status (negative: a signal) and what it said last."""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        ended = f"Its process was ended by signal {name}"
    else:
        ended = f"Its process ended with status {status}"
    said = [line.strip() for line in last_lines if line.strip()]
    return f"{ended}; it said last: {said[-1].rstrip('.')}" if said else ended
