from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from live_avatar.audio_conditions import BlockFeatures
from live_avatar.audio_features import WaveStatistics
from live_avatar.geometry import SAMPLES_PER_FRAME
from live_avatar.media.audio_levels import measure_model_sound
from live_avatar.speech_track import SpeechTrack, coarse_statistics
from tests.render_material import golden_pipeline, voice


def track(sound: np.ndarray[Any, np.dtype[np.float32]], max_seconds: float = 60.0) -> SpeechTrack:
    levels = measure_model_sound(sound, channel_peak=[1.0], silent_channels=[], clipped_fraction=0.0)
    return SpeechTrack(sound, levels.frame_rms, WaveStatistics(levels.mean, levels.variance), max_seconds)


def test_a_recording_that_fits_is_one_segment_normalised_by_itself() -> None:
    sound = voice(2.3)
    whole = track(sound)
    assert [(segment.first_frame, segment.frames) for segment in whole.segments] == [(0, 58)]
    assert whole.statistics is None
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
    first = extractor.features(long.samples(0), long.statistics)
    second = extractor.features(long.samples(1), long.statistics)
    assert torch.equal(blocks[0, :, :, cut - 1], first[:, (12 * (cut - 1) + 5) // 10])
    assert torch.equal(blocks[0, :, :, cut], second[:, 0])
    assert bool((blocks[:, :, :, :170] != 0).any(2).any(1).all())
    assert not bool(blocks[:, :, :, 176:].any())


def test_the_last_frame_before_a_cut_has_features() -> None:
    # A segment's own sound gives its last frame none; that is only right at the end of a recording.
    long = track(voice(7.0), max_seconds=3.0)
    extractor = golden_pipeline().speech()
    segment = long.segments[0]
    alone = extractor.features(np.asarray(long.sound[: segment.frames * SAMPLES_PER_FRAME]), long.statistics)
    last = (12 * (segment.frames - 1) + 5) // 10
    assert alone.shape[1] <= last < extractor.features(long.samples(0), long.statistics).shape[1]


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
