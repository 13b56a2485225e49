"""Errors that reach a user: what happened, why, what to do, under a stable code."""

from __future__ import annotations


class UserError(Exception):
    """A fault the user can mend. The command line prints it and exits with status 2.

    Attributes:
        code: stable upper-case identifier, for example ``IMAGE_TOO_SMALL``; never reworded, never reused.
        what: one sentence saying what happened, naming the file or value at fault.
        why: one sentence giving the reason, with measured values where there are any.
        hint: one sentence saying what to do.
        field: the input at fault (``image``, ``audio``, ``prompt``, ``size`` …), or ``None``.
    """

    def __init__(self, code: str, what: str, why: str, hint: str, field: str | None = None) -> None:
        super().__init__(f"{what} {why} {hint} [{code}]")
        self.code = code
        self.what = what
        self.why = why
        self.hint = hint
        self.field = field

    def as_dict(self) -> dict[str, str | None]:
        """The error as it crosses a process (protocol ``error`` payload)."""
        return {"code": self.code, "what": self.what, "why": self.why, "hint": self.hint, "field": self.field}


class Cancelled(Exception):
    """The user asked to stop; everything finished so far is on disk and can be continued."""
