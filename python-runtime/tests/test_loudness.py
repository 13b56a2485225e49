from __future__ import annotations

import numpy as np
import pytest

from live_avatar.media.loudness import LoudnessMeter


def sine(decibels: float, rate: int, seconds: float = 20.0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    level = 10 ** (decibels / 20)
    return (level * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("decibels", [-23.0, -33.0])
def test_the_reference_tone_of_the_standard(rate: int, decibels: float) -> None:
    # EBU Tech 3341, cases 1 and 2: a stereo tone of 1000 Hz at -23 dBFS has -23 LUFS, within 0.1.
    meter = LoudnessMeter(rate, 2)
    for chunk in np.array_split(np.stack([sine(decibels, rate)] * 2), 7, axis=1):
        meter.add(chunk)
    assert meter.integrated == pytest.approx(decibels, abs=0.1)


def test_one_channel_has_half_the_power_of_two_and_silence_has_no_loudness() -> None:
    meter = LoudnessMeter(48_000, 1)
    meter.add(sine(-23.0, 48_000)[None])
    assert meter.integrated == pytest.approx(-26.0, abs=0.1)
    for samples in (0, 100, 48_000):
        silent = LoudnessMeter(48_000, 1)
        if samples:
            silent.add(np.zeros((1, samples), np.float32))
        assert silent.integrated is None
