"""The warm engine of the worker, on the miniature golden checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.errors import UserError
from live_avatar.events import RenderEvent, StageEvent, WarningEvent
from live_avatar.fast.rungs import leanest
from live_avatar.fast.task import Card, Take, Wishes
from live_avatar.file_facts import read_model_sizes
from live_avatar.geometry import LatentShape
from live_avatar.machine import Machine
from live_avatar.protocol.messages import LoadedModel
from live_avatar.protocol.plan import plan_as_json
from live_avatar.protocol.requests import ModelChoice
from live_avatar.take import Precision
from live_avatar.worker.engine import Engine
from tests.cli_material import picture
from tests.render_material import CHECKPOINT, GOLDEN, SPEECH, make_job, never
from tests.test_card_planner import H200
from tests.worker_client import validator

pytestmark = pytest.mark.usefixtures("one_thread_and_own_cache")

GIB = 2**30


def choose(folder: Path = CHECKPOINT, lora: str | None = None, precision: Precision = "fp32") -> ModelChoice:
    return ModelChoice(folder, lora, "cpu", precision)


def model_of(engine: Engine) -> LoadedModel:
    model = engine.model
    assert model is not None
    return model


def test_the_same_model_stays_and_another_one_replaces_it(tmp_path: Path) -> None:
    folder = tmp_path / "ckpt"
    shutil.copytree(CHECKPOINT, folder)
    engine = Engine()
    events: list[RenderEvent] = []
    assert engine.model is None
    assert engine.load(choose(folder), events.append)
    first = model_of(engine)
    heard = len(events)
    assert heard > 0
    assert not engine.load(choose(folder), events.append)
    assert len(events) == heard
    assert model_of(engine) == first

    lora = str(GOLDEN / "lora" / "liveavatar.safetensors")
    assert engine.load(choose(folder, lora, "bf16"), events.append)
    second = model_of(engine)
    assert (second["lora"], second["denoiser_precision"]) == (lora, "bf16")
    assert second["weights_fingerprint"] != first["weights_fingerprint"]

    with pytest.raises(UserError, match="CHECKPOINT_NOT_FOUND"):
        engine.load(choose(tmp_path / "nowhere"), events.append)
    with pytest.raises(UserError, match="DEVICE_UNAVAILABLE"):
        engine.load(ModelChoice(folder, None, "cuda:99", "auto"), events.append)
    assert model_of(engine) == second

    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UserError, match="CHECKPOINT_"):
        engine.load(choose(folder, lora, "bf16"), events.append)
    assert engine.model is None


def test_a_finished_render_teaches_the_planner_its_speed(tmp_path: Path) -> None:
    engine = Engine()
    job = make_job(tmp_path / "a.mp4", audio=(SPEECH,))
    before = engine.plan(choose(), job)
    assert before.forecast.basis == "estimate"
    engine.load(choose(), lambda event: None)
    assert engine.render(job, lambda event: None, never).frames == before.frames == 58
    after = engine.plan(choose(), job)
    assert after.forecast.basis == "measured"
    assert after.forecast.seconds_per_block is not None
    message = {"type": "planned", "request_id": "1", "plan": plan_as_json(after)}
    validator("messages").validate(message)


def test_rendering_without_weights_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="before load"):
        Engine().render(make_job(tmp_path / "a.mp4"), lambda event: None, never)


def test_memory_that_this_process_holds_counts_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = Machine("cpu", "test", memory_total=8 * GIB, memory_available=1 * GIB, threads=1, native_bf16=False)
    monkeypatch.setattr(Machine, "detect", lambda device: free)
    engine, job = Engine(), make_job(tmp_path / "a.mp4")
    for held, available in ((2 * GIB, 3 * GIB), (9 * GIB, 8 * GIB)):
        monkeypatch.setattr("live_avatar.warm_model.own_memory", lambda device, held=held: held)
        assert engine.plan(choose(), job).memory_available == available


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[Card]:
    """A card as far as planning goes; the pass for cards computes on the processor. The last in the list is in use."""
    cards = [H200]
    machine = Machine("cuda:0", "card", 150 * 10**9, 140 * 10**9, 1, native_bf16=True)
    monkeypatch.setattr(Machine, "detect", lambda device="auto": machine)
    monkeypatch.setattr("live_avatar.warm_model.own_memory", lambda device: 0)
    monkeypatch.setattr("live_avatar.warm_model.card_for", lambda machine, precision, wishes: cards[-1])
    return cards


def loads_of(events: list[RenderEvent]) -> int:
    return sum(isinstance(event, StageEvent) and event.code == "MODEL_LOADED" for event in events)


def test_a_render_loads_anew_only_when_it_must(tmp_path: Path, card: list[Card]) -> None:
    engine, events = Engine(), list[RenderEvent]()
    asked = choose(precision="bf16")
    engine.load(asked, events.append)
    assert model_of(engine)["denoiser_precision"] == "bf16"
    assert loads_of(events) == 1
    job = make_job(None, work_dir=tmp_path / "take", num_clip=2)
    engine.render(job, events.append, never)
    # Another order of steps needs no other weights; the pictures are those of before.
    again = engine.render(job, events.append, never, ComputeWishes(steps="sequential"))
    assert (loads_of(events), again.reused_clips) == (1, 2)
    again = engine.render(job, events.append, never, ComputeWishes(layers="host"))
    assert (loads_of(events), again.reused_clips) == (2, 2)
    # The wishes of a load hold for the renders after it.
    skip = replace(asked, wishes=ComputeWishes(last_step="skip"))
    assert not engine.load(skip, events.append)
    two = replace(job, sample_steps=2, work_dir=tmp_path / "two")
    result = engine.render(two, events.append, never)
    assert ("LAST_STEP_LEFT_OUT") in dict(result.warnings)
    assert any(isinstance(event, WarningEvent) and event.code == "LAST_STEP_LEFT_OUT" for event in events)


def test_what_a_render_would_keep_on_a_card(tmp_path: Path, card: list[Card]) -> None:
    engine, asked = Engine(), choose(precision="bf16")
    job = make_job(None, work_dir=tmp_path / "take", num_clip=2)
    engine.load(asked, lambda event: None)
    engine.render(job, lambda event: None, never)
    for choice in (None, asked, replace(asked, wishes=ComputeWishes(layers="host", steps="packed"))):
        assert engine.compare(choice, job).reasons == ()
    for choice in (choose(precision="fp8"), choose(precision="fp32")):
        assert engine.compare(choice, job).reasons == ("weights",)
    two = replace(job, sample_steps=2)
    assert engine.compare(replace(asked, wishes=ComputeWishes(last_step="skip")), two).reasons == ("steps", "weights")


def test_a_load_with_no_job_known_prepares_for_the_largest_that_fits(tmp_path: Path, card: list[Card]) -> None:
    engine, asked = Engine(), choose(precision="bf16")
    sizes = read_model_sizes(CheckpointLayout.find(CHECKPOINT))
    wanted = Take(sizes, LatentShape.of_picture(704, 384, 48), 4)
    card.append(replace(H200, free=int(0.9 * leanest(wanted, H200, Wishes(precision="bf16")).memory.peak)))
    engine.load(asked, lambda event: None)
    assert model_of(engine)["device"] == "cpu"
    wide = picture(tmp_path / "wide.png", 704, 384)
    job = make_job(tmp_path / "a.mp4", size=(704, 384), infer_frames=48, sample_steps=4, image=wide)
    with pytest.raises(UserError, match="SIZE_TOO_LARGE_FOR_MEMORY"):
        engine.plan(asked, job)
    card.append(replace(H200, free=10**8))
    with pytest.raises(UserError, match="MEMORY_TOO_SMALL"):
        Engine().load(asked, lambda event: None)
