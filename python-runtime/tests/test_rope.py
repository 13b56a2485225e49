"""Rotary positions: against double precision, the published table, and far into a video."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from live_avatar.geometry import LatentShape
from live_avatar.model.rope import RotaryPositions, rotate, split_head_dim

CPU = torch.device("cpu")
SIDE = 8


def angles(head_dim: int, frame: int, shape: LatentShape) -> list[list[float]]:
    """Angle of every pair of every token of one latent frame, in double precision, pair by pair."""
    counts = split_head_dim(head_dim)
    return [
        [
            position * 10_000.0 ** (-pair / count)
            for position, count in zip((frame, row, column), counts, strict=True)
            for pair in range(count)
        ]
        for row in range(shape.rows)
        for column in range(shape.columns)
    ]


@pytest.mark.parametrize("frame", [0, 31, 44_999, 45_000, 1_000_003])
@pytest.mark.parametrize("head_dim", [48, 128])
def test_tables_equal_double_precision_at_any_position(frame: int, head_dim: int) -> None:
    shape = LatentShape(SIDE, 2 * SIDE, 12)
    wanted = torch.tensor(
        [[(math.cos(angle), math.sin(angle)) for angle in token] for token in angles(head_dim, frame, shape)],
        dtype=torch.float64,
    )
    exact = RotaryPositions(head_dim, shape, "none", CPU).frames(torch.tensor([frame]))
    # The angle itself is only known to a part in 2**53 of its size.
    torch.testing.assert_close(exact.double(), wanted, atol=2.0**-24 + frame * 2.0**-51, rtol=0)
    rounded = RotaryPositions(head_dim, shape, "float16", CPU).frames(torch.tensor([frame]))
    torch.testing.assert_close(rounded.double(), wanted, atol=2.0**-11, rtol=0)
    assert torch.equal(rounded, exact.half().float())


@pytest.mark.parametrize(
    ("frame", "row", "column", "pair", "cos", "sin"),
    [
        (31, 0, 0, 0, 0.91455078125, -0.404052734375),
        (31, 5, 9, 5, -0.77734375, -0.62890625),
        (33, 0, 0, 21, 1.0, 0.005016326904296875),
        (-19, 0, 0, 1, 0.998046875, 0.06561279296875),
        (0, 7, 3, 22 + 3, -0.30224609375, 0.953125),
        (5, 1, 43, 22 + 21 + 20, 1.0, 0.0066680908203125),
    ],
)
def test_published_table_entries(frame: int, row: int, column: int, pair: int, cos: float, sin: float) -> None:
    shape = LatentShape(48, 88, 48)
    table = RotaryPositions(128, shape, "float16", CPU).frames(torch.tensor([frame]))
    assert table[row * shape.columns + column, pair].tolist() == [cos, sin]


def test_attention_depends_on_distances_only_at_far_positions() -> None:
    torch.manual_seed(0)
    shape = LatentShape(SIDE, SIDE, 12)
    rotary = RotaryPositions(48, shape, "none", CPU)
    query, key = (torch.randn(shape.frame_tokens, 2, 48) for _ in range(2))

    def scores(at: int) -> Tensor:
        turned = (rotate(states, rotary.frames(torch.tensor([at + by]))) for states, by in ((query, 0), (key, 5)))
        return torch.einsum("qhd,khd->hqk", *turned)

    torch.testing.assert_close(scores(0), scores(600_000), atol=1e-4, rtol=0)
