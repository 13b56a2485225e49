"""Ranks that note what they do: the notes are true, change nothing, and the simulator has the same order of acts."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import replace

import pytest
import torch

from live_avatar.bench.multi_trace import run_of, simulated_again, trace_option
from live_avatar.bench.recorded_team import recorded_take
from live_avatar.distributed.act_record import RankRecord, read_record
from live_avatar.distributed.cut import Cut, cut_balanced, cut_by_layers, whole
from live_avatar.distributed.multi_planner import Fleet, Option
from live_avatar.distributed.simulated_order import Order
from live_avatar.distributed.time_line import Simulation
from live_avatar.noise import SeededDraws
from tests.team_material import LAYERS, STEPS, load_lead, model_of_rank, single_session, take_settings
from tests.test_bench_multi import job_of, option_of

BLOCKS = 6
# Of the material's take.
NEW_PROMPT = 5
ROUNDS = Order(3, None, 1)


def option(cut: Cut, order: Order = ROUNDS) -> Option:
    job = job_of(cut.ranks)
    return replace(option_of(cut, Fleet(job.cards, job.wiring)), order=order)


def recorded(cut: Cut) -> tuple[Simulation, list[RankRecord], list[torch.Tensor]]:
    """A recorded take with an anchor in it: the run, the records, and its latents."""
    torch.set_num_threads(1)
    settings, conditions = take_settings(torch.device("cpu"))
    formation = job_of(cut.ranks).formation(option(cut))
    latents = []
    with recorded_take(formation, settings, conditions, SeededDraws(7), keep=1000) as take:
        for _ in range(BLOCKS):
            made = take.session.denoise_block()
            latents.append(made.clone())
            take.session.decode_frames(made).take()
        records = take.finish()
    return run_of(records), records, latents


def order_of(run: Simulation, rank: int) -> list[tuple[str, int, int | None]]:
    """What a rank did, in the order it began; a prefill is known without its block."""
    spans = sorted((span for span in run.spans if span.rank == rank), key=lambda span: (span.start, span.end))
    shown = ("pass", "prefill", "decode")
    return [
        (span.work, -1 if span.work == "prefill" else span.block, span.step) for span in spans if span.work in shown
    ]


@pytest.mark.parametrize(
    "cut", [cut_by_layers(STEPS, [2, 4]), cut_balanced(STEPS, LAYERS, [3, 5, 4])], ids=["layers", "balanced"]
)
def test_a_recorded_take_is_the_same_take_and_happens_in_the_simulated_order(cut: Cut) -> None:
    run, records, latents = recorded(cut)
    session = single_session(load_lead(whole(STEPS, LAYERS), model_of_rank()))
    assert all(torch.equal(made, session.denoise_block()) for made in latents)

    sent = {edge: count for record in records for edge, count in record.sent.items()}
    received = {edge: count for record in records for edge, count in record.received.items()}
    assert sent == received
    assert set(sent) == set(cut.edges)
    for record in records:
        assert set(record.passes) == {step for step in range(STEPS) if cut.share_of(record.rank, step) is not None}
        assert read_record(json.loads(json.dumps(record.as_dict()))) == record
    for step in range(STEPS):
        assert len({(r.passes[step], r.last_blocks[step]) for r in records if step in r.passes}) == 1

    # One clock for all processes: no layers of a step begin before those below them have ended, on another rank.
    ended: dict[tuple[int, int], float] = {}
    for span in sorted((span for span in run.spans if span.work == "pass"), key=lambda span: span.start):
        assert span.step is not None
        assert span.start >= ended.get((span.block, span.step), 0.0)
        ended[span.block, span.step] = span.end
    own = defaultdict(list)
    for span in run.spans:
        own[span.rank].append(span)
    for spans in own.values():
        ordered = sorted(spans, key=lambda span: span.start)
        assert all(before.end <= after.start for before, after in itertools.pairwise(ordered))

    again = simulated_again(job_of(cut.ranks), option(cut), run, frozenset({NEW_PROMPT}))
    for rank in range(cut.ranks):
        real, simulated = order_of(run, rank), order_of(again, rank)
        # The simulation goes on with blocks in flight beyond the last one; so did the take, not always as far.
        length = min(len(real), len(simulated))
        assert length > BLOCKS
        assert real[:length] == simulated[:length]


def test_two_measured_blocks_are_drawn_with_who_waits() -> None:
    cut = cut_by_layers(STEPS, [2, 4])
    picture, facts = trace_option(job_of(2), option(cut))
    space = "{http://www.w3.org/2000/svg}"
    tree = ET.fromstring(picture)
    titles = [each.text or "" for each in tree.iter(f"{space}title")]
    assert sum("decoding of block" in title for title in titles) >= 2
    assert any("step 1 of block" in title for title in titles)
    assert any("waiting for another rank" in title for title in titles)
    texts = ["".join(each.itertext()) for each in tree.iter(f"{space}text")]
    assert {text.split()[0] for text in texts if text.startswith(("rank", "card", "encoder"))} == {"rank"}
    assert all(0 < busy <= 1 and 0 <= waits < 1 for busy, waits in zip(facts["busy"], facts["waits"], strict=True))
    assert facts["simulated_fps"] > 0


def test_without_keeping_acts_only_counts_are_kept() -> None:
    torch.set_num_threads(1)
    settings, conditions = take_settings(torch.device("cpu"))
    cut = cut_by_layers(STEPS, [2, 4])
    with recorded_take(job_of(2).formation(option(cut)), settings, conditions, SeededDraws(7)) as take:
        take.session.denoise_block()
        records = take.finish()
    assert all(record.spans == () for record in records)
    assert all(record.passes[0] >= 1 for record in records)
    with pytest.raises(ValueError, match="nothing was recorded"):
        run_of(records)
