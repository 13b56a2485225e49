from __future__ import annotations

import math
import os
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from safetensors.numpy import load_file

from live_avatar.errors import Cancelled, UserError
from live_avatar.media.audio_damage import mp3_frame_bytes
from live_avatar.media.audio_file import decode_audio, probe_audio
from live_avatar.media.viewer_sound import ViewerSound
from tests.media_material import HEIGHT, WIDTH, Sound, moving_frames, noise, viewer_sound, write_sound
from tests.test_media_atomic import largest_file

GOLDEN = Path(__file__).parent / "golden"


def decoded_viewer_sound(path: Path) -> tuple[Sound, int]:
    with av.open(str(path)) as container:
        parts = [np.asarray(frame.to_ndarray(), np.float32) for frame in container.decode(audio=0)]
        return np.concatenate(parts, axis=1), container.streams.audio[0].sample_rate


def codes(warnings: tuple[tuple[str, str], ...]) -> list[str]:
    return [code for code, _ in warnings]


def error_code(path: Path, work: Path) -> str:
    with pytest.raises(UserError) as caught:
        decode_audio(path, work)
    assert caught.value.field == "audio"
    assert not list(work.glob("*")), "nothing may be left half written"
    return caught.value.code


def test_model_sound_equals_the_golden_resampling(tmp_path: Path) -> None:
    expected = load_file(GOLDEN / "cases" / "audio_features.safetensors")["out.stereo_resampled"]
    result = decode_audio(GOLDEN / "media" / "stereo_44k1_0p2s.wav", tmp_path)
    assert result.samples == len(expected)
    assert np.abs(result.model_sound() - expected).max() <= 1e-5


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels"),
    [
        ("a.wav", "pcm_s16le", 16000, 1),
        ("a.wav", "pcm_s16le", 8000, 1),
        ("a.wav", "pcm_f32le", 48000, 6),
        ("a.wav", "pcm_s24le", 96000, 2),
        ("a.mp3", "libmp3lame", 44100, 2),
        ("a.flac", "flac", 44100, 1),
        ("a.m4a", "aac", 48000, 2),
        ("a.ogg", "libopus", 48000, 1),
        ("a.opus", "libopus", 48000, 2),
        ("a.mp3", "libmp3lame", 22050, 1),
    ],
)
def test_common_files(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    tone = 0.25 * np.sin(2 * np.pi * 220 * np.arange(round(1.3 * rate)) / rate)
    path = write_sound(tmp_path / name, np.tile(tone, (channels, 1)).astype(np.float32), rate, codec)
    probe = probe_audio(path)
    assert (probe.sample_rate, probe.channels, probe.has_video) == (rate, channels, False)
    assert probe.duration == pytest.approx(1.3, abs=0.08)

    result = decode_audio(path, tmp_path / "work")
    assert result.frames == math.ceil(result.samples / 640)
    assert result.samples == pytest.approx(1.3 * 16000, abs=0.08 * 16000)
    sound = result.model_sound()
    assert result.model_path.stat().st_size == 4 * result.samples
    middle = sound[4000:12000]
    loss = 0.95 if codec == "libmp3lame" else 1.0  # LAME lowers the level by that, against clipping
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(loss * 0.25 / math.sqrt(2), rel=0.01)
    crossings = np.count_nonzero(np.diff(np.signbit(middle)))
    assert crossings == pytest.approx(220, abs=3)
    assert codes(result.warnings) == (["AUDIO_LOW_RATE"] if rate < 16000 else [])

    viewer, viewer_rate = decoded_viewer_sound(viewer_sound(path, tmp_path / "work"))
    assert viewer_rate == min(rate, 48000)
    assert len(viewer) == min(channels, 2)
    assert viewer.shape[1] / viewer_rate == pytest.approx(result.samples / 16000, abs=1100 / viewer_rate)
    level = np.sqrt(np.mean(viewer[:, viewer_rate // 4 : viewer_rate // 2] ** 2))
    assert level == pytest.approx(loss * 0.25 / math.sqrt(2), rel=0.02)


def test_channel_mean_comes_before_resampling_and_levels_are_measured(tmp_path: Path) -> None:
    sound = noise(2.0, 16000, 2)
    sound[:, 8000:16000] = 0
    result = decode_audio(write_sound(tmp_path / "a.wav", sound, 16000, "pcm_f32le"), tmp_path / "work")
    mono = sound.mean(axis=0)
    assert np.array_equal(result.model_sound(), mono)
    statistics = result.statistics
    assert statistics.frame_rms == pytest.approx(np.sqrt((mono.reshape(50, 640).astype(float) ** 2).mean(1)), rel=1e-5)
    assert statistics.peak == pytest.approx(np.abs(mono).max())
    assert statistics.mean == pytest.approx(mono.mean(), abs=1e-7)
    assert statistics.variance == pytest.approx(mono.astype(float).var())
    assert statistics.channel_peak == pytest.approx(np.abs(sound).max(axis=1))
    # Frame 12 is half noise, frame 25 is the first of noise again.
    assert statistics.silent_fraction == pytest.approx(12 / 50)


def test_levels_of_a_sound_longer_than_one_piece(tmp_path: Path) -> None:
    sound = noise(50.01, 16000)
    result = decode_audio(
        write_sound(tmp_path / "a.wav", sound, 16000, "pcm_f32le"), tmp_path / "work", max_frames=1240
    )
    used = sound[0, : 1240 * 640].astype(float)
    assert result.frames == len(result.statistics.frame_rms) == 1240
    assert result.statistics.variance == pytest.approx(used.var(), rel=1e-9)
    assert result.statistics.frame_rms[1100] == pytest.approx(np.sqrt(np.mean(used[1100 * 640 : 1101 * 640] ** 2)))


@pytest.mark.parametrize("rate", [44100, 48000, 8000])
def test_stretch_is_cut_alike_for_model_and_viewer(tmp_path: Path, rate: int) -> None:
    # A tone that rises by 10 Hz a frame, so that a wrong cut shows in the pitch.
    time = np.arange(4 * rate) / rate
    sweep = 0.3 * np.sin(2 * np.pi * (100 * time + 125 * time**2))
    path = write_sound(tmp_path / "a.wav", sweep[None].astype(np.float32), rate)
    whole = decode_audio(path, tmp_path / "whole")
    part = decode_audio(path, tmp_path / "part", start_frame=30, max_frames=40)
    assert (part.samples, part.frames) == (40 * 640, 40)
    inner = slice(500, -500)
    assert np.abs(part.model_sound()[inner] - whole.model_sound()[30 * 640 : 70 * 640][inner]).max() < 1e-3
    viewer, _ = decoded_viewer_sound(viewer_sound(path, tmp_path / "part", 30, 40))
    first = 30 * rate // 25
    length = 40 * rate // 25
    assert 0 <= viewer.shape[1] - length < 1024
    expected = sweep[first : first + length]
    inner = slice(2000, length - 2000)
    assert np.corrcoef(viewer[0, :length][inner], expected[inner])[0, 1] > 0.995


def test_a_second_run_finds_the_same_files_and_encodes_nothing(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(1.0, 44100, 2), 44100)
    first = decode_audio(path, tmp_path / "work")
    made = (first.model_path, viewer_sound(path, tmp_path / "work"))
    times = [file.stat().st_mtime_ns for file in made]
    again = decode_audio(path, tmp_path / "work")
    assert (first.reused, again.reused) == (False, True)
    assert viewer_sound(path, tmp_path / "work") == made[1]
    assert [file.stat().st_mtime_ns for file in made] == times
    assert again.warnings == first.warnings
    assert again.source == first.source
    assert np.array_equal(again.statistics.frame_rms, first.statistics.frame_rms)

    other = decode_audio(path, tmp_path / "work", max_frames=10)
    assert (other.reused, other.frames) == (False, 10)
    os.truncate(other.model_path, 100)
    assert decode_audio(path, tmp_path / "work", max_frames=10).reused is False


def test_a_viewers_sound_that_is_half_there_is_made_again(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(1.0, 44100), 44100)
    whole = viewer_sound(path, tmp_path / "work").read_bytes()
    os.truncate(tmp_path / "work" / "audio.m4a", 100)
    assert viewer_sound(path, tmp_path / "work").read_bytes() == whole
    assert viewer_sound(path, tmp_path / "work", max_frames=10).read_bytes() != whole


def test_a_viewers_sound_that_nobody_waits_for_leaves_nothing(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(60.0, 44100), 44100)
    sound = ViewerSound(path, "hash", tmp_path / "work")
    sound.close()
    with pytest.raises(Cancelled):
        sound.path()
    assert list((tmp_path / "work").iterdir()) == []


def test_encoding_is_deterministic(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac", noise(1.0, 44100, 2), 44100, "flac")
    viewers = [viewer_sound(path, tmp_path / name) for name in ("one", "two")]
    assert viewers[0].read_bytes() == viewers[1].read_bytes()
    made = [decode_audio(path, tmp_path / name) for name in ("one", "two")]
    assert made[0].model_path.read_bytes() == made[1].model_path.read_bytes()


@pytest.mark.parametrize("silent", [0, 1])
def test_one_silent_channel_is_left_out_for_the_model(tmp_path: Path, silent: int) -> None:
    sound = noise(1.0, 16000, 2)
    sound[silent] = 0
    result = decode_audio(write_sound(tmp_path / "a.wav", sound, 16000, "pcm_f32le"), tmp_path / "work")
    assert codes(result.warnings) == ["AUDIO_CHANNEL_SILENT"]
    assert ("left", "right")[silent] in result.warnings[0][1]
    assert np.abs(result.model_sound() - sound[1 - silent]).max() < 1e-7


@pytest.mark.parametrize(
    ("sound", "expected"),
    [
        (noise(1.0, 16000, level=0.003), "AUDIO_QUIET"),
        (np.sign(noise(1.0, 16000)), "AUDIO_CLIPPED"),
        (np.concatenate([noise(0.2, 16000), np.zeros((1, 16000), np.float32)], axis=1), "AUDIO_MOSTLY_SILENCE"),
        (np.zeros((2, 16000), np.float32), "AUDIO_MOSTLY_SILENCE"),
        (noise(1.0, 8000), "AUDIO_LOW_RATE"),
    ],
)
def test_levels_that_hurt_are_warned_of(tmp_path: Path, sound: Sound, expected: str) -> None:
    rate = 8000 if expected == "AUDIO_LOW_RATE" else 16000
    result = decode_audio(write_sound(tmp_path / "a.wav", sound, rate), tmp_path / "work")
    assert codes(result.warnings) == [expected]


def test_good_sound_has_no_warning(tmp_path: Path) -> None:
    assert decode_audio(write_sound(tmp_path / "a.wav", noise(1.0, 16000), 16000), tmp_path / "work").warnings == ()


@pytest.mark.parametrize("xing", ["1", "0"])
def test_truncated_mp3_is_used_as_far_as_it_goes(tmp_path: Path, xing: str) -> None:
    path = write_sound(tmp_path / "a.mp3", noise(3.0, 44100, 2), 44100, "libmp3lame", {"write_xing": xing})
    os.truncate(path, path.stat().st_size // 2 + 7)
    result = decode_audio(path, tmp_path / "work")
    assert codes(result.warnings) == ["AUDIO_TRUNCATED"]
    assert 1.2 < result.samples / 16000 < 1.8


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("fffb9000", 417),  # MPEG 1, 128 kbit/s, 44.1 kHz
        ("fffb9200", 418),  # the same, padded
        ("fff34000", 104),  # MPEG 2, 32 kbit/s, 22.05 kHz
        ("fffb", 4),
        ("52494646", 0),
    ],
)
def test_mp3_frame_sizes(header: str, size: int) -> None:
    assert mp3_frame_bytes(bytes.fromhex(header)) == size


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac")])
def test_other_truncated_files(tmp_path: Path, name: str, codec: str) -> None:
    path = write_sound(tmp_path / name, noise(3.0, 44100, 2), 44100, codec)
    os.truncate(path, path.stat().st_size // 2)
    result = decode_audio(path, tmp_path / "work")
    assert codes(result.warnings) == ["AUDIO_TRUNCATED"]
    assert 1.2 < result.samples / 16000 < 1.8


def test_damage_in_the_middle_is_told_and_the_rest_is_used(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac", noise(3.0, 44100), 44100, "flac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(6000)
    path.write_bytes(data)
    result = decode_audio(path, tmp_path / "work")
    assert codes(result.warnings) == ["AUDIO_TRUNCATED"]
    assert result.samples / 16000 > 2.5


def test_sound_of_a_video_is_used(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        audio = container.add_stream("aac", rate=48000, layout="stereo")
        for frame in moving_frames(0, 25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(noise(1.0, 48000, 2), "fltp", "stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    assert probe_audio(path).has_video
    result = decode_audio(path, tmp_path / "work")
    assert codes(result.warnings) == ["AUDIO_FROM_VIDEO"]
    assert result.samples == pytest.approx(16000, abs=400)


def test_files_that_are_no_sound(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    assert error_code(tmp_path / "absent.wav", work) == "AUDIO_NOT_FOUND"
    assert error_code(tmp_path, work) == "AUDIO_NOT_FOUND"
    (tmp_path / "text.wav").write_text("this is not sound\n" * 50)
    assert error_code(tmp_path / "text.wav", work) == "AUDIO_UNREADABLE"
    (tmp_path / "zero.mp3").write_bytes(b"")
    assert error_code(tmp_path / "zero.mp3", work) == "AUDIO_UNREADABLE"
    assert error_code(GOLDEN / "media" / "image.png", work) == "AUDIO_NO_STREAM"


def test_a_playlist_given_as_sound_reaches_for_no_network(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://192.0.2.1/a.ts\n#EXT-X-ENDLIST\n")
    work = tmp_path / "work"
    work.mkdir()
    assert error_code(path, work) in {"AUDIO_UNREADABLE", "AUDIO_NO_STREAM"}


def test_no_samples(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
    assert error_code(path, work) == "AUDIO_EMPTY"


def test_start_after_the_end(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(1.0, 16000), 16000)
    with pytest.raises(UserError) as caught:
        decode_audio(path, tmp_path / "work", start_frame=30)
    assert caught.value.code == "AUDIO_EMPTY"
    assert "1.00 s" in caught.value.why


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e30])
def test_samples_that_are_not_numbers_are_refused_with_their_place(tmp_path: Path, bad: float) -> None:
    sound = noise(1.0, 16000, 2)
    sound[1, 12000] = bad
    path = write_sound(tmp_path / "a.wav", sound, 16000, "pcm_f32le")
    work = tmp_path / "work"
    with pytest.raises(UserError) as caught:
        decode_audio(path, work)
    assert caught.value.code == "AUDIO_NAN"
    assert "0.750 s" in caught.value.why
    assert list(work.iterdir()) == []
    assert decode_audio(path, work, max_frames=18).frames == 18, "the bad sample is outside of what is used"


def test_float_sound_beyond_full_scale_is_used(tmp_path: Path) -> None:
    sound = noise(1.0, 16000) * 20_000
    path = write_sound(tmp_path / "a.wav", sound, 16000, "pcm_f32le")
    result = decode_audio(path, tmp_path / "work")
    assert np.array_equal(result.model_sound(), sound[0])
    assert codes(result.warnings) == ["AUDIO_CLIPPED"]
    viewer, _ = decoded_viewer_sound(viewer_sound(path, tmp_path / "work"))
    assert np.abs(viewer).max() < 5


@pytest.mark.parametrize("size", [2000, 40_000, 150_000])
def test_full_disk_leaves_nothing_half(tmp_path: Path, size: int) -> None:
    path = write_sound(tmp_path / "a.wav", noise(3.0, 48000, 2), 48000)
    work = tmp_path / "work"
    with pytest.raises(UserError) as caught, largest_file(size):
        decode_audio(path, work)
    assert caught.value.code == "DISK_FULL"
    assert list(work.iterdir()) == []
    assert decode_audio(path, work).frames == 75
