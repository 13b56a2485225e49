"""A worker whose card is lost in the middle of a take: the third block fails with what a driver says then."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Started with -I, which leaves the folder of the sources out of the path.
    sys.path.insert(0, str(Path(__file__).parent.parent))

from live_avatar.worker import main

LAST_GOOD_BLOCK = 3
SAYS = "CUDA error: unspecified launch failure"


def lose_card() -> None:
    """Let every block from here on fail once the good ones are done."""
    from live_avatar.session import Session

    denoise, blocks = Session.denoise_block, iter(range(LAST_GOOD_BLOCK))

    def act(session: Session) -> object:
        if next(blocks, None) is None:
            raise RuntimeError(SAYS)
        return denoise(session)

    Session.denoise_block = act  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    # The worker claims its streams before anything heavy is imported; here nothing is printed meanwhile.
    lose_card()
    sys.exit(main([]))
