"""Material checks before a run (mission section 5): what was measured, what is wanted. None of them stops a run."""

from live_avatar.checks.finding import Finding, Severity, problems

__all__ = ["Finding", "Severity", "problems"]
