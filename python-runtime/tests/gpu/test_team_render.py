"""A render on two cards, planned and put up as a user's is: the frames of one card."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from live_avatar.compute_wishes import ComputeWishes
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.distributed.team_plan import TeamPlan
from live_avatar.distributed.wishes import CutWishes
from live_avatar.events import BlockEvent, RenderEvent, WarningEvent
from live_avatar.machine import Machine
from live_avatar.pipeline import PipelineOptions
from live_avatar.planner import Plan
from live_avatar.render import RenderJob
from live_avatar.warm_model import WarmModel
from tests.gpu.rank_cards import let_one_stand_for_all, needs_cards
from tests.render_material import CHECKPOINT, count, make_job, never, video
from tests.team_material import followers
from tests.team_memory_material import ShortLadder, forgetful, steps_down

pytestmark = needs_cards(2)


@pytest.fixture(autouse=True)
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    let_one_stand_for_all(monkeypatch)


def planned_team(output: Path, wishes: ComputeWishes) -> tuple[WarmModel, RenderJob, Plan, TeamPlan]:
    """A small render, and how two cards would do it."""
    model = WarmModel(PipelineOptions(CHECKPOINT, None, "cuda:0", "bf16"))
    job = make_job(output, sample_steps=2)
    plan = model.plan(job, wishes, Machine.detect("cuda:0"))
    assert plan.team is not None
    return model, job, plan, plan.team


def test_two_planned_cards_make_the_file_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
    files = []
    for name, cut in (("one", CutWishes()), ("two", CutWishes(ranks=2))):
        wishes = ComputeWishes(steps="sequential", cut=cut)
        model = WarmModel(PipelineOptions(CHECKPOINT, None, "cuda:0", "bf16"))
        job = make_job(tmp_path / f"{name}.mp4", sample_steps=2)
        plan = model.plan(job, wishes, Machine.detect("cuda:0"))
        assert (plan.team is not None) == cut.several
        model.render(job, plan, wishes, lambda event: None, never)
        assert isinstance(model.pipeline, TeamPipeline) == cut.several
        model.drop()
        files.append(video(job).read_bytes())
    assert files[0] == files[1]


def test_a_follower_without_memory_changes_no_picture_on_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
    wishes = ComputeWishes(cut=CutWishes("layers", ranks=2))
    files = []
    for name in ("undisturbed", "forgetful"):
        model, job, plan, team = planned_team(tmp_path / f"{name}.mp4", wishes)
        assert team.ladder is not None
        ladder = ShortLadder(team.ladder.take, team.ladder.wishes)
        plan = replace(plan, team=replace(team, ladder=ladder))
        if name == "forgetful":
            forgetful(monkeypatch, tmp_path, "3")
        events: list[RenderEvent] = []
        model.render(job, plan, wishes, events.append, never)
        assert len(steps_down(events)) == (name == "forgetful")
        model.drop()
        files.append(video(job).read_bytes())
    assert files[0] == files[1]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_one_card_goes_on_when_the_other_is_lost_that_nobody_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NCCL's transfers are broken off on the very card that goes on."""
    pytest.importorskip("av")
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
    asked, unasked = (ComputeWishes(steps="sequential", cut=cut) for cut in (CutWishes(ranks=2), CutWishes(most=2)))
    files = []
    for name in ("undisturbed", "lost"):
        model, job, plan, _ = planned_team(tmp_path / f"{name}.mp4", asked)
        events: list[RenderEvent] = []

        def stop(events: list[RenderEvent] = events, lost: bool = name == "lost") -> bool:
            if lost and count(events, BlockEvent) >= 2:
                for follower in followers():
                    os.kill(follower.pid, signal.SIGKILL)
            return False

        model.render(job, plan, unasked, events.append, stop)
        told = [event.code for event in events if isinstance(event, WarningEvent)]
        assert told.count("CARDS_UNUSED") == (name == "lost")
        assert isinstance(model.pipeline, TeamPipeline) == (name == "undisturbed")
        model.drop()
        files.append(video(job).read_bytes())
    assert files[0] == files[1]
