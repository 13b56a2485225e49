"""The worker's conversation in this process, with an engine that does as the test says."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from live_avatar.compare import Comparison
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.errors import Cancelled, UserError
from live_avatar.events import BlockEvent, DeviceMemory, EventSink, StageEvent
from live_avatar.planner import Plan
from live_avatar.protocol.messages import Hello, LoadedModel, Rank
from live_avatar.protocol.requests import ModelChoice
from live_avatar.render import RenderJob, RenderResult
from live_avatar.worker import faults
from live_avatar.worker.service import Worker
from live_avatar.worker.stdio import TooLong, read_lines, write_message
from tests.worker_client import Message, job_fields, model_fields, validator

_PATIENCE = 60.0
HELLO: Hello = {
    "type": "hello",
    "protocol": 1,
    "engine_version": "0",
    "python_version": "3",
    "process": {"id": 1, "started": 0.0},
    "torch": {"version": "2", "cuda_version": None, "devices": []},
    "processor": {"name": "", "threads": 1, "memory_total": 1, "memory_available": 1},
    "heartbeat_seconds": 2,
    "max_line_bytes": 1,
}
Script = Callable[[RenderJob, EventSink, Callable[[], bool]], RenderResult]


class ScriptedEngine:
    """Renders by calling ``script``, plans by raising ``plan_error``."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.load_error: Exception | None = None
        self.plan_error: Exception = UserError("IMAGE_NOT_FOUND", "a", "b", "c", "image")
        self.loaded: LoadedModel | None = None
        self.released = 0
        self.wishes: ComputeWishes | None = None

    @property
    def model(self) -> LoadedModel | None:
        return self.loaded

    def load(self, choice: ModelChoice, on_event: EventSink) -> bool:
        if self.load_error is not None:
            raise self.load_error
        on_event(StageEvent("load", 0, 100, "half", "X"))
        fresh = self.loaded is None
        self.loaded = {
            "ckpt_dir": str(choice.ckpt_dir),
            "lora": choice.lora,
            "device": "cpu",
            "denoiser_precision": "fp32",
            "vae_precision": "fp32",
            "weights_fingerprint": "0",
        }
        return fresh

    def render(
        self,
        job: RenderJob,
        on_event: EventSink,
        should_stop: Callable[[], bool],
        wishes: ComputeWishes | None = None,
    ) -> RenderResult:
        self.wishes = wishes
        return self.script(job, on_event, should_stop)

    def plan(self, choice: ModelChoice, job: RenderJob) -> Plan:
        raise self.plan_error

    def compare(self, choice: ModelChoice | None, job: RenderJob) -> Comparison:
        return Comparison(9, 4, 3, ("prompt",))

    def device_memory(self) -> DeviceMemory | None:
        return DeviceMemory(1 << 20, 2 << 20)

    def ranks(self) -> list[Rank]:
        return [
            {
                "rank": 1,
                "device": "cuda:1",
                "uuid": None,
                "phase": "ready",
                "done": 3,
                "layers": {"first": 20, "count": 20, "of": 40},
                "steps": {"first": 0, "count": 4, "of": 4},
                "frames_per_second": 12.5,
                "memory": None,
            }
        ]

    def release_memory(self) -> None:
        self.released += 1


