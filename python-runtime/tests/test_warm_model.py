"""A model kept warm: what is loaded anew, what is only put together anew, and what a full card does to a take."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import live_avatar.warm_model as warm_models
from live_avatar.compare import Comparer
from live_avatar.compute_plan import ComputePlan
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.errors import UserError
from live_avatar.events import BlockEvent, ClipEvent, RenderEvent, WarningEvent
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.ladder import OutOfMemoryLadder
from live_avatar.fast.rungs import Rung, make_rung
from live_avatar.fast.task import Card, Take, Wishes
from live_avatar.machine import Machine
from live_avatar.media.frames import frame_hashes
from live_avatar.pipeline import Pipeline, PipelineOptions
from live_avatar.planner import Plan
from live_avatar.render import RenderJob
from live_avatar.session import Session
from live_avatar.warm_model import WarmModel
from tests.render_material import CHECKPOINT, clip_events, count, make_job, never, video

pytestmark = pytest.mark.usefixtures("one_thread_and_own_cache")

# The miniature model on a processor, planned as if it were on a card: the pass for cards computes there too.
CARD = Card("NVIDIA H200", (9, 0), 140 * 10**9, 200 * 10**9, rates_of("NVIDIA H200", (9, 0), 132), True)
MACHINE = Machine("cpu", "test", 200 * 10**9, 200 * 10**9, 1, native_bf16=False)
IN_SEQUENCE = ComputeWishes(steps="sequential")
LoweredTake = tuple[WarmModel, RenderJob, list[RenderEvent], Plan]


@pytest.fixture
def on_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_models, "card_for", lambda machine, precision, wishes: CARD)


def warm(precision: Any = "bf16") -> WarmModel:
    return WarmModel(PipelineOptions(CHECKPOINT, None, "cpu", precision))


def planned(model: WarmModel, job: RenderJob, wishes: ComputeWishes = IN_SEQUENCE, **changes: Any) -> Plan:
    """The plan, with some of its choices made otherwise."""
    plan = model.plan(job, wishes, MACHINE)
    assert plan.on_card is not None
    compute = replace(plan.on_card.plan, kernels="plain", keep_primed=False, **changes)
    return replace(plan, on_card=replace(plan.on_card, chosen=plan.on_card.with_plan(compute)))


class Faults:
    """Lets blocks of every session fail at the given times, counted over all; after their passes wrote the caches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: set[int], error: Callable[[], RuntimeError]) -> None:
        self.blocks = 0
        denoise = Session.denoise_block

        def act(session: Session) -> Tensor:
            self.blocks += 1
            latents = denoise(session)
            if self.blocks in at:
                raise error()
            return latents

        monkeypatch.setattr(Session, "denoise_block", act)


def no_memory() -> RuntimeError:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_weights_stay_as_long_as_the_plan_needs_no_others(tmp_path: Path, on_card: None) -> None:
    model, job = warm(), make_job(tmp_path / "a.mp4", sample_steps=2)
    loads: list[RenderEvent] = []
    pipeline = model.load(planned(model, job), IN_SEQUENCE, loads.append)
    assert loads
    loads.clear()
    # Another order, another place of the cache, without the last step: the same weights.
    for changes in ({"steps": "packed"}, {"streamed_cache": True, "graphs": False}, {"last_step": "skip"}):
        plan = planned(model, job, **changes)
        before = pipeline.weights_fingerprint
        assert model.load(plan, IN_SEQUENCE, loads.append) is pipeline
        assert pipeline.plan == plan.compute
        assert (pipeline.weights_fingerprint != before) == ("last_step" in changes)
    assert not loads
    placement = replace(pipeline.plan.placement, resident_layers=0)
    other = model.load(planned(model, job, placement=placement), IN_SEQUENCE, loads.append)
    assert other is not pipeline
    assert loads


def test_what_is_loaded_is_used_unless_something_else_is_clearly_faster(tmp_path: Path, on_card: None) -> None:
    model, job = warm(), make_job(tmp_path / "a.mp4")
    placement = replace(planned(model, job).on_card.plan.placement, host_text=True)  # type: ignore[union-attr]
    model.load(planned(model, job, placement=placement), IN_SEQUENCE, lambda event: None)
    kept = model.plan(job, IN_SEQUENCE, MACHINE)
    assert kept.compute is not None
    assert kept.compute.placement.host_text
    # Everything streamed is far slower.
    model.load(planned(model, job, placement=replace(placement, resident_layers=0)), IN_SEQUENCE, lambda event: None)
    changed = model.plan(job, IN_SEQUENCE, MACHINE)
    assert changed.compute is not None
    assert changed.compute.placement.resident_layers is None


