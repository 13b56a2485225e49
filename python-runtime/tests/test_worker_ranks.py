"""What a worker tells of the processes that compute: two real ranks on the processor, and the counting by itself."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from live_avatar.distributed.cut import Cut, cut_by_layers, cut_by_steps
from live_avatar.distributed.hired import RankStatus
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.worker.ranks import RankWatch
from tests.render_material import voice, write_wav
from tests.worker_client import PROTOCOL, Message, WorkerClient, job_fields, model_fields


class Clock:
    """Told what time it is."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def pipeline_like(cut: Cut | None, *followers: RankStatus) -> Any:
    """As much of a pipeline as is looked at."""
    pipeline: Any = SimpleNamespace() if cut is None else TeamPipeline.__new__(TeamPipeline)
    pipeline.device = torch.device("cpu")
    pipeline.denoiser = SimpleNamespace(config=SimpleNamespace(num_layers=6))
    if cut is not None:
        pipeline.formation = SimpleNamespace(cut=cut)
    pipeline.ranks = lambda: followers
    return pipeline


def test_one_process_does_all_of_it_at_its_pace() -> None:
    clock = Clock()
    watch = RankWatch(clock)
    (first,) = watch.look(pipeline_like(None), steps=3)
    assert (first["layers"], first["steps"]) == ({"first": 0, "count": 6, "of": 6}, {"first": 0, "count": 3, "of": 3})
    assert (first["frames_per_second"], first["memory"], first["uuid"]) == (0.0, None, None)
    for _ in range(3):
        clock.now += 4.0
        watch.block_done()
        (later,) = watch.look(pipeline_like(None), steps=3)
    # Getting ready for the first block is no pace.
    assert (later["done"], later["frames_per_second"]) == (3, 3.0)
    clock.now += 11.0
    (still,) = watch.look(pipeline_like(None), steps=3)
    assert still["frames_per_second"] == 0.0


def test_blocks_of_half_a_minute_have_a_pace_all_the_time() -> None:
    clock = Clock()
    watch = RankWatch(clock)
    watch.begin()
    paces = []
    for beat in range(60):
        clock.now += 2.0
        if beat % 15 == 14:
            watch.block_done()
        paces.append(watch.look(pipeline_like(None), steps=4)[0]["frames_per_second"])
    assert set(paces[:29]) == {0.0}
    assert set(paces[29:]) == {0.4}
    watch.begin()
    assert watch.look(pipeline_like(None), steps=4)[0]["frames_per_second"] == 0.0


@pytest.mark.parametrize(
    ("cut", "layers", "steps", "frames_per_second"),
    [
        (cut_by_layers(4, [2, 4]), (2, 4, 6), (0, 4, 4), 6.0),
        (cut_by_steps(6, [3, 1]), (0, 6, 6), (3, 1, 4), 24.0),
    ],
)
def test_a_followers_pace_is_that_of_its_share_of_the_steps(
    cut: Cut, layers: tuple[int, ...], steps: tuple[int, ...], frames_per_second: float
) -> None:
    clock = Clock()
    watch = RankWatch(clock)
    memory = (1, 2, 3)
    for done in (0, 16, 32):
        _, follower = watch.look(pipeline_like(cut, RankStatus(1, "cuda:1", "ready", done, memory)), steps=4)
        clock.now += 8.0
    assert tuple(follower["layers"].values()) == layers
    assert tuple(follower["steps"].values()) == steps
    assert follower["frames_per_second"] == frames_per_second
    assert follower["memory"] == {"allocated": 1, "reserved": 2, "total": 3}
    # Another team counts from nothing.
    clock.now += 1.0
    _, anew = watch.look(pipeline_like(cut, RankStatus(1, "cuda:1", "ready", 1, memory)), steps=4)
    assert anew["frames_per_second"] == 0.0


def test_two_ranks_tell_what_they_do(tmp_path: Path) -> None:
    worker = WorkerClient(tmp_path / "log")
    choice = {**model_fields(), "compute": {"ranks": 2, "cut": "layers"}}
    try:
        assert worker.answer(worker.send("load", **choice))["type"] == "loaded"
        sound = write_wav(tmp_path / "sound.wav", voice(24))
        worker.start("take", job_fields(tmp_path / "a.mp4", sound, sample_steps=2))

        def both_at_work(message: Message) -> bool:
            ranks = message.get("ranks") or []
            return len(ranks) == 2 and all(rank["frames_per_second"] > 0 for rank in ranks)

        beat, _ = worker.until(both_at_work)
        assert [(rank["rank"], rank["device"], rank["phase"]) for rank in beat["ranks"]] == [
            (0, "cpu", "ready"),
            (1, "cpu", "ready"),
        ]
        assert [tuple(rank["layers"].values()) for rank in beat["ranks"]] == [(0, 3, 6), (3, 3, 6)]
        assert [tuple(rank["steps"].values()) for rank in beat["ranks"]] == [(0, 2, 2)] * 2
        worker.answer(worker.send("cancel", job_id="take"))
        worker.end_of("take")
        recorded = [
            json.loads(line) for line in (PROTOCOL / "examples" / "cards.jsonl").read_text("utf-8").splitlines()
        ]
        told = next(entry["message"] for entry in recorded if entry["message"]["type"] == "heartbeat")
        assert [sorted(rank) for rank in told["ranks"]] == [sorted(rank) for rank in beat["ranks"]]
    finally:
        worker.kill()
