"""The command ``generate`` with the miniature checkpoint, from files to a video."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import live_avatar.render as render_module
from live_avatar.cli.console import Console
from live_avatar.cli.progress import Pace, ProgressView
from live_avatar.cli.stopping import StopRequest
from live_avatar.cli.words import duration, size
from live_avatar.errors import Cancelled, UserError
from live_avatar.events import BlockEvent, ClipEvent, EventSink, RenderEvent, StageEvent, StateEvent, WarningEvent
from live_avatar.media.frames import frame_hashes
from live_avatar.pipeline import Pipeline
from live_avatar.render import RenderJob, RenderResult
from tests.cli_material import GOLDEN, files_in, json_lines, material, run

ROOT = Path(__file__).parent.parent
SPEECH = GOLDEN / "media" / "speech_2p3s.wav"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)  # as the subprocesses have: frames repeat for the same number of threads
    return tmp_path


def test_a_video_is_made(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    video = folder / "new" / "a.mp4"
    words = material(audio=SPEECH, save_file=video, log_file=folder / "log.txt", enable_online_decode=True)
    status, out, err = run(capsys, "generate", *words)
    assert status == 0, err
    assert len(frame_hashes(video)) == 58
    assert out.splitlines()[-1] == str(video)
    assert "64x64" in out
    assert "Seed" in out
    assert "estimate" in out
    assert "Clip 3 of 3: 58 of 58 frames" in err
    assert "[FLAG_WITHOUT_EFFECT]" in err
    assert "[IMAGE_SMALL]" in err
    assert files_in(folder / "new") == {"a.mp4"}
    assert '"base_seed"' in (folder / "log.txt").read_text()

    status, out, err = run(capsys, "generate", *words)
    assert status == 2
    assert "[OUTPUT_EXISTS]" in err
    assert "UserError" not in err

    status, out, _ = run(capsys, "plan", *material(audio=SPEECH))
    assert status == 0
    assert "measured here with these settings" in out


def test_the_same_seed_gives_the_same_frames_and_json_tells_all(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    hashes = []
    for name in ("a.mp4", "b.mp4"):
        status, out, _ = run(capsys, "generate", "--json", *material(save_file=folder / name, base_seed=7))
        assert status == 0
        lines = json_lines(out)
        kinds = [line["kind"] for line in lines]
        assert kinds[0] == "plan"
        assert kinds[-1] == "result"
        assert {"stage", "block", "clip", "done"} <= set(kinds)
        assert lines[-1]["base_seed"] == lines[0]["base_seed"] == 7
        assert lines[-1]["output"] == str(folder / name)
        hashes.append(frame_hashes(folder / name))
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 13


def test_quiet_says_only_the_path(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    status, out, err = run(capsys, "generate", "--quiet", *material(save_file=folder / "a.mp4", keep_clips=True))
    assert status == 0
    assert out == f"{folder / 'a.mp4'}\n"
    assert "Clip 1" not in err
    assert (folder / "a.parts" / "playlist.m3u8").is_file()


class Command:
    """``generate`` in another process, read line by line."""

    def __init__(self, folder: Path, *words: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "AVATAR_STUDIO_CACHE": str(folder / "cache")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "live_avatar", "generate", "--json", *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, kind: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if json_lines(line)[0]["kind"] == kind:
                return
        raise AssertionError(f"no {kind}: {self.process.communicate()}")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.mark.skipif(os.name == "nt", reason="Windows delivers signals otherwise")
def test_ctrl_c_stops_and_the_same_command_goes_on(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    words = material(audio=SPEECH, save_file=folder / "a.mp4", infer_frames=12)
    command = Command(folder, *words)
    command.wait_for("clip")
    command.process.send_signal(signal.SIGINT)
    status, out, err = command.end()
    assert status == 130
    assert "Run the same command again" in out
    assert "press Ctrl-C again" in err
    assert not (folder / "a.mp4").exists()
    assert list((folder / "a.parts").glob("clip_*.m4s"))

    # No seed was given: the second run takes that of the first.
    status, out, _ = run(capsys, "generate", "--json", *words)
    assert status == 0
    result = json_lines(out)[-1]
    assert result["reused_clips"] >= 1
    assert result["base_seed"] == json_lines(out)[0]["base_seed"]
    seed = result["base_seed"]
    run(capsys, "generate", "--quiet", *words, "--base_seed", str(seed), "--save_file", str(folder / "b.mp4"))
    assert frame_hashes(folder / "a.mp4") == frame_hashes(folder / "b.mp4")


@pytest.mark.skipif(os.name == "nt", reason="no pipes of this kind")
def test_a_video_is_finished_though_nobody_reads(folder: Path) -> None:
    command = Command(folder, *material(save_file=folder / "a.mp4"))
    command.wait_for("plan")
    assert command.process.stdout is not None
    command.process.stdout.close()
    assert command.process.stderr is not None
    err = command.process.stderr.read()
    command.process.stderr.close()
    assert command.process.wait(60) == 0, err
    assert "Broken" not in err
    assert len(frame_hashes(folder / "a.mp4")) == 13


@pytest.mark.skipif(os.name == "nt", reason="signals to oneself end the process there")
def test_the_first_signal_asks_and_the_second_kills(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert not stop.requested()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is before
    assert "Stopping" in capfd.readouterr().err


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with StopRequest():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def fake_render(outcome: Exception) -> Callable[..., RenderResult]:
    def render(
        job: RenderJob, pipeline: Pipeline, on_event: EventSink, should_stop: Callable[[], bool]
    ) -> RenderResult:
        job.folder.mkdir(parents=True)
        for name in ("clip_00000.m4s", "clip_00001.m4s"):
            (job.folder / name).touch()
        raise outcome

    return render


def test_a_full_disk_says_what_is_kept(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = UserError("DISK_FULL", "The disk is full.", "No space.", "Free some space.", field="output")
    monkeypatch.setattr(render_module, "render", fake_render(full))
    status, _, err = run(capsys, "generate", *material(save_file=folder / "a.mp4"))
    assert status == 2
    assert "2 finished clips are kept" in err
    assert "[DISK_FULL]" in err


def test_a_stop_exits_with_130(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_module, "render", fake_render(Cancelled()))
    status, _, err = run(capsys, "generate", *material(save_file=folder / "a.mp4"))
    assert status == 130
    assert "Run the same command again to go on from there." in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def clip(index: int, *, reused: bool) -> ClipEvent:
    return ClipEvent(index, 3, index * 24, 24, "x", "h", reused, 1.0, 3 * 10**9)


def events() -> list[RenderEvent]:
    return [
        StageEvent("resume", 1, 1, "1 of 3 clips are finished already", "X"),
        clip(0, reused=True),
        BlockEvent(1, 0, 2, 0.5),
        BlockEvent(1, 1, 2, 0.5),
        clip(1, reused=False),
        StateEvent(1, "s", 2**20, 0.1),
        BlockEvent(2, 0, 2, 0.5),
    ]


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["file", "terminal"])
def test_progress(stream: io.StringIO) -> None:
    view = ProgressView(72, 24, stream)
    for event in events():
        if isinstance(event, StateEvent):
            view.state_saved("1 MB in 0.1 s")
        else:
            view.observe(event)
    view.close()
    text = stream.getvalue()
    assert "1 of 3 clips are finished already" in text
    assert "fps" in text
    assert "memory 3.0 GB" in text
    assert "left" in text
    assert ("60/72 frames" in text) if stream.isatty() else ("Clip 2 of 3: 48 of 72 frames" in text)


def test_reused_clips_do_not_count_as_speed() -> None:
    pace = Pace()
    pace.start_from(2400)
    assert pace.frames_per_second is None
    assert pace.text() == ""
    pace.block(2412, 100.0)
    assert pace.frames_per_second == pytest.approx(0.12, rel=0.01)
    assert pace.seconds_left(12) == pytest.approx(100.0, rel=0.01)


def test_a_warning_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Console() as console:
        console.warning("AUDIO_QUIET", "The sound is quiet.")
        console.event(WarningEvent("AUDIO_QUIET", "In other words, it is quiet."))
        console.event(WarningEvent("AUDIO_TRUNCATED", "It is cut off."))
        console.forget_warnings()
        console.warning("AUDIO_QUIET", "The sound is quiet.")
    err = capsys.readouterr().err
    assert err.count("AUDIO_QUIET") == 2
    assert "In other words" not in err
    assert "AUDIO_TRUNCATED" in err


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.21, "3.2 s"), (42, "42 s"), (185, "3 min 05 s"), (8040, "2 h 14 min"), (59.9, "60 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 bytes"), (2_000, "2 kB"), (3_000_000, "3 MB"), (3_000_000_000, "3.0 GB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
