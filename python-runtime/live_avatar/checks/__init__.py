"""Material checks before a run (mission section 5): each says what was measured and what is wanted; none stops a run."""

from live_avatar.checks.finding import Finding

__all__ = ["Finding"]
