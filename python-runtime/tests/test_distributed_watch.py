"""What the lead concludes about its followers, what passes between them, and what they say of themselves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import torch

from live_avatar.distributed.board import (
    ANSWER_SECONDS,
    LOADING_SECONDS,
    SILENT_SECONDS,
    STALLED_SECONDS,
    STARTING_SECONDS,
    Board,
    Verdict,
)
from live_avatar.distributed.channel import Channel, Disconnected
from live_avatar.distributed.crew import Crew
from live_avatar.distributed.cut import LEAD, cut_by_layers, cut_by_steps
from live_avatar.distributed.faults import ended_words, rank_fault
from live_avatar.distributed.own_faults import fault_message
from live_avatar.distributed.parcels import ParcelLayout
from live_avatar.distributed.selftest import DIRECT, HOST, Selftest, Way, _try, run_selftest
from live_avatar.errors import UserError

# The board


def beaten(board: Board, now: float, *done: int) -> None:
    """Every rank beats, with so many items done."""
    for rank, count in enumerate(done):
        board.hear(rank, now, "ready", count, 0)


def test_ranks_that_beat_and_have_nothing_to_do_are_well() -> None:
    board = Board(cut_by_layers(2, [3, 3]), 0.0)
    for now in range(0, 1000, 5):
        beaten(board, float(now), 0, 0)
        assert board.verdict(float(now)) is None


def test_a_silent_rank_hangs() -> None:
    board = Board(cut_by_layers(2, [2, 2, 2]), 0.0)
    beaten(board, 1.0, 0, 0, 0)
    board.hear(1, 15.0, "ready", 0, 0)
    assert board.verdict(1.0 + SILENT_SECONDS) is None
    found = board.verdict(1.1 + SILENT_SECONDS)
    assert (found and (found.rank, found.fault)) == (2, "hung")


def test_a_rank_that_has_not_come_yet_is_given_time() -> None:
    board = Board(cut_by_layers(2, [3, 3]), 0.0)
    assert board.verdict(100.0) is None
    found = board.verdict(STARTING_SECONDS + 1)
    assert (found and (found.rank, found.fault)) == (1, "hung")


def test_whoever_holds_the_oldest_item_is_named() -> None:
    """All ranks stand still; the one that all others wait for is the first on the item's way that is not done."""
    board = Board(cut_by_layers(2, [2, 2, 2]), 0.0)
    for now in (0.0, 1.0, 2.0):
        board.issue(0, now)
        beaten(board, now + 0.5, int(now) + 1, int(now) + 1, int(now) + 1)
    board.issue(1, 3.0)
    board.issue(0, 3.0)
    beaten(board, 3.5, 5, 3, 3)
    late = 3.5 + STALLED_SECONDS
    beaten(board, late, 5, 3, 3)
    assert board.verdict(late) is None
    found = board.verdict(late + 0.1)
    assert (found and (found.rank, found.fault)) == (1, "hung")


def test_a_slow_rank_is_given_time() -> None:
    board = Board(cut_by_layers(2, [3, 3]), 0.0)
    now, done = 0.0, 0
    for _ in range(5):
        board.issue(0, now)
        now, done = now + 10.0, done + 1
        beaten(board, now - 5.0, done, done - 1)
        beaten(board, now, done, done)
    board.issue(0, now)
    # 20 items of 5 s.
    for late in range(0, 100, 10):
        beaten(board, now + late, done, done)
        assert board.verdict(now + late) is None
    beaten(board, now + 101, done + 1, done)
    beaten(board, now + 202.1, done + 1, done)
    found = board.verdict(now + 202.1)
    assert (found and found.rank) == 1


def test_a_lead_that_waits_for_its_disk_is_nobodys_fault() -> None:
    board = Board(cut_by_layers(2, [3, 3]), 0.0)
    board.issue(0, 0.0)
    beaten(board, 500.0, 0, 0)
    assert board.verdict(500.0) is None


def test_by_steps_only_ranks_of_the_step_are_waited_for() -> None:
    board = Board(cut_by_steps(6, [1, 1]), 0.0)
    board.issue(0, 0.0)
    beaten(board, 1.0, 1, 0)
    beaten(board, 500.0, 1, 0)
    assert board.verdict(500.0) is None
    board.issue(1, 500.0)
    beaten(board, 1000.0, 1, 0)
    found = board.verdict(1000.0)
    assert (found and found.rank) == 1


def test_loading_and_answers_have_their_own_patience() -> None:
    board = Board(cut_by_layers(2, [3, 3]), 0.0)
    board.hear(1, 0.0, "loading", 0, 1)
    board.hear(1, LOADING_SECONDS, "loading", 0, 1)
    assert board.verdict(LOADING_SECONDS) is None
    found = board.verdict(LOADING_SECONDS + 1)
    assert (found and found.fault) == "hung"
    board.hear(1, 1000.0, "ready", 0, 2)
    board.ask(1, 1000.0)
    board.hear(1, 1001.0 + ANSWER_SECONDS, "ready", 0, 2)
    found = board.verdict(1001.0 + ANSWER_SECONDS)
    assert (found and found.fault) == "hung"
    board.answered(1)
    assert board.verdict(1001.0 + ANSWER_SECONDS) is None


