"""What a follower tells of a fault of its own."""

from __future__ import annotations

from typing import Any

from live_avatar.distributed.links import RankFailed
from live_avatar.errors import UserError
from live_avatar.fast.out_of_memory import fault_of, first_line


def fault_message(error: Exception) -> dict[str, Any]:
    """The facts of the message ``fault``: its kind, why, and what the user is told if it is a fault he can mend."""
    if isinstance(error, UserError):
        return {"fault": "lost", "why": error.what.rstrip("."), "error": error.as_dict()}
    if isinstance(error, MemoryError) or fault_of(error) == "memory":
        return {"fault": "memory", "why": f"The system says: {first_line(error)}"}
    if isinstance(error, RankFailed):
        return {"fault": "neighbour", "why": "Its connection with another rank broke"}
    return {"fault": "lost", "why": f"It failed with {type(error).__name__}: {first_line(error)}"}
