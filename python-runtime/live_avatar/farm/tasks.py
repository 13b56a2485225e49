"""What travels between a batch and its workers, as JSON: jobs there, outcomes back. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from live_avatar.batch import Assignment

News = Callable[[Mapping[str, Any]], None]
# After these the process cannot use its card any more, or never could use its machine; another one can.
_SPOILING = frozenset(("DEVICE_LOST", "RANK_LOST", "RANK_HUNG", "FARM_NODE_DIFFERS"))


@dataclass(frozen=True, slots=True)
class Task:
    """A job for a worker.

    Attributes:
        number: in the batch, from 1.
        name, flags, output: see :class:`live_avatar.batch.BatchJob`.
        seed: see :class:`live_avatar.batch.Assignment`.
    """

    number: int
    name: str
    flags: Mapping[str, str]
    output: str | None
    seed: int | None

    @classmethod
    def of(cls, assignment: Assignment) -> Task:
        """An assignment as it travels."""
        job = assignment.job
        return cls(assignment.number, job.name, dict(job.flags), job.output, assignment.seed)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task.

    Attributes:
        seed, frames, seconds: of a video that is done.
        error: of one that failed, as ``UserError.as_dict`` gives it.
    """

    state: Literal["done", "failed", "stopped"]
    seed: int = 0
    frames: int = 0
    seconds: float = 0.0
    error: dict[str, str | None] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def card_lost(self) -> bool:
        """Whether the card is to blame."""
        return self.error is not None and self.error.get("code") == "DEVICE_LOST"

    @property
    def spoiled(self) -> bool:
        """Whether the worker has to be replaced, and the job deserves another try."""
        return self.error is not None and self.error.get("code") in _SPOILING
