"""The ends of edges are let go together."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from torch import Tensor

import live_avatar.distributed.edges as edges
from live_avatar.distributed.cut import Edge
from live_avatar.distributed.edges import close_edges
from live_avatar.distributed.links import Parcel
from live_avatar.distributed.parcels import ParcelLayout
from live_avatar.distributed.stage import Ends


class NeedsOthers:
    """As NCCL's: its end waits until every other communicator of the card has been told to end."""

    def __init__(self, all_told: threading.Barrier) -> None:
        self._all_told = all_told
        self.closed = False

    def send(self, tensors: Sequence[Tensor]) -> None:
        raise AssertionError

    def expect(self, layout: ParcelLayout) -> None:
        raise AssertionError

    def take(self) -> Parcel:
        raise AssertionError

    def close(self) -> None:
        self._all_told.wait(10)
        self.closed = True


class NeverEnds(NeedsOthers):
    """What a driver in trouble may do."""

    def __init__(self) -> None:
        super().__init__(threading.Barrier(1))
        self.let_go = threading.Event()

    def close(self) -> None:
        self.let_go.wait()


def test_an_end_that_hangs_is_left_to_itself(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(edges, "_CLOSE_SECONDS", 0.1)
    never, other = NeverEnds(), NeedsOthers(threading.Barrier(1))
    close_edges(Ends({Edge(0, 1, "hidden"): never}, {Edge(1, 0, "latents"): other}))
    assert other.closed
    assert "1 of 2 connections" in caplog.text
    never.let_go.set()


def test_no_end_waits_for_the_one_before() -> None:
    all_told = threading.Barrier(3)
    ends = [NeedsOthers(all_told) for _ in range(3)]
    close_edges(
        Ends({Edge(0, 1, "conditions"): ends[0], Edge(0, 1, "hidden"): ends[1]}, {Edge(1, 0, "latents"): ends[2]})
    )
    assert all(end.closed for end in ends)