# Faults


@pytest.mark.parametrize(
    ("fault", "code"), [("lost", "RANK_LOST"), ("hung", "RANK_HUNG"), ("memory", "RANK_OUT_OF_MEMORY")]
)
def test_faults_name_rank_card_and_reason(fault: str, code: str) -> None:
    error = rank_fault(Verdict(2, fault, "It said so"), "cuda:2")  # type: ignore[arg-type]
    assert error.code == code
    assert "Rank 2 (cuda:2)" in error.what
    assert error.why == "It said so."


def test_how_a_process_ended() -> None:
    assert ended_words(-9, []) == "Its process was ended by signal SIGKILL"
    assert (
        ended_words(1, ["one\n", "Error: no.\n", " \n"]) == "Its process ended with status 1; it said last: Error: no"
    )


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "memory"),
        (MemoryError(), "memory"),
        (ValueError("no"), "lost"),
        (UserError("CODE_X", "What.", "Why.", "Hint."), "lost"),
    ],
)
def test_what_a_follower_says_of_itself(error: Exception, fault: str) -> None:
    message = fault_message(error)
    assert message["fault"] == fault
    assert ("error" in message) == isinstance(error, UserError)


def test_a_follower_that_cannot_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live_avatar.distributed.launch._command", lambda *_: ["false"])
    crew = Crew(cut_by_layers(2, [3, 3]), {LEAD: "cpu", 1: "cpu"})
    with pytest.raises(UserError, match=r"Rank 1 .*status 1") as caught:
        crew.start_here()
    assert caught.value.code == "RANK_LOST"
    crew.close()


# Channels


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    return near, far


@pytest.fixture
def channels() -> Iterator[tuple[Channel, Channel]]:
    left, right = connected()
    pair = Channel(left), Channel(right, patient=True)
    yield pair
    for channel in pair:
        channel.close()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.uint8])
def test_tensors_arrive_as_they_are(channels: tuple[Channel, Channel], dtype: torch.dtype) -> None:
    sent = torch.arange(24).view(2, 3, 4).to(dtype)
    left, right = channels
    for sender, receiver in ((left, right), (right, left)):
        sender.send("piece", {"part": sent.transpose(0, 1), "none": sent[:0], "one": sent[0, 0, 0]}, name="x", at=[1])
        message = receiver.receive()
        assert (message.kind, message.facts) == ("piece", {"name": "x", "at": [1]})
        assert torch.equal(message.tensors["part"].float(), sent.transpose(0, 1).float())
        assert message.tensors["part"].dtype == dtype
        assert (message.tensors["none"].shape, message.tensors["one"].shape) == ((0, 3, 4), ())


def test_an_ended_connection_is_noticed_by_whoever_waits(channels: tuple[Channel, Channel]) -> None:
    left, right = channels
    noticed = threading.Event()

    def wait() -> None:
        with pytest.raises(Disconnected):
            left.receive()
        noticed.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    right.close()
    waiting.join(10)
    assert noticed.is_set()


def test_what_is_no_message_ends_the_connection() -> None:
    left, right = connected()
    receiver = Channel(left)
    right.sendall(b"GET / HTTP/1.1\r\n\r\n" * 2)
    with pytest.raises(Disconnected):
        receiver.receive()
    right.close()
    receiver.close()


def test_parcels_hold_tensors_of_several_kinds() -> None:
    tensors = (torch.randn(3, 5).bfloat16(), torch.randn(2, 7), torch.arange(3))
    layout = ParcelLayout.of(tensors)
    buffer = torch.zeros(layout.bytes, dtype=torch.uint8)
    for view, tensor in zip(layout.views(buffer), tensors, strict=True):
        view.copy_(tensor)
    assert all(torch.equal(view, tensor) for view, tensor in zip(layout.views(buffer), tensors, strict=True))


# The self-test


def test_the_selftest_measures_every_edge() -> None:
    found = run_selftest(["cpu", "cpu"])
    assert found.way == HOST
    assert found.notes == []
    assert set(found.rates) == {(0, 1), (1, 0)}
    assert min(found.rates.values()) > 0


def test_a_way_that_does_not_work_says_why() -> None:
    rates, why = _try(DIRECT, ["cpu", "cpu"], 60.0)
    assert rates == {}
    assert why
    told = Selftest(HOST, ((DIRECT, why),)).notes
    assert told[0].startswith("Data does not travel directly from card to card (NCCL): ")
    assert told[1] == "It travels through host memory (gloo) instead."


def test_a_way_that_hangs_is_given_up() -> None:
    rates, why = _try(Way("host", True, "nowhere"), ["cpu", "cpu"], 0.01)
    assert (rates, why) == ({}, "it hangs (waited 0 s)")
