"""Plays the studio's part against a real worker process, and holds every message to the schema."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

ROOT = Path(__file__).parent.parent
PROTOCOL = ROOT / "live_avatar" / "protocol"
GOLDEN = Path(__file__).parent / "golden"
# Only ends a test that would hang; a loaded machine takes seconds to import torch.
_PATIENCE = 120.0

Message = dict[str, Any]


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """The schema ``requests`` or ``messages``."""
    schema = json.loads((PROTOCOL / "schema" / f"{name}.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


def model_fields() -> Message:
    """The miniature model with its LoRA, as ``load`` and ``plan`` take it."""
    lora = GOLDEN / "lora" / "liveavatar.safetensors"
    return {"ckpt_dir": str(GOLDEN / "ckpt"), "lora": str(lora), "device": "cpu", "precision": "fp32"}


def job_fields(output: Path, audio: Path | None = None, **changes: Any) -> Message:
    """A job of small pictures in clips of one block, one step a block."""
    return {
        "image": str(GOLDEN / "media" / "e2e.png"),
        "audio": [str(audio or GOLDEN / "media" / "speech_2p3s.wav")],
        "prompts": [{"start_block": 0, "text": "A calm person talks."}],
        "output": str(output),
        "size": {"width": 64, "height": 64},
        "base_seed": 420,
        "infer_frames": 12,
        "sample_steps": 1,
        **changes,
    }


class WorkerClient:
    """A worker process.

    Args:
        log: file for its standard error.
        arguments: of the interpreter.
        environment: added to that of this process.
    """

    def __init__(
        self,
        log: Path,
        arguments: tuple[str, ...] = ("-m", "live_avatar.worker"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        cache_folder = str(log.parent / "cache")
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "AVATAR_STUDIO_CACHE": cache_folder, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._asked = 0
        self.hello = self.receive()
        assert self.hello["type"] == "hello"

    def send_line(self, line: bytes) -> None:
        """Send raw bytes and a line end."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, kind: str, **fields: Any) -> str:
        """Send a request and return its id."""
        self._asked += 1
        request_id = f"q{self._asked}"
        request = {"type": kind, "request_id": request_id, **fields}
        validator("requests").validate(request)
        self.send_line(json.dumps(request).encode())
        return request_id

    def close_input(self) -> None:
        """End the worker's input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def receive(self) -> Message:
        """The next message.

        Raises:
            EOFError: the worker's output has ended.
        """
        line = self._lines.get(timeout=_PATIENCE)
        if line is None:
            raise EOFError(self.log.read_text("utf-8"))
        message = json.loads(line.decode("ascii"))
        validator("messages").validate(message)
        assert isinstance(message, dict)
        return message

    def rest(self) -> Iterator[Message]:
        """All messages until the end of output."""
        while True:
            try:
                yield self.receive()
            except EOFError:
                return

    def until(self, wanted: Callable[[Message], bool]) -> tuple[Message, list[Message]]:
        """The first message that is ``wanted``, and those before it. A job that fails unasked fails the test."""
        before: list[Message] = []
        deadline = time.monotonic() + _PATIENCE
        while not wanted(message := self.receive()):
            assert message["type"] != "failed", message
            assert time.monotonic() < deadline, "only heartbeats and events came"
            before.append(message)
        return message, before

    def answer(self, request_id: str) -> Message:
        """The message that answers a request; events and heartbeats before it are passed over."""
        message, _ = self.until(lambda m: m["type"] not in ("event", "heartbeat") and m.get("request_id") == request_id)
        return message

    def end_of(self, job_id: str) -> tuple[Message, list[Message]]:
        """How a job ended, and all messages before that."""
        return self.until(lambda m: m["type"] in ("finished", "cancelled", "failed") and m["job_id"] == job_id)

    def load(self) -> Message:
        """Load the miniature model."""
        answer = self.answer(self.send("load", **model_fields()))
        assert answer["type"] == "loaded"
        return answer

    def start(self, job_id: str, job: Message) -> None:
        """Start a render."""
        request_id = self.send("render", job_id=job_id, job=job)
        assert self.answer(request_id) == {"type": "accepted", "request_id": request_id, "job_id": job_id}

    def receive_but_heartbeats(self) -> Message:
        """The next message that is no heartbeat."""
        return self.until(lambda m: m["type"] != "heartbeat")[0]

    def kill(self) -> None:
        """``kill -9``, also of a worker that has ended."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)


def kinds(messages: list[Message], kind: str) -> list[Message]:
    """The events of one kind."""
    return [m["event"] for m in messages if m["type"] == "event" and m["event"]["kind"] == kind]
