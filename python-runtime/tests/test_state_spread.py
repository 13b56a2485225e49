from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_avatar.state_spread import spread


def longest_gap(kept: list[int]) -> int:
    return max(later - earlier for earlier, later in itertools.pairwise([0, *kept]))


@given(st.lists(st.integers(1, 500)), st.integers(1, 500), st.integers(0, 12), st.none() | st.integers(0, 500))
def test_what_stays_is_known_in_order_and_not_too_much(
    clips: list[int], newest: int, most: int, pinned: int | None
) -> None:
    kept = spread(clips, newest, most, pinned)
    assert kept == sorted(set(kept))
    assert set(kept) <= {*clips, newest}
    assert len(kept) == min(most, len({newest, *(clip for clip in clips if clip < newest)}))
    assert most == 0 or kept[-1] == newest
    if most > 1 and pinned in clips and pinned is not None and pinned <= newest:
        assert pinned in kept


@given(st.lists(st.integers(1, 9), min_size=1, max_size=200), st.integers(2, 20), st.integers(0, 200))
def test_states_saved_in_turn_stay_spread_over_the_take(steps: list[int], most: int, pinned_at: int) -> None:
    saved = list(itertools.accumulate(steps))
    pinned = saved[pinned_at % len(saved)]
    kept: list[int] = []
    for newest in saved:
        kept = spread(kept, newest, most, pinned)
    room = most - 1 if pinned != saved[-1] else most
    # Either nothing was thinned out there, or the rest lies at most twice as far apart as evenly spread.
    assert longest_gap(kept) <= max(*steps, 0, 2 * saved[-1] / room)


def test_a_ten_minute_take_keeps_a_state_every_half_minute() -> None:
    kept: list[int] = []
    for newest in range(1, 313):
        kept = spread(kept, newest, 20)
    assert len(kept) == 20
    assert longest_gap(kept) * 48 / 25 < 62
    assert kept[-1] == 312


@pytest.mark.parametrize(
    ("clips", "newest", "most", "pinned", "kept"),
    [
        ([1, 2], 3, 2, None, [2, 3]),
        ([2, 3], 4, 2, None, [2, 4]),
        ([1, 2, 3], 4, 2, 1, [1, 4]),
        ([1, 2, 3], 4, 1, 1, [4]),
        ([1, 2, 3], 4, 0, None, []),
        ([5, 9], 3, 4, None, [3]),
    ],
)
def test_examples(clips: list[int], newest: int, most: int, pinned: int | None, kept: list[int]) -> None:
    assert spread(clips, newest, most, pinned) == kept
