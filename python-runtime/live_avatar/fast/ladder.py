"""The next way to compute a take after one ran out of memory. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.rungs import Rung, all_rungs, best_of, make_rung
from live_avatar.fast.task import Card, Take, Wishes

# A plan that failed needed more than was thought, so the next one is to need clearly less.
_STEP = 0.95


@dataclass(frozen=True, slots=True)
class Descent:
    """A step down.

    Attributes:
        before, after: the plans; words: how the new one computes.
        why: what the system said.
    """

    before: ComputePlan
    after: ComputePlan
    words: str
    why: str

    @property
    def changes_numbers(self) -> bool:
        """Whether pictures from here on are not those of the plan before."""
        return self.before.numerics != self.after.numerics

    def warning(self) -> tuple[str, str]:
        """Code and text of the event that tells of it."""
        text = f"The card ran out of memory ({self.why}). Going on from the last saved state with {self.words}."
        if self.changes_numbers:
            return "PRECISION_LOWERED", f"{text} The pictures are computed with other numbers than asked for."
        return "MEMORY_STEPPED_DOWN", f"{text} The pictures are the same."


class OutOfMemoryLadder:
    """Which plan comes after one that failed: first those that give the same pictures, the fastest first.

    Args:
        take: what is made; card: as it was when the first plan was chosen; wishes: as then.
    """

    def __init__(self, take: Take, card: Card, wishes: Wishes) -> None:
        self._take = take
        self._card = card
        self._wishes = wishes

    def below(self, failed: ComputePlan, free: int | None = None) -> Rung | None:
        """The next rung, or ``None`` when there is nothing below.

        Args:
            free: bytes of the card that this process may take now, after everything was let go; ``None`` if unknown.
        """
        if failed.engine != "flat":
            return None
        needed = make_rung(self._take, self._card, failed).memory.peak
        room = int(needed * _STEP)
        if free is not None:
            room = min(room, free)
        card = replace(self._card, free=room)
        # What was asked for is given up before the pictures change.
        choices = [all_rungs(self._take, card, wishes, failed) for wishes in (self._wishes, self._wishes.lifted())]
        same = [[rung for rung in rungs if rung.plan.numerics == failed.numerics] for rungs in choices]
        found = (best_of(rungs, card, live=self._wishes.live) for rungs in (*same, *choices))
        return next((rung for rung in found if rung is not None), None)

    def descent(self, failed: ComputePlan, rung: Rung, why: str) -> Descent:
        """What to tell of a step to ``rung``."""
        return Descent(failed, rung.plan, rung.words(self._take.sizes.config), why)
