"""A follower that notes what it does, for measurements. ``python -m live_avatar.bench.recorded_follower``"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from live_avatar.distributed.follower import Follower, main

if TYPE_CHECKING:
    from live_avatar.distributed.duties import Duties

# How many acts a follower keeps with their moments.
KEEP = "LIVE_AVATAR_BENCH_KEEP"


class RecordedFollower(Follower):
    """See :class:`Follower`."""

    def new_duties(self) -> Duties:
        """Those of every follower, with a record of them."""
        from live_avatar.bench.recorded_duties import RecordedDuties

        return RecordedDuties(
            self.rank, self.channel, self.next_message, self.peek, keep=int(os.environ.get(KEEP, "0"))
        )


if __name__ == "__main__":
    main(RecordedFollower)