class ShortLadder(OutOfMemoryLadder):
    """Changes a plan step by step: of a model so small the planner's own steps would save nothing."""

    def __init__(
        self, take: Take, card: Card, wishes: Wishes, steps: list[Callable[[ComputePlan], ComputePlan]]
    ) -> None:
        super().__init__(take, card, wishes)
        self._parts = (take, card)
        self._steps = iter(steps)

    def below(self, failed: ComputePlan, free: int | None = None) -> Rung | None:
        step = next(self._steps, None)
        return None if step is None else make_rung(*self._parts, step(failed))


def use_ladder(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[ComputePlan], ComputePlan]) -> None:
    monkeypatch.setattr(
        "live_avatar.fast.ladder.OutOfMemoryLadder",
        lambda take, card, wishes: ShortLadder(take, card, wishes, list(steps)),
    )


def stream_layers(plan: ComputePlan) -> ComputePlan:
    return replace(plan, graphs=False, placement=replace(plan.placement, resident_layers=0))


def stream_cache(plan: ComputePlan) -> ComputePlan:
    return replace(plan, streamed_cache=True)


def narrow_cache(plan: ComputePlan) -> ComputePlan:
    return replace(plan, cache="float8", graphs=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Frames of the take below, made in one go by the same numbers."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVATAR_STUDIO_CACHE", str(folder / "cache"))
        patch.setattr(warm_models, "card_for", lambda machine, precision, wishes: CARD)
        model, job = warm(), make_job(folder / "a.mp4")
        model.render(job, planned(model, job), IN_SEQUENCE, lambda event: None, never)
    return frame_hashes(video(job))


# Five clips of a block each.
@pytest.mark.parametrize("moments", [{1}, {3}, {2, 5}])
def test_a_full_card_in_the_middle_changes_no_picture(
    tmp_path: Path, on_card: None, monkeypatch: pytest.MonkeyPatch, undisturbed: list[str], moments: set[int]
) -> None:
    Faults(monkeypatch, moments, no_memory)
    use_ladder(monkeypatch, stream_layers, stream_cache)
    model, job = warm(), make_job(tmp_path / "a.mp4")
    events: list[RenderEvent] = []
    chosen = planned(model, job)
    result = model.render(job, chosen, IN_SEQUENCE, events.append, never)
    told = [event.code for event in events if isinstance(event, WarningEvent)]
    assert told == ["MEMORY_STEPPED_DOWN"] * len(moments)
    assert [code for code, _ in result.warnings if code != "IMAGE_SMALL"] == told
    assert frame_hashes(video(job)) == undisturbed
    assert model.pipeline is not None
    assert model.pipeline.plan != chosen.compute
    assert result.reused_clips == 0
    assert result.generated_frames == 12 * count(events, BlockEvent)
    # What was learned holds for the next take.
    assert model.plan(job, IN_SEQUENCE, MACHINE).compute != chosen.compute


def lowered(chosen: Plan) -> Plan:
    assert chosen.on_card is not None
    rung = chosen.on_card.with_plan(narrow_cache(chosen.on_card.plan))
    return replace(chosen, on_card=replace(chosen.on_card, chosen=rung))


