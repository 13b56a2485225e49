"""The benchmark of several cards on the processor: every figure is there, and ranks are measured as they are cut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from live_avatar.bench.multi import main
from live_avatar.bench.multi_cases import CARD_CASES, CUTS, Case, given_cut, options_of, read_cuts
from live_avatar.bench.multi_job import Job
from live_avatar.bench.multi_loss import measure_loss
from live_avatar.bench.multi_measure import measure_option
from live_avatar.bench.multi_words import case_lines, loss_lines, result_lines
from live_avatar.bench.random_network import random_conditions
from live_avatar.bench.rank_timing import measure_rank
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.cli import main as command_line
from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import Cut, cut_balanced, cut_by_layers
from live_avatar.distributed.multi_planner import Fleet, Option, best_order, setting_of
from live_avatar.distributed.rank_plans import Role, make_rank_plan
from live_avatar.distributed.transfer_model import LINKS, Wiring
from live_avatar.errors import UserError
from live_avatar.fast.task import Take
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
    assert all(part["begin_ms"] >= 0 for part in result["parts"])
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
        assert times.block_seconds(found.layers) == pytest.approx(found.begin + sum(found.items) + 0.5)


def test_the_command_prints_every_row_and_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    flags = ["--device", "cpu", "--ranks", "1,2", "--preset", "tiny", "--blocks", "2", "--cuts", "best,steps,layers"]
    flags += ["--steps", "2", "--minutes", "0.01", "--size", "64*64"]
    assert command_line(["bench", "--multi", *flags, "--trace", str(tmp_path / "t.svg"), "--json", str(path)]) == 0
    report = json.loads(path.read_text("utf-8"))
    # Two layers on two equal ranks are even by layers too, which is not measured twice.
    measured = [(each["ranks"], each["name"]) for each in report["results"]]
    assert measured == [(1, "one card"), (2, "best"), (2, "steps")]
    assert report["loss"]["code"] == "RANK_LOST"
    assert (report["loss"]["named"], report["loss"]["processes_left"]) == (True, 0)
    assert report["loss"]["largest_difference"] == 0
    assert report["loss"]["resumed_on"] == 1
    assert report["trace"]["blocks"] == 2
    assert (tmp_path / "t.svg").read_text("utf-8").startswith("<svg")
    best = report["results"][1]
    assert best["measured"]["long"]["blocks"] == 2
    assert best["measured"]["first_picture_cold"] > 0
    assert sum(best["held"]["of_even_share"]) == pytest.approx(2)
    printed = capsys.readouterr().out
    for words in (
        "of N x 1",
        "off by",
        "rank 1 of 2 killed",
        "bit for bit",
        "the simulator with the times",
    ):
        assert words in printed


def test_a_lost_rank_is_named_and_one_less_goes_on() -> None:
    torch.set_num_threads(1)
    job, fewer = job_of(3), job_of(2)
    three = option_of(cut_by_layers(STEPS, [2, 2, 2]), Fleet(job.cards, job.wiring))
    two = option_of(cut_by_layers(STEPS, [3, 3]), Fleet(fewer.cards, fewer.wiring))
    found = measure_loss(job, three, fewer, two)
    assert (found["code"], found["named"], found["processes_left"]) == ("RANK_LOST", True, 0)
    assert (found["killed"], found["resumed_on"], found["largest_difference"]) == (2, 2, 0.0)
    assert "SIGKILL" in found["why"]
    assert "is named; 0 of its processes are left" in "\n".join(loss_lines(found))


def test_cuts_are_those_asked_for() -> None:
    job = job_of(2)
    fleet = Fleet(job.cards, job.wiring)
    case = Case((64, 64), cuts=("even", "steps", given_cut("0,6")))
    found = dict(options_of(case, TAKE, fleet, plain=True))
    assert all(option is not None for option in found.values())
    cuts = [option.cut for option in found.values() if option is not None]
    assert cuts[0] == cut_by_layers(STEPS, [3, 3])
    assert cuts[1].kind == "steps"
    assert cuts[2] == cut_by_layers(STEPS, [0, 6])
    assert all(rank.plan.engine == "plain" for option in found.values() if option is not None for rank in option.ranks)
    assert read_cuts("best, even,best") == ("best", "even")
    # One rank has one way.
    assert [name for name, _ in options_of(case, TAKE, fleet.first(1), plain=True)] == ["one card"]


def test_rows_of_the_issues_have_their_bars() -> None:
    bars = {(case.words(), ranks): case.bar(ranks) for case in CARD_CASES for ranks in (2, 4)}
    assert {key: bar for key, bar in bars.items() if bar is not None} == {
        ("704*384", 2): 36,
        ("704*384, 24 GB a card", 2): 25,
        ("384*256, 16 GB a card", 2): 40,
        ("704*384", 4): 65,
        ("384*256", 4): 180,
        ("688*368, 24 GB a card, bf16", 4): 40,
        ("688*368, 24 GB a card, fp8", 4): 40,
    }
    assert set(CARD_CASES[0].cuts) == set(CUTS)


def test_a_table_tells_shares_and_bars() -> None:
    def result(ranks: int, fps: float) -> dict[str, Any]:
        measured = {"fps": fps, "p50": 1.0, "p95": 2.0, "p99": 3.0, "first_picture": 0.9, "encoded": {"fps": fps}}
        held = {"of_even_share": [1.08, 0.92]}
        name = "best" if ranks > 1 else "one card"
        return {"ranks": ranks, "name": name, "measured": measured, "predicted": {"fps": 39.0}, "held": held}

    lines = list(case_lines(CARD_CASES[0], [result(1, 20.0), result(2, 37.0)]))
    row = next(line for line in lines if " best " in line).split()
    # Frames a second, with H.264, of twice one card, simulated, off by, first, periods, the largest share of 1/N.
    assert row == ["2", "best", "37.0", "37.0", "92%", "39.0", "+5.4%", "0.90", "1/2/3", "1.08"]
    assert any("36 frames/s with H.264: met" in line for line in lines)
    assert any("within 0.8 s: MISSED" in line for line in lines)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--ranks", "3"], "ARGUMENTS_INVALID"),
        (["--ranks", "two"], "ARGUMENTS_INVALID"),
        (["--cuts", "best,diagonal"], "CUT_INVALID"),
        (["--memory_limit", "0.1"], "ARGUMENTS_INVALID"),
        (["--blocks", "0"], "ARGUMENTS_INVALID"),
        (["--size", "x"], "SIZE_INVALID"),
    ],
)
def test_wrong_flags(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["bench", "--multi", "--device", "cpu", "--devices", "cpu,cpu", *flags]) == 2
    assert words in capsys.readouterr().err


def test_without_a_card_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError) as caught:
        main([])
    assert caught.value.code == "DEVICE_UNAVAILABLE"
    assert "--device cpu" in caught.value.hint
