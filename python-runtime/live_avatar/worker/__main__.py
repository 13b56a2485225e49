"""``python -m live_avatar.worker``."""

from __future__ import annotations

import sys

from live_avatar.worker.main import main

sys.exit(main())
