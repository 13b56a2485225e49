"""The worker's protocol: requests, messages, their JSON Schemas in ``schema/``; see ``docs/protocol.md``. No torch."""

from __future__ import annotations

# Raised when a message loses a field or changes its meaning; new optional fields and new event kinds do not raise it.
PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 1 << 20
HEARTBEAT_SECONDS = 2
