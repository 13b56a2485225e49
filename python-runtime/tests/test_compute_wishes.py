"""Choices that are not left to the planner: kept, refused with what would fit, or told to change nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from live_avatar.compute_plan import ComputePlan
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.errors import UserError
from live_avatar.fast.cache_forms import in_cache_form
from live_avatar.fast.card_rates import capability_of, known_cards, rates_of
from live_avatar.fast.described_card import DESCRIBED_DEVICE, describe_card
from live_avatar.fast.ladder import OutOfMemoryLadder
from live_avatar.fast.planner import plan_for_card
from live_avatar.fast.rungs import accepted_numerics, all_rungs
from live_avatar.fast.task import Wishes
from live_avatar.planner import Plan, make_plan
from live_avatar.saved_session import SavedSession
from tests.cli_material import json_lines, material, run
from tests.test_card_planner import H200, LARGE, SMALL, make, planned, take, with_free
from tests.test_planner import MACHINE, PUBLISHED_SIZES

GIGA = 10**9


def codes(plan: Plan) -> list[str]:
    return [code for code, _ in plan.warnings if code in ("WISH_WITHOUT_EFFECT", "LAST_STEP_LEFT_OUT")]


def compute_of(plan: Plan) -> ComputePlan:
    assert plan.compute is not None
    return plan.compute


def test_forced_places_and_orders_are_kept() -> None:
    plan = compute_of(make(H200, wishes=ComputeWishes(layers="host", cache="host", text_encoder="host")))
    assert plan.placement.resident_layers == 0
    assert plan.placement.host_text
    assert plan.placement.host_audio
    assert plan.streamed_cache
    assert plan.text_encoder == "host"
    assert not plan.graphs
    assert compute_of(make(H200, wishes=ComputeWishes(steps="sequential"))).steps == "sequential"
    # Where the planner would stream, what may not leave the card stays.
    card = with_free(32)
    free = planned(SMALL, card).plan
    kept = compute_of(make(card, requested=(384, 256), wishes=ComputeWishes(layers="device")))
    assert kept.placement.resident_layers is None
    assert not kept.placement.host_text
    assert kept.numerics == free.numerics
    every = all_rungs(take(SMALL), card, Wishes(cache="device", text_encoder="device"))
    assert not any(rung.plan.streamed_cache or rung.plan.text_encoder == "host" for rung in every)


@pytest.mark.parametrize(
    ("wishes", "words", "field"),
    [
        (ComputeWishes(layers="device"), "all weights on the card", "layers"),
        (ComputeWishes(cache="device", steps="packed"), "the caches on the card and the steps packed", "cache"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused_with_what_does(wishes: ComputeWishes, words: str, field: str) -> None:
    with pytest.raises(UserError) as caught:
        make(with_free(16), wishes=wishes)
    assert (caught.value.code, caught.value.field) == ("CHOICE_DOES_NOT_FIT", field)
    assert words in caught.value.what
    assert "16.0 GB may be used" in caught.value.why
    assert "streamed" in caught.value.hint
    # What it names does fit.
    assert make(with_free(16)).on_card is not None


def test_a_size_that_fits_in_no_way_is_not_blamed_on_the_choice() -> None:
    with pytest.raises(UserError) as caught:
        make(with_free(6), wishes=ComputeWishes(layers="device"))
    assert caught.value.code == "SIZE_TOO_LARGE_FOR_MEMORY"


def test_a_limit_is_a_smaller_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVE_AVATAR_MEMORY_LIMIT", raising=False)
    limited = make(H200, wishes=ComputeWishes(memory_limit=24 * GIGA))
    assert limited.memory.peak < 24 * GIGA < make(H200).memory.peak
    monkeypatch.setenv("LIVE_AVATAR_MEMORY_LIMIT", "24")
    assert make(H200).compute == limited.compute
    monkeypatch.setenv("LIVE_AVATAR_MEMORY_LIMIT", "120")
    plain = make(H200, engine="plain", requested=(64, 64), precision="fp32", image=(64, 64))
    assert plain.memory_available == 120 * GIGA
    with pytest.raises(UserError, match="MEMORY_LIMIT_INVALID"):
        make(H200, wishes=ComputeWishes(memory_limit=GIGA // 2))


def test_fp32_on_a_card_streams_nothing() -> None:
    for wishes, field in ((ComputeWishes(layers="host"), "layers"), (ComputeWishes(cache="host"), "cache")):
        with pytest.raises(UserError) as caught:
            make(H200, engine="plain", wishes=wishes)
        assert (caught.value.code, caught.value.field) == ("CHOICE_NEEDS_FLAT_PASS", field)


def test_on_a_processor_each_choice_works_or_is_told_to_change_nothing() -> None:
    def on_processor(wishes: ComputeWishes) -> Plan:
        return make_plan(
            PUBLISHED_SIZES,
            replace(MACHINE, memory_available=10**12),
            image=(704, 384),
            audio_seconds=1.0,
            requested=(704, 384),
            infer_frames=48,
            sample_steps=4,
            num_clip=None,
            disk_available=10**13,
            speed_folder=Path("nowhere"),
            wishes=wishes,
        )

    assert codes(on_processor(ComputeWishes())) == []
    for wishes in (
        ComputeWishes(memory_limit=24 * GIGA),
        ComputeWishes(layers="host"),
        ComputeWishes(cache="device"),
        ComputeWishes(text_encoder="host"),
        ComputeWishes(weight_cache="/tmp/weights"),
    ):
        assert codes(on_processor(wishes)) == ["WISH_WITHOUT_EFFECT"], wishes
    # These do something there.
    assert codes(on_processor(ComputeWishes(steps="packed"))) == []
    skip, whole = on_processor(ComputeWishes(last_step="skip")), on_processor(ComputeWishes())
    assert codes(skip) == ["LAST_STEP_LEFT_OUT"]
    assert skip.last_step == "skip"
    assert skip.memory.kv_cache < 0.77 * whole.memory.kv_cache
    assert skip.disk.state < whole.disk.state
    assert skip.forecast.seconds_per_block is not None
    assert whole.forecast.seconds_per_block is not None
    assert skip.forecast.seconds_per_block < whole.forecast.seconds_per_block


def test_what_leaving_out_the_last_step_costs_is_told_as_far_as_it_was_measured() -> None:
    for steps, words in ((4, "59.7 dB"), (3, "measured for 4 steps only")):
        warnings = dict(make(H200, sample_steps=steps, wishes=ComputeWishes(last_step="skip")).warnings)
        assert words in warnings["LAST_STEP_LEFT_OUT"]
    assert codes(make(H200, sample_steps=1, wishes=ComputeWishes(last_step="skip"))) == ["WISH_WITHOUT_EFFECT"]


def test_weights_in_memory_are_kept_unless_others_are_clearly_faster() -> None:
    card = H200
    best = planned(SMALL, card)
    placement = best.plan.placement
    fewer = replace(best.plan, graphs=False, placement=replace(placement, host_text=True, resident_layers=36))
    kept = plan_for_card(take(SMALL), card, Wishes(), fewer)
    assert kept is not None
    assert kept.plan.loading == fewer.loading
    # None on the card is a little slower with the steps packed, far slower in sequence.
    slow = replace(best.plan, graphs=False, placement=replace(placement, resident_layers=0))
    changed = plan_for_card(take(SMALL), H200, Wishes(steps="sequential"), slow)
    assert changed is not None
    assert changed.plan.loading != slow.loading
    # Numbers that were not asked for are no reason to keep weights.
    coarse = replace(best.plan, placement=replace(placement, conditions="int8"))
    asked = plan_for_card(take(SMALL), card, Wishes(), coarse)
    assert asked is not None
    assert asked.plan.placement.conditions == "wide"


def test_the_ladder_gives_up_what_was_asked_for_before_it_changes_pictures() -> None:
    wishes = Wishes(layers="device", cache="device", steps="packed")
    ladder = OutOfMemoryLadder(take(LARGE), H200, wishes)
    found = plan_for_card(take(LARGE), H200, wishes)
    assert found is not None
    rung, before = found.chosen, found.plan
    while (below := ladder.below(rung.plan)) is not None and below.plan.numerics == before.numerics:
        rung = below
    assert rung.plan.placement.resident_layers == 0 or rung.plan.streamed_cache


def test_numbers_that_a_take_may_change_to_are_those_of_its_wishes() -> None:
    config = PUBLISHED_SIZES.config
    auto = accepted_numerics(config, H200, Wishes())
    assert planned(LARGE, H200).plan.numerics in auto
    bf16 = accepted_numerics(config, H200, Wishes(precision="bf16"))
    skip = accepted_numerics(config, H200, Wishes(last_step="skip"))
    assert not auto & bf16
    assert not auto & skip


def test_cards_are_known_by_whole_words() -> None:
    assert capability_of("NVIDIA GeForce RTX 4090") == (8, 9)
    assert rates_of("NVIDIA H100 PCIe", (9, 0), 114).memory < rates_of("NVIDIA H100 80GB HBM3", (9, 0), 132).memory
    assert capability_of("NVIDIA A1000") is None
    assert rates_of("NVIDIA A1000", (8, 6), 16).source.startswith("guessed")
    for name in known_cards():
        capability = capability_of(name)
        assert capability is not None
        float8 = rates_of(name, capability, 0).float8_products is not None
        assert float8 == (capability >= (8, 9)), name


def test_a_described_card_is_planned_for_and_called_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    words = material(prompt=None, device=None)
    status, out, err = run(capsys, "plan", *words, "--for_card", "RTX 4090:24", "--last-step", "skip")
    assert status == 0, err
    assert "RTX 4090: 23.2 GB may be used" in out
    assert "the card is not here" in out
    assert "an estimate for a card that is not here" in out
    assert "the last left out" in out
    status, out, _ = run(capsys, "plan", "--json", *words, "--for_card", "rtx 4090:24")
    (plan,) = (line for line in json_lines(out) if line["kind"] == "plan")
    assert plan["device"] == DESCRIBED_DEVICE
    assert plan["on_card"]["plan"]["engine"] == "flat"
    assert plan["forecast"]["basis"] == "estimate"
    status, out, err = run(capsys, "plan", *words, "--for_card", "RTX 4090:24", "--memory_limit", "12")
    assert "11.2 GB may be used" in out


@pytest.mark.parametrize("text", ["RTX 4090", "RTX 9999:24", "RTX 4090:0.5", "RTX 4090:24:", ":24", "RTX 4090:-3", ""])
def test_what_describes_no_card_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UserError) as caught:
        describe_card(text)
    assert caught.value.code == "CARD_UNKNOWN"
    assert "RTX 4090" in caught.value.why


def test_main_memory_of_a_described_card() -> None:
    assert describe_card("H200:141")[1].host_free == 64 * GIGA
    machine, card = describe_card(" H200 : 141 : 256 ")
    assert (card.name, card.host_free) == ("H200", 256 * GIGA)
    assert machine.memory_available == card.free < 141 * GIGA


def state(dtype: torch.dtype) -> SavedSession:
    generator = torch.Generator().manual_seed(1)
    shape = (2, 3, 10, 2, 4)
    key, value = (torch.randn(shape, generator=generator) for _ in range(2))
    # Values beyond what e4m3 holds, in one layer only.
    value[:, 1] *= 1000
    tensors = {
        "cache.key": key.to(dtype),
        "cache.value": value.to(dtype),
        "cache.value_scale": torch.ones(3),
        "cache.scaled": torch.zeros(1, dtype=torch.int32),
        "decoder.x": torch.ones(2),
    }
    return SavedSession(tensors, 4, "prompt", True, (1,))


def test_a_state_goes_into_a_cache_of_another_form() -> None:
    wide = state(torch.bfloat16)
    narrow = in_cache_form(wide, torch.float8_e4m3fn)
    assert narrow.tensors["cache.scaled"].item() == 1
    scale = narrow.tensors["cache.value_scale"]
    assert torch.equal(torch.log2(scale), torch.log2(scale).round())
    assert scale[1] > 100 * scale[0]
    for name in ("key", "value"):
        got = narrow.tensors[f"cache.{name}"]
        assert got.dtype == torch.float8_e4m3fn
        assert torch.isfinite(got.float()).all()
    back = in_cache_form(narrow, torch.bfloat16)
    assert torch.equal(back.tensors["cache.value_scale"], torch.ones(3))
    assert back.tensors["cache.scaled"].item() == 0
    for name in ("cache.key", "cache.value"):
        for before, after in zip(wide.tensors[name].unbind(1), back.tensors[name].unbind(1), strict=True):
            assert (after.float() - before.float()).norm() < 0.04 * before.float().norm()
    assert back.tensors["decoder.x"] is wide.tensors["decoder.x"]
    assert (back.block, back.prefilled_prompt, back.anchored, back.flight_steps) == (4, "prompt", True, (1,))


def test_a_state_in_the_right_form_or_of_the_plain_engine_is_left_alone() -> None:
    saved = state(torch.bfloat16)
    assert in_cache_form(saved, torch.bfloat16) is saved
    plain = replace(saved, tensors={"cache.key": torch.ones(1), "cache.value": torch.ones(1)})
    assert in_cache_form(plain, torch.float8_e4m3fn) is plain


def test_the_plan_of_a_card_is_json_with_its_wishes() -> None:
    values: Any = json.loads(json.dumps(make(H200, wishes=ComputeWishes(last_step="skip")).as_dict()))
    assert values["last_step"] == values["on_card"]["plan"]["last_step"] == "skip"
