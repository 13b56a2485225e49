"""Where several speakers act (spec section 10)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from live_avatar.geometry import LatentShape
from live_avatar.model.speaker_regions import regions_on_grid, routing_weights

# 16 x 24 tokens, each 16 pixels wide.
SHAPE = LatentShape(32, 48, 48)


def picture(top: int, left: int, bottom: int, right: int) -> Tensor:
    """A white box in token units, as pixels."""
    pixels = torch.zeros(16 * SHAPE.rows, 16 * SHAPE.columns)
    pixels[16 * top : 16 * bottom, 16 * left : 16 * right] = 1
    return pixels


def box(top: int, left: int, bottom: int, right: int) -> Tensor:
    """The same box on the token grid."""
    grid = torch.zeros(SHAPE.rows, SHAPE.columns, dtype=torch.bool)
    grid[max(0, top) : bottom, max(0, left) : right] = True
    return grid


def weights(*regions: Tensor) -> Tensor:
    """Routing weights as bool [actors, rows, columns], the same in all three latent frames."""
    routed = routing_weights(torch.stack(regions))
    assert routed.shape == (len(regions), SHAPE.block_tokens, 1)
    frames: Tensor = routed.unflatten(1, (3, SHAPE.rows, SHAPE.columns)).squeeze(-1)
    assert bool((frames == frames[:, :1]).all())
    assert bool(((frames == 0) | (frames == 1)).all())
    return frames[:, 0].bool()


def test_regions_shrink_to_the_token_grid() -> None:
    regions = regions_on_grid(torch.stack([picture(2, 1, 9, 7), picture(3, 12, 14, 20)]), SHAPE)
    assert regions.dtype == torch.bool
    assert torch.equal(regions, torch.stack([box(2, 1, 9, 7), box(3, 12, 14, 20)]))


def test_where_regions_overlap_the_later_speaker_wins() -> None:
    pictures = [picture(0, 0, 10, 10), picture(5, 5, 15, 15), picture(8, 8, 12, 20)]
    first, second, third = regions_on_grid(torch.stack(pictures), SHAPE)
    assert torch.equal(third, box(8, 8, 12, 20))
    assert torch.equal(second, box(5, 5, 15, 15) & ~third)
    assert torch.equal(first, box(0, 0, 10, 10) & ~second & ~third)


def test_half_grey_does_not_count() -> None:
    grey = picture(2, 2, 6, 6) * 0.5
    assert not bool(regions_on_grid(grey[None], SHAPE).any())
    assert torch.equal(regions_on_grid(grey[None] * 1.2, SHAPE)[0], box(2, 2, 6, 6))


@pytest.mark.parametrize(("side", "radius"), [(1, 1), (10, 1), (11, 2), (14, 2)])
def test_regions_grow_by_a_tenth_of_their_longer_side(side: int, radius: int) -> None:
    heard, _ = weights(box(0, 0, 0, 0), box(1, 4, 1 + side, 7))
    assert torch.equal(~heard, box(1 - radius, 4 - radius, 1 + side + radius, 7 + radius))


def test_each_is_heard_everywhere_but_inside_the_others() -> None:
    left, right = weights(box(4, 2, 10, 6), box(4, 14, 10, 20))
    assert torch.equal(~left, box(3, 13, 11, 21))
    assert torch.equal(~right, box(3, 1, 11, 7))
    # The background hears both.
    assert bool(left[0, 0])
    assert bool(right[0, 0])


def test_where_grown_regions_meet_nobody_is_heard() -> None:
    left, right = weights(box(4, 2, 10, 8), box(4, 9, 10, 15))
    meeting = box(3, 8, 11, 9)
    assert not bool((left | right)[meeting].any())
    assert torch.equal(~(left | right), box(3, 1, 11, 9) & box(3, 8, 11, 16))


def test_three_speakers() -> None:
    boxes = [(4, 1, 8, 4), (4, 9, 8, 12), (4, 18, 8, 21)]
    heard = weights(*(box(*sides) for sides in boxes))
    grown = [box(top - 1, left - 1, bottom + 1, right + 1) for top, left, bottom, right in boxes]
    for speaker in range(3):
        others = torch.stack([region for other, region in enumerate(grown) if other != speaker]).any(0)
        assert torch.equal(heard[speaker], ~others)


def test_one_speaker_is_heard_everywhere() -> None:
    assert bool(weights(box(2, 2, 9, 9)).all())


def test_an_empty_region_stays_empty() -> None:
    first, second = weights(box(2, 2, 9, 9), box(0, 0, 0, 0))
    assert bool(first.all())
    assert not bool(second.all())
