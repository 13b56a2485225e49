"""Figures as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """``8.4 s``, ``3 min 05 s`` or ``2 h 14 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes as GB, MB or kB (powers of 1000, as the studio says them), or bytes."""
    if count >= 1e8:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e6:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 1e3 else f"{count:.0f} bytes"


def plural(count: int, noun: str) -> str:
    """``1 clip``, ``3 clips``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
