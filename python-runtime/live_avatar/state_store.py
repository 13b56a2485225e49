"""Saved session states on disk: which are kept, when the next is due, and how much they may take."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from live_avatar.errors import UserError
from live_avatar.saved_session import SavedSession
from live_avatar.state_file import StateFile, describe_state, lay_out_state, read_state, write_state
from live_avatar.state_spread import spread

_FILE = re.compile(r"state_(\d{5,})\.safetensors")
_KEPT = 2
_COST_FACTOR = 20.0
_QUICK_SECONDS = 2.0
# What a disk is taken to write before the first save has told; states that take longer wait for their turn.
_ASSUMED_BYTES_PER_SECOND = 1e9


@dataclass(frozen=True, slots=True)
class SaveCost:
    """One save: where, how large, how long it took."""

    path: Path
    bytes: int
    seconds: float


class StateStore:
    """The states in one folder.

    Args:
        folder: must exist.
        budget: bytes that all states together may take, spread over the take; ``None`` for the two newest, however
            large.
        clock: seconds, rising.
    """

    def __init__(self, folder: Path, budget: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._budget = budget
        self._clock = clock
        self._too_large = False
        self._opened = clock()
        self._last_end: float | None = None
        self._last_cost = 0.0
        self._last_clips = 0
        self.saves = 0
        self.total_seconds = 0.0

    def due(self, size: int = 0) -> bool:
        """Whether to save a state of ``size`` bytes now: when 20 times the cost of a save has gone by since the last.

        So saving takes at most a twentieth of the time. The first one's cost is guessed; if it is small, it is due when
        first asked for.
        """
        if self._too_large:
            return False
        if self._last_end is not None:
            return self._clock() - self._last_end > _COST_FACTOR * self._last_cost
        guess = size / _ASSUMED_BYTES_PER_SECOND
        return guess < _QUICK_SECONDS or self._clock() - self._opened > _COST_FACTOR * guess

    def worth_saving(self, clips: int) -> bool:
        """Whether somebody who asked to stop should wait for the state after ``clips`` clips: new, and quickly done."""
        return self.saves > 0 and clips > self._last_clips and self._last_cost < _QUICK_SECONDS

    def save(self, saved: SavedSession, clips: int, content_hash: str, pinned: int | None = None) -> SaveCost:
        """Write the session after ``clips`` clips. States already there make room for it first.

        Args:
            pinned: number of clips of a state that is to stay if the budget allows for two.

        Raises:
            UserError: ``DISK_FULL``; the states already there that were not too many stay. ``STATE_BUDGET_SMALL`` when
                the budget does not allow for one; it is not due again.
        """
        started = self._clock()
        image = lay_out_state(saved, clips, content_hash)
        self._make_room(image.bytes, clips, pinned)
        path = self._folder / f"state_{clips:05d}.safetensors"
        try:
            write_state(path, image)
        finally:
            # A failed save counts too: a full disk is not tried again at every clip.
            self._last_end = self._clock()
            self._last_cost = self._last_end - started
            self.total_seconds += self._last_cost
        self.saves += 1
        self._last_clips = clips
        return SaveCost(path, image.bytes, self._last_cost)

    def find(self, hashes: Sequence[str], at_most: int) -> StateFile | None:
        """The newest state after at most ``at_most`` clips that were made from what is wanted now.

        Args:
            hashes: content hash of every clip, as expected now.
        """
        for path in self._newest_first():
            state = describe_state(path)
            if state is not None and 1 <= state.clips <= at_most and state.content_hash == hashes[state.clips - 1]:
                return state
        return None

    def load(self, state: StateFile) -> SavedSession:
        """Read a state; its tensors are views of the mapped file, so restore from it and let it go.

        Raises:
            UserError: ``STATE_DAMAGED`` when its checksum does not fit.
        """
        try:
            return read_state(state.path)
        except (UserError, OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise UserError(
                "STATE_DAMAGED",
                f"The saved state {state.path.name} cannot be used.",
                f"It is damaged ({error}).",
                "Delete it and run the same command again.",
                field="output",
            ) from error

    def delete(self, state: StateFile) -> None:
        """Remove a state that is of no use."""
        state.path.unlink(missing_ok=True)

    def keep_only(self, hashes: Sequence[str]) -> None:
        """Delete the states that do not belong to clips with these content hashes."""
        for path in self._newest_first():
            state = describe_state(path)
            if state is None or not 1 <= state.clips <= len(hashes) or state.content_hash != hashes[state.clips - 1]:
                path.unlink(missing_ok=True)

    def thin(self) -> None:
        """Delete states that are over the budget, which may be smaller than in an earlier run. The newest goes last."""
        states = self._newest_first()
        if self._budget is None or not states:
            return
        largest = max(path.stat().st_size for path in states)
        self._delete_but(states, spread(map(_clips, states), _clips(states[0]), self._budget // largest))

    def _make_room(self, size: int, clips: int, pinned: int | None) -> None:
        """Delete states so that one of ``size`` bytes after ``clips`` clips may be added."""
        states = self._newest_first()
        if self._budget is None:
            for old in states[_KEPT - 1 :]:
                old.unlink(missing_ok=True)
            return
        # States of a take differ only by the length of the prompt they name.
        largest = max([size, *(path.stat().st_size for path in states)])
        kept = spread(map(_clips, states), clips, self._budget // largest, pinned)
        if not kept:
            self._too_large = True
            raise UserError(
                "STATE_BUDGET_SMALL",
                "No state is saved.",
                f"One takes {size} bytes and {self._budget} are allowed.",
                "Allow more, or none at all and accept that a continued render starts from the beginning.",
                field="state_budget_bytes",
            )
        self._delete_but(states, kept)

    def _delete_but(self, states: Iterable[Path], kept: Sequence[int]) -> None:
        for old in states:
            if _clips(old) not in kept:
                old.unlink(missing_ok=True)

    def _newest_first(self) -> list[Path]:
        states = [path for path in self._folder.iterdir() if _FILE.fullmatch(path.name)]
        return sorted(states, key=_clips, reverse=True)


def _clips(path: Path) -> int:
    return int(path.stem.removeprefix("state_"))
