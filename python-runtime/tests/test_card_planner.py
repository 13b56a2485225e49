"""How a card is used: the order of the ways, what fits, what is said, and the way down after running out of memory."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from live_avatar.compute_wishes import memory_limit
from live_avatar.errors import UserError
from live_avatar.fast import card as cards
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.ladder import OutOfMemoryLadder
from live_avatar.fast.planner import CardPlan, card_lines, fits_somehow, plan_for_card
from live_avatar.fast.rungs import all_rungs, make_rung
from live_avatar.fast.speed_model import block_time
from live_avatar.fast.task import Card, Take, Wishes
from live_avatar.geometry import LatentShape
from live_avatar.machine import Machine
from live_avatar.planner import Plan, make_plan
from live_avatar.protocol.plan import plan_as_json
from tests.test_fast_memory import FLOAT8, WIDE
from tests.test_planner import PUBLISHED_SIZES
from tests.worker_client import validator

H200 = Card("NVIDIA H200", (9, 0), 140 * 10**9, 200 * 10**9, rates_of("NVIDIA H200", (9, 0), 132), True)
LARGE, SMALL = (LatentShape.of_picture(*size, 48) for size in ((704, 384), (384, 256)))


def take(shape: LatentShape, steps: int = 4) -> Take:
    return Take(PUBLISHED_SIZES, shape, steps)


def with_free(gigabytes: float, card: Card = H200) -> Card:
    return replace(card, free=int(gigabytes * 1e9))


def planned(shape: LatentShape, card: Card, wishes: Wishes | None = None) -> CardPlan:
    plan = plan_for_card(take(shape), card, wishes or Wishes())
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("shape", "steps", "cache", "milliseconds"),
    [
        (LARGE, "sequential", "float8", 553),
        (LARGE, "packed", "float8", 530),
        (LARGE, "sequential", "wide", 646),
        (SMALL, "sequential", "float8", 167),
        (SMALL, "packed", "float8", 153),
        (SMALL, "sequential", "wide", 180),
    ],
)
def test_speeds_measured_on_an_h200(shape: LatentShape, steps: str, cache: str, milliseconds: float) -> None:
    plan = replace(FLOAT8 if cache == "float8" else WIDE, steps=steps)  # type: ignore[arg-type]
    time = block_time(PUBLISHED_SIZES, shape, 4, plan, H200.rates, True)
    assert time.passes * 1000 == pytest.approx(milliseconds, rel=0.03)


def test_room_for_all_is_used_for_the_fastest_way() -> None:
    plan = planned(LARGE, H200).plan
    assert (plan.weights, plan.cache, plan.steps, plan.graphs) == ("float8", "float8", "packed", True)
    assert plan.placement.resident_layers is None
    assert not plan.streamed_cache


def test_who_waits_for_pictures_gets_steps_in_sequence() -> None:
    live = planned(LARGE, H200, Wishes(live=True))
    assert live.plan.steps == "sequential"
    assert live.chosen.time.first == live.chosen.time.latency < 0.7
    # The first block of a take goes alone in either order; those after it are longer on their way.
    packed = planned(LARGE, H200, Wishes(steps="packed")).chosen.time
    assert packed.first < 0.7
    assert packed.latency > 4 * 0.5
    assert planned(LARGE, H200, Wishes(live=True, steps="packed")).plan.steps == "packed"


@pytest.mark.parametrize("gigabytes", [60, 48, 32, 23.2, 15.2, 10])
@pytest.mark.parametrize("shape", [LARGE, SMALL])
def test_what_is_chosen_fits_and_nothing_faster_does(shape: LatentShape, gigabytes: float) -> None:
    card = with_free(gigabytes)
    plan = planned(shape, card)
    assert plan.chosen.memory.peak <= card.free
    assert plan.chosen.plan.numerics == planned(shape, H200).plan.numerics
    for rung in all_rungs(take(shape), card, Wishes()):
        if rung.fits(card) and rung.standing == 0:
            assert plan.chosen.time.seconds <= 1.011 * rung.time.seconds


def test_more_memory_is_never_slower() -> None:
    speeds = [planned(SMALL, with_free(size)).chosen.time.frames_per_second for size in range(8, 60, 2)]
    assert all(later >= 0.985 * earlier for earlier, later in itertools.pairwise(speeds))
    assert speeds[-1] > 1.5 * speeds[0]


def test_the_bars_of_smaller_cards_are_within_reach() -> None:
    assert planned(SMALL, with_free(23.2)).chosen.time.frames_per_second > 45
    assert planned(LARGE, with_free(23.2)).chosen.time.frames_per_second > 8
    assert planned(SMALL, with_free(15.2)).chosen.time.frames_per_second > 20


def test_a_slow_link_costs() -> None:
    slow = replace(with_free(15.2), rates=H200.rates.with_link(10e9))
    assert planned(SMALL, slow).chosen.time.seconds > 1.5 * planned(SMALL, with_free(15.2)).chosen.time.seconds


def test_little_host_memory_keeps_weights_on_the_card() -> None:
    poor = replace(with_free(48), host_free=5 * 10**9)
    plan = planned(SMALL, poor)
    assert plan.chosen.memory.host <= 10**9
    # Who needs nothing of it is not kept from rendering.
    assert planned(SMALL, replace(H200, host_free=10**9)).chosen.memory.host == 0
    assert plan_for_card(take(LARGE), replace(poor, free=15 * 10**9), Wishes()) is None


def test_cards_without_e4m3_compute_in_bfloat16() -> None:
    ampere = Card("A card of 2020", (8, 6), 48 * 10**9, 200 * 10**9, rates_of("A card of 2020", (8, 6), 84), False)
    assert ampere.rates.source.startswith("guessed")
    plan = planned(SMALL, ampere).plan
    assert (plan.weights, plan.cache) == ("bfloat16", "wide")
    # Widening weights costs more than they save, unless nothing else fits.
    rung = make_rung(take(SMALL), ampere, FLOAT8)
    assert rung.time.seconds > make_rung(take(SMALL), ampere, replace(FLOAT8, weights="bfloat16")).time.seconds


def test_a_skipped_last_step_saves_a_quarter() -> None:
    whole, skipped = (planned(LARGE, H200, Wishes(last_step=way)).chosen for way in ("run", "skip"))
    assert skipped.plan.last_step == "skip"
    assert skipped.time.passes == pytest.approx(0.75 * whole.time.passes, rel=0.02)
    assert skipped.memory.cache == pytest.approx(0.75 * whole.memory.cache, rel=0.02)


def test_nothing_fits_a_tiny_card() -> None:
    assert plan_for_card(take(LARGE), with_free(3), Wishes()) is None
    assert not fits_somehow(take(LARGE), with_free(3), Wishes())
    assert fits_somehow(take(LARGE), with_free(15.2), Wishes())


def test_the_plan_is_told_with_what_was_not_taken() -> None:
    plan = planned(LARGE, with_free(48))
    words = "\n".join(card_lines(plan))
    assert "GB more of the card" in words
    assert "streamed" in words
    assert words.count("\n") >= 6
    values = json.loads(json.dumps(plan.as_dict(), allow_nan=False))
    assert values["plan"]["placement"]["resident_layers"] == plan.plan.placement.resident_layers
    assert all(each["why"] for each in values["rejected"])


@pytest.mark.parametrize("shape", [LARGE, SMALL])
def test_every_step_down_needs_less_and_pictures_stay_as_long_as_they_can(shape: LatentShape) -> None:
    ladder = OutOfMemoryLadder(take(shape), H200, Wishes())
    rung = planned(shape, H200).chosen
    changed = 0
    for _ in range(100):
        below = ladder.below(rung.plan)
        if below is None:
            break
        assert below.memory.peak <= 0.951 * rung.memory.peak
        descent = ladder.descent(rung.plan, below, "CUDA out of memory")
        if descent.changes_numbers:
            changed += 1
            assert descent.warning()[0] == "PRECISION_LOWERED"
        else:
            assert changed == 0
            assert descent.warning()[0] == "MEMORY_STEPPED_DOWN"
        rung = below
    else:
        pytest.fail("the ladder has no end")
    assert rung.memory.peak < (12e9 if shape is LARGE else 8e9)


def test_the_step_down_knows_what_is_free() -> None:
    ladder = OutOfMemoryLadder(take(SMALL), H200, Wishes())
    first = planned(SMALL, H200).plan
    below = ladder.below(first, free=int(18e9))
    assert below is not None
    assert 12e9 < below.memory.peak <= 18e9
    assert ladder.below(first, free=int(1e9)) is None
    assert ladder.below(replace(first, engine="plain")) is None


def make(card: Card, engine: str = "flat", **changes: Any) -> Plan:
    """A plan of a render on a card."""
    machine = Machine("cuda:0", card.name, 150 * 10**9, card.free, 8, native_bf16=True, peak_operations=8e14)
    values: dict[str, Any] = {
        "image": (1920, 1080),
        "audio_seconds": 10.0,
        "requested": (704, 384),
        "infer_frames": 48,
        "sample_steps": 4,
        "num_clip": None,
        "disk_available": 10**13,
        "speed_folder": Path("nowhere"),
        "card": card if engine == "flat" else None,
    }
    return make_plan(PUBLISHED_SIZES, machine, **(values | changes))


def test_a_render_on_a_card_is_planned_with_its_way() -> None:
    plan = make(H200)
    assert plan.on_card is not None
    assert plan.compute == plan.on_card.plan
    assert plan.memory.peak == pytest.approx(plan.on_card.chosen.memory.peak, rel=1e-6)
    assert plan.forecast.frames_per_second == pytest.approx(plan.on_card.chosen.time.frames_per_second)
    # What a state on disk holds is one byte a value, as the cache is.
    assert plan.disk.state < 0.6 * make(H200, precision="bf16").disk.state
    schema = validator("messages")
    values = json.loads(json.dumps(plan_as_json(plan), allow_nan=False))
    schema.evolve(schema={"$ref": "#/$defs/plan", "$defs": schema.schema["$defs"]}).validate(values)


def test_speeds_are_remembered_for_each_way_apart() -> None:
    keys = {make(with_free(size)).speed_key for size in (140, 48, 23.2)}
    assert len(keys) == 3
    assert make(H200).speed_key == make(with_free(139)).speed_key


def test_the_plain_engine_is_planned_as_before() -> None:
    plan = make(H200, engine="plain")
    assert plan.on_card is None
    assert plan.memory.kv_cache > make(H200).memory.kv_cache


def test_a_size_that_fits_in_no_way_is_refused_with_one_that_does() -> None:
    with pytest.raises(UserError) as caught:
        make(with_free(6))
    assert caught.value.code == "SIZE_TOO_LARGE_FOR_MEMORY"
    assert "6.0 GB may be used" in caught.value.why
    found = re.search(r'--size "(\d+)\*(\d+)"', caught.value.hint)
    assert found is not None
    size = int(found[1]), int(found[2])
    assert make(with_free(6), requested=size).size == size
    with pytest.raises(UserError) as caught:
        make(with_free(1))
    assert caught.value.code == "MEMORY_TOO_SMALL"
    with pytest.raises(UserError) as caught:
        make(replace(with_free(30), host_free=5 * 10**9))
    assert "main memory" in caught.value.why


def test_the_limit_comes_from_the_command_line_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVE_AVATAR_MEMORY_LIMIT", raising=False)
    assert memory_limit() is None
    monkeypatch.setenv("LIVE_AVATAR_MEMORY_LIMIT", "16")
    assert memory_limit() == 16 * 10**9
    assert memory_limit(24) == 24 * 10**9
    for text in ("much", "-3", "0.5", "nan", "inf"):
        monkeypatch.setenv("LIVE_AVATAR_MEMORY_LIMIT", text)
        with pytest.raises(UserError) as caught:
            memory_limit()
        assert caught.value.code == "MEMORY_LIMIT_INVALID"


def test_the_limit_becomes_a_share_of_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    total = 80 * 10**9
    properties = type("Properties", (), {"total_memory": total})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, device: shares.append(share))
    for limit in (None, 24 * 10**9, 100 * 10**9):
        cards.apply_memory_limit(torch.device("cuda", 0), limit)
    assert shares[0] == shares[2] == 1
    assert 23e9 < shares[1] * total < 24e9
    cards.apply_memory_limit(torch.device("cpu"), 24 * 10**9)
    assert len(shares) == 3
