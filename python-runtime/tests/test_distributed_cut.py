"""Cuts of the work, and what a user may fix about them."""

from __future__ import annotations

from typing import Any

import pytest

from live_avatar.distributed.cut import (
    LEAD,
    Cut,
    Edge,
    Share,
    cut_balanced,
    cut_by_layers,
    cut_by_steps,
    even_counts,
    read_cut,
    whole,
)
from live_avatar.distributed.wishes import CutWishes, check_counts_fit, read_cut_wishes
from live_avatar.errors import UserError
from live_avatar.layer_span import LayerSpan

ALL = [
    whole(4, 40),
    cut_by_layers(4, [22, 18]),
    cut_by_layers(4, [0, 20, 20]),
    cut_by_layers(4, [10, 10, 10, 10]),
    cut_by_steps(40, [1, 1, 1, 1]),
    cut_by_steps(40, [0, 2, 1, 1]),
    cut_balanced(4, 40, [45, 45, 45, 25]),
    cut_balanced(4, 40, [0, 33, 64, 63]),
]


@pytest.mark.parametrize("cut", ALL, ids=Cut.words)
def test_every_unit_is_done_once_and_every_way_leads_on(cut: Cut) -> None:
    units = sum(cut.units_of(rank) for rank in range(cut.ranks))
    assert units == 4 * 40
    assert sum(cut.units_held_by(rank).count for rank in range(cut.ranks)) == units
    ends = {(edge.source, edge.target) for edge in cut.edges}
    for step, shares in enumerate(cut.steps):
        for share in shares:
            source, target = cut.source_of(share.rank, step), cut.target_of(share.rank, step)
            assert source == share.rank or (source, share.rank) in ends
            assert target == share.rank or (share.rank, target) in ends
            held = cut.held_by(share.rank)
            assert held.first <= share.span.first
            assert share.span.last <= held.last
    # Noise comes from the lead, and finished latents go there.
    assert cut.source_of(cut.steps[0][0].rank, 0) == LEAD
    assert cut.target_of(cut.steps[-1][-1].rank, 3) == LEAD
    assert read_cut(cut.as_dict()) == cut


@pytest.mark.parametrize("cut", ALL, ids=Cut.words)
def test_a_prefill_fills_what_each_rank_keeps(cut: Cut) -> None:
    for rank in range(cut.ranks):
        run: set[int] = set()
        for chain in cut.prefill_chains:
            reached = 0
            for share in chain:
                assert share.span.first == reached
                reached = share.span.last
                if share.rank == rank:
                    run |= set(share.span.layers)
        assert set(cut.span_of(rank).layers) <= run


def test_by_layers_a_rank_holds_its_share_of_the_weights_only() -> None:
    cut = cut_by_layers(4, [10, 10, 10, 10])
    assert [cut.held_by(rank) for rank in range(4)] == [LayerSpan(10 * rank, 10 * rank + 10) for rank in range(4)]
    assert set(cut.edges) == {
        *(Edge(0, rank, "conditions") for rank in (1, 2, 3)),
        *(Edge(rank, rank + 1, "hidden") for rank in range(3)),
        Edge(3, 0, "latents"),
    }


def test_a_balanced_rank_takes_part_of_a_step() -> None:
    cut = cut_balanced(2, 40, [35, 45])
    assert cut.steps == ((Share(0, LayerSpan(0, 35)), Share(1, LayerSpan(35, 40))), (Share(1, LayerSpan(0, 40)),))
    assert cut.source_of(1, 1) == 1
    assert cut.words() == "by steps, balanced: 0.875, 1.12"


@pytest.mark.parametrize(
    "steps",
    [
        ((Share(0, LayerSpan(0, 3)),),),
        ((Share(0, LayerSpan(0, 3)), Share(1, LayerSpan(2, 4))),),
        ((Share(0, LayerSpan(0, 2)), Share(2, LayerSpan(2, 4))),),
        ((Share(0, LayerSpan(0, 1)), Share(1, LayerSpan(1, 2)), Share(0, LayerSpan(2, 4))),),
        ((Share(0, LayerSpan(0, 4)),),),
    ],
)
def test_what_is_no_cut(steps: Any) -> None:
    with pytest.raises(ValueError, match=r"step 0|rank 1 has nothing"):
        Cut("layers", 2, 4, steps)


def test_even_counts() -> None:
    assert even_counts(40, 3) == (13, 13, 14)
    assert even_counts(40, 4, [0, 1, 1, 2]) == (0, 10, 10, 20)
    assert even_counts(4, 4, [1, 1, 1, 100]) == (1, 1, 1, 1)
    with pytest.raises(ValueError, match="2 for 3"):
        even_counts(2, 3)


# Wishes


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({}, CutWishes()),
        ({"cut": "auto", "ulysses_size": 1}, CutWishes()),
        ({"num_gpus_dit": 4}, CutWishes(ranks=4)),
        ({"num_gpus_dit": 4, "enable_vae_parallel": True}, CutWishes(ranks=5, decoding_alone=True)),
        ({"layers": "10,10,10,10"}, CutWishes("layers", (10, 10, 10, 10), 4, False)),
        ({"layers": "22,18", "enable_vae_parallel": True}, CutWishes("layers", (0, 22, 18), 3, True)),
        ({"layers": "0,22,18", "num_gpus_dit": 2}, CutWishes("layers", (0, 22, 18), 3, True)),
        ({"layers": "2,2", "cut": "steps", "world": 2}, CutWishes("steps", (2, 2), 2, False)),
        ({"world": 3}, CutWishes(ranks=3)),
        ({"world": 1}, CutWishes()),
    ],
)
def test_wishes(flags: dict[str, Any], wanted: CutWishes) -> None:
    assert read_cut_wishes(**flags) == wanted
    assert wanted.any == (wanted != CutWishes())


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"ulysses_size": 2}, "ULYSSES_NOT_BUILT"),
        ({"cut": "rows"}, "CUT_INVALID"),
        ({"layers": "a,b"}, "LAYERS_INVALID"),
        ({"layers": "20,0,20"}, "LAYERS_INVALID"),
        ({"layers": "-1,41"}, "LAYERS_INVALID"),
        ({"layers": "0"}, "LAYERS_INVALID"),
        ({"layers": "20,20", "num_gpus_dit": 3}, "RANKS_INVALID"),
        ({"num_gpus_dit": 0}, "RANKS_INVALID"),
        ({"num_gpus_dit": 2, "world": 4}, "RANKS_INVALID"),
    ],
)
def test_wishes_that_cannot_be(flags: dict[str, Any], code: str) -> None:
    with pytest.raises(UserError) as caught:
        read_cut_wishes(**flags)
    assert caught.value.code == code


def test_counts_have_to_be_the_models() -> None:
    check_counts_fit((22, 18), "layers", 40, 4)
    check_counts_fit((1, 3), "steps", 40, 4)
    check_counts_fit((80, 80), "balanced", 40, 4)
    with pytest.raises(UserError, match="They are 39, and the model has 40 layers"):
        check_counts_fit((20, 19), "layers", 40, 4)
