"""One take on several ranks: the pictures of one process, whatever the cut."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor

from live_avatar.denoiser import Denoiser
from live_avatar.distributed.cut import whole
from live_avatar.distributed.team import Formation, Team
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.errors import UserError
from live_avatar.events import RenderEvent, StageEvent
from live_avatar.noise import SeededDraws
from live_avatar.session import SavedSession, Session
from live_avatar.vae.frame_copies import Frame
from tests.team_material import (
    CUTS,
    kept,
    load_lead,
    model_of_rank,
    pictures,
    single_session,
    take_settings,
    team_of,
    team_session,
)

BLOCKS = 7
SAVED_AFTER = 3


@pytest.fixture(scope="module")
def alone() -> Denoiser:
    """All layers in this process."""
    return load_lead(whole(2, 6), model_of_rank())


@pytest.fixture(scope="module")
def wanted(alone: Denoiser) -> list[Tensor]:
    """Blocks across the anchor at the second clip (block 2) and a new prompt (block 5)."""
    return pictures(single_session(alone), BLOCKS)


def same(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return len(found) == len(wanted) and all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def saved_in(session: Session) -> SavedSession:
    pictures(session, SAVED_AFTER)
    return kept(session.save())


@pytest.mark.parametrize("name", CUTS)
def test_a_team_makes_the_pictures_of_one_process(name: str, alone: Denoiser, wanted: list[Tensor]) -> None:
    """Also when a take is given up halfway, when its state goes to one process, and when one process's comes here."""
    with team_of(CUTS[name]) as (team, denoiser):
        pictures(team_session(team, denoiser), 2)
        session = team_session(team, denoiser)
        state = saved_in(session)
        assert same(pictures(session, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])
        single = single_session(alone)
        single.restore(state)
        assert same(pictures(single, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])
        single = single_session(alone)
        state = saved_in(single)
        session = team_session(team, denoiser)
        session.restore(state)
        assert same(pictures(session, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])
        processes = team.crew.processes()
    assert not any(map(psutil.pid_exists, processes))


def test_a_state_of_four_ranks_is_continued_by_two(wanted: list[Tensor]) -> None:
    with team_of(CUTS["4 by layers"]) as (team, denoiser):
        state = saved_in(team_session(team, denoiser))
    with team_of(CUTS["2 by steps"]) as (team, denoiser):
        session = team_session(team, denoiser)
        session.restore(state)
        assert same(pictures(session, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])


def test_a_team_of_one_needs_no_other_process(wanted: list[Tensor]) -> None:
    with team_of(whole(2, 6)) as (team, denoiser):
        assert same(pictures(team_session(team, denoiser), BLOCKS), wanted)
        assert team.crew.processes() == []


def test_a_narrow_flat_pass_hands_over_exactly() -> None:
    """Residual and pending update travel apart, so a cut changes no rounding, in e4m3 and bfloat16 either."""
    model = model_of_rank("fp8")
    wanted = pictures(single_session(load_lead(whole(2, 6), model)), 5)
    with team_of(CUTS["3 by layers, uneven"], model=model) as (team, denoiser):
        session = team_session(team, denoiser)
        assert same(pictures(session, 3), wanted[:3])
        state = kept(session.save())
        session = team_session(team, denoiser)
        session.restore(state)
        assert same(pictures(session, 2), wanted[3:])


# Failure


def lose(team: Team, denoiser: Denoiser, rank: int, by: signal.Signals) -> tuple[UserError, float]:
    """What a take says, and after how many seconds, when something happens to a rank's process."""
    session = team_session(team, denoiser)
    pictures(session, 1)
    os.kill(team.crew.processes()[rank - 1], by)
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        pictures(session, 100)
    return caught.value, time.monotonic() - started


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("name", "by", "code"),
    [
        ("2 by layers", signal.SIGKILL, "RANK_LOST"),
        ("4 by layers", signal.SIGKILL, "RANK_LOST"),
        ("3 by steps, the lead decodes only", signal.SIGSTOP, "RANK_HUNG"),
    ],
)
def test_a_rank_that_goes_away_is_named_and_nothing_is_left(
    name: str, by: signal.Signals, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that nobody has to wait as long as on a machine that may be busy for good reasons.
    monkeypatch.setattr("live_avatar.distributed.board.SILENT_SECONDS", 6.0)
    cut = CUTS[name]
    rank = cut.ranks - 1
    with team_of(cut) as (team, denoiser):
        processes = team.crew.processes()
        error, seconds = lose(team, denoiser, rank, by)
        assert (error.code, seconds < 30) == (code, True)
        assert f"Rank {rank} " in error.what
        assert not any(map(psutil.pid_exists, processes))
        assert not team.usable
        with pytest.raises(UserError):
            team_session(team, denoiser)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_take_goes_on_with_a_new_team_after_one_was_lost(wanted: list[Tensor]) -> None:
    with team_of(CUTS["3 by layers, uneven"]) as (team, denoiser):
        state = saved_in(team_session(team, denoiser))
        lose(team, denoiser, 1, signal.SIGKILL)
    with team_of(CUTS["2 by layers"]) as (team, denoiser):
        session = team_session(team, denoiser)
        session.restore(state)
        assert same(pictures(session, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])


# As a pipeline


def pipeline_pictures(pipeline: TeamPipeline, blocks: int) -> list[list[Frame]]:
    """The first blocks of a new take, as frames."""
    settings, conditions = take_settings(pipeline.device)
    session = pipeline.new_session(settings, conditions, SeededDraws(7))
    return [session.decode_frames(session.denoise_block()).take() for _ in range(blocks)]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_pipeline_puts_up_another_team_when_one_was_lost(alone: Denoiser) -> None:
    events: list[RenderEvent] = []
    formation = Formation(CUTS["2 by layers"], (model_of_rank(),) * 2)
    pipeline = TeamPipeline.assemble(formation, events.append)
    try:
        # What way the data takes was tried out.
        assert pipeline.formation.transport == "host"
        assert [event.code for event in events if isinstance(event, StageEvent)] == [
            "MODEL_LOADING_RANKS",
            "MODEL_LOADED",
        ]
        single = single_session(alone)
        wanted = [single.decode_frames(single.denoise_block()).take() for _ in range(3)]
        assert np.array_equal(pipeline_pictures(pipeline, 3), wanted)
        (follower,) = psutil.Process().children()
        follower.kill()
        with pytest.raises(UserError) as caught:
            pipeline_pictures(pipeline, 3)
        assert caught.value.code == "RANK_LOST"
        assert np.array_equal(pipeline_pictures(pipeline, 3), wanted)
        assert [(rank.rank, rank.device) for rank in pipeline.ranks()] == [(1, "cpu")]
    finally:
        pipeline.close()
    assert psutil.Process().children() == []
