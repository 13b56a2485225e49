"""Faults of a team in words."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from live_avatar.distributed.board import Fault, Verdict
from live_avatar.errors import UserError

_AGAIN = "Start the render again: it goes on after the last saved state."


class RankFault(UserError):
    """A rank cannot go on, and its team neither.

    Attributes:
        rank: which; fault: what happened to it.
    """

    def __init__(
        self, rank: int, fault: Fault, code: str, words: tuple[str, str, str], field: str | None = None
    ) -> None:
        super().__init__(code, *words, field)
        self.rank = rank
        self.fault = fault


def rank_fault(verdict: Verdict, device: str) -> RankFault:
    """A rank that cannot go on, in words.

    Args:
        device: its card in words.
    """
    name, why = f"Rank {verdict.rank} ({device})", f"{verdict.why}."
    if verdict.fault == "memory":
        hint = "Give it fewer layers, choose a smaller size or a narrower precision, and start the render again."
        words = (f"{name} ran out of memory.", why, hint)
        return RankFault(verdict.rank, "memory", "RANK_OUT_OF_MEMORY", words, "layers")
    if verdict.fault == "hung":
        hint = f"{_AGAIN} If it hangs again, look at that card and its connections with live-avatar doctor."
        return RankFault(verdict.rank, "hung", "RANK_HUNG", (f"{name} hangs; all ranks were ended.", why, hint))
    words = (f"{name} was lost; all ranks were ended.", why, _AGAIN)
    return RankFault(verdict.rank, "lost", "RANK_LOST", words)


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
