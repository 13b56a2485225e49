"""The long take, for seconds: it tells what is equal and what is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from live_avatar.bench.endurance import _edges, check_lines, measure_endurance, run_lines
from live_avatar.bench.long_take import LongTake
from live_avatar.bench.replay import Stretch, keep_state, replay_all, state_path
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.random_weights import write_random_model
from live_avatar.distributed.act_record import RankRecord
from live_avatar.distributed.cut import Edge
from live_avatar.geometry import BLOCK_FRAMES


def test_a_short_long_take_on_two_ranks_equals_one_process() -> None:
    found = measure_endurance((64, 64), 24, 2, 0.08, stretches=2)
    json.dumps(found, allow_nan=False)
    assert found["blocks"] * BLOCK_FRAMES >= 0.08 * 60 * 25
    assert found["latent_frames"] == 3 * found["blocks"]
    assert found["replayed"]["equal"] == found["replayed"]["stretches"] == 2
    assert found["positions"]["equal"]
    assert found["positions"]["first_block"] > 0
    assert all(edge["sent"] == edge["received"] > 0 for edge in found["edges"])
    assert {edge["edge"].split(", ")[1] for edge in found["edges"]} == {"conditions", "latents"}
    assert all(len(set(step["last_blocks"].values())) == 1 for step in found["steps"])
    words = "\n".join([*run_lines(found), *check_lines(found)])
    assert "2 of 2 stretches equal" in words
    assert "the same keys" in words
    assert "NOT EQUAL" not in words


def test_a_stretch_that_came_out_otherwise_is_told(tmp_path: Path) -> None:
    write_random_model(tmp_path / "model", "tiny", Drawing(1))
    take = LongTake(tmp_path / "model", (64, 64), 12, 2, 1, 0.01, 1)
    session = take.local_session()
    session.denoise_block()
    wrong = Stretch(0, 1, "another", keep_state(state_path(tmp_path, 0), session.save()))
    assert replay_all(take, tmp_path, [wrong])["different"] == [0]


def test_a_lost_message_is_told() -> None:
    edge = Edge(0, 1, "latents")
    records = [RankRecord(0, {edge: 7}, {}, {}, {}), RankRecord(1, {}, {edge: 6}, {}, {})]
    assert _edges(records) == [{"edge": "0 to 1, latents", "sent": 7, "received": 6}]


@pytest.mark.parametrize(("minutes", "blocks"), [(120, 15_000), (166.67, 20_834), (0.001, 1)])
def test_a_take_has_the_blocks_that_cover_its_minutes(tmp_path: Path, minutes: float, blocks: int) -> None:
    take = LongTake(tmp_path, (384, 256), 48, 2, 4, minutes, 24)
    assert take.blocks == blocks
    assert replace(take, stretches=blocks).stretch == 1
