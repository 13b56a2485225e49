"""A team, a rank of which runs out of memory: the same pictures from another team, told as on one card, until no way is
left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import live_avatar.warm_model as warm_models
from live_avatar.compute_plan import ComputePlan
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.distributed.cut import LEAD
from live_avatar.distributed.team_ladder import TeamLadder
from live_avatar.distributed.team_plan import TeamPlan, plan_team
from live_avatar.distributed.wishes import CutWishes
from live_avatar.errors import UserError
from live_avatar.events import RenderEvent, WarningEvent
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.described_card import describe_card
from live_avatar.fast.task import Card, Wishes
from live_avatar.machine import Machine
from live_avatar.media.frames import frame_hashes
from live_avatar.pipeline import PipelineOptions
from live_avatar.planner import Plan
from live_avatar.render import RenderJob
from live_avatar.session import Session
from live_avatar.warm_model import WarmModel
from tests.render_material import CHECKPOINT, clip_events, make_job, never, video
from tests.team_material import followers
from tests.team_memory_material import ShortLadder, forgetful, steps_down, stream_layers
from tests.test_card_planner import LARGE, SMALL, take

pytestmark = pytest.mark.usefixtures("one_thread_and_own_cache")

# The miniature model on processors, planned as if they were cards: the pass for cards computes there too.
CARD = Card("NVIDIA H200", (9, 0), 140 * 10**9, 200 * 10**9, rates_of("NVIDIA H200", (9, 0), 132), True)
MACHINE = Machine("cpu", "test", 200 * 10**9, 200 * 10**9, 1, native_bf16=False)
ALONE = ComputeWishes(steps="sequential")
TWO = ComputeWishes(cut=CutWishes("layers", ranks=2))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[WarmModel]:
    monkeypatch.setattr(warm_models, "card_for", lambda machine, precision, wishes: CARD)
    model = WarmModel(PipelineOptions(CHECKPOINT, None, "cpu", "bf16"))
    yield model
    model.drop()
    assert followers() == []


def plain(plan: ComputePlan) -> ComputePlan:
    return replace(plan, kernels="plain", keep_primed=False)


def planned(model: WarmModel, job: RenderJob) -> Plan:
    """On two ranks; the team's next ways are those of :class:`ShortLadder`."""
    plan = model.plan(job, TWO, MACHINE)
    team = plan.team
    assert team is not None
    assert team.plans is not None
    assert team.ladder is not None
    ladder = ShortLadder(team.ladder.take, team.ladder.wishes)
    return replace(plan, team=replace(team, plans=tuple(map(plain, team.plans)), ladder=ladder))


def job_of(output: Path) -> RenderJob:
    return make_job(output, sample_steps=2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Frames of the take below, five clips of a block each, from one process that streams its layers."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVATAR_STUDIO_CACHE", str(folder / "cache"))
        patch.setattr(warm_models, "card_for", lambda machine, precision, wishes: CARD)
        model, job = WarmModel(PipelineOptions(CHECKPOINT, None, "cpu", "bf16")), job_of(folder / "a.mp4")
        plan = model.plan(job, ALONE, MACHINE)
        assert plan.on_card is not None
        rung = plan.on_card.with_plan(stream_layers(plain(plan.on_card.plan)))
        lower = replace(plan, on_card=replace(plan.on_card, chosen=rung))
        model.render(job, lower, ALONE, lambda event: None, never)
    return frame_hashes(video(job))


def render(model: WarmModel, job: RenderJob) -> list[RenderEvent]:
    events: list[RenderEvent] = []
    result = model.render(job, planned(model, job), TWO, events.append, never)
    told = [(event.code, event.text) for event in events if isinstance(event, WarningEvent)]
    assert list(result.warnings) == told
    return events


@pytest.mark.skipif(os.name != "posix", reason="the command of a follower")
@pytest.mark.parametrize("moments", ["1", "3", "2,5"])
def test_a_follower_without_memory_changes_no_picture(
    tmp_path: Path, model: WarmModel, monkeypatch: pytest.MonkeyPatch, undisturbed: list[str], moments: str
) -> None:
    forgetful(monkeypatch, tmp_path, moments)
    job = job_of(tmp_path / "a.mp4")
    events = render(model, job)
    told = steps_down(events)
    assert len(told) == len(moments.split(","))
    assert all("rank 1 on cpu: The system says: CUDA out of memory" in text for text in told)
    assert [event.clip for event in clip_events(events) if not event.reused] == [0, 1, 2, 3, 4]
    assert frame_hashes(video(job)) == undisturbed
    # The lower team stays for the next take.
    assert len(followers()) == 1
    assert model._team is not None
    assert model._team.plans is not None
    assert model._team.plans[LEAD].placement.resident_layers is None
    assert model._team.plans[1].placement.resident_layers == 0
    assert model._team.plans[1].streamed_cache == (len(told) == 2)


def test_a_lead_without_memory_changes_no_picture(
    tmp_path: Path, model: WarmModel, monkeypatch: pytest.MonkeyPatch, undisturbed: list[str]
) -> None:
    blocks: list[int] = []
    denoise = Session.denoise_block

    def fail_once(session: Session) -> Tensor:
        latents = denoise(session)
        blocks.append(session.block)
        if len(blocks) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return latents

    monkeypatch.setattr(Session, "denoise_block", fail_once)
    job = job_of(tmp_path / "a.mp4")
    (text,) = steps_down(render(model, job))
    assert "rank 0 on cpu: CUDA out of memory" in text
    assert frame_hashes(video(job)) == undisturbed


