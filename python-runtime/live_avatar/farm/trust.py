"""Where workers of a batch have failed, and where they get no further chance. No torch."""

from __future__ import annotations

_FAILURES = 2


class Trust:
    """Which places get workers. One where they fail twice in a row, for reasons of its own, gets no more.

    Otherwise a card that is lost for good would take job after job and fail them all.
    """

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}

    def failed(self, place: str) -> None:
        """A worker there could not begin, or its card was lost."""
        self._failures[place] = self._failures.get(place, 0) + 1

    def worked(self, place: str) -> None:
        """A worker there has begun, or finished a job."""
        self._failures.pop(place, None)

    def given_up(self, place: str) -> bool:
        """Whether it gets no more."""
        return self._failures.get(place, 0) >= _FAILURES

    def all_given_up(self) -> list[str]:
        """All that get no more."""
        return [place for place in self._failures if self.given_up(place)]
