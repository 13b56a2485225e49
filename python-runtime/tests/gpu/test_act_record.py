"""Acts of a card are timed by its own events, on the machine's clock."""

from __future__ import annotations

import time

import pytest
import torch

from live_avatar.distributed.act_record import ActRecorder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")


def test_moments_are_the_cards_own_and_on_the_clock_of_all_ranks() -> None:
    device = torch.device("cuda", 0)
    recorder = ActRecorder(0, device, keep=4)
    recorder.end(recorder.begin("prefill", -1))
    factor = torch.randn(4096, 4096, device=device)
    begun = time.monotonic()
    act = recorder.begin("pass", 3, 1)
    product = factor
    for _ in range(50):
        product = product @ factor
    recorder.end(act)
    record = recorder.record()
    ended = time.monotonic()
    span = record.spans[-1]
    assert (span.work, span.block, span.step) == ("pass", 3, 1)
    assert (record.passes, record.last_blocks) == ({1: 1}, {1: 3})
    # Between the host's own looks at its clock, the second of them after the card was done.
    assert product.shape == factor.shape
    assert begun - 0.001 <= span.start < span.end <= ended + 0.001
