"""Renders on several ranks: the files of one process, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from live_avatar.compute_wishes import ComputeWishes
from live_avatar.distributed.simulated_order import Order
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.distributed.wishes import CutWishes
from live_avatar.errors import Cancelled, UserError
from live_avatar.events import BlockEvent, ClipEvent, RenderEvent, StageEvent, WarningEvent
from live_avatar.machine import Machine
from live_avatar.pipeline import PipelineOptions
from live_avatar.planner import Plan
from live_avatar.protocol.requests import ModelChoice
from live_avatar.render import RenderJob, RenderResult
from live_avatar.speed_record import read_speed
from live_avatar.warm_model import WarmModel
from live_avatar.worker.engine import Engine
from tests.render_material import CHECKPOINT, command, count, make_job, never, video
from tests.team_material import followers

pytestmark = pytest.mark.usefixtures("one_thread_and_own_cache")

MACHINE = Machine("cpu", "test", 200 * 10**9, 200 * 10**9, 1, native_bf16=False)
ALONE = ComputeWishes()
TWO = ComputeWishes(cut=CutWishes(ranks=2))
UNASKED = ComputeWishes(cut=CutWishes(most=2))


@pytest.fixture
def model() -> Iterator[WarmModel]:
    model = WarmModel(PipelineOptions(CHECKPOINT, None, "cpu", "fp32"))
    yield model
    model.drop()


def job_of(output: Path, **changes: Any) -> RenderJob:
    return make_job(output, sample_steps=2, **changes)


def render(
    model: WarmModel, job: RenderJob, wishes: ComputeWishes, stop: Any = lambda events: False
) -> tuple[RenderResult, list[RenderEvent]]:
    events: list[RenderEvent] = []
    plan = model.plan(job, wishes, MACHINE)
    return model.render(job, plan, wishes, events.append, lambda: stop(events)), events


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file that one process makes."""
    torch.set_num_threads(1)
    model, job = (
        WarmModel(PipelineOptions(CHECKPOINT, None, "cpu", "fp32")),
        job_of(tmp_path_factory.mktemp("alone") / "a.mp4"),
    )
    model.render(job, model.plan(job, ALONE, MACHINE), ALONE, lambda event: None, never)
    return video(job).read_bytes()


def after_two_blocks(events: list[RenderEvent]) -> bool:
    return count(events, BlockEvent) >= 2


def test_a_team_makes_the_file_of_one_process_and_goes_on_after_a_cancel(
    tmp_path: Path, model: WarmModel, wanted: bytes
) -> None:
    job = job_of(tmp_path / "a.mp4")
    with pytest.raises(Cancelled):
        render(model, job, TWO, after_two_blocks)
    team = model.pipeline
    assert isinstance(team, TeamPipeline)
    assert len(followers()) == 1
    result, events = render(model, job, TWO)
    # The team stays for the next take.
    assert model.pipeline is team
    assert not any(isinstance(event, StageEvent) and event.stage == "load" for event in events)
    assert result.reused_clips > 0
    assert video(job).read_bytes() == wanted


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_rank_ends_the_render_which_goes_on_when_started_again(
    tmp_path: Path, model: WarmModel, wanted: bytes
) -> None:
    job = job_of(tmp_path / "a.mp4")

    def kill_once(events: list[RenderEvent]) -> bool:
        if after_two_blocks(events) and not killed:
            (child,) = followers()
            killed.append(child.pid)
            os.kill(child.pid, signal.SIGKILL)
        return False

    killed: list[int] = []
    with pytest.raises(UserError) as caught:
        render(model, job, TWO, kill_once)
    assert caught.value.code == "RANK_LOST"
    assert followers() == []
    assert (job.folder / "clip_00000.m4s").is_file()
    result, _ = render(model, job, TWO)
    assert result.reused_clips > 0
    assert video(job).read_bytes() == wanted


