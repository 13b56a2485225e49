"""``python -m live_avatar``."""

import sys

from live_avatar.cli import main

if __name__ == "__main__":
    sys.exit(main())
