"""Several ranks on cards: two cards with NCCL, and two ranks on one card through host memory."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterator, Sequence

import psutil
import pytest
import torch
from torch import Tensor

from live_avatar.compute_plan import ComputePlan
from live_avatar.denoiser import Denoiser
from live_avatar.distributed.cut import Cut, cut_balanced, cut_by_layers, cut_by_steps, whole
from live_avatar.distributed.edges import Transport
from live_avatar.distributed.gathering import HereGathering
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.selftest import run_selftest
from live_avatar.distributed.team import Formation, Team
from live_avatar.errors import UserError
from live_avatar.numerics import repeatable
from live_avatar.session import Session
from tests.gpu.two_cards import TWO_CARDS, let_one_stand_for_both, two_cards
from tests.team_material import GOLDEN, LAYERS, STEPS, load_lead, pictures, single_session, team_session

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")
BLOCKS = 9


@pytest.fixture(autouse=True)
def as_renders_do(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Followers always compute so; the lead is to."""
    let_one_stand_for_both(monkeypatch)
    with repeatable(torch.device("cuda")):
        yield


PLANS = {
    "plain": ComputePlan("plain", "float32", "float32", graphs=False),
    "flat": ComputePlan("flat", "bfloat16", "float32"),
    "flat, e4m3": ComputePlan("flat", "float8", "float32", "float8"),
    "flat, without graphs": ComputePlan("flat", "bfloat16", "float32", graphs=False),
}
CUTS = {
    "by layers": cut_by_layers(STEPS, [3, 3]),
    "by steps": cut_by_steps(LAYERS, [1, 1]),
    "balanced": cut_balanced(STEPS, LAYERS, [5, 7]),
    "the lead decodes only": cut_by_layers(STEPS, [0, LAYERS]),
}


def models(plan: ComputePlan, devices: Sequence[str]) -> tuple[RankModel, ...]:
    return tuple(RankModel(GOLDEN / "ckpt", None, device, plan) for device in devices)


def open_team(cut: Cut, plan: ComputePlan, devices: Sequence[str], transport: Transport) -> tuple[Team, Denoiser]:
    formation = Formation(cut, models(plan, devices), transport)
    team = Team(formation, HereGathering())
    try:
        denoiser = load_lead(cut, formation.models[0])
        team.connect(denoiser)
    except BaseException:
        team.close()
        raise
    return team, denoiser


def until_failure(team: Team, session: Session) -> None:
    """As a render does: pictures are believed only if the team is whole once they are there."""
    for _ in range(1000):
        pictures(session, 1)
        torch.cuda.synchronize()
        if team.crew.failed():
            raise team.crew.error()


def long_window(team: Team, formation: Formation) -> None:
    """A take whose caches no small limit has room for."""
    denoiser = load_lead(formation.cut, formation.models[0])
    team.connect(denoiser)
    pictures(team_session(team, denoiser, infer_frames=12 * 4000), 2)


def alone(plan: ComputePlan) -> list[Tensor]:
    return pictures(single_session(load_lead(whole(STEPS, LAYERS), models(plan, ["cuda:0"])[0])), BLOCKS)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("plan", PLANS)
@two_cards
def test_two_cards_make_the_pictures_of_one(plan: str, cut: str) -> None:
    wanted = alone(PLANS[plan])
    team, denoiser = open_team(CUTS[cut], PLANS[plan], TWO_CARDS, "card")
    try:
        for _ in range(2):  # the second take replays graphs of the first
            found = pictures(team_session(team, denoiser), BLOCKS)
            for left, right in zip(found, wanted, strict=True):
                assert torch.equal(left.cpu(), right.cpu())
    finally:
        team.close()


@pytest.mark.parametrize("plan", ["plain", "flat"])
def test_two_ranks_on_one_card_through_host_memory(plan: str) -> None:
    wanted = alone(PLANS[plan])
    team, denoiser = open_team(CUTS["by layers"], PLANS[plan], ["cuda:0", "cuda:0"], "host")
    try:
        found = pictures(team_session(team, denoiser), BLOCKS)
        assert all(torch.equal(left.cpu(), right.cpu()) for left, right in zip(found, wanted, strict=True))
    finally:
        team.close()


@pytest.mark.parametrize(("by", "code"), [(signal.SIGKILL, "RANK_LOST"), (signal.SIGSTOP, "RANK_HUNG")])
@two_cards
def test_a_lost_card_rank_is_named_and_the_lead_lives_on(by: signal.Signals, code: str) -> None:
    """The communicators are broken off, so that the lead's own card is free for the next team."""
    plan = PLANS["flat"]
    team, denoiser = open_team(CUTS["by layers"], plan, TWO_CARDS, "card")
    session = team_session(team, denoiser)
    pictures(session, 2)
    processes = team.crew.processes()
    os.kill(processes[0], by)
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        until_failure(team, session)
    assert (caught.value.code, time.monotonic() - started < 30) == (code, True)
    assert not any(map(psutil.pid_exists, processes))
    team.close()
    del session, denoiser
    team, denoiser = open_team(CUTS["by layers"], plan, TWO_CARDS, "card")
    try:
        wanted = alone(plan)
        found = pictures(team_session(team, denoiser), BLOCKS)
        assert all(torch.equal(left.cpu(), right.cpu()) for left, right in zip(found, wanted, strict=True))
    finally:
        team.close()


@two_cards
def test_the_selftest_of_two_cards() -> None:
    found = run_selftest(TWO_CARDS)
    assert found.way is not None
    assert found.way.transport == "card"
    assert min(found.rates.values()) > 1e9


@two_cards
def test_a_rank_out_of_memory_says_so() -> None:
    formation = Formation(
        CUTS["by layers"],
        tuple(
            dataclasses.replace(model, memory_limit=limit)
            # Barely more than CUDA itself takes.
            for model, limit in zip(models(PLANS["plain"], TWO_CARDS), (None, 900_000_000), strict=True)
        ),
        "card",
    )
    team = Team(formation, HereGathering())
    with pytest.raises(UserError) as caught:
        long_window(team, formation)
    team.close()
    assert caught.value.code == "RANK_OUT_OF_MEMORY"
    assert "Rank 1 " in caught.value.what