def told_alone(events: list[RenderEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, WarningEvent) and event.code == "CARDS_UNUSED"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_one_card_goes_on_when_another_is_lost_that_nobody_asked_for(
    tmp_path: Path, model: WarmModel, wanted: bytes
) -> None:
    """The planner took two of its own accord: the wishes say nothing of them."""
    job = job_of(tmp_path / "a.mp4")
    events: list[RenderEvent] = []

    def kill_once() -> bool:
        if after_two_blocks(events) and followers():
            (child,) = followers()
            os.kill(child.pid, signal.SIGKILL)
        return False

    result = model.render(job, model.plan(job, TWO, MACHINE), UNASKED, events.append, kill_once)
    (text,) = told_alone(events)
    assert text.startswith("Only cpu renders from here on. Rank 1 (cpu) was lost")
    assert ("CARDS_UNUSED", text) in result.warnings
    assert followers() == []
    assert not isinstance(model.pipeline, TeamPipeline)
    made = [event.clip for event in events if isinstance(event, ClipEvent) and not event.reused]
    assert made == sorted(set(made))
    assert video(job).read_bytes() == wanted
    # It stays so, and every plan says why; whoever asks for two gets two.
    assert ("CARDS_UNUSED", text) in model.plan(job, UNASKED, MACHINE).warnings
    assert ("CARDS_UNUSED", text) not in model.plan(job, ALONE, MACHINE).warnings
    assert model.plan(job, TWO, MACHINE).team is not None


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("lost", [False, True])
def test_only_what_kept_to_its_plan_says_how_fast_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    plans: list[Plan] = []
    by_itself = WarmModel.plan

    def with_two(model: WarmModel, job: RenderJob, wishes: ComputeWishes, machine: Machine) -> Plan:
        plans.append(by_itself(model, job, TWO, machine))
        return plans[-1]

    monkeypatch.setattr(WarmModel, "plan", with_two)
    events: list[RenderEvent] = []

    def kill_once() -> bool:
        if lost and after_two_blocks(events):
            for child in followers():
                os.kill(child.pid, signal.SIGKILL)
        return False

    choice = ModelChoice(CHECKPOINT, None, "cpu", "fp32", UNASKED)
    engine = Engine()
    engine.load(choice, lambda event: None)
    engine.render(job_of(tmp_path / "a.mp4"), events.append, kill_once)
    assert (read_speed(plans[-1].speed_key) is None) == lost
    engine.load(replace(choice, precision="bf16"), lambda event: None)


def test_cards_that_cannot_exchange_data_are_an_error_only_where_they_were_asked_for(
    tmp_path: Path, model: WarmModel, wanted: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_way(formation: Any, *, across_hosts: bool) -> Any:
        raise UserError("LINKS_UNUSABLE", "The cards cannot exchange data.", "All three ways hang.", "Use one card.")

    monkeypatch.setattr("live_avatar.distributed.team_pipeline.choose_transport", no_way)
    job = job_of(tmp_path / "a.mp4")
    plan = model.plan(job, TWO, MACHINE)
    with pytest.raises(UserError) as caught:
        model.render(job, plan, TWO, lambda event: None, never)
    assert caught.value.code == "LINKS_UNUSABLE"
    # A worker loads before it renders.
    events: list[RenderEvent] = []
    assert not isinstance(model.load(plan, UNASKED, events.append), TeamPipeline)
    assert told_alone(events) == ["Only cpu renders from here on. The cards cannot exchange data. All three ways hang."]
    model.render(job, model.plan(job, UNASKED, MACHINE), UNASKED, events.append, never)
    assert len(told_alone(events)) == 1
    assert video(job).read_bytes() == wanted


def test_weights_that_are_bad_are_so_for_one_card_too(
    tmp_path: Path, model: WarmModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(*_: Any, **__: Any) -> Any:
        raise UserError("CHECKPOINT_INVALID", "The model cannot be read.", "A file is cut short.", "Fetch it again.")

    monkeypatch.setattr("live_avatar.models.load_denoiser", bad)
    job, events = job_of(tmp_path / "a.mp4"), list[RenderEvent]()
    with pytest.raises(UserError, match="cut short"):
        model.render(job, model.plan(job, TWO, MACHINE), UNASKED, events.append, never)
    assert told_alone(events) == []


def test_other_wishes_put_up_another_team_or_none(tmp_path: Path, model: WarmModel, wanted: bytes) -> None:
    """What one process left is finished by two, and the other way round."""
    job = job_of(tmp_path / "a.mp4")
    with pytest.raises(Cancelled):
        render(model, job, ALONE, after_two_blocks)
    uneven = ComputeWishes(cut=CutWishes("layers", (0, 2, 4), 3, True))
    with pytest.raises(Cancelled):
        render(model, job, uneven, after_two_blocks)
    assert len(followers()) == 2
    result, _ = render(model, job, ALONE)
    assert followers() == []
    assert not isinstance(model.pipeline, TeamPipeline)
    assert result.reused_clips > 0
    assert video(job).read_bytes() == wanted


def test_another_order_of_blocks_needs_no_other_team(tmp_path: Path, model: WarmModel) -> None:
    loads: list[RenderEvent] = []
    plan = model.plan(job_of(tmp_path / "a.mp4"), TWO, MACHINE)
    assert plan.team is not None
    pipeline = model.load(plan, TWO, lambda event: None)
    assert isinstance(pipeline, TeamPipeline)
    in_turns = replace(plan, team=replace(plan.team, order=Order(2, 3, 1)))
    assert model.load(in_turns, TWO, loads.append) is pipeline
    assert (pipeline.formation.gap, pipeline.formation.flights) == (3, 2)
    assert loads == []


def test_the_worker_keeps_a_team_and_tells_of_its_ranks(tmp_path: Path) -> None:
    choice = ModelChoice(CHECKPOINT, None, "cpu", "fp32", TWO)
    engine = Engine()
    assert engine.load(choice, lambda event: None)
    try:
        assert not engine.load(choice, lambda event: None)
        plan = engine.plan(choice, job_of(tmp_path / "a.mp4"))
        assert plan.team is not None
        assert plan.as_dict()["team"]["summary"] == "by layers: 3, 3"
        told = [(rank["rank"], rank["device"], rank["memory"]) for rank in engine.ranks()]
        assert told == [(0, "cpu", None), (1, "cpu", None)]
        assert len(followers()) == 1
    finally:
        engine.load(replace(choice, wishes=ALONE, precision="bf16"), lambda event: None)
    # Other weights end the team before.
    assert followers() == []
    assert [rank["rank"] for rank in engine.ranks()] == [0]


@pytest.mark.skipif(os.name != "posix", reason="torchrun's agents need fork")
def test_the_command_under_torchrun_is_rank_0s_and_all_ranks_end_well(tmp_path: Path, wanted: bytes) -> None:
    output = tmp_path / "a.mp4"
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--nproc-per-node", "2"]
    generate = ["-m", "live_avatar", "generate", *command("--base_seed", "420", "--fp8", "fp32", "--quiet")]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *meeting, *generate, "--save_file", str(output)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == wanted
