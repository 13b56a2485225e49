"""The benchmark of several cards on the processor: every figure is there, and ranks are measured as they are cut."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from live_avatar.bench.multi import main, result_lines
from live_avatar.bench.multi_measure import Job, measure_option
from live_avatar.bench.random_network import random_conditions
from live_avatar.bench.rank_timing import measure_rank
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import Cut, cut_balanced, cut_by_layers
from live_avatar.distributed.multi_planner import Fleet, Option, best_order, setting_of
from live_avatar.distributed.rank_plans import Role, make_rank_plan
from live_avatar.distributed.transfer_model import LINKS, Wiring
from live_avatar.fast.rungs import Take
from live_avatar.file_facts import read_model_sizes
from live_avatar.geometry import LatentShape
from live_avatar.sampler import make_schedule
from live_avatar.take_passes import PassSettings
from tests.team_material import GOLDEN, LAYERS, STEPS
from tests.test_card_planner import H200

FOLDER = GOLDEN / "ckpt"
SHAPE = LatentShape.of_picture(64, 64, 24)
PLAIN = ComputePlan("plain", "float32", "float32", graphs=False)
TAKE = Take(read_model_sizes(CheckpointLayout.find(FOLDER)), SHAPE, STEPS)


def option_of(cut: Cut, fleet: Fleet) -> Option:
    plans = tuple(
        replace(make_rank_plan(TAKE, H200, Role.of(cut, rank), replace(PLAIN, engine="flat")), plan=PLAIN)
        for rank in range(cut.ranks)
    )
    order, run = best_order(setting_of(TAKE, fleet, cut, plans), STEPS, turns=False)
    return Option(cut, plans, order, 0, run)


def job_of(ranks: int) -> Job:
    wiring = Wiring((0,) * ranks, LINKS["host"], LINKS["host"])
    return Job(TAKE, FOLDER, ("cpu",) * ranks, (H200,) * ranks, None, wiring, "host", 4)


def test_two_ranks_are_measured_alone_and_together() -> None:
    torch.set_num_threads(1)
    job = job_of(2)
    result = measure_option(job, option_of(cut_by_layers(STEPS, [2, 4]), Fleet(job.cards, job.wiring)), (64, 64))
    json.dumps(result, allow_nan=False)
    assert [part["layers"] for part in result["parts"]] == [[2, 2], [4, 4]]
    assert all(each > 0 for part in result["parts"] for each in (*part["item_ms"], part["prefill_ms"]))
    for kind in ("measured", "predicted", "planned"):
        assert result[kind]["fps"] > 0
        assert result[kind]["first_picture"] > 0
    assert result["measured"]["encoded"]["fps"] > 0
    words = "\n".join(result_lines(result))
    for part in ("rank 1 alone", "frames/s", "first picture", "with H.264"):
        assert part in words


@pytest.mark.parametrize("cut", [cut_balanced(STEPS, LAYERS, [4, 8]), cut_by_layers(STEPS, [0, 6])])
def test_a_rank_alone_does_what_the_cut_gives_it(cut: Cut) -> None:
    job = job_of(2)
    settings = PassSettings(SHAPE, make_schedule(STEPS))
    conditions = random_conditions(TAKE.sizes.config, SHAPE, torch.device("cpu"))
    inputs = None
    for rank in range(2):
        found, inputs = measure_rank(cut, rank, job.model(rank, PLAIN), settings, conditions, inputs, 2)
        assert len(found.items) == len(found.layers) == len(Role.of(cut, rank).items)
        times = found.times(0.3, Role.of(cut, rank).prefill, 0.5)
        assert times.block_seconds(found.layers) == pytest.approx(sum(found.items) + 0.5)


def test_without_a_card_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert main([]) == 2
    assert "--devices" in capsys.readouterr().err
