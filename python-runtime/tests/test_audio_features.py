"""Speech features against the golden case ``audio_features``, and the cutting of long recordings."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from live_avatar.audio_features import (
    AudioFeatureExtractor,
    Samples,
    WaveStatistics,
    bucket_indices,
    feature_frames,
    frame_features,
    normalise,
    speech_frames,
    split_points,
)
from live_avatar.checkpoint.source import TensorSource
from live_avatar.checkpoint.tensors import open_weights
from live_avatar.errors import UserError

GOLDEN = Path(__file__).parent / "golden"
SPEECH = GOLDEN / "ckpt/wav2vec2-large-xlsr-53-english"
FILES = ["speech_2p3s", "speech_0p5s"]
TOLERANCE = 2e-4
KERNELS, STRIDES = [10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2]


@pytest.fixture(scope="module")
def extractor() -> AudioFeatureExtractor:
    return AudioFeatureExtractor.load(SPEECH, torch.float32, "cpu")


@pytest.fixture(scope="module")
def case() -> TensorSource:
    return open_weights(GOLDEN / "cases/audio_features.safetensors")


def recording(name: str) -> Samples:
    with wave.open(str(GOLDEN / f"media/{name}.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return samples.astype(np.float32) / np.float32(32768)


@pytest.mark.parametrize("name", FILES)
class TestGolden:
    def test_normalised_wave(self, case: TensorSource, name: str) -> None:
        expected = case.get(f"out.{name}.input_values").numpy()
        np.testing.assert_allclose(normalise(recording(name))[::16], expected, atol=1e-6)

    def test_hidden_states(self, extractor: AudioFeatureExtractor, case: TensorSource, name: str) -> None:
        states = extractor.hidden_states(recording(name))
        assert states.shape[0] == extractor.layers == 25
        torch.testing.assert_close(states[-1], case.get(f"out.{name}.hidden_last"), atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(states[23], case.get(f"out.{name}.hidden_23"), atol=TOLERANCE, rtol=0)

    def test_features(self, extractor: AudioFeatureExtractor, case: TensorSource, name: str) -> None:
        features = extractor.features(recording(name))
        torch.testing.assert_close(features, case.get(f"out.{name}.feat"), atol=TOLERANCE, rtol=0)

    @pytest.mark.parametrize("infer_frames", [24, 48])
    def test_bucket_indices(self, case: TensorSource, name: str, infer_frames: int) -> None:
        expected = case.get(f"out.{name}.bucket_index_{infer_frames}").numpy()
        np.testing.assert_array_equal(bucket_indices(len(expected)), expected)


def test_bucket(extractor: AudioFeatureExtractor, case: TensorSource) -> None:
    features, expected = extractor.features(recording("speech_0p5s")), case.get("out.speech_0p5s.bucket")
    torch.testing.assert_close(frame_features(features, 0, 24), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("seconds", "steps", "vectors"), [(10, 499, 299), (17.72, 885, 531), (2, 99, 59)])
def test_published_lengths(seconds: float, steps: int, vectors: int) -> None:
    assert speech_frames(round(seconds * 16000), KERNELS, STRIDES) == steps
    assert feature_frames(steps) == vectors


def test_frame_features_by_block_equal_the_whole_and_end_in_zeros() -> None:
    features = torch.randn(3, 17, 5, generator=torch.Generator().manual_seed(1))
    whole = frame_features(features, 0, 36)
    parts = [frame_features(features, first, 12) for first in (0, 12, 24)]
    assert torch.equal(torch.cat(parts, dim=3), whole)
    assert torch.equal(whole[0, :, :, 13], features[:, 16])
    assert whole[..., 14:].abs().sum() == 0
    with pytest.raises(ValueError, match="no frames"):
        frame_features(features, -1, 12)


class TestNormalisation:
    def test_statistics_of_pieces_equal_those_of_the_whole(self) -> None:
        sound = recording("speech_2p3s") + np.float32(0.3)
        pieces = [sound[:1], sound[1:1], sound[1:9000], sound[9000:]]
        np.testing.assert_allclose(normalise(sound, WaveStatistics.of(pieces)), normalise(sound), atol=2e-6)
        assert WaveStatistics.of([]) == WaveStatistics(0.0, 0.0)

    def test_given_statistics_are_used(self, extractor: AudioFeatureExtractor) -> None:
        sound = recording("speech_0p5s")
        own = WaveStatistics.of([sound])
        other = WaveStatistics(own.mean, own.variance * 4)
        features = extractor.features(sound)
        torch.testing.assert_close(extractor.features(sound, own), features, atol=TOLERANCE, rtol=0)
        assert (extractor.features(sound, other) - features).abs().max() > 0.01

    def test_silence_is_finite(self, extractor: AudioFeatureExtractor) -> None:
        assert extractor.features(np.zeros(8000, np.float32)).isfinite().all()

    def test_switched_off_by_the_preprocessor(self, extractor: AudioFeatureExtractor, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(SPEECH, tmp_path / "speech"))
        (folder / "preprocessor_config.json").write_text('{"do_normalize": false}')
        sound = recording("speech_0p5s")
        raw = AudioFeatureExtractor.load(folder, torch.float32, "cpu")
        assert torch.equal(raw.features(normalise(sound)), extractor.features(sound))
        assert not torch.equal(raw.features(sound), extractor.features(sound))


@pytest.mark.parametrize("samples", [0, 1, 399, 719, 720])
def test_very_short_sound_gives_one_vector(extractor: AudioFeatureExtractor, samples: int) -> None:
    assert extractor.minimum_samples == 720
    features = extractor.features(np.full(samples, 0.1, np.float32))
    assert features.shape == (25, 1, 32)
    assert features.isfinite().all()


class TestLoading:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return Path(shutil.copytree(SPEECH, tmp_path / "speech"))

    @pytest.fixture
    def tensors(self, folder: Path) -> dict[str, torch.Tensor]:
        source = open_weights(SPEECH / "model.safetensors")
        (folder / "model.safetensors").unlink()
        return {key: source.get(key) for key in source}

    def test_older_names_in_a_torch_dictionary(
        self, extractor: AudioFeatureExtractor, folder: Path, tensors: dict[str, torch.Tensor]
    ) -> None:
        old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
        for new, name in old.items():
            key = f"wav2vec2.encoder.pos_conv_embed.conv.{new}"
            tensors[key.replace(new, name)] = tensors.pop(key)
        torch.save(tensors, folder / "pytorch_model.bin")
        sound = recording("speech_0p5s")
        loaded = AudioFeatureExtractor.load(folder, torch.float32, "cpu")
        assert torch.equal(loaded.features(sound), extractor.features(sound))

    def test_missing_tensor(self, folder: Path, tensors: dict[str, torch.Tensor]) -> None:
        del tensors["wav2vec2.encoder.layers.3.layer_norm.bias"]
        torch.save(tensors, folder / "pytorch_model.bin")
        with pytest.raises(UserError, match=r"1 missing: encoder\.layers\.3\.layer_norm\.bias") as caught:
            AudioFeatureExtractor.load(folder, torch.float32, "cpu")
        assert caught.value.code == "CHECKPOINT_KEYS_MISMATCH"

    def test_missing_file(self, folder: Path) -> None:
        (folder / "preprocessor_config.json").unlink()
        with pytest.raises(UserError, match="preprocessor_config") as caught:
            AudioFeatureExtractor.load(folder, torch.float32, "cpu")
        assert caught.value.code == "CHECKPOINT_INCOMPLETE"

    def test_impossible_configuration(self, folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "num_attention_heads": 5}))
        with pytest.raises(UserError) as caught:
            AudioFeatureExtractor.load(folder, torch.float32, "cpu")
        assert caught.value.code == "CHECKPOINT_CONFIG_INVALID"

    def test_half_precision(self, extractor: AudioFeatureExtractor) -> None:
        sound = recording("speech_0p5s")
        half = AudioFeatureExtractor.load(SPEECH, torch.bfloat16, "cpu").features(sound)
        assert half.dtype == torch.float32
        assert 0 < (half - extractor.features(sound)).abs().max() < 1


class TestSplitPoints:
    def test_short_recordings_stay_whole(self) -> None:
        assert split_points([0.1] * 1500) == [(0, 1500)]
        assert split_points([0.1]) == [(0, 1)]
        assert split_points([]) == [(0, 0)]

    def test_cut_in_the_middle_of_the_quietest_pause_of_the_last_third(self) -> None:
        levels = np.full(200, 0.2)
        levels[20:30] = 0.0
        levels[80:82] = 0.01
        levels[90] = 0.0
        assert split_points(levels, 4.0) == [(0, 81), (81, 94), (175, 25)]

    def test_uniform_sound_is_cut_as_late_as_possible_with_a_second_left(self) -> None:
        assert split_points([0.1] * 210, 4.0) == [(0, 100), (100, 85), (185, 25)]

    def test_limit_too_small(self) -> None:
        with pytest.raises(ValueError, match="max_seconds"):
            split_points([0.1] * 100, 2.9)

    @settings(max_examples=60, deadline=None)
    @given(frames=st.integers(1, 1200), seconds=st.integers(3, 12), seed=st.integers(0, 99))
    def test_segments_cover_everything_once_within_the_limit(self, frames: int, seconds: int, seed: int) -> None:
        levels = np.random.default_rng(seed).random(frames)
        segments = split_points(levels, float(seconds))
        assert [first for first, _ in segments] == [0, *np.cumsum([count for _, count in segments])[:-1].tolist()]
        assert sum(count for _, count in segments) == frames
        assert max(count for _, count in segments) <= seconds * 25
        assert len(segments) == 1 or min(count for _, count in segments) >= 25
