"""Several ranks on cards: two to four with NCCL, and two on one card through host memory."""

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
from live_avatar.distributed.cut import Cut, cut_balanced, whole
from live_avatar.distributed.edges import Transport
from live_avatar.distributed.gathering import HereGathering
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.selftest import run_selftest
from live_avatar.distributed.team import Formation, Team
from live_avatar.errors import UserError
from live_avatar.numerics import repeatable
from live_avatar.session import Session
from tests.gpu.rank_cards import cards_of, let_one_stand_for_all, needs_cards
from tests.team_material import CUTS, GOLDEN, LAYERS, STEPS, kept, load_lead, pictures, single_session, team_session

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")
BLOCKS = 9
SAVED_AFTER = 5


@pytest.fixture(autouse=True)
def as_renders_do(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Followers always compute so; the lead is to."""
    let_one_stand_for_all(monkeypatch)
    with repeatable(torch.device("cuda")):
        yield


PLANS = {
    "plain": ComputePlan("plain", "float32", "float32", graphs=False),
    "flat": ComputePlan("flat", "bfloat16", "float32"),
    "flat, e4m3": ComputePlan("flat", "float8", "float32", "float8"),
    "flat, without graphs": ComputePlan("flat", "bfloat16", "float32", graphs=False),
}
CUTS_OF_CARDS = CUTS | {"2 by steps, balanced": cut_balanced(STEPS, LAYERS, [5, 7])}


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


def same(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return all(torch.equal(left.cpu(), right.cpu()) for left, right in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs_cards(cut.ranks)) for name, cut in CUTS_OF_CARDS.items()]
)
@pytest.mark.parametrize("plan", PLANS)
def test_cards_make_the_pictures_of_one(plan: str, name: str) -> None:
    wanted = alone(PLANS[plan])
    cut = CUTS_OF_CARDS[name]
    team, denoiser = open_team(cut, PLANS[plan], cards_of(cut.ranks), "card")
    try:
        for _ in range(2):  # the second take replays graphs of the first
            assert same(pictures(team_session(team, denoiser), BLOCKS), wanted)
    finally:
        team.close()


@pytest.mark.parametrize("plan", ["plain", "flat"])
def test_two_ranks_on_one_card_through_host_memory(plan: str) -> None:
    wanted = alone(PLANS[plan])
    team, denoiser = open_team(CUTS["2 by layers"], PLANS[plan], ["cuda:0", "cuda:0"], "host")
    try:
        assert same(pictures(team_session(team, denoiser), BLOCKS), wanted)
    finally:
        team.close()


@pytest.mark.parametrize(("by", "code"), [(signal.SIGKILL, "RANK_LOST"), (signal.SIGSTOP, "RANK_HUNG")])
@needs_cards(2)
def test_a_lost_card_rank_is_named_and_the_lead_lives_on(by: signal.Signals, code: str) -> None:
    """The communicators are broken off, so that the lead's own card is free for the next team."""
    plan = PLANS["flat"]
    team, denoiser = open_team(CUTS["2 by layers"], plan, cards_of(2), "card")
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
    team, denoiser = open_team(CUTS["2 by layers"], plan, cards_of(2), "card")
    try:
        wanted = alone(plan)
        assert same(pictures(team_session(team, denoiser), BLOCKS), wanted)
    finally:
        team.close()


@needs_cards(4)
def test_three_cards_go_on_from_what_four_saved_before_one_was_lost() -> None:
    plan = PLANS["flat"]
    wanted = alone(plan)
    team, denoiser = open_team(CUTS["4 by steps, balanced"], plan, cards_of(4), "card")
    session = team_session(team, denoiser)
    assert same(pictures(session, SAVED_AFTER), wanted[:SAVED_AFTER])
    state = kept(session.save())
    processes = team.crew.processes()
    os.kill(processes[1], signal.SIGKILL)
    with pytest.raises(UserError) as caught:
        until_failure(team, session)
    assert caught.value.code == "RANK_LOST"
    assert "Rank 2 " in caught.value.what
    assert not any(map(psutil.pid_exists, processes))
    team.close()
    del session, denoiser
    team, denoiser = open_team(CUTS["3 by layers, uneven"], plan, cards_of(3), "card")
    try:
        session = team_session(team, denoiser)
        session.restore(state)
        assert same(pictures(session, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])
    finally:
        team.close()


@pytest.mark.parametrize("ranks", [pytest.param(ranks, marks=needs_cards(ranks)) for ranks in (2, 4)])
def test_the_selftest_of_cards(ranks: int) -> None:
    found = run_selftest(cards_of(ranks))
    assert found.way is not None
    assert found.way.transport == "card"
    assert min(found.rates.values()) > 1e9


@needs_cards(2)
def test_a_rank_out_of_memory_says_so() -> None:
    formation = Formation(
        CUTS["2 by layers"],
        tuple(
            dataclasses.replace(model, memory_limit=limit)
            # Barely more than CUDA itself takes.
            for model, limit in zip(models(PLANS["plain"], cards_of(2)), (None, 900_000_000), strict=True)
        ),
        "card",
    )
    team = Team(formation, HereGathering())
    with pytest.raises(UserError) as caught:
        long_window(team, formation)
    team.close()
    assert caught.value.code == "RANK_OUT_OF_MEMORY"
    assert "Rank 1 " in caught.value.what
