"""How several cards share a take: aims within reach, memory in shares, balance, refusals, words, the command."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_avatar.cli.console import Console
from live_avatar.cli.simulate import add_simulate_flags, simulate, simulation_wanted
from live_avatar.distributed.cut import CutKind, cut_balanced, cut_by_layers, whole
from live_avatar.distributed.multi_planner import (
    Fleet,
    MultiPlan,
    Option,
    best_order,
    plan_fleet,
    setting_of,
    simulated,
)
from live_avatar.distributed.multi_words import cut_words, plan_as_dict, plan_lines
from live_avatar.distributed.rank_plans import Role, best_rank_plan, families_of, make_rank_plan
from live_avatar.distributed.sequence_parallel import compare_widths, shared_layer_seconds
from live_avatar.distributed.sharing import balanced_counts
from live_avatar.distributed.simulated_order import Order
from live_avatar.distributed.transfer_model import LINKS, NETWORKS, Wiring
from live_avatar.distributed.wishes import CutWishes
from live_avatar.errors import UserError
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.memory import plan_memory
from live_avatar.fast.planner import plan_for_card
from live_avatar.fast.rungs import make_rung
from live_avatar.fast.speed_model import block_time
from live_avatar.fast.task import Card, Wishes
from live_avatar.geometry import LatentShape
from live_avatar.planner import Plan
from tests.test_card_planner import H200, LARGE, SMALL, take, with_free
from tests.test_fast_memory import FLOAT8
from tests.test_planner import PUBLISHED_SIZES

ADA = Card("RTX 4090", (8, 9), 23 * 10**9, 200 * 10**9, rates_of("NVIDIA GeForce RTX 4090", (8, 9), 128), False)
SINGLE = {"704x384": 20.3, "384x256": 65.6}


def fleet(count: int, card: Card = H200, link: str = "nvlink") -> Fleet:
    return Fleet((card,) * count, Wiring.of(count, link))


def best(found: MultiPlan) -> Option:
    assert found.chosen is not None
    return found.chosen


def test_the_aims_of_two_cards_are_within_reach() -> None:
    large = best(plan_fleet(take(LARGE), fleet(2), Wishes()))
    assert large.run.frames_per_second >= 36
    assert large.run.frames_per_second >= 0.9 * 2 * SINGLE["704x384"]
    assert large.run.first_frame < 0.8
    capped = best(plan_fleet(take(LARGE), fleet(2, with_free(23.2), "pcie5"), Wishes()))
    assert capped.run.frames_per_second >= 25
    small = best(plan_fleet(take(SMALL), fleet(2, with_free(15.2), "pcie5"), Wishes()))
    assert small.run.frames_per_second >= 40
    for option, room in ((large, 140), (capped, 23.2), (small, 15.2)):
        assert all(rank.memory.peak <= room * 1e9 for rank in option.ranks)


def test_more_cards_are_faster_and_none_is_idle_for_long() -> None:
    speeds = [best(plan_fleet(take(LARGE), fleet(count), Wishes())).run.frames_per_second for count in (2, 3, 4)]
    assert all(later > 1.25 * earlier for earlier, later in itertools.pairwise(speeds))
    four = best(plan_fleet(take(LARGE), fleet(4), Wishes()))
    assert four.run.frames_per_second > 70
    assert all(four.run.idle(rank) < 0.1 for rank in range(4))


def test_a_slice_of_everything_is_what_one_card_needs_and_takes() -> None:
    role = Role.of(whole(4, 40), 0)
    alone = make_rank_plan(take(LARGE), H200, role, FLOAT8)
    rung = make_rung(take(LARGE), H200, FLOAT8)
    assert alone.memory == rung.memory
    assert alone.block_seconds == pytest.approx(rung.time.seconds, rel=1e-9)
    time = block_time(PUBLISHED_SIZES, replace(LARGE, infer_frames=12), 4, FLOAT8, H200.rates, True)
    window = (LARGE.condition_tokens + LARGE.block_tokens) / (LARGE.condition_tokens + LARGE.ring_tokens)
    assert 4 * alone.times.item_seconds(40, window) == pytest.approx(time.compute, rel=1e-6)


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_memory_by_layers_is_a_share_of_weights_and_caches(ranks: int) -> None:
    cut = cut_by_layers(4, [40 // ranks] * ranks)
    whole_memory = plan_memory(PUBLISHED_SIZES, LARGE, 4, FLOAT8)
    plans = [make_rank_plan(take(LARGE), H200, Role.of(cut, rank), FLOAT8) for rank in range(ranks)]

    def parts(memory: Any) -> int:
        return int(memory.layers + memory.conditions + memory.cache + memory.text)

    assert sum(parts(plan.memory) for plan in plans) == pytest.approx(parts(whole_memory), rel=0.01)
    for plan in plans:
        assert parts(plan.memory) == pytest.approx(parts(whole_memory) / ranks, rel=0.1)
    # Only the lead has the codec and the encoders.
    assert [plan.memory.codec > 0 for plan in plans] == [True] + [False] * (ranks - 1)
    assert all(plan.memory.text_encoder == plan.memory.speech == 0 for plan in plans[1:])


def test_by_steps_a_card_holds_all_weights_and_the_caches_of_its_units() -> None:
    cut = cut_balanced(4, 40, (50, 70, 40))
    whole_memory = plan_memory(PUBLISHED_SIZES, LARGE, 4, FLOAT8)
    found = [make_rank_plan(take(LARGE), H200, Role.of(cut, rank), FLOAT8).memory for rank in range(3)]
    assert [memory.layers for memory in found] == [whole_memory.layers] * 3
    # Each has the unrotated keys of the reference besides.
    shares = [memory.cache / whole_memory.cache for memory in found]
    assert shares == pytest.approx([50 / 160, 70 / 160, 40 / 160], abs=0.03)


def test_the_lead_gets_less_to_do_for_decoding() -> None:
    cut = best(plan_fleet(take(LARGE), fleet(2), Wishes(), CutWishes("layers"))).cut
    lead, follower = (len(cut.span_of(rank)) for rank in range(2))
    # Decoding takes as long as about four layers of each step.
    assert follower - lead == 4
    one = best(plan_fleet(take(LARGE), fleet(3), Wishes(), CutWishes("layers", decoding_alone=True)))
    assert (one.decoding_alone, len(one.cut.span_of(0)), one.ranks[0].times.layer) == (True, 0, 0.0)


def test_a_slower_card_gets_less_and_all_compute_with_the_same_numbers() -> None:
    mixed = Fleet((H200, ADA), Wiring.of(2, "pcie4"))
    chosen = best(plan_fleet(take(LARGE), mixed, Wishes(), CutWishes("layers")))
    lead, follower = chosen.ranks
    assert len(lead.role.held) > 4 * len(follower.role.held) > 0
    assert lead.block_seconds == pytest.approx(follower.block_seconds, rel=0.2)
    assert lead.plan.numerics == follower.plan.numerics
    ampere = replace(ADA, name="RTX 3090", capability=(8, 6), rates=rates_of("RTX 3090", (8, 6), 82))
    families = families_of(take(SMALL), [H200, ampere], Wishes())
    assert {family.weights for _, family in families} == {"float8"}
    # e4m3 weights are not what the older card would choose, but all it has in common with the newer one.
    assert min(standing for standing, _ in families) > 0


def test_a_slice_that_does_not_fit_streams_and_one_that_cannot_is_refused() -> None:
    role = Role.of(cut_by_layers(4, [0, 40]), 1)
    found = best_rank_plan(take(LARGE), with_free(23.2), role, FLOAT8, Wishes())
    assert found is not None
    assert found.words() != ""
    assert found.memory.peak <= 23.2e9
    assert best_rank_plan(take(LARGE), with_free(23.2), role, FLOAT8, Wishes(layers="device", cache="device")) is None
    hosted = best_rank_plan(take(LARGE), H200, role, FLOAT8, Wishes(layers="host", cache="host"))
    assert hosted is not None
    assert (hosted.plan.placement.resident_layers, hosted.plan.streamed_cache) == (0, True)
    assert best_rank_plan(take(LARGE), with_free(2), role, FLOAT8, Wishes()) is None
    nothing = plan_fleet(take(LARGE), fleet(2, with_free(2)), Wishes())
    assert (nothing.chosen, nothing.single, nothing.options) == (None, None, ())
    assert nothing.refused


def test_main_memory_of_a_host_is_shared_by_its_cards() -> None:
    # What each of both keeps there has room, what both keep there together does not.
    card = replace(with_free(11), host_free=36 * 10**9)
    forced = CutWishes("layers", (20, 20))
    two_hosts = plan_fleet(take(LARGE), Fleet((card, card), Wiring.of(2, hosts=2)), Wishes(), forced)
    assert two_hosts.chosen is not None
    needed = [rank.memory.host for rank in two_hosts.chosen.ranks]
    assert sum(needed) > 32e9
    assert max(needed) < 32e9
    one_host = plan_fleet(take(LARGE), Fleet((card, card), Wiring.of(2)), Wishes(), forced)
    assert one_host.chosen is None
    assert "main memory" in one_host.refused[0][1]


def test_slices_by_hand_are_taken_as_they_are() -> None:
    given_ = plan_fleet(take(LARGE), fleet(4), Wishes(), CutWishes(counts=(7, 11, 11, 11)))
    assert [len(best(given_).cut.span_of(rank)) for rank in range(4)] == [7, 11, 11, 11]
    assert len(given_.options) == 1
    with pytest.raises(UserError, match="has 40 layers"):
        plan_fleet(take(LARGE), fleet(2), Wishes(), CutWishes(counts=(40, 1)))
    with pytest.raises(ValueError, match="3 ranks for 2 cards"):
        plan_fleet(take(LARGE), fleet(2), Wishes(), CutWishes(ranks=3))
    fewer = plan_fleet(take(LARGE), fleet(4), Wishes(), CutWishes(ranks=3))
    assert {option.cut.ranks for option in fewer.options} == {3}


def test_of_ways_that_are_equally_fast_the_one_that_copies_least_is_taken() -> None:
    found = plan_fleet(take(LARGE), fleet(4, with_free(23.2)), Wishes())
    copying = [sum(rank.times.copies for rank in option.ranks) for option in found.options]
    fastest = max(found.options, key=lambda option: option.run.frames_per_second)
    taken = best(found)
    # By steps the cards would be full, and stream, for half a percent more.
    assert fastest is found.options[1]
    assert fastest.run.frames_per_second < 1.015 * taken.run.frames_per_second
    assert copying[0] == 0 < copying[1]
    # With room for both nothing is copied, and memory decides.
    found = plan_fleet(take(LARGE), fleet(2), Wishes())
    peaks = [max(rank.memory.peak for rank in option.ranks) for option in found.options]
    assert found.options[1].run.frames_per_second > best(found).run.frames_per_second
    assert peaks[0] < 0.8 * peaks[1]


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["704x384", "384x256"])
@pytest.mark.parametrize(
    ("cards", "kind"), [(2, "layers"), (2, "balanced"), (3, "layers"), (4, "layers"), (4, "balanced"), (8, "layers")]
)
def test_the_order_of_blocks_is_the_better_of_turns_and_rounds(size: LatentShape, cards: int, kind: CutKind) -> None:
    # So fast that orders differ by nothing but the order.
    link = replace(LINKS["nvlink"], bandwidth=300e9)
    given_ = Fleet((H200,) * cards, replace(Wiring.of(cards), within=link))
    chosen = best(plan_fleet(take(size), given_, Wishes(), CutWishes(kind, ranks=cards)))
    setting = setting_of(take(size), given_, chosen.cut, chosen.ranks)
    rounds = [simulated(setting, 4, Order(room, None, 1)) for room in (1, 4, cards + 1, cards + 4, 2 * cards)]
    fastest = max(rounds, key=lambda run: run.frames_per_second)
    assert chosen.run.frames_per_second > 0.975 * fastest.frames_per_second
    assert chosen.run.first_frame <= fastest.first_frame
    assert chosen.run.period(0.95) <= fastest.period(0.95)
    if cards > 2 and kind == "layers":
        # A block's last step stands beside a step of another just when it lands; turns keep them apart.
        assert chosen.order.gap is not None
        assert chosen.run.period(0.95) < 0.95 * fastest.period(0.95)


def test_turns_are_what_layers_on_four_cards_need() -> None:
    chosen = best(plan_fleet(take(LARGE), fleet(4), Wishes(), CutWishes("layers")))
    setting = setting_of(take(LARGE), fleet(4), chosen.cut, chosen.ranks)
    rounds = simulated(setting, 4, Order(5, None, 1))
    assert chosen.run.frames_per_second > 1.25 * rounds.frames_per_second
    only_turns, _ = best_order(setting, 4, turns=True)
    assert only_turns == chosen.order


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 14),
    st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 9), st.integers(0, 14)), min_size=1, max_size=4),
)
def test_counts_are_as_even_as_can_be(total: int, cards: list[tuple[float, float, int]]) -> None:
    def cost(each: float, base: float, room: int) -> Callable[[int], float]:
        return lambda count: math.inf if count > room else base + each * count

    costs = [cost(*card) for card in cards]
    ways = [
        max(cost_(count) for cost_, count in zip(costs, counts, strict=True))
        for counts in itertools.product(range(total + 1), repeat=len(costs))
        if sum(counts) == total and all(count >= 1 for count in counts[1:])
    ]
    least = min(ways, default=math.inf)
    found = balanced_counts(total, costs)
    if math.isinf(least):
        assert found is None
    else:
        assert found is not None
        assert (sum(found), min(found[1:], default=1)) >= (total, 1)
        worst = max(cost_(count) for cost_, count in zip(costs, found, strict=True))
        assert worst <= least + max(card[0] for card in cards) + 1e-2 * least


def test_sharing_layers_between_cards_does_not_pay_for_pace_up_to_eight() -> None:
    plan = replace(FLOAT8, steps="sequential", attention="auto")
    # Exchanges that everything waits for would use all channels.
    link = replace(LINKS["nvlink"], bandwidth=300e9)
    for shape, cards in ((LARGE, 2), (LARGE, 8), (SMALL, 4)):
        alone, *shared = compare_widths(take(shape), H200, plan, cards, link)
        assert alone.width == 1
        assert all(way.frames_per_second < alone.frames_per_second for way in shared)
        # What it would give is pictures that come sooner.
        assert shared[0].first_frame < alone.first_frame
    assert shared_layer_seconds(0.004, 1, LARGE, 5120, 2, LINKS["nvlink"]) == 0.004
    assert 0.002 < shared_layer_seconds(0.004, 2, LARGE, 5120, 2, LINKS["nvlink"]) < 0.004
    assert shared_layer_seconds(0.004, 2, LARGE, 5120, 2, NETWORKS["10g"]) > 0.004


def test_the_table_names_every_way_and_json_has_it_too() -> None:
    found = plan_fleet(take(LARGE), fleet(2), Wishes())
    lines = plan_lines(found)
    assert sum(line.startswith("*") for line in lines) == 1
    words = "\n".join(lines)
    for part in (
        "2 x NVIDIA H200; NVLink",
        "by layers: 18, 22",
        "by steps, balanced",
        "the lead only decodes",
        "alone",
    ):
        assert part in words
    values = json.loads(json.dumps(plan_as_dict(found), allow_nan=False))
    assert values["options"][values["chosen"]]["frames_per_second"] == best(found).run.frames_per_second
    assert len(values["options"][0]["ranks"]) == 2
    assert cut_words(cut_by_layers(4, [0, *[5] * 8])) == "by layers: 0, 8 x 5"


def told(capsys: pytest.CaptureFixture[str], *flags: str, card: Card = H200) -> str:
    parser = argparse.ArgumentParser()
    add_simulate_flags(parser)
    options = parser.parse_args(flags)
    assert simulation_wanted(options) == any(flag.startswith(("--simulate", "--simulate_cards")) for flag in flags)
    on_card = plan_for_card(take(LARGE), card, Wishes())
    with Console(as_json="json" in flags[-1]) as console:
        simulate(options, cast(Plan, SimpleNamespace(on_card=on_card)), console)
    return capsys.readouterr().out


def test_the_command_tells_ways_for_each_number_of_cards(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "line.svg"
    words = told(capsys, "--simulate", "1,2,3", "--simulate_picture", str(picture), "--simulate_link", "pcie5")
    assert words.count("alone") == 2
    assert "3 x NVIDIA H200; PCIe 5" in words
    assert ET.parse(picture).getroot().tag.endswith("svg")
    mixed = told(capsys, "--simulate_cards", "H200:141:200,RTX 4090:24:200", "--simulate_cut", "layers")
    assert "1 x H200, 1 x RTX 4090" in mixed
    assert "balanced" not in mixed
    hosts = told(capsys, "--simulate", "4", "--simulate_hosts", "2", "--simulate_network", "100g", "--simulate_turns")
    assert "on each of 2 hosts, Ethernet, 100 Gbit/s between them" in hosts
    assert "turns apart" in hosts
    assert "by layers: 10, 30" in told(capsys, "--simulate", "2", "--simulate_counts", "10,30")


@pytest.mark.parametrize(
    ("flags", "code", "part"),
    [
        (("--simulate", "65"), "ARGUMENTS_INVALID", "1 to 64"),
        (("--simulate", "0"), "ARGUMENTS_INVALID", "1 to 64"),
        (("--simulate", "two"), "ARGUMENTS_INVALID", "no number"),
        (("--simulate", "2", "--simulate_hosts", "3"), "ARGUMENTS_INVALID", "spread"),
        (("--simulate", "3", "--simulate_counts", "20,20"), "ARGUMENTS_INVALID", "for 2 cards"),
        (("--simulate", "2", "--simulate_counts", "20,30"), "LAYERS_INVALID", "20,30"),
        (("--simulate", "2", "--simulate_counts", "40,0"), "LAYERS_INVALID", "40,0"),
        (("--simulate_turns",), "ARGUMENTS_INVALID", "--simulate_turns says nothing by itself"),
        (("--simulate_hosts", "2"), "ARGUMENTS_INVALID", "--simulate_hosts says nothing by itself"),
        (("--simulate", "2", "--simulate_network", "10g"), "ARGUMENTS_INVALID", "between hosts"),
        (("--simulate_cards", "Voodoo:4"), "CARD_UNKNOWN", "Voodoo"),
        (("--simulate_cards", "H200:141,H200:2"), "MEMORY_TOO_SMALL", "does not fit"),
        (("--simulate", "2", "--simulate_picture", "/nowhere/at/all.svg"), "OUTPUT_NOT_WRITABLE", "nowhere"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_words(
    flags: tuple[str, ...], code: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = ("--simulate_cut", "layers") if code == "MEMORY_TOO_SMALL" else ()
    with pytest.raises(UserError) as caught:
        told(capsys, *flags, *extra)
    assert caught.value.code == code
    assert part in f"{caught.value.what} {caught.value.why}"


def test_without_a_card_it_is_said_how_to_describe_one() -> None:
    parser = argparse.ArgumentParser()
    add_simulate_flags(parser)
    with pytest.raises(UserError, match="--for_card"), Console() as console:
        simulate(parser.parse_args(["--simulate", "2"]), cast(Plan, SimpleNamespace(on_card=None)), console)
