"""The worker process: ``python -m live_avatar.worker`` serves one conversation on its standard streams.

See ``docs/protocol.md``.
"""

from __future__ import annotations

from live_avatar.worker.main import main

__all__ = ["main"]
