from __future__ import annotations

import functools
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from live_avatar.media.frames import frame_hashes
from live_avatar.media.playlist import read_playlist
from tests.render_material import make_job

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the helper forks")

ROOT = Path(__file__).parent.parent
PROMPTS = [[0, "A calm person talks."], [2, "A calm person smiles."]]
# 5 clips: per run about 9 stages, 5 blocks, 5 clips, 4 states, 6 joins, 1 done.
EVENTS = 28


class Zygote:
    """The helper process; see its module's text."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.render_zygote"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(self, output: Path, *kill: Any) -> tuple[int, list[str]]:
        """Make a video; the rest as :meth:`order`."""
        return self.order({"output": str(output), "prompts": PROMPTS}, *kill)

    def order(
        self,
        job: dict[str, Any],
        kill_at: Callable[[list[str]], bool] | None = None,
        extra_ms: float = 0.0,
        signal_number: int = signal.SIGKILL,
    ) -> tuple[int, list[str]]:
        """Run the job; signal it so many milliseconds after its events satisfy ``kill_at``. Status and events."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        pid = 0
        kinds: list[str] = []
        while True:
            word, _, rest = self.line().partition(" ")
            if word == "exit":
                return int(rest), kinds
            if word == "pid":
                pid = int(rest)
            else:
                kinds.append(rest)
            if kill_at is not None and pid and kill_at(kinds):
                kill_at = None
                if extra_ms:
                    with pytest.raises(subprocess.TimeoutExpired):
                        self.process.wait(timeout=extra_ms / 1000)  # a point in time between two events
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_number)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture(scope="module")
def uninterrupted(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "video.mp4"
    status, kinds = zygote.run(output)
    assert status == 0
    assert (kinds.count("block"), kinds.count("clip"), kinds.count("done")) == (5, 5, 1)
    return output


def at_least(events: int, kinds: list[str]) -> bool:
    return len(kinds) >= events


def assert_same_video(output: Path, expected: Path) -> None:
    assert frame_hashes(output) == frame_hashes(expected)
    assert output.read_bytes() == expected.read_bytes()
    assert sorted(path.name for path in output.parent.iterdir()) == [output.name]


@pytest.mark.parametrize("seed", range(4))
def test_kill_at_random_moments_then_resume_gives_the_same_video(
    zygote: Zygote, uninterrupted: Path, tmp_path: Path, seed: int
) -> None:
    # Three kills a job, each further into it: 12 kill points in all.
    chance = random.Random(seed)
    output = tmp_path / "video.mp4"
    killed = 0
    for least, most in ((1, 12), (8, 17), (8, EVENTS - 8)):
        events = chance.randint(least, most)
        extra_ms = chance.choice([0.0, chance.uniform(1, 250)])
        status, _ = zygote.run(output, functools.partial(at_least, events), extra_ms)
        if status == -signal.SIGKILL:
            killed += 1
            assert not output.exists()
            folder = make_job(output).folder
            for path in read_playlist(folder).paths(folder):
                assert len(frame_hashes(path)) in (12, 10)
    assert killed >= 2
    assert zygote.run(output)[0] == 0
    assert_same_video(output, uninterrupted)


@pytest.mark.parametrize("seed", range(3))
def test_a_take_that_is_edited_and_killed_again_and_again_shows_what_was_asked_last(
    zygote: Zygote, uninterrupted: Path, tmp_path: Path, seed: int
) -> None:
    # Clips only, states along the take: every run has another prompt from some block on, and all but the last die.
    chance = random.Random(seed)
    folder = tmp_path / "take"

    def order(prompts: list[list[Any]]) -> dict[str, Any]:
        return {"take": str(folder), "prompts": prompts}

    assert zygote.order(order(PROMPTS))[0] == 0
    for _ in range(4):
        edited = [PROMPTS[0], [chance.randint(1, 4), chance.choice(["A calm person nods.", PROMPTS[1][1]])]]
        kill_at = functools.partial(at_least, chance.randint(6, 22))
        zygote.order(order(edited), kill_at, chance.choice([0.0, chance.uniform(1, 250)]))
    assert zygote.order(order(PROMPTS))[0] == 0
    playlist = read_playlist(folder)
    assert playlist.complete
    hashes = [frame for path in playlist.paths(folder) for frame in frame_hashes(path)]
    assert hashes == frame_hashes(uninterrupted)
    status, kinds = zygote.order(order(PROMPTS))
    assert (status, kinds.count("block"), kinds.count("clip"), kinds.count("state")) == (0, 0, 5, 0)


@pytest.mark.parametrize("joined", [1, 4])
def test_kill_while_joining_leaves_only_the_join_to_do(
    zygote: Zygote, uninterrupted: Path, tmp_path: Path, joined: int
) -> None:
    output = tmp_path / "video.mp4"
    status, _ = zygote.run(output, lambda kinds: kinds.count("join") == joined)
    assert status == -signal.SIGKILL
    assert not output.exists()
    status, kinds = zygote.run(output)
    assert status == 0
    assert kinds.count("block") == 0
    assert_same_video(output, uninterrupted)


def test_interrupt_inside_a_clip_keeps_finished_clips(zygote: Zygote, uninterrupted: Path, tmp_path: Path) -> None:
    output = tmp_path / "video.mp4"
    status, kinds = zygote.run(output, lambda kinds: kinds.count("state") == 1, 40, signal.SIGINT)
    assert status == 130
    assert len(read_playlist(make_job(output).folder).frames) >= kinds.count("clip") >= 1
    status, again = zygote.run(output)
    assert status == 0
    assert again.count("block") <= 4  # the state after the first clip was used
    assert_same_video(output, uninterrupted)


def test_a_lock_of_a_dead_process_does_not_stop_anyone(zygote: Zygote, uninterrupted: Path, tmp_path: Path) -> None:
    output = tmp_path / "video.mp4"
    assert zygote.run(output, lambda kinds: "clip" in kinds)[0] == -signal.SIGKILL
    assert {"lock", "owner.json"} <= {path.name for path in make_job(output).folder.iterdir()}
    assert zygote.run(output)[0] == 0
    assert_same_video(output, uninterrupted)
