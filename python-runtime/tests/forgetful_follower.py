"""A follower that runs out of memory at given moments, counted over all processes that come one after the other."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from live_avatar.distributed.channel import Message
from live_avatar.distributed.duties import Duties
from live_avatar.distributed.follower import main

# The blocks after whose last step there is no memory, and the file that has a byte for each block so far.
MOMENTS, COUNT, RANK = "FORGETFUL_MOMENTS", "FORGETFUL_COUNT", "FORGETFUL_RANK"


def _forget() -> None:
    """The fault comes after the caches were written, so that a missed restore would show."""
    moments = {int(moment) for moment in os.environ[MOMENTS].split(",")}
    count, advance = Path(os.environ[COUNT]), Duties._do_advance

    def advance_or_fail(duties: Duties, message: Message) -> None:
        advance(duties, message)
        assert duties._cut is not None
        if duties._rank != int(os.environ[RANK]) or message.facts["step"] + 1 < len(duties._cut.steps):
            return
        with count.open("ab") as file:
            file.write(b".")
        if count.stat().st_size in moments:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    Duties._do_advance = advance_or_fail  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    _forget()
    main()
