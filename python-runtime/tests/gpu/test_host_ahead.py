"""The host asks a card for blocks without waiting for it, and the pictures are those of a host that waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from live_avatar.card_queue import RunAhead, queued_copy
from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import whole
from live_avatar.distributed.orders import RankModel
from tests.team_material import GOLDEN, LAYERS, STEPS, load_lead, single_session

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")
CARD = torch.device("cuda", 0)


@contextmanager
def nobody_waits() -> Iterator[None]:
    """Operations of torch that would wait for the card raise."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_copy_does_not_wait() -> None:
    drawn = torch.randn(3, 5, 7)
    part = drawn[:, 1:3]
    with pytest.raises(RuntimeError, match="sync"), nobody_waits():
        part.to(CARD)
    with nobody_waits():
        copied = queued_copy(part, CARD)
    assert torch.equal(copied.cpu(), part)


def test_blocks_are_asked_for_without_waiting() -> None:
    model = RankModel(GOLDEN / "ckpt", None, "cuda:0", ComputePlan("flat", "bfloat16", "float32"))
    session = single_session(load_lead(whole(STEPS, LAYERS), model))
    # Until the window is full and its passes are captured.
    for _ in range(2 * session.shape.clip_blocks + 2):
        session.denoise_block()
    with nobody_waits():
        for _ in range(session.shape.clip_blocks):
            session.denoise_block()


def test_the_host_waits_for_all_but_the_newest_pass() -> None:
    ahead = RunAhead(CARD)
    done = [torch.cuda.Event() for _ in range(3)]
    matrix = torch.randn(4096, 4096, device=CARD)
    for event in done:
        for _ in range(50):
            matrix = matrix @ matrix / 4096
        event.record()
        ahead.asked()
    ahead.wait()
    assert done[0].query()
    assert done[1].query()
