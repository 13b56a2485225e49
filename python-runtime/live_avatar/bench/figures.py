"""A measured figure, and how a table of them reads. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_WHAT, _VALUE, _P95, _BAR = 36, 15, 10, 12


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table.

    Attributes:
        what: what was measured.
        value: median, where it was measured more than once.
        unit: of ``value`` and ``p95``.
        p95: 95th percentile of the single measurements.
        bar: what it is held to, in words; empty where there is nothing to hold it to.
        met: whether the bar is met; ``None`` without a bar, and where it cannot be said.
        note: how it was measured, or figures that belong to it.
    """

    what: str
    value: float
    unit: str
    p95: float | None = None
    bar: str = ""
    met: bool | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The figure for a JSON file."""
        return {name: getattr(self, name) for name in ("what", "value", "unit", "p95", "bar", "met", "note")}


def at_most(what: str, value: float, unit: str, limit: float | None, note: str = "") -> Figure:
    """A figure with an upper bar, or without one for ``limit`` None."""
    if limit is None:
        return Figure(what, value, unit, note=note)
    return Figure(what, value, unit, bar=f"<= {limit:g} {unit}", met=value <= limit, note=note)


def of_samples(what: str, samples: Sequence[float], unit: str, note: str = "") -> Figure:
    """Median and 95th percentile of measurements (at least one)."""
    import numpy as np

    median, p95 = np.percentile(np.asarray(samples, np.float64), (50, 95))
    return Figure(what, float(median), unit, p95=float(p95) if len(samples) > 1 else None, note=note)


def table_head() -> str:
    """The line above the figures."""
    return f"{'what':{_WHAT}} {'figure':>{_VALUE}} {'p95':>{_P95}}  {'bar':{_BAR}} note"


def table_line(figure: Figure) -> str:
    """A figure as a line of the table."""
    value = f"{_number(figure.value)} {figure.unit}"
    p95 = "" if figure.p95 is None else _number(figure.p95)
    note = {True: "met", False: "MISSED", None: ""}[figure.met]
    words = "; ".join(filter(None, (note, figure.note)))
    return f"{figure.what:{_WHAT}} {value:>{_VALUE}} {p95:>{_P95}}  {figure.bar:{_BAR}} {words}".rstrip()


def _number(value: float) -> str:
    """Three significant digits, never an exponent."""
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
