"""When a run saves the state of its session, and from which it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from live_avatar.errors import UserError
from live_avatar.events import EventSink, StageEvent, StateEvent
from live_avatar.fast.cache_forms import in_cache_form
from live_avatar.session import Session
from live_avatar.state_store import StateStore


class RunStates:
    """The states of one run over a take.

    Args:
        store: where they are.
        budgeted: the take will be edited, and its states have a budget of disk: they are spread along the take.
        expected: content hashes of the take's clips.
        fresh: leading clips that are finished and right, so are not made again.
        warn: told (code, text) of what costs no picture.
    """

    def __init__(
        self,
        store: StateStore,
        budgeted: bool,
        expected: Sequence[str],
        fresh: int,
        emit: EventSink,
        warn: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._budgeted = budgeted
        self._expected = expected
        self._fresh = fresh
        self._emit = emit
        self._warn = warn

    def nearest(self) -> int:
        """Clips behind the newest state that is not past the first clip to make; 0 without one."""
        state = self._store.find(self._expected, at_most=self._fresh)
        return 0 if state is None else state.clips

    def restore(self, session: Session) -> int:
        """Continue the session from that state, or an earlier one if it is damaged; returns the clips behind it."""
        while (state := self._store.find(self._expected, at_most=self._fresh)) is not None:
            try:
                saved = self._store.load(state)
                session.restore(in_cache_form(saved, session.cache_dtype))
                return state.clips
            except UserError as error:
                if error.code != "STATE_DAMAGED":
                    raise
                self._warn(error.code, f"{error.what} {error.why} An earlier one is used.")
                self._store.delete(state)
        return 0

    def due(self, session: Session, done: int) -> bool:
        """Whether to save the state after ``done`` clips."""
        clips = len(self._expected)
        if done == clips:
            return False
        if not self._budgeted:
            return done > self._fresh and self._store.due(session.state_bytes)
        # Where an edit begins the next one is likely; what is added to a take makes its last clip longer.
        due = self._store.due(session.state_bytes)
        return done >= self._fresh and (due or (done + 1 == clips and self._store.worth_saving(done)))

    def due_at_stop(self, session: Session, clips: int, clip_blocks: int) -> bool:
        """Whether to save the state of a session that was stopped in the clip after ``clips``: if it has not begun."""
        at_boundary = session.block == clips * clip_blocks
        return at_boundary and clips > self._fresh and self._store.worth_saving(clips)

    def save(self, session: Session, clips: int) -> None:
        """Save the state after ``clips``; without room for it the render goes on, and a crash then costs more."""
        self._emit(StageEvent("save", 0, 1, "Saving the state", "STATE_SAVING"))
        try:
            # The one after the fresh clips is kept also when others are thinned out.
            cost = self._store.save(session.save(), clips, self._expected[clips - 1], self._fresh)
        except UserError as error:
            if error.code not in ("DISK_FULL", "STATE_BUDGET_SMALL"):
                raise
            self._warn("STATE_NOT_SAVED", f"{error.why} The render goes on; after a crash more has to be made again.")
        else:
            self._emit(StateEvent(clips - 1, str(cost.path), cost.bytes, cost.seconds))
