"""One take on several ranks: the pictures of one process, whatever the cut."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor

from live_avatar.denoiser import Denoiser
from live_avatar.distributed.cut import Cut, cut_balanced, cut_by_layers, cut_by_steps, whole
from live_avatar.distributed.team import Formation, Team
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.distributed.turn_flights import TurnFlights, blocks_in_turns
from live_avatar.errors import UserError
from live_avatar.events import RenderEvent, StageEvent
from live_avatar.flights import Flights
from live_avatar.noise import SeededDraws
from live_avatar.saved_session import SavedSession
from live_avatar.session import Session
from live_avatar.state_store import StateStore
from live_avatar.vae.frame_copies import Frame
from tests.team_material import (
    CUTS,
    followers,
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


@pytest.mark.parametrize(
    ("cut", "steps"), [(cut_by_layers(2, [0, 1, 2, 2, 1]), 2), (cut_balanced(4, 6, [0, 4, 3, 4, 3, 4, 3, 3]), 4)]
)
def test_five_and_eight_ranks_one_of_which_only_decodes(cut: Cut, steps: int, alone: Denoiser) -> None:
    wanted = pictures(single_session(alone, steps=steps), 4)
    with team_of(cut, gap=cut.ranks) as (team, denoiser):
        session = team_session(team, denoiser, steps=steps)
        assert same(pictures(session, 3), wanted[:3])
        state = kept(session.save())
        assert same(pictures(session, 1), wanted[3:])
    single = single_session(alone, steps=steps)
    single.restore(state)
    assert same(pictures(single, 1), wanted[3:])


def test_a_state_of_four_ranks_is_continued_by_two(wanted: list[Tensor]) -> None:
    with team_of(CUTS["4 by layers"]) as (team, denoiser):
        state = saved_in(team_session(team, denoiser))
    with team_of(CUTS["2 by steps"]) as (team, denoiser):
        session = team_session(team, denoiser)
        session.restore(state)
        assert same(pictures(session, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])


@pytest.mark.parametrize(
    ("cut", "gap"),
    [
        (cut_by_layers(4, [3, 3]), 3),
        (cut_by_layers(4, [1, 2, 3]), 4),
        (cut_by_steps(6, [2, 2]), 1),
        (cut_balanced(4, 6, [7, 9, 8]), 3),
    ],
    ids=lambda value: value.words() if isinstance(value, Cut) else f"gap {value}",
)
def test_turns_make_the_pictures_of_one_process(cut: Cut, gap: int, alone: Denoiser) -> None:
    """Across the anchor and a new prompt, by a state of blocks in flight, and after one in the other order."""
    single = single_session(alone, steps=4)
    wanted = pictures(single, BLOCKS)
    with team_of(cut) as (team, denoiser):
        rounds = team.formation
        team.reorder(replace(rounds, gap=gap))
        assert team.formation.flights == blocks_in_turns(4, gap)
        session = team_session(team, denoiser, steps=4)
        assert isinstance(session._flights, TurnFlights)
        assert same(pictures(session, SAVED_AFTER), wanted[:SAVED_AFTER])
        state = kept(session.save())
        assert state.flight_steps
        assert same(pictures(session, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])
        team.reorder(rounds)
        session = team_session(team, denoiser, steps=4)
        assert isinstance(session._flights, Flights)
        session.restore(state)
        assert same(pictures(session, 1), wanted[SAVED_AFTER : SAVED_AFTER + 1])
        state = kept(session.save())
        team.reorder(replace(rounds, gap=gap))
        session = team_session(team, denoiser, steps=4)
        session.restore(state)
        assert same(pictures(session, BLOCKS - SAVED_AFTER - 1), wanted[SAVED_AFTER + 1 :])
    single = single_session(alone, steps=4)
    single.restore(state)
    assert same(pictures(single, BLOCKS - SAVED_AFTER - 1), wanted[SAVED_AFTER + 1 :])


@pytest.mark.parametrize("name", ["3 by layers, uneven", "4 by steps, balanced", "2, the lead decodes only"])
def test_a_state_is_written_slice_by_slice(name: str, tmp_path: Path, wanted: list[Tensor]) -> None:
    """The file is that of the whole, and a take whose state could not be written goes on."""
    with team_of(CUTS[name]) as (team, denoiser):
        session = team_session(team, denoiser)
        pictures(session, SAVED_AFTER)
        saved = session.save()
        assert {"cache.key", "cache.value", "cache.reference_key"} == saved.slices.keys()
        given_up = saved.slices["cache.value"].slices()
        next(given_up)
        given_up.close()
        in_slices = write_state_of(saved, tmp_path / "slices")
        whole_at_once = write_state_of(kept(session.save()), tmp_path / "whole")
        assert in_slices.read_bytes() == whole_at_once.read_bytes()
        assert same(pictures(session, BLOCKS - SAVED_AFTER), wanted[SAVED_AFTER:])
        session = team_session(team, denoiser)
        store = StateStore(tmp_path / "slices")
        state = store.find(["content"], 1)
        assert state is not None
        session.restore(store.load(state))
        assert same(pictures(session, 2), wanted[SAVED_AFTER : SAVED_AFTER + 2])


def write_state_of(saved: SavedSession, folder: Path) -> Path:
    folder.mkdir()
    return StateStore(folder).save(saved, 1, "content").path


def test_a_state_that_its_ranks_cannot_give_is_none(tmp_path: Path) -> None:
    with team_of(CUTS["2 by layers"]) as (team, denoiser):
        session = team_session(team, denoiser)
        pictures(session, 1)
        saved = session.save()
        psutil.Process(team.crew.processes()[0]).kill()
        with pytest.raises(UserError) as caught:
            write_state_of(saved, tmp_path / "states")
        assert caught.value.code == "RANK_LOST"
        assert list((tmp_path / "states").iterdir()) == []


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
        # Its blocks may come in another order; anything else needs another team.
        in_turns = replace(formation, gap=3, room=2)
        assert pipeline.serves(in_turns)
        assert not pipeline.serves(replace(in_turns, cut=CUTS["2 by steps"]))
        pipeline.reorder(in_turns)
        assert np.array_equal(pipeline_pictures(pipeline, 3), wanted)
        (follower,) = followers()
        follower.kill()
        with pytest.raises(UserError) as caught:
            pipeline_pictures(pipeline, 3)
        assert caught.value.code == "RANK_LOST"
        assert np.array_equal(pipeline_pictures(pipeline, 3), wanted)
        assert pipeline.formation.gap == 3
        assert [(rank.rank, rank.device) for rank in pipeline.ranks()] == [(1, "cpu")]
    finally:
        pipeline.close()
    assert followers() == []


@pytest.mark.parametrize(
    ("cut", "asked"),
    [
        (whole(2, 6), 2),
        (cut_by_layers(2, [3, 3]), 2),
        # Of a block the lead does the first step only.
        (cut_by_steps(6, [1, 1]), 1),
        # Here what tells how far the others are is what came from them.
        (cut_by_layers(2, [0, 6]), 1),
    ],
    ids=["one rank", "by layers", "by steps", "the lead decodes only"],
)
def test_the_lead_keeps_pace_with_its_own_work(cut: Cut, asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for what others do would leave its card without work."""
    noted: list[str] = []

    class Noted:
        def __init__(self, device: torch.device) -> None:
            pass

        def asked(self) -> None:
            noted.append("asked")

        def wait(self) -> None:
            noted.append("wait")

    for module in ("live_avatar.take_passes", "live_avatar.distributed.team_passes"):
        monkeypatch.setattr(f"{module}.RunAhead", Noted)
    if cut.ranks == 1:
        session = single_session(load_lead(cut, model_of_rank()))
        for _ in range(2):
            session.denoise_block()
    else:
        with team_of(cut) as (team, denoiser):
            session = team_session(team, denoiser)
            for _ in range(2):
                session.denoise_block()
            team.end_take()
    assert noted[0] == "wait"
    assert noted.count("asked") >= 2 * asked
    # The first block goes alone; one is waited for before it is begun.
    second = noted.index("wait", 1)
    assert noted[1:second] == ["asked"] * asked
