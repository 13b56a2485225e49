"""The worker as a real process, on the miniature golden checkpoint."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from live_avatar.media.frames import frame_hashes
from live_avatar.media.playlist import read_playlist
from live_avatar.protocol.requests import BadRequest, parse_request
from live_avatar.worker.main import DEVICE_LOST_STATUS
from tests.lost_card_worker import LAST_GOOD_BLOCK, SAYS
from tests.noisy_worker import NOISE
from tests.render_material import voice, write_wav
from tests.worker_client import GOLDEN, PROTOCOL, ROOT, Message, WorkerClient, job_fields, kinds, model_fields

NOISY = ("-I", str(Path(__file__).parent / "noisy_worker.py"))
LOST = ("-I", str(Path(__file__).parent / "lost_card_worker.py"))
# Without these, Python itself would turn to UTF-8 in the C locale.
ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

LONG_SECONDS = 24
LONG_CLIPS = 50


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="module")
def long_sound(material: Path) -> Path:
    """Far more than any test waits for."""
    return write_wav(material / "long.wav", voice(LONG_SECONDS))


@pytest.fixture(scope="module")
def shared(material: Path) -> Iterator[WorkerClient]:
    """One noisy worker, isolated, with the model loaded, in turn used by all tests that leave it alive."""
    worker = WorkerClient(material / "shared.log", NOISY)
    worker.load()
    yield worker
    worker.kill()


def test_the_example_conversation(tmp_path: Path, long_sound: Path) -> None:
    places = {
        "/example/model/lora": str(GOLDEN / "lora"),
        "/example/model": str(GOLDEN / "ckpt"),
        "/example/media/long.wav": str(long_sound),
        "/example/media/ada.png": str(GOLDEN / "media" / "e2e.png"),
        "/example/media/hello.wav": str(GOLDEN / "media" / "speech_2p3s.wav"),
        "/example/videos": str(tmp_path),
    }

    def really(text: str) -> str:
        for example, real in places.items():
            text = text.replace(example, json.dumps(real)[1:-1])
        return text

    worker = WorkerClient(tmp_path / "log")
    unread: list[Message] = [worker.hello]
    example_events: set[tuple[str, str | None]] = set()
    real_events: set[tuple[str, str | None]] = set()
    for line in (PROTOCOL / "examples" / "conversation.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(really(line))
        expected = entry.get("message", {})
        if entry.get("from") == "client":
            worker.send_line(entry["line"].encode() if "line" in entry else json.dumps(expected).encode())
        elif expected.get("type") == "event":
            example_events.add(event_kind(expected))
        elif "message" in entry and expected["type"] != "heartbeat":
            while (answer := unread.pop() if unread else worker.receive())["type"] in ("event", "heartbeat"):
                if answer["type"] == "event":
                    real_events.add(event_kind(answer))
            assert stable_parts(answer) == stable_parts(expected)
    assert [message["type"] for message in worker.rest()] in ([], ["heartbeat"])
    assert worker.process.wait() == 0
    assert example_events == real_events
    worker.kill()


def event_kind(message: Message) -> tuple[str, str | None]:
    return message["event"]["kind"], message["event"].get("stage")


def stable_parts(message: Message) -> dict[str, Any]:
    """What is the same on every machine."""
    names = ("type", "request_id", "job_id", "protocol", "reused", "frames", "clips", "reused_clips", "state", "output")
    more = ("fresh", "restart", "reasons", "generated_frames", "findings")
    parts = {name: message[name] for name in (*names, *more) if name in message}
    parts |= {name: message.get("image", {}).get(name) for name in ("width", "height", "video", "crop")}
    parts |= {name: message.get("audio", {}).get(name) for name in ("seconds", "sample_rate", "channels", "codec")}
    error = message.get("error", {})
    plan = message.get("plan", {})
    parts |= {name: error.get(name) for name in ("code", "what", "field")}
    parts |= {
        name: plan.get(name) for name in ("size", "requested", "frames", "clips", "blocks", "tokens", "parameters")
    }
    return parts


def test_hello_tells_the_process_and_what_it_runs_on(shared: WorkerClient) -> None:
    import psutil
    import torch

    hello = shared.hello
    assert hello["process"]["id"] == shared.process.pid
    assert hello["process"]["started"] == pytest.approx(psutil.Process(shared.process.pid).create_time(), abs=0.02)
    assert hello["torch"]["version"] == torch.__version__
    assert len(hello["torch"]["devices"]) == torch.cuda.device_count()
    assert 0 < hello["processor"]["memory_available"] <= hello["processor"]["memory_total"]


def test_two_renders_with_warm_weights_and_nothing_but_messages_on_stdout(shared: WorkerClient, tmp_path: Path) -> None:
    sound = GOLDEN / "media" / "speech_0p5s.wav"
    before = shared.log.read_text("utf-8")
    hashes = []
    for seed in (1, 2):
        output = tmp_path / f"Grüße 你好 {seed}.mp4"
        shared.start(f"seed {seed}", job_fields(output, sound, base_seed=seed))
        # The client fails on any line that is no message of the schema.
        end, messages = shared.end_of(f"seed {seed}")
        assert (end["type"], end["output"], end["frames"]) == ("finished", str(output), 13)
        assert [event["path"] for event in kinds(messages, "done")] == [str(output)]
        hashes.append(frame_hashes(output))
    assert [len(frames) for frames in hashes] == [13, 13]
    assert hashes[0] != hashes[1]
    again = shared.load()
    assert again["reused"] is True
    log = shared.log.read_text("utf-8").removeprefix(before)
    assert all(log.count(noise) == 2 for noise in NOISE)


def test_a_busy_worker_beats_answers_and_stops_within_one_block(
    shared: WorkerClient, long_sound: Path, tmp_path: Path
) -> None:
    job = job_fields(tmp_path / "long.mp4", long_sound)
    shared.start("long", job)
    beat, messages = shared.until(lambda m: m["type"] == "heartbeat" and m["state"] == "rendering")
    while len(kinds(messages, "block")) < 2:
        messages.append(shared.receive())
    assert beat["job_id"] == "long"
    assert beat["doing"]["stage"] in ("start", "audio", "portrait", "prompt", "prefill", "save", "block")
    assert beat["device_memory"] is None
    refused = shared.answer(shared.send("render", job_id="other", job=job_fields(tmp_path / "other.mp4")))
    assert refused["error"]["code"] == "WORKER_BUSY"
    assert shared.answer(shared.send("load", **model_fields()))["error"]["code"] == "WORKER_BUSY"
    status = shared.answer(shared.send("status"))
    assert (status["state"], status["job_id"]) == ("rendering", "long")
    assert status["clips_on_disk"] >= 1
    plan = shared.answer(shared.send("plan", **model_fields(), job=job))
    assert plan["plan"]["frames"] == LONG_SECONDS * 25
    assert shared.answer(shared.send("cancel", job_id="other"))["error"]["code"] == "JOB_NOT_RUNNING"

    assert shared.answer(shared.send("cancel", job_id="long"))["type"] == "accepted"
    end, after = shared.end_of("long")
    assert end["type"] == "cancelled"
    # Blocks may lie in the pipe before "accepted", but only the one under way can follow it.
    assert len(kinds(after, "block")) <= 1
    assert not (tmp_path / "long.mp4").exists()
    assert len(read_playlist(tmp_path / "long.parts").frames) == end["clips_on_disk"] >= 1

    shared.start("long", job)
    _, messages = shared.until(lambda m: bool(kinds([m], "block")))
    assert [event["clip"] for event in kinds(messages, "clip") if event["reused"]] == list(range(end["clips_on_disk"]))
    shared.send("cancel", job_id="long")
    assert shared.end_of("long")[0]["type"] == "cancelled"


def test_a_few_hundred_lines_of_garbage(shared: WorkerClient, tmp_path: Path) -> None:
    chance = random.Random(7)
    good = [
        json.dumps(
            {"type": "render", "request_id": "g", "job_id": "g", "job": job_fields(tmp_path / "g.mp4")}
        ).encode(),
        json.dumps({"type": "load", "request_id": "g", **model_fields()}).encode(),
        b'{"type":"cancel","request_id":"g","job_id":"none"}',
        b'{"type":"dance","request_id":"g"}',
    ]
    expected: list[str] = []
    for _ in range(300):
        line = spoilt(chance, chance.choice(good))
        try:
            parse_request(line)
        except BadRequest as bad:
            expected.append(bad.error.code)
            shared.send_line(line)
    assert len(expected) > 200
    assert len(set(expected)) == 3
    # Far longer than a pipe, so that it arrives in many pieces; one byte under the limit is judged as JSON.
    for length, code in ((1 << 20, "PROTOCOL_NOT_JSON"), ((1 << 20) + 1, "PROTOCOL_LINE_TOO_LONG")):
        shared.send_line(b"x" * length)
        expected.append(code)
    shared.send_line(b"  \r")
    request_id = shared.send("status")
    answers = []
    while (message := shared.receive_but_heartbeats()).get("request_id") != request_id:
        answers.append(message["error"]["code"])
    assert answers == expected
    assert message["state"] == "idle"
    assert not list(tmp_path.iterdir())


def spoilt(chance: random.Random, line: bytes) -> bytes:
    match chance.randrange(4):
        case 0:
            return line[: chance.randrange(1, len(line))]
        case 1:
            place = chance.randrange(len(line))
            return line[:place] + chance.randbytes(3).replace(b"\n", b"?") + line[place:]
        case 2:
            return chance.randbytes(chance.randrange(1, 40)).replace(b"\n", b"?").replace(b"\r", b"?") + b"!"
        case _:
            fields = json.loads(line)
            fields[chance.choice(list(fields))] = chance.choice([None, 1, "", [], {}, "x" * 300])
            return json.dumps(fields).encode()


def test_after_kill_9_another_worker_continues(shared: WorkerClient, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    doomed = WorkerClient(tmp_path / "log")
    doomed.load()
    doomed.start("cut", job_fields(cut))
    doomed.until(lambda m: bool(kinds([m], "state")))
    doomed.kill()
    assert not cut.exists()

    ends = []
    for name, output in (("cut", cut), ("whole", whole)):
        shared.start(name, job_fields(output))
        ends.append(shared.end_of(name)[0])
    assert [end["type"] for end in ends] == ["finished", "finished"]
    assert ends[0]["reused_clips"] >= 1
    assert ends[0]["generated_frames"] < ends[1]["generated_frames"] == 58
    assert frame_hashes(cut) == frame_hashes(whole)


def test_after_a_lost_card_the_worker_ends_and_another_continues(shared: WorkerClient, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    worker = WorkerClient(tmp_path / "log", LOST)
    worker.load()
    worker.start("lost", job_fields(cut))
    messages = list(worker.rest())
    assert worker.process.wait() == DEVICE_LOST_STATUS
    worker.kill()
    failed, bye = (message for message in messages if message["type"] in ("failed", "bye"))
    assert failed["error"]["code"] == "DEVICE_LOST"
    assert SAYS in failed["error"]["why"]
    assert bye["reason"] == "device_lost"
    assert 0 < failed["clips_on_disk"] <= LAST_GOOD_BLOCK

    shared.start("go on", job_fields(cut))
    end, _ = shared.end_of("go on")
    assert end["reused_clips"] == failed["clips_on_disk"]
    shared.start("whole", job_fields(whole))
    shared.end_of("whole")
    assert frame_hashes(cut) == frame_hashes(whole)


def test_a_take_that_is_kept_is_edited_after_kill_9_and_compared_meanwhile(
    shared: WorkerClient, long_sound: Path, tmp_path: Path
) -> None:
    def job(folder: Path, second: str) -> Message:
        prompts = [{"start_block": 0, "text": "A calm person talks."}, {"start_block": 3, "text": second}]
        kept: Message = {"work_dir": str(folder), "state_budget_bytes": 1 << 30, "speech_cuts": [0, 20]}
        return {**job_fields(tmp_path / "unused.mp4", prompts=prompts, **kept), "output": None}

    take, anew = tmp_path / "take", tmp_path / "anew"
    doomed = WorkerClient(tmp_path / "log")
    doomed.load()
    doomed.start("take", job(take, "A calm person smiles."))
    doomed.until(lambda m: bool(kinds([m], "clip")) and m["event"]["clip"] == 3)
    doomed.kill()

    # Asked while something else is rendered.
    shared.start("long", job_fields(tmp_path / "long.mp4", long_sound))
    compared = shared.answer(shared.send("compare", job=job(take, "A calm person nods.")))
    assert (compared["clips"], compared["fresh"], compared["reasons"]) == (5, 3, ["prompt"])
    assert compared["restart"] <= 3
    again = shared.answer(shared.send("compare", job=job(take, "A calm person nods."), **model_fields()))
    assert {**again, "request_id": ""} == {**compared, "request_id": ""}
    findings = shared.answer(shared.send("check_prompt", text="talk"))["findings"]
    assert "PROMPT_SHORT" in {finding["code"] for finding in findings}
    missing = shared.answer(shared.send("check_image", path=str(tmp_path / "no.png"), size={"width": 64, "height": 64}))
    assert missing["error"]["code"] == "IMAGE_NOT_FOUND"
    shared.send("cancel", job_id="long")
    assert shared.end_of("long")[0]["type"] == "cancelled"

    for name, folder in (("take", take), ("anew", anew)):
        shared.start(name, job(folder, "A calm person nods."))
        end, messages = shared.end_of(name)
        assert (end["type"], end["output"], end["frames"]) == ("finished", None, 58)
        if folder == take:
            assert end["reused_clips"] == 3
            made = {event["clip"] for event in kinds(messages, "block")}
            assert made == set(range(compared["restart"], 5))
    shown = [[h for path in read_playlist(f).paths(f) for h in frame_hashes(path)] for f in (take, anew)]
    assert shown[0] == shown[1]
    same = shared.answer(shared.send("compare", job=job(take, "A calm person nods.")))
    assert (same["fresh"], same["restart"], same["reasons"]) == (5, 5, [])


def test_the_end_of_input_stops_a_render_and_keeps_it(long_sound: Path, tmp_path: Path) -> None:
    # In a locale of ASCII alone the worker has to see to file names itself.
    worker = WorkerClient(tmp_path / "log", environment=ASCII_LOCALE)
    worker.load()
    output = tmp_path / "Grüße 你好.mp4"
    worker.start("long", job_fields(output, long_sound))
    worker.until(lambda m: bool(kinds([m], "clip")))
    worker.close_input()
    rest = [message for message in worker.rest() if message["type"] != "heartbeat"]
    assert [message["type"] for message in rest if message["type"] != "event"] == ["cancelled", "bye"]
    assert rest[-1] == {"type": "bye", "request_id": None, "reason": "end_of_input"}
    assert worker.process.wait() == 0
    clips = rest[-2]["clips_on_disk"]
    assert 1 <= clips < LONG_CLIPS
    assert len(read_playlist(output.with_suffix(".parts")).frames) == clips
    worker.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind do not exist on Windows")
def test_a_signal_ends_the_worker_in_good_order(tmp_path: Path) -> None:
    worker = WorkerClient(tmp_path / "log")
    worker.answer(worker.send("status"))
    os.kill(worker.process.pid, signal.SIGTERM)
    assert list(worker.rest())[-1] == {"type": "bye", "request_id": None, "reason": "signal"}
    assert worker.process.wait() == 0
    worker.kill()


def test_without_torch_the_worker_says_so_and_ends(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from live_avatar.worker import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [message["type"] for message in messages] == ["error", "bye"]
    assert messages[0]["error"]["code"] == "ENGINE_NOT_USABLE"
    assert messages[1]["reason"] == "broken"
    assert done.returncode == 1
    assert b"Traceback" in done.stderr
