"""The warm engine of the worker, on the miniature golden checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from live_avatar.errors import UserError
from live_avatar.events import RenderEvent
from live_avatar.machine import Machine
from live_avatar.protocol.messages import LoadedModel
from live_avatar.protocol.plan import plan_as_json
from live_avatar.protocol.requests import ModelChoice
from live_avatar.take import Precision
from live_avatar.worker.engine import Engine
from tests.render_material import CHECKPOINT, GOLDEN, SPEECH, make_job, never
from tests.worker_client import validator

GIB = 2**30


@pytest.fixture(autouse=True)
def one_thread_and_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))


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
        monkeypatch.setattr("live_avatar.worker.engine.memory_bytes", lambda held=held: held)
        assert engine.plan(choose(), job).memory_available == available
