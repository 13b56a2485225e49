from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from live_avatar.audio_conditions import BlockFeatures
from live_avatar.audio_features import WaveStatistics
from live_avatar.geometry import SAMPLES_PER_FRAME
from live_avatar.media.audio_levels import measure_model_sound
from live_avatar.speech_track import SpeechTrack, coarse_statistics
from tests.render_material import golden_pipeline, voice


def track(
    sound: np.ndarray[Any, np.dtype[np.float32]], max_seconds: float = 60.0, cuts: Sequence[int] = ()
) -> SpeechTrack:
    levels = measure_model_sound(sound, channel_peak=[1.0], silent_channels=[], clipped_fraction=0.0)
    return SpeechTrack(sound, levels.frame_rms, WaveStatistics(levels.mean, levels.variance), max_seconds, cuts)


def test_a_recording_that_fits_is_one_segment_normalised_by_itself() -> None:
    sound = voice(2.3)
    whole = track(sound)
    assert [(segment.first_frame, segment.frames) for segment in whole.segments] == [(0, 58)]
    assert whole.segments[0].statistics is None
    assert whole.samples(0).shape == sound.shape


def test_stretches_cover_every_frame_once_across_cuts_and_past_the_end() -> None:
    long = track(voice(10.0), max_seconds=3.0)
    assert len(long.segments) > 2
    heard: list[int] = []
    for block in range(22):  # 264 frames, 250 have sound
        stretches = long.stretches(block * 12, 12)
        assert sum(stretch.frames for stretch in stretches) == 12
        for stretch in stretches:
            first = long.segments[stretch.segment].first_frame + stretch.offset
            heard += range(first, first + stretch.frames)
    assert heard == list(range(264))


