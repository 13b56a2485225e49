"""What a check has to say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["ok", "note", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check of the material found. None of them stops a run.

    Attributes:
        code: stable identifier, for example ``IMAGE_DARK``; those of checks that found nothing wrong end in ``_OK``.
        measured: what was found, with its number, as a sentence.
        wanted: what would be better, as a sentence; empty when all is well.
        severity: ``ok``; ``note`` for what may be meant so; ``warning`` for what makes a worse video.
        value, unit: the measurement, where there is a number.
    """

    code: str
    measured: str
    wanted: str
    severity: Severity = "warning"
    value: float | None = None
    unit: str | None = None

    @property
    def text(self) -> str:
        """Both sentences as one line."""
        return f"{self.measured} {self.wanted}".strip()

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        measured = None if self.value is None else {"value": self.value, "unit": self.unit or ""}
        return {
            "code": self.code,
            "severity": self.severity,
            "measured": measured,
            "wanted": self.wanted,
            "sentence": self.text,
        }


def fine(code: str, measured: str, value: float | None = None, unit: str | None = None) -> Finding:
    """A check that found nothing wrong."""
    return Finding(code, measured, "", "ok", value, unit)


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Those that are not ``ok``."""
    return [finding for finding in findings if finding.severity != "ok"]