def clips_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "clips.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def lowered_original(tmp_path_factory: pytest.TempPathFactory) -> LoweredTake:
    """A take kept as clips, whose numbers were lowered after its third block."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("lowered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVATAR_STUDIO_CACHE", str(folder / "cache"))
        patch.setattr(warm_models, "card_for", lambda machine, precision, wishes: CARD)
        Faults(patch, {4}, no_memory)
        use_ladder(patch, narrow_cache)
        model, job = warm(), make_job(None, work_dir=folder / "take", state_budget_bytes=10**9)
        events: list[RenderEvent] = []
        chosen = planned(model, job)
        model.render(job, chosen, IN_SEQUENCE, events.append, never)
    return model, job, events, chosen


@pytest.fixture
def lowered_take(lowered_original: LoweredTake, tmp_path: Path, on_card: None) -> LoweredTake:
    """A copy of it."""
    model, job, events, chosen = lowered_original
    copy = replace(job, work_dir=tmp_path / "copy")
    shutil.copytree(job.folder, copy.folder)
    return model, copy, events, chosen


def test_lowered_numbers_keep_the_finished_clips(
    lowered_take: LoweredTake,
) -> None:
    _, job, events, _ = lowered_take
    assert [event.code for event in events if isinstance(event, WarningEvent)][-1] == "PRECISION_LOWERED"
    made = [event.clip for event in clip_events(events) if not event.reused]
    assert made == sorted(set(made)) == [0, 1, 2, 3, 4]
    records = clips_of(job.folder)
    first_weights = json.loads((job.folder / "job.json").read_text("utf-8"))["weights"]
    changed = [bool(record["weights"]) for record in records]
    assert changed == sorted(changed)
    assert set(changed) == {False, True}
    assert records[-1]["weights"] != first_weights


@pytest.mark.parametrize("again", ["lowered", "chosen"])
def test_a_take_of_mixed_numbers_is_finished_for_the_same_wishes(lowered_take: LoweredTake, again: str) -> None:
    model, job, _, chosen = lowered_take
    before = clips_of(job.folder)
    plan = chosen
    if again == "lowered":
        plan = lowered(chosen)
    events: list[RenderEvent] = []
    result = model.render(job, plan, IN_SEQUENCE, events.append, never)
    assert result.reused_clips == 5
    assert count(events, BlockEvent) == 0
    assert clips_of(job.folder) == before
    pipeline = model.pipeline
    assert pipeline is not None
    comparison = Comparer().compare(job, pipeline.weights_fingerprint, pipeline.accepted_weights)
    assert (comparison.fresh, comparison.reasons) == (5, ())
    assert Comparer().compare(job, None).fresh == 5


def test_other_wishes_make_the_take_anew(
    lowered_take: LoweredTake,
) -> None:
    model, job, _, _ = lowered_take
    skip = ComputeWishes(steps="sequential", last_step="skip")
    events: list[RenderEvent] = []
    result = model.render(job, planned(model, job, skip), skip, events.append, never)
    assert result.reused_clips == 0
    assert [event.clip for event in clip_events(events)] == [0, 1, 2, 3, 4]
    assert not any(record["weights"] for record in clips_of(job.folder))


def test_a_damaged_clip_of_before_is_made_with_the_numbers_of_now(
    lowered_take: LoweredTake,
) -> None:
    model, job, _, chosen = lowered_take
    (job.folder / "clip_00000.m4s").write_bytes(b"damaged")
    plan = lowered(chosen)
    events: list[RenderEvent] = []
    model.render(job, plan, IN_SEQUENCE, events.append, never)
    assert not any(event.reused for event in events if isinstance(event, ClipEvent))
    assert model.pipeline is not None
    record = json.loads((job.folder / "job.json").read_text("utf-8"))
    assert record["weights"] == model.pipeline.weights_fingerprint
    assert not any(clip["weights"] for clip in clips_of(job.folder))


def test_no_way_left_is_told_in_words(tmp_path: Path, on_card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    Faults(monkeypatch, set(range(1000)), no_memory)
    model, job = warm(), make_job(tmp_path / "a.mp4")
    with pytest.raises(UserError) as caught:
        model.render(job, planned(model, job), IN_SEQUENCE, lambda event: None, never)
    assert caught.value.code == "OUT_OF_MEMORY"
    assert "2.00 GiB" in caught.value.why
    assert model.pipeline is None


def test_a_lost_card_ends_the_job_which_goes_on_in_another_process(
    tmp_path: Path, on_card: None, monkeypatch: pytest.MonkeyPatch, undisturbed: list[str]
) -> None:
    job = make_job(tmp_path / "a.mp4")
    with monkeypatch.context() as faulty:
        Faults(faulty, {4}, lambda: RuntimeError("CUDA error: uncorrectable ECC error encountered"))
        model = warm()
        with pytest.raises(UserError) as caught:
            model.render(job, planned(model, job), IN_SEQUENCE, lambda event: None, never)
    assert caught.value.code == "DEVICE_LOST"
    assert clips_of(job.folder)
    model = warm()
    result = model.render(job, planned(model, job), IN_SEQUENCE, lambda event: None, never)
    assert result.reused_clips > 0
    assert frame_hashes(video(job)) == undisturbed


def test_the_plain_engine_has_no_other_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, job = warm("fp32"), make_job(tmp_path / "a.mp4")
    plan = model.plan(job, ComputeWishes(), MACHINE)
    pipeline = model.load(plan, ComputeWishes(), lambda event: None)

    def fail(*_: Any, **__: Any) -> None:
        raise no_memory()

    monkeypatch.setattr(type(pipeline), "encode_prompts", fail)
    del pipeline
    with pytest.raises(UserError, match="OUT_OF_MEMORY"):
        model.render(job, plan, ComputeWishes(), lambda event: None, never)


def test_the_last_step_is_left_out_on_a_processor_too(tmp_path: Path) -> None:
    skip = ComputeWishes(last_step="skip")
    model, job = warm("fp32"), make_job(tmp_path / "a.mp4", sample_steps=2, num_clip=1)
    plan = model.plan(job, skip, MACHINE)
    assert plan.last_step == "skip"
    assert "LAST_STEP_LEFT_OUT" in dict(plan.warnings)
    model.render(job, plan, skip, lambda event: None, never)
    assert isinstance(model.pipeline, Pipeline)
    skipped = frame_hashes(video(job))
    fingerprint = model.pipeline.weights_fingerprint
    whole = replace(job, output=tmp_path / "b.mp4")
    model.render(whole, model.plan(whole, ComputeWishes(), MACHINE), ComputeWishes(), lambda event: None, never)
    assert frame_hashes(video(whole)) != skipped
    assert model.pipeline.weights_fingerprint != fingerprint