def test_block_features_equal_those_of_the_segments_and_are_zero_past_the_end() -> None:
    long = track(voice(7.0), max_seconds=3.0)
    extractor = golden_pipeline().speech()
    features = BlockFeatures([long], lambda: extractor)
    blocks = torch.cat([features(block) for block in range(16)], dim=-1)
    cut = long.segments[1].first_frame
    assert cut % 12  # a block straddles the cut
    first = extractor.features(long.samples(0), long.segments[0].statistics)
    second = extractor.features(long.samples(1), long.segments[1].statistics)
    assert torch.equal(blocks[0, :, :, cut - 1], first[:, (12 * (cut - 1) + 5) // 10])
    assert torch.equal(blocks[0, :, :, cut], second[:, 0])
    assert bool((blocks[:, :, :, :170] != 0).any(2).any(1).all())
    assert not bool(blocks[:, :, :, 176:].any())


def test_the_last_frame_before_a_cut_has_features() -> None:
    # A segment's own sound gives its last frame none; that is only right at the end of a recording.
    long = track(voice(7.0), max_seconds=3.0)
    extractor = golden_pipeline().speech()
    segment = long.segments[0]
    alone = extractor.features(np.asarray(long.sound[: segment.frames * SAMPLES_PER_FRAME]), segment.statistics)
    last = (12 * (segment.frames - 1) + 5) // 10
    assert alone.shape[1] <= last < extractor.features(long.samples(0), long.segments[0].statistics).shape[1]


def test_features_are_the_same_bytes_whatever_block_is_asked_first() -> None:
    long = track(voice(7.0), max_seconds=3.0)
    extractor = golden_pipeline().speech()
    in_order = [BlockFeatures([long], lambda: extractor)(block) for block in range(14)]
    resumed = BlockFeatures([long], lambda: extractor)
    for block in (9, 10, 3):
        assert torch.equal(resumed(block), in_order[block])


def test_only_one_segment_is_computed_at_a_time_and_each_once() -> None:
    long = track(voice(7.0), max_seconds=3.0)
    real = golden_pipeline().speech()
    computed = []

    def counted(samples: Any, statistics: Any) -> torch.Tensor:
        computed.append(len(samples))
        return real.features(samples, statistics)

    features = BlockFeatures([long], lambda: SimpleNamespace(features=counted))  # type: ignore[arg-type,return-value]
    for block in range(15):
        features(block)
    assert len(computed) == len(long.segments)


def test_speakers_of_different_length_are_stacked() -> None:
    speakers = [track(voice(1.0, seed=1)), track(voice(2.0, seed=2))]
    features = BlockFeatures(speakers, golden_pipeline().speech)
    assert features(0).shape[0] == 2
    late = features(3)  # frames 36..47: the first speaker has 25
    assert not bool(late[0].any())
    assert bool(late[1].any())


def test_a_changed_end_leaves_the_description_of_the_beginning() -> None:
    sound = voice(10.0)
    changed = sound.copy()
    changed[8 * 16_000 :] = voice(2.0, seed=5)
    before, after = track(sound, 3.0), track(changed, 3.0)
    assert before.describe(0, 48) == after.describe(0, 48)
    assert before.describe(230, 12) != after.describe(230, 12)
    assert track(sound).describe(0, 48) != track(changed).describe(0, 48)  # one segment: all of it is heard at once


def test_coarse_statistics_move_only_with_real_changes_of_level() -> None:
    assert coarse_statistics(WaveStatistics(1e-4, 0.010)) == coarse_statistics(WaveStatistics(-2e-4, 0.0102))
    assert coarse_statistics(WaveStatistics(0.0, 0.010)) != coarse_statistics(WaveStatistics(0.0, 0.030))
    for variance in (1e-6, 0.003, 0.04, 0.9):
        ratio = coarse_statistics(WaveStatistics(0.0, variance)).variance / variance
        assert 0.7 < ratio < 1.42
    assert coarse_statistics(WaveStatistics(0.1, 0.0)).variance == 0.0


def features_of(track: SpeechTrack) -> torch.Tensor:
    """Features of every frame of the sound."""
    extractor = golden_pipeline().speech()
    features = BlockFeatures([track], lambda: extractor)
    frames = sum(segment.frames for segment in track.segments)
    return torch.cat([features(block) for block in range(-(-frames // 12))], dim=-1)[..., :frames]


def test_an_edit_of_one_utterance_leaves_the_features_of_the_others_bit_for_bit() -> None:
    sound = voice(6.0)
    cuts = (0, 40, 95)
    before = track(sound, cuts=cuts)
    assert [(segment.first_frame, segment.frames) for segment in before.segments] == [(0, 40), (40, 55), (95, 55)]
    edited = sound.copy()
    # Its last sample too, and loud enough to move the level of a whole recording.
    edited[40 * SAMPLES_PER_FRAME : 95 * SAMPLES_PER_FRAME] *= -7
    after = track(edited, cuts=cuts)
    digests = [[segment.digest for segment in one.segments] for one in (before, after)]
    assert [one == other for one, other in zip(*digests, strict=True)] == [True, False, True]
    first, second = features_of(before), features_of(after)
    assert torch.equal(first[..., :40], second[..., :40])
    assert torch.equal(first[..., 95:], second[..., 95:])
    assert not torch.equal(first[..., 40:95], second[..., 40:95])


def test_sound_added_after_the_last_utterance_leaves_it_as_it_was() -> None:
    sound = voice(4.0)
    before = track(sound[: 50 * SAMPLES_PER_FRAME], cuts=(0,))
    after = track(sound, cuts=(0, 50))
    assert before.segments[0] == after.segments[0]
    assert np.array_equal(before.samples(0), after.samples(0))
    assert np.array_equal(after.samples(0)[-2 * SAMPLES_PER_FRAME :], np.zeros(2 * SAMPLES_PER_FRAME, np.float32))


def test_utterances_without_cuts_are_the_published_recording() -> None:
    assert track(voice(2.0), cuts=()).segments == track(voice(2.0)).segments
    assert track(voice(2.0), cuts=(0,)).segments != track(voice(2.0)).segments


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 25])
def test_silence_and_very_short_utterances_have_finite_features_for_every_frame(frames: int) -> None:
    spoken = voice(1.0)
    sound = np.concatenate([spoken, np.zeros(frames * SAMPLES_PER_FRAME, np.float32), spoken])
    cuts = (25, 25 + frames)
    with_silence = track(sound, cuts=cuts)
    assert [segment.frames for segment in with_silence.segments] == [25, frames, 25]
    features = features_of(with_silence)
    assert bool(features.isfinite().all())
    assert bool((features != 0).any(2).any(1).all())
    every = track(voice(0.4), cuts=range(10))
    assert bool(features_of(every).isfinite().all())


def test_noise_alone_is_not_brought_up_to_speech() -> None:
    hiss = (voice(2.0) * 1e-3).astype(np.float32)
    statistics = track(np.concatenate([voice(2.0), hiss]), cuts=(50,)).segments[1].statistics
    assert statistics is not None
    assert float(hiss.std()) / statistics.variance**0.5 < 0.1
    spoken = track(voice(2.0), cuts=(0,)).segments[0].statistics
    assert spoken is not None
    assert spoken.variance == pytest.approx(float(voice(2.0).var()), rel=1e-5)


def test_a_long_utterance_is_cut_at_quiet_places_inside_and_by_its_own_level() -> None:
    sound = voice(10.0)
    long = track(sound, max_seconds=3.0, cuts=(50,))
    assert long.segments[0].frames == 50
    assert len(long.segments) > 3
    assert {segment.statistics for segment in long.segments[1:]} == {
        coarse_statistics(WaveStatistics.of([sound[50 * SAMPLES_PER_FRAME :]]))
    }
    # Inside an utterance what follows is heard; at its end silence is.
    inner = long.segments[1]
    assert inner.silence == 0
    assert inner.samples[1] == (inner.first_frame + inner.frames + 2) * SAMPLES_PER_FRAME
    assert long.segments[-1].silence == 2 * SAMPLES_PER_FRAME


@given(st.lists(st.integers(0, 60), unique=True), st.integers(1, 50), st.integers(0, 70), st.integers(1, 30))
def test_every_frame_has_one_place(cuts: list[int], frames: int, first: int, count: int) -> None:
    sound = np.zeros(frames * SAMPLES_PER_FRAME - 5, np.float32)
    one = track(sound, cuts=sorted(cuts))
    assert sum(segment.frames for segment in one.segments) == frames
    heard: list[int] = []
    for stretch in one.stretches(first, count):
        start = one.segments[stretch.segment].first_frame + stretch.offset
        heard += range(start, start + stretch.frames)
    assert heard == list(range(first, first + count))
