"""The ways between two ranks: each directed, with messages that come out in the order they went in.

Every edge has a group of its own, so that no transfer waits for another pair's. What is sent is copied to a place of
its own, so that a pass may write over it; through host memory a message has one where it arrives, too, and may come
while the last one is worked on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from live_avatar.distributed.parcels import ParcelLayout


class RankFailed(Exception):
    """The team has failed while somebody waited; the watch knows how."""


@dataclass(slots=True)
class Parcel:
    """A message that came.

    Attributes:
        tensors: ready on the current stream; valid until ``release``.
        release: gives their place back, once everything that reads it is queued on the current stream.
    """

    tensors: tuple[Tensor, ...]
    release: Callable[[], None]


class SendingEnd(Protocol):
    """The near end of an edge."""

    def send(self, tensors: Sequence[Tensor]) -> None:
        """Copy the tensors, as they are on the current stream, and let them travel.

        Raises:
            RankFailed: the team failed while all places were taken.
        """

    def close(self) -> None:
        """Let everything go; after a failure too."""


class ReceivingEnd(Protocol):
    """The far end of an edge."""

    def expect(self, layout: ParcelLayout) -> None:
        """One more message is on its way, after those expected before."""

    def take(self) -> Parcel:
        """The next of the expected messages.

        Raises:
            RankFailed: the team failed before it came.
        """

    def close(self) -> None:
        """Let everything go; after a failure too."""


@dataclass(slots=True)
class EdgeSetting:
    """Where the end of an edge is.

    Attributes:
        places: messages that may be on their way at once.
        failed: whether the team has failed; asked while waiting.
    """

    places: int
    failed: Callable[[], bool]