@pytest.mark.skipif(os.name != "posix", reason="the command of a follower")
def test_without_any_way_left_the_rank_is_named(
    tmp_path: Path, model: WarmModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful(monkeypatch, tmp_path, ",".join(map(str, range(1, 100))))
    job = job_of(tmp_path / "a.mp4")
    events: list[RenderEvent] = []
    with pytest.raises(UserError) as caught:
        model.render(job, planned(model, job), TWO, events.append, never)
    assert caught.value.code == "RANK_OUT_OF_MEMORY"
    assert "Rank 1 (cpu)" in caught.value.what
    assert len(steps_down(events)) == 2
    assert model.pipeline is None
    assert followers() == []


# The ladder, with the published model


def first_team(wishes: ComputeWishes, card: str = "H200:141", precision: Any = "auto") -> tuple[TeamPlan, TeamLadder]:
    machine, described = describe_card(card)
    team = plan_team(take(LARGE), machine, precision, wishes, described)
    assert team.ladder is not None
    return team, team.ladder


def peaks(team: TeamPlan) -> list[int]:
    assert team.option is not None
    return [rank.memory.peak for rank in team.option.ranks]


@pytest.mark.parametrize("rank", [0, 1])
def test_every_step_down_needs_less_of_that_card_and_pictures_stay_as_long_as_they_can(rank: int) -> None:
    team, ladder = first_team(ComputeWishes(cut=CutWishes("layers", None, 2, False)))
    other, codes = peaks(team)[1 - rank], []
    while (lower := ladder.below(team, rank)) is not None:
        assert lower.cut.ranks == 2
        assert peaks(lower)[rank] <= 0.951 * peaks(team)[rank]
        assert (lower.asked, lower.devices, lower.ladder) == (team.asked, team.devices, ladder)
        assert lower.plans is not None
        assert len({plan.numerics for plan in lower.plans}) == 1
        descent = ladder.descent(team, lower, rank, "CUDA out of memory")
        code, text = descent.warning()
        assert f"rank {rank} on cuda:{rank}: CUDA out of memory" in text
        assert descent.changes_numbers == (code == "PRECISION_LOWERED")
        codes.append(code)
        team = lower
    assert codes[:3] == ["MEMORY_STEPPED_DOWN"] * 3
    assert codes.count("PRECISION_LOWERED") <= 1
    assert peaks(team)[rank] < 16e9
    # Layers went to the card that has room.
    assert peaks(team)[1 - rank] > other


def test_a_cut_by_hand_is_kept_until_nothing_else_helps() -> None:
    """What the user fixed is given up before the numbers are."""
    wishes = ComputeWishes(layers="device", cache="device", cut=CutWishes("layers", (20, 20), 2, False))
    team, ladder = first_team(wishes, "H200:30")
    first = ladder.below(team, 1)
    assert first is not None
    assert first.option is not None
    # Nothing of these layers could be smaller on the card, so some of it waits elsewhere.
    assert first.cut == team.cut
    assert first.option.ranks[1].words() != ""
    assert first.lead is not None
    assert team.lead is not None
    assert first.lead.numerics == team.lead.numerics
    cuts = [first.cut]
    while (lower := ladder.below(first, 1)) is not None:
        assert lower.lead is not None
        if lower.lead.numerics != team.lead.numerics:
            break
        cuts.append(lower.cut)
        first = lower
    assert cuts[-1] != team.cut
    assert cuts == sorted(cuts, key=lambda cut: cut != team.cut)


def test_what_is_free_now_counts_on_every_card() -> None:
    team, ladder = first_team(ComputeWishes(cut=CutWishes("layers", None, 2, False)))
    lower = ladder.below(team, 1, (int(140e9), int(12e9)))
    assert lower is not None
    assert peaks(lower)[1] <= 12e9
    assert ladder.below(team, 1, (int(1e9), int(1e9))) is None
    # What a card was refused before stays refused when it is the other's turn.
    again = ladder.below(lower, 0)
    assert again is not None
    assert peaks(again)[1] <= 12e9
    assert peaks(again)[0] <= 0.951 * peaks(lower)[0]


def test_the_lower_team_is_what_the_next_take_begins_with() -> None:
    wishes = ComputeWishes(cut=CutWishes("layers", None, 2, False))
    team, ladder = first_team(wishes)
    lower = ladder.below(team, 1)
    assert lower is not None
    machine, described = describe_card("H200:141")
    following = plan_team(take(LARGE), machine, "auto", wishes, described, lower)
    assert (following.cut, following.plans) == (lower.cut, lower.plans) != (team.cut, team.plans)
    smaller = plan_team(take(SMALL), machine, "auto", wishes, described, lower)
    assert peaks(smaller)[1] <= peaks(lower)[1]


def test_ranks_without_a_plan_and_torchruns_have_no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, described = describe_card("H200:141")
    even = plan_team(take(LARGE), MACHINE, "fp32", TWO, None)
    assert even.ladder is None
    assert TeamLadder(take(LARGE), Wishes()).below(even, 1) is None
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    assert plan_team(take(LARGE), machine, "auto", TWO, described).ladder is None
