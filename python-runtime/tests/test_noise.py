"""The random numbers of a take: noise and reference positions."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.noise import SeededDraws


def test_reference_positions_are_spread_evenly_over_4_to_30() -> None:
    draws = SeededDraws(420)
    counts = Counter(draws.reference_ahead(block, step) for block in range(2000) for step in range(4))
    assert set(counts) == set(range(4, 31))
    expected = 8000 / 27
    # Chi-squared with 26 degrees of freedom: beyond 54 once in a thousand seeds.
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 54


def test_draws_depend_on_seed_block_and_step_alone() -> None:
    places = [(block, step) for block in range(30) for step in range(4)]
    forward = [SeededDraws(1).reference_ahead(*place) for place in places]
    draws = SeededDraws(1)
    assert [draws.reference_ahead(*place) for place in reversed(places)] == forward[::-1]
    assert [SeededDraws(2).reference_ahead(*place) for place in places] != forward
    # A take saved today must continue under any later release.
    assert [SeededDraws(420).reference_ahead(0, step) for step in range(4)] == [15, 6, 10, 24]


def test_clip_noise_is_standard_normal_and_reproducible() -> None:
    shape = LatentShape(32, 48, 48)
    noise = SeededDraws(420).clip_noise(3, 16, shape)
    assert noise.shape == (16, 4 * LATENT_FRAMES_PER_BLOCK, 32, 48)
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(noise.std()) - 1) < 0.01
    assert torch.equal(noise, SeededDraws(420).clip_noise(3, 16, shape))
    assert not torch.equal(noise, SeededDraws(420).clip_noise(4, 16, shape))
    # The published rule: clip r takes seed + r.
    assert torch.equal(noise, SeededDraws(423).clip_noise(0, 16, shape))
    assert torch.equal(noise, torch.randn(noise.shape, generator=torch.Generator().manual_seed(423)))


@pytest.mark.parametrize("seed", [0, 2**63 - 1, 2**64 + 5, -1])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    draws = SeededDraws(seed)
    assert bool(draws.clip_noise(1, 1, LatentShape(8, 8, 12)).isfinite().all())
    assert 4 <= draws.reference_ahead(0, 0) <= 30


def test_a_clip_asked_for_again_between_others_is_the_same() -> None:
    small, large = LatentShape(8, 8, 12), LatentShape(8, 16, 12)
    draws = SeededDraws(5)
    asked = [(0, small), (0, small), (1, small), (0, small), (0, large), (0, small)]
    for clip, shape in asked:
        assert torch.equal(draws.clip_noise(clip, 16, shape), SeededDraws(5).clip_noise(clip, 16, shape))
    assert not torch.equal(draws.clip_noise(0, 16, small), draws.clip_noise(1, 16, small))
