"""``live-avatar bench``: measures the engine on this machine, beside the bars that the project holds itself to."""

from __future__ import annotations

from live_avatar.bench.main import main

__all__ = ["main"]