class Conversation:
    """A worker in a thread, spoken to directly."""

    def __init__(self, script: Script, write: Callable[[Message], None] | None = None) -> None:
        self.engine = ScriptedEngine(script)
        self.said: queue.Queue[Message] = queue.Queue()
        self._lines: queue.Queue[bytes | TooLong | None] = queue.Queue()
        worker = Worker(self.engine, iter(self._lines.get, None), write or self._write, lambda: 1)  # type: ignore[arg-type]
        self.worker = worker
        self.thread = threading.Thread(target=worker.run, args=(HELLO,), daemon=True)
        self.thread.start()

    def send(self, kind: str, **fields: Any) -> None:
        """Send a request whose id is its type."""
        self._lines.put(json.dumps({"type": kind, "request_id": kind, **fields}).encode())

    def _write(self, message: Message) -> None:
        self.said.put(json.loads(json.dumps(message, allow_nan=False)))

    def end_input(self) -> None:
        self._lines.put(None)

    def next(self) -> Message:
        """The next message that is no heartbeat."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            message = self.said.get(timeout=max(0.0, deadline - time.monotonic()))
            validator("messages").validate(message)
            if message["type"] != "heartbeat":
                return message

    def load(self) -> None:
        self.send("load", **model_fields())
        assert [self.next()["type"] for _ in range(2)] == ["event", "loaded"]

    def render(self, job_id: str = "job") -> None:
        self.send("render", job_id=job_id, job=job_fields(Path("/nowhere/a.mp4")))

    def end(self) -> None:
        self.end_input()
        self.thread.join(_PATIENCE)
        assert not self.thread.is_alive()


@pytest.fixture
def talk() -> Iterator[Callable[[Script], Conversation]]:
    conversations: list[Conversation] = []

    def start(script: Script) -> Conversation:
        conversation = Conversation(script)
        conversations.append(conversation)
        assert conversation.next()["type"] == "hello"
        return conversation

    yield start
    for conversation in conversations:
        conversation.end()


def result(job: RenderJob, *_: object) -> RenderResult:
    return RenderResult(job.output, 12, 1, 0.5, 0, 12, 0.0, (("AUDIO_QUIET", "quiet"),))


def until_stopped(job: RenderJob, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
    on_event(BlockEvent(0, 0, 1, 0.1))
    while not should_stop():
        pass
    raise Cancelled


Talk = Callable[[Script], Conversation]


def test_nothing_renders_before_a_load_and_again_after_a_failed_one(talk: Talk) -> None:
    conversation = talk(result)
    conversation.render()
    assert conversation.next()["error"]["code"] == "WORKER_NOT_LOADED"
    conversation.engine.load_error = UserError("CHECKPOINT_NOT_FOUND", "a", "b", "c", "ckpt_dir")
    conversation.send("load", **model_fields())
    answer = conversation.next()
    assert (answer["type"], answer["request_id"], answer["error"]["field"]) == ("error", "load", "ckpt_dir")
    conversation.engine.load_error = None
    conversation.load()
    conversation.render()
    assert conversation.next() == {"type": "accepted", "request_id": "render", "job_id": "job"}
    end = conversation.next()
    assert (end["type"], end["warnings"]) == ("finished", [{"code": "AUDIO_QUIET", "text": "quiet", "values": {}}])


@pytest.mark.parametrize(
    ("error", "code", "logged"),
    [
        (ZeroDivisionError("division by zero\nand more"), "INTERNAL_ERROR", "ZeroDivisionError"),
        (MemoryError(), "OUT_OF_MEMORY", "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "OUT_OF_MEMORY", "2 GiB"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "OUT_OF_MEMORY",
            "tried",
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "INTERNAL_ERROR", "Traceback"),
        (UserError("DISK_FULL", "a", "b", "c", "output"), "DISK_FULL", ""),
    ],
)
def test_a_failed_job_is_told_logged_and_survived(
    talk: Talk, caplog: pytest.LogCaptureFixture, error: Exception, code: str, logged: str
) -> None:
    def fail(*_: object) -> RenderResult:
        raise error

    conversation = talk(fail)
    conversation.load()
    conversation.render()
    conversation.next()
    end = conversation.next()
    assert (end["type"], end["job_id"], end["error"]["code"]) == ("failed", "job", code)
    assert "\n" not in end["error"]["why"]
    assert logged in caplog.text
    conversation.engine.script = result
    conversation.render()
    assert [conversation.next()["type"] for _ in range(2)] == ["accepted", "finished"]
    assert conversation.engine.released == 1


@pytest.mark.parametrize(
    "error",
    [
        UserError("DEVICE_LOST", "The card stopped working.", "b", "c", "device"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
    ],
)
def test_after_a_lost_card_the_worker_ends(talk: Talk, error: Exception) -> None:
    def fail(*_: object) -> RenderResult:
        raise error

    conversation = talk(fail)
    conversation.load()
    conversation.render()
    accepted, failed, bye = (conversation.next() for _ in range(3))
    assert accepted["type"] == "accepted"
    assert (failed["type"], failed["error"]["code"]) == ("failed", "DEVICE_LOST")
    assert bye == {"type": "bye", "request_id": None, "reason": "device_lost"}
    conversation.thread.join(_PATIENCE)
    assert not conversation.thread.is_alive()
    # The card cannot even be asked to give memory back.
    assert conversation.engine.released == 0


def test_a_question_that_meets_a_lost_card_ends_the_worker_too(talk: Talk) -> None:
    conversation = talk(result)
    conversation.engine.plan_error = RuntimeError("CUDA error: GPU is lost")
    conversation.send("plan", **model_fields(), job=job_fields(Path("/nowhere/a.mp4")))
    assert conversation.next()["error"]["code"] == "DEVICE_LOST"
    assert conversation.next()["reason"] == "device_lost"


def test_the_wishes_of_a_render_reach_the_engine(talk: Talk) -> None:
    conversation = talk(result)
    conversation.load()
    conversation.render()
    assert [conversation.next()["type"] for _ in range(2)] == ["accepted", "finished"]
    assert conversation.engine.wishes is None
    job = job_fields(Path("/nowhere/a.mp4"))
    conversation.send("render", job_id="job", job=job, compute={"live": True, "last_step": "skip"})
    assert [conversation.next()["type"] for _ in range(2)] == ["accepted", "finished"]
    assert conversation.engine.wishes == ComputeWishes(live=True, last_step="skip")


def test_an_event_without_a_place_in_json_fails_the_job_only(talk: Talk) -> None:
    def tell_nan(job: RenderJob, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
        on_event(BlockEvent(0, 0, 1, float("nan")))
        return result(job)

    conversation = talk(tell_nan)
    conversation.load()
    conversation.render()
    assert [conversation.next()["type"] for _ in range(2)] == ["accepted", "failed"]
    conversation.send("status")
    assert conversation.next()["state"] == "idle"


def test_cancel_is_answered_before_the_end_and_only_for_the_running_job(talk: Talk) -> None:
    conversation = talk(until_stopped)
    conversation.load()
    conversation.render()
    conversation.send("cancel", job_id="another")
    conversation.send("cancel", job_id="job")
    messages = [conversation.next() for _ in range(5)]
    assert [m["type"] for m in messages if m["type"] != "event"] == ["accepted", "error", "accepted", "cancelled"]
    assert messages[-1] == {"type": "cancelled", "request_id": "render", "job_id": "job", "clips_on_disk": 0}
    conversation.send("cancel", job_id="job")
    assert conversation.next()["error"]["code"] == "JOB_NOT_RUNNING"


def test_a_cancel_before_the_first_block_is_obeyed_at_the_next_stage(talk: Talk) -> None:
    asked = threading.Event()

    def listen(job: RenderJob, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
        on_event(StageEvent("audio", 0, 9, "Listening", "X"))
        assert asked.wait(_PATIENCE)
        on_event(StageEvent("audio", 1, 9, "Listening", "X"))
        return result(job)

    conversation = talk(listen)
    conversation.load()
    conversation.render()
    assert [conversation.next()["type"] for _ in range(2)] == ["accepted", "event"]
    conversation.send("cancel", job_id="job")
    assert conversation.next()["type"] == "accepted"
    asked.set()
    assert [conversation.next()["type"] for _ in range(2)] == ["event", "cancelled"]


def test_a_cancel_during_the_join_lets_the_video_be_finished(talk: Talk) -> None:
    asked = threading.Event()

    def join(job: RenderJob, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
        assert asked.wait(_PATIENCE)
        on_event(StageEvent("join", 1, 9, "Joining", "X"))
        return result(job)

    conversation = talk(join)
    conversation.load()
    conversation.render()
    conversation.send("cancel", job_id="job")
    assert [conversation.next()["type"] for _ in range(2)] == ["accepted", "accepted"]
    asked.set()
    assert [conversation.next()["type"] for _ in range(2)] == ["event", "finished"]


def test_shutdown_ends_the_job_then_says_bye_and_refuses_the_rest(talk: Talk) -> None:
    release = threading.Event()

    def finish_block(job: RenderJob, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
        assert release.wait(_PATIENCE)
        assert should_stop()
        raise Cancelled

    conversation = talk(finish_block)
    conversation.load()
    conversation.render()
    conversation.send("shutdown")
    conversation.send("status")
    conversation.send("plan", **model_fields(), job=job_fields(Path("/nowhere/a.mp4")))
    messages = [conversation.next() for _ in range(3)]
    assert [(m["type"], m["request_id"]) for m in messages] == [
        ("accepted", "render"),
        ("error", "status"),
        ("error", "plan"),
    ]
    assert {m["error"]["code"] for m in messages[1:]} == {"WORKER_STOPPING"}
    release.set()
    assert conversation.next()["type"] == "cancelled"
    assert conversation.next() == {"type": "bye", "request_id": "shutdown", "reason": "shutdown"}


def test_shutdown_stops_a_load(talk: Talk) -> None:
    conversation = talk(result)
    started, release = threading.Event(), threading.Event()

    def load(choice: ModelChoice, on_event: EventSink) -> bool:
        started.set()
        assert release.wait(_PATIENCE)
        on_event(StageEvent("load", 1, 100, "", "X"))
        return True

    conversation.engine.load = load  # type: ignore[method-assign]
    conversation.send("load", **model_fields())
    assert started.wait(_PATIENCE)
    conversation.send("shutdown")
    conversation.send("status")
    assert conversation.next()["error"]["code"] == "WORKER_STOPPING"
    release.set()
    assert [conversation.next()["type"] for _ in range(2)] == ["event", "error"]
    assert conversation.next()["type"] == "bye"


def test_plans_are_made_while_a_job_runs_and_their_faults_are_answers(talk: Talk) -> None:
    conversation = talk(until_stopped)
    conversation.load()
    conversation.render()
    codes = []
    for error in (conversation.engine.plan_error, KeyError("surprise")):
        conversation.engine.plan_error = error
        conversation.send("plan", **model_fields(), job=job_fields(Path("/nowhere/a.mp4")))
        while (message := conversation.next())["type"] != "error":
            assert message["type"] in ("accepted", "event")
        codes.append((message["request_id"], message["error"]["code"]))
    assert codes == [("plan", "IMAGE_NOT_FOUND"), ("plan", "INTERNAL_ERROR")]


def test_a_broken_output_stops_the_worker_and_its_job() -> None:
    stopped = threading.Event()
    written: list[str] = []

    def render(job: RenderJob, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
        on_event(BlockEvent(0, 0, 1, 0.1))
        if should_stop():
            stopped.set()
            raise Cancelled
        return result(job)

    def write(message: Message) -> None:
        if message["type"] == "event" and message["job_id"] is not None:
            raise BrokenPipeError
        written.append(message["type"])

    conversation = Conversation(render, write)
    conversation.engine.load(ModelChoice(Path("/m"), None, "auto", "auto"), lambda event: None)
    conversation.render()
    conversation.thread.join(_PATIENCE)
    assert stopped.is_set()
    assert not conversation.thread.is_alive()
    assert [kind for kind in written if kind != "heartbeat"] == ["hello", "accepted"]


def test_a_request_caught_between_taking_and_a_signal_is_still_answered(talk: Talk) -> None:
    started, release = threading.Event(), threading.Event()

    def render(job: RenderJob, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
        started.set()
        assert release.wait(_PATIENCE)
        return result(job)

    conversation = talk(render)
    conversation.load()
    conversation.render()
    assert started.wait(_PATIENCE)
    # As if the signal came right after the check: the end is in the queues before the requests.
    conversation.worker._questions.put(None)
    conversation.send("plan", **model_fields(), job=job_fields(Path("/nowhere/a.mp4")))
    conversation.send("status")
    assert [conversation.next()["type"] for _ in range(2)] == ["accepted", "status"]
    conversation.worker.stop("signal")
    release.set()
    assert conversation.next()["type"] == "finished"
    refused = conversation.next()
    assert (refused["request_id"], refused["error"]["code"]) == ("plan", "WORKER_STOPPING")
    assert conversation.next()["reason"] == "signal"


def test_lines_come_out_whole_whatever_the_pieces() -> None:
    reading, writing = os.pipe()
    lines = read_lines(reading, limit=10)
    os.write(writing, b"first\nsec")
    assert next(lines) == b"first"
    os.write(writing, b"ond\n\n" + b"x" * 10 + b"\n" + b"y" * 11 + b"\n" + b"z" * 30)
    assert [next(lines) for _ in range(3)] == [b"second", b"", b"x" * 10]
    assert isinstance(next(lines), TooLong)
    os.write(writing, b"z\nlast\ncut o")
    assert isinstance(next(lines), TooLong)
    os.close(writing)
    assert list(lines) == [b"last"]
    os.close(reading)


def test_messages_are_ascii_lines_even_with_half_surrogates() -> None:
    reading, writing = os.pipe()
    write_message(writing, {"text": "Grüße\u2028 \udcff\n"})
    os.close(writing)
    line = os.read(reading, 1000)
    os.close(reading)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"text": "Grüße\u2028 \udcff\n"}


def test_an_environment_without_torch_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        error = faults.torch_unusable(ImportError("libcudart.so.12: cannot open"))
    assert (error.code, error.why) == ("ENGINE_NOT_USABLE", "ImportError: libcudart.so.12: cannot open")
    assert "libcudart" in caplog.text
