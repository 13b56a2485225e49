"""Several cards as a discrete-event model: against sums done by hand, and against the rules it must keep."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_avatar.distributed.cut import Cut, cut_balanced, cut_by_layers, cut_by_steps, whole
from live_avatar.distributed.discrete_events import Events
from live_avatar.distributed.simulated_order import Advance, Land, Order, Refresh, acts_of
from live_avatar.distributed.simulation import Decoding, Setting, simulate
from live_avatar.distributed.stage_times import Parcels, RankTimes, parcels_of, windows_of
from live_avatar.distributed.time_line import ENCODER, Simulation, Span, quantile
from live_avatar.distributed.time_line_picture import time_line_svg
from live_avatar.distributed.transfer_model import LINKS, NETWORKS, Link, Wiring
from live_avatar.distributed.turn_flights import TurnFlights, turn_offsets
from live_avatar.flights import FlightRules, Flights
from live_avatar.geometry import LatentShape

AT_ONCE = Link("at once", 0.0, math.inf)
LAYERS, STEPS = 8, 4
STEP, DECODE, PREFILL = 1.0, 0.5, 0.25
TIMES = RankTimes(STEP / LAYERS, prefill=PREFILL / LAYERS, decode=DECODE)


def setting(cut: Cut, link: Link = AT_ONCE, decoding: Decoding = "beside", **changes: object) -> Setting:
    times = tuple(TIMES if rank == 0 else replace(TIMES, decode=0.0) for rank in range(cut.ranks))
    made = Setting(cut, times, Wiring((0,) * cut.ranks, link, link), Parcels(10, 100, 50), (), decoding=decoding)
    return replace(made, **changes)  # type: ignore[arg-type]


def run(given: Setting, order: Order, blocks: int = 30, anchor: int | None = None, *, more: bool = False) -> Simulation:
    return simulate(given, acts_of(blocks, len(given.cut.steps), order, anchor=anchor, more=more))


def spans(found: Simulation, work: str, rank: int | None = None) -> list[Span]:
    return [span for span in found.spans if span.work == work and (rank is None or span.rank == rank)]


def test_lanes_of_a_unit_share_it_and_a_higher_one_goes_first() -> None:
    for priority, decoded in ((0, 3.0), (1, 2.0)):
        events: Events[str] = Events()
        low, high = events.lane("card"), events.lane("card", priority)
        first = events.add(low, 3.0, "pass")
        start = events.add(events.lane("elsewhere"), 1.0, "comes later")
        other = events.add(high, 1.0, "decode", [start])
        last = events.add(low, 1.0, "next pass")
        events.run()
        # However they share it, the unit is busy from 0 to 5.
        assert (other.end, first.end, last.end) == pytest.approx((decoded, 4.0, 5.0))


def test_a_unit_with_slots_runs_as_many_at_full_speed_and_the_rest_share() -> None:
    for slots, ends in ((1, [6.0, 6.0, 6.0]), (2, [3.0, 3.0, 3.0]), (3, [2.0, 2.0, 2.0]), (9, [2.0, 2.0, 2.0])):
        events: Events[str] = Events()
        tasks = [events.add(events.lane("processor", slots=slots), 2.0, "") for _ in range(3)]
        events.run()
        assert [task.end for task in tasks] == pytest.approx(ends)
    events = Events()
    urgent = [events.add(events.lane("processor", 1, 2), 2.0, "urgent")]
    others = [events.add(events.lane("processor"), 2.0, "other") for _ in range(2)]
    events.run()
    # The urgent one takes a slot for itself; the others share the one that is left, then both.
    assert [task.end for task in urgent] == pytest.approx([2.0])
    assert [task.end for task in others] == pytest.approx([3.0, 3.0])


def test_ranks_on_one_processor_share_its_cores() -> None:
    cut = cut_by_layers(STEPS, [2, 2, 2, 2])
    given = replace(setting(cut, decoding="between"), times=(replace(TIMES, decode=0.0),) * 4)
    given = replace(given, windows=(1.0,) * 12)
    for cores, period in ((1, 4 * STEP), (2, 2 * STEP), (4, STEP), (8, STEP)):
        found = run(replace(given, cores=cores), Order(99, 4, 1), 60, more=True)
        assert found.period(0.5) == pytest.approx(period)


def test_the_lead_of_a_processor_starts_nothing_while_it_computes() -> None:
    # The other rank's steps are told of only when the lead is through with its own act, here a long decoding.
    given = setting(cut_by_steps(LAYERS, [0, 4]), decoding="between")
    given = replace(given, times=(replace(TIMES, decode=3.0), replace(TIMES, decode=0.0)))
    ahead = run(given, Order(1), 20, more=True)
    assert ahead.period(0.5) == pytest.approx(4 * STEP)
    waits = run(replace(given, cores=8), Order(1), 20, more=True)
    assert waits.period(0.5) == pytest.approx(4 * STEP + 3.0)


def test_a_lane_keeps_its_order_and_circles_are_told() -> None:
    events: Events[str] = Events()
    lane, source = events.lane(0), events.lane(1)
    late = events.add(source, 5.0, "input")
    waits = events.add(lane, 1.0, "waits", [late])
    behind = events.add(lane, 1.0, "behind it")
    events.run()
    assert (waits.start, behind.start) == (5.0, 6.0)
    stuck: Events[str] = Events()
    one, two = stuck.lane(0), stuck.lane(1)
    blocked = stuck.add(one, 1.0, "a")
    stuck.add(two, 1.0, "b", [stuck.add(two, 1.0, "c", [blocked])])
    stuck.add(one, 1.0, "d", [stuck.add(two, 1.0, "e")])
    stuck.run()
    circle: Events[str] = Events()
    lane = circle.lane(0)
    ahead = circle.add(lane, 1.0, "needs what is behind it")
    later = circle.add(lane, 1.0, "behind")
    ahead._waits += 1
    later._followers.append(ahead)
    with pytest.raises(RuntimeError, match="wait for each other"):
        circle.run()
    with pytest.raises(ValueError, match="cannot take"):
        circle.add(lane, -1.0, "")


@pytest.mark.parametrize(
    "order", [Order(1), Order(3), Order(4, None, 1), Order(9, 1), Order(99, 5, 1), Order(99, 8, 2)]
)
def test_every_order_keeps_the_history_and_lets_blocks_land_before_new_conditions(order: Order) -> None:
    acts = list(acts_of(20, STEPS, order, anchor=4, prompts=frozenset({11})))
    place = {(act.block, act.step): index for index, act in enumerate(acts) if isinstance(act, Advance)}
    assert set(place) == set(itertools.product(range(20), range(STEPS)))
    for (block, step), index in place.items():
        assert step == 0 or place[block, step - 1] < index
        assert block == 0 or place[block - 1, step] < index
    lands = [act.block for act in acts if isinstance(act, Land)]
    assert lands == list(range(20))
    refreshes = {act.block: index for index, act in enumerate(acts) if isinstance(act, Refresh)}
    assert set(refreshes) == {0, 4, 11}
    for block, index in refreshes.items():
        assert all((at < index) == (other < block) for (other, _), at in place.items())


@pytest.mark.parametrize(("steps", "gap"), [(4, 1), (4, 3), (4, 4), (4, 9), (3, 3), (1, 5), (6, 4)])
def test_turns_of_a_full_pipeline_never_meet(steps: int, gap: int) -> None:
    offsets = turn_offsets(steps, gap)
    assert len({offset % steps for offset in offsets}) == steps
    assert all(later - earlier >= gap for earlier, later in itertools.pairwise(offsets))
    acts = [act for act in acts_of(40, steps, Order(99, gap), more=True) if isinstance(act, Advance)]
    place = {(act.block, act.step): index for index, act in enumerate(acts)}
    # In the middle every turn is taken, and every block has the same distances.
    for block in range(20, 30):
        found = tuple(place[block, step] - place[block, 0] for step in range(steps))
        assert found == offsets
    with pytest.raises(ValueError, match="turns apart"):
        turn_offsets(4, 0)


def test_turns_go_on_from_blocks_in_flight_of_any_order() -> None:
    rules = FlightRules(STEPS, 99, False, 12, lambda block: 0, lambda block: False)
    for before in (Flights(replace(rules, room=3)), TurnFlights(rules, 2)):
        order: list[tuple[int, int]] = []
        for _ in range(9):
            while before.to_begin() is not None:
                before.begin()
            turn = before.to_advance()
            order += [(flight.block, flight.step) for flight in turn]
            before.advance(turn)
        after = TurnFlights(rules, 5)
        after.restore(before.first, before.steps)
        assert after.steps == before.steps
        while len(order) < 12 * STEPS:
            while after.to_begin() is not None:
                after.begin()
            turn = after.to_advance()
            order += [(flight.block, flight.step) for flight in turn]
            after.advance(turn)
        assert sorted(order) == list(itertools.product(range(12), range(STEPS)))
        place = {item: index for index, item in enumerate(order)}
        assert all(place[block - 1, step] < place[block, step] for block, step in order if block)
        assert [after.land() for _ in range(after.done)] == list(range(12))


def test_one_card_takes_the_sum_of_its_work() -> None:
    found = run(setting(whole(STEPS, LAYERS), decoding="between"), Order(1))
    assert found.first_frame == pytest.approx(PREFILL + 4 * STEP + DECODE)
    assert found.period(0.5) == found.period(0.99) == pytest.approx(4 * STEP + DECODE)
    assert found.frames_per_second == pytest.approx(12 / 4.5)
    assert found.idle(0) == pytest.approx(0.0, abs=1e-9)


def test_each_rank_begins_a_block_before_its_first_item_of_it() -> None:
    given = setting(cut_by_steps(LAYERS, [0, 1, 3]), decoding="between")
    times = tuple(replace(each, begin=0.1 * (rank + 1)) for rank, each in enumerate(given.times))
    found = run(replace(given, times=times), Order(4), 12, anchor=4)
    for rank, first in ((1, 0), (2, 1)):
        for span in spans(found, "pass", rank):
            assert span.seconds == pytest.approx(STEP + (0.1 * (rank + 1) if span.step == first else 0.0))
    assert times[2].block_seconds((LAYERS,) * 3) == pytest.approx(0.3 + 3 * STEP)
    # The lead of this cut has no items, so no block begins there.
    assert times[0].block_seconds(()) == pytest.approx(DECODE)


def test_a_card_for_each_step_runs_as_published() -> None:
    """The time line of the published pipeline of five cards, which refreshes its anchor in a drained pipeline."""
    found = run(setting(cut_by_steps(LAYERS, [0, 1, 1, 1, 1])), Order(4), 12, anchor=4)
    begin = {(span.block, span.step): span.start - PREFILL for span in spans(found, "pass")}
    for block in range(4):
        for step in range(4):
            assert begin[block, step] == pytest.approx((block + step) * STEP)
    assert [span.start - PREFILL for span in spans(found, "decode")][:4] == pytest.approx([4, 5, 6, 7])
    # Each card fills its own part once its last old step is done. The first was done at 4.0, but the lead goes on only
    # when the encoder, which two blocks wait for, has the first one behind it.
    refresh = {span.rank: span.start - PREFILL for span in spans(found, "prefill") if span.block == 4}
    assert refresh == pytest.approx({1: 4.5, 2: 5.0, 3: 6.0, 4: 7.0})
    assert found.period(0.5) == pytest.approx(max(STEP, DECODE))


def test_layers_in_turns_keep_every_card_at_work() -> None:
    for ranks in (2, 4, 8):
        given = setting(cut_by_layers(STEPS, [LAYERS // ranks] * ranks))
        given = replace(given, times=(replace(TIMES, decode=0.0),) * ranks, windows=(1.0,) * 12)
        found = run(given, Order(99, ranks), 40, more=True)
        assert found.period(0.5) == pytest.approx(4 * STEP / ranks)
        assert all(found.idle(rank) == pytest.approx(0.0, abs=1e-6) for rank in range(ranks))
        # One block alone goes through all of them one after the other; the next follows its last step.
        assert run(given, Order(1), 40).period(0.5) == pytest.approx(4 * STEP - (ranks - 1) * STEP / ranks)


def test_rounds_lose_where_turns_do_not() -> None:
    given = setting(cut_by_layers(STEPS, [1] * 8))
    given = replace(given, times=(replace(TIMES, decode=0.0),) * 8)
    rounds, turns = (run(given, order, 60, more=True) for order in (Order(9), Order(99, 9)))
    assert turns.frames_per_second > 1.1 * rounds.frames_per_second


def test_decoding_between_items_waits_unless_blocks_are_asked_for_ahead() -> None:
    cut = cut_by_layers(STEPS, [3, 5])
    given = setting(cut, decoding="between")
    at_once, ahead = (run(given, Order(4, None, ahead), 40, more=True) for ahead in (0, 1))
    assert at_once.period(0.5) > 1.2 * ahead.period(0.5)
    beside = run(setting(cut), Order(4), 40, more=True)
    assert beside.period(0.5) == pytest.approx(ahead.period(0.5), rel=0.02)
    # The first block goes alone, so that no other's items stand before its decoding.
    first = run(setting(cut, decoding="first"), Order(4), 40, more=True)
    assert first.first_frame == ahead.first_frame == at_once.first_frame


def test_a_slow_encoder_holds_the_cards_back_and_little_waits_for_it() -> None:
    found = run(setting(whole(STEPS, LAYERS), encode=9.0), Order(1))
    assert found.period(0.5) == pytest.approx(9.0)
    assert found.idle(ENCODER) == pytest.approx(0.0, abs=1e-9)
    waiting = [done - picture for picture, done in zip(found.pictures, found.done, strict=True)]
    assert max(waiting) < 4 * 9.0


def test_the_first_clip_sees_less_and_is_quicker() -> None:
    shape = LatentShape.of_picture(704, 384, 48)
    windows = windows_of(shape)
    assert len(windows) == 4
    assert windows[-1] == 1.0
    assert windows[0] == pytest.approx((2782 - 2782 + shape.condition_tokens + 3168) / 15312, rel=1e-9)
    times = RankTimes(STEP / LAYERS, windowed=0.4 * STEP / LAYERS)
    given = setting(whole(STEPS, LAYERS), windows=windows, times=(times,))
    first, *_, last = spans(run(given, Order(1)), "pass")
    assert first.seconds == pytest.approx(STEP * (1 - 0.4 * (1 - windows[0])))
    assert last.seconds == pytest.approx(STEP)
    # What is copied beside the computation takes its time however little is seen.
    streamed = replace(times, copies=2 * STEP / LAYERS)
    assert streamed.item_seconds(LAYERS, windows[0]) == streamed.item_seconds(LAYERS) == pytest.approx(2.06 * STEP)


def test_transfers_take_latency_and_bytes_on_the_way_they_go() -> None:
    link = Link("slow", 0.01, 1000.0)
    found = run(setting(cut_by_layers(STEPS, [4, 4]), link), Order(1), 4)
    hidden = [span for span in spans(found, "transfer", 0) if span.block == 1]
    assert [span.seconds for span in hidden] == pytest.approx([0.01 + 100 / 1000] * STEPS)
    back = [span for span in spans(found, "transfer", 1) if span.block == 1]
    assert [span.seconds for span in back] == pytest.approx([0.01 + 10 / 1000] * STEPS)
    # The next block begins on the first card while the last layers of this one are done on the second, which takes in
    # what comes of it only then, or before.
    assert found.period(0.5) == pytest.approx(4 * (STEP + 0.11 + 0.02) - (STEP / 2 + 0.02))
    found = run(setting(cut_by_layers(STEPS, [4, 4]), replace(link, beside=True)), Order(1), 4)
    assert found.period(0.5) == pytest.approx(4 * (STEP + 0.11 + 0.02) - (STEP / 2 + 0.11 + 0.02))
    wiring = Wiring.of(8, "nvlink", "10g", hosts=2)
    assert (wiring.link(0, 3), wiring.link(3, 4)) == (LINKS["nvlink"], NETWORKS["10g"])
    measured = replace(wiring, measured={(3, 4): link})
    assert (measured.link(3, 4), measured.link(4, 3)) == (link, NETWORKS["10g"])


def test_a_card_does_not_run_ahead_of_places_for_what_it_sends() -> None:
    slow = Link("slow", 0.0, 100 / 2.0, beside=True)
    found = run(setting(cut_by_layers(STEPS, [4, 4]), slow), Order(30, 5), 20, more=True)
    sent = spans(found, "transfer", 0)
    passes = [span for span in spans(found, "pass", 0) if span.block > 2]
    for span in passes:
        on_the_way = sum(other.start < span.start < other.end for other in sent)
        waiting = sum(other.end <= span.start for other in passes) - sum(
            other.end <= span.start for other in sent if other.block > 2
        )
        assert waiting + on_the_way <= 4
    # The wire is what limits: four hand-overs a block.
    assert found.period(0.5) == pytest.approx(8.0, rel=0.02)


def test_nothing_is_sent_before_there_is_a_place_where_it_goes() -> None:
    given = setting(cut_by_layers(STEPS, [1, 7]), Link("", 0.001, math.inf, beside=True))
    found = run(given, Order(30, 7), 20, more=True)
    sent = [span.end for span in spans(found, "transfer", 0)]
    used, made = ([span.end for span in spans(found, "prefill", rank) + spans(found, "pass", rank)] for rank in (1, 0))
    # The first card is seven times as fast, but no more than two of its outputs are there and not yet worked off.
    held = [index - sum(end <= at - 0.001 for end in used) for index, at in enumerate(sorted(sent), 1)]
    assert max(held) == given.buffers
    # Two more wait on its side, then it stops.
    assert max(index - sum(at <= end for at in sent) for index, end in enumerate(sorted(made), 1)) == given.buffers


def test_between_cards_the_one_that_wants_a_message_spends_the_time_of_its_transfer() -> None:
    cut, order = cut_by_layers(STEPS, [4, 4]), Order(30, 5)
    times = (replace(TIMES, decode=0.0),) * 2
    for beside, period in ((True, STEPS * STEP / 2), (False, STEPS * (STEP / 2 + 0.1))):
        link = Link("", 0.0, 100 / 0.1, beside=beside)
        found = run(setting(cut, link, times=times), order, 40, more=True)
        assert found.period(0.5) == pytest.approx(period, rel=0.02)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 5),
    st.sampled_from(["layers", "balanced", "alone"]),
    st.sampled_from([Order(1), Order(3, None, 1), Order(5, None, 1), Order(30, 2, 1), Order(30, 6, 1)]),
    st.sampled_from(["between", "beside", "first"]),
    st.floats(0.0, 0.3),
)
def test_what_is_simulated_could_happen(
    ranks: int, kind: str, order: Order, decoding: Decoding, latency: float
) -> None:
    if kind == "balanced":
        cut = cut_balanced(STEPS, LAYERS, [*[32 // ranks] * (ranks - 1), 32 - 32 // ranks * (ranks - 1)])
    else:
        counts = [LAYERS // ranks] * (ranks - 1)
        cut = cut_by_layers(
            STEPS,
            [LAYERS - sum(counts), *counts] if kind == "layers" else [0, LAYERS - sum(counts) + counts[0], *counts[1:]],
        )
    found = run(setting(cut, Link("", latency, 1e4), decoding, encode=0.1), order, 12, anchor=3)
    ended: dict[tuple[int, int | None], float] = defaultdict(float)
    for span in found.spans:
        assert 0 <= span.start <= span.end
        if span.work == "pass":
            ended[span.block, span.step] = max(ended[span.block, span.step], span.end)
    for block, step in itertools.product(range(12), range(1, STEPS)):
        begins = min(s.start for s in spans(found, "pass") if (s.block, s.step) == (block, step))
        assert begins >= ended[block, step - 1] - 1e-9
    for rank in range(cut.ranks):
        own = sorted(spans(found, "pass", rank) + spans(found, "prefill", rank), key=lambda s: (s.start, s.end))
        assert all(before.end <= after.start + 1e-9 for before, after in itertools.pairwise(own))
    total = sum(s.seconds for s in spans(found, "pass"))
    assert total >= 12 * STEPS * STEP - 1e-6
    if decoding == "between":
        assert total == pytest.approx(12 * STEPS * STEP)
    for picture, span in zip(found.pictures, spans(found, "decode"), strict=True):
        assert span.start >= ended[span.block, STEPS - 1] - 1e-9
        assert picture == span.end


def test_quantiles_and_wrong_settings() -> None:
    assert quantile([1.0, 2.0, 4.0], 0.5) == 2.0
    assert quantile([1.0, 3.0], 0.25) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="1 times for 2 ranks"):
        simulate(replace(setting(cut_by_layers(STEPS, [4, 4])), times=(TIMES,)), [])
    with pytest.raises(ValueError, match="at least one block"):
        simulate(setting(whole(STEPS, LAYERS)), [])


def test_bytes_of_what_travels() -> None:
    parcels = parcels_of(LatentShape.of_picture(704, 384, 48), 5120, 16)
    assert parcels.latents == 4 * 16 * 3 * 48 * 88
    # The residual and the update that is still to be added, in bfloat16.
    assert parcels.hidden - parcels.latents == 2 * 2 * 3168 * 5120
    plain = parcels_of(LatentShape.of_picture(704, 384, 48), 5120, 16, item=4, pending=False)
    assert plain.hidden - plain.latents == 4 * 3168 * 5120


def test_the_picture_shows_every_card_and_piece_of_work() -> None:
    found = run(setting(cut_by_layers(STEPS, [3, 5]), encode=0.2), Order(4), 6, anchor=4)
    tree = ET.fromstring(time_line_svg(found, title="Two <cards>"))
    space = "{http://www.w3.org/2000/svg}"
    texts = ["".join(each.itertext()) for each in tree.iter(f"{space}text")]
    assert any(text.startswith("card 1") for text in texts)
    assert "Two <cards>" in texts
    bars = [each for each in tree.iter(f"{space}rect") if each.find(f"{space}title") is not None]
    assert len(bars) == sum(span.work != "transfer" for span in found.spans)
    width = float(tree.attrib["width"])
    assert all(float(bar.attrib["x"]) + float(bar.attrib["width"]) <= width for bar in bars)
    part = ET.fromstring(time_line_svg(found, 2.0, 3.0))
    assert 0 < len([each for each in part.iter(f"{space}rect") if each.find(f"{space}title") is not None]) < len(bars)
    with pytest.raises(ValueError, match="nothing to draw"):
        time_line_svg(found, 5.0, 5.0)
