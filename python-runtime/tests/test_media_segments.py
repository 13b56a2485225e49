from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from live_avatar.errors import Cancelled, UserError
from live_avatar.media.audio_file import decode_audio
from live_avatar.media.frames import frame_hashes, read_frames
from live_avatar.media.join import check_output, join_segments
from live_avatar.media.mp4_boxes import boxes, place_fragment
from live_avatar.media.playlist import Playlist, read_playlist, write_playlist
from live_avatar.media.segments import SegmentWriter, VideoCodecSettings
from tests.media_material import HEIGHT, WIDTH, Frame, clicks, moving_frames, noise, render, viewer_sound, write_sound
from tests.test_media_atomic import largest_file

FLASH_FRAMES = (25, 50, 75, 100)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds (100 frames) of AAC at 44.1 kHz, stereo."""
    folder = tmp_path_factory.mktemp("audio")
    return viewer_sound(write_sound(folder / "a.wav", noise(4.0, 44100, 2), 44100), folder)


class Timing(NamedTuple):
    """When things are seen and heard, in seconds of presentation."""

    flashes: list[float]
    clicks: list[float]
    frames: int
    sound_gaps: list[float]


def timing(path: Path) -> Timing:
    """Decode picture and sound of ``path`` and find the flashes (bright frames) and the clicks (onsets)."""
    flashes: list[float] = []
    frames = 0
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            assert picture.time is not None
            frames += 1
            if picture.to_ndarray(format="gray").mean() > 150:
                flashes.append(picture.time)
    onsets: list[float] = []
    gaps: list[float] = []
    expected: float | None = None
    with av.open(str(path)) as container:
        for sound in container.decode(audio=0):
            assert sound.time is not None
            if expected is not None and abs(sound.time - expected) > 1e-4:
                gaps.append(sound.time)
            expected = sound.time + sound.samples / sound.sample_rate
            loud = np.flatnonzero(np.abs(sound.to_ndarray().mean(axis=0)) > 0.35)
            onset = sound.time + loud[0] / sound.sample_rate if len(loud) else None
            if onset is not None and (not onsets or onset - onsets[-1] > 0.1):
                onsets.append(onset)
    return Timing(flashes, onsets, frames, gaps)


def flash_frames(first: int, count: int) -> Iterator[Frame]:
    for number in range(first, first + count):
        yield np.full((HEIGHT, WIDTH, 3), 255 if number in FLASH_FRAMES else 20, np.uint8)


def flash_take(folder: Path, rate: int, channels: int, infer_frames: int, click_delay: float = 0.0) -> Path:
    """A take of 126 frames (5.03 s of sound) with flashes, clicks ``click_delay`` after them; returns its AAC."""
    sound = clicks(5.03, rate, channels, [frame / 25 + click_delay for frame in FLASH_FRAMES])
    source = write_sound(folder / "in.wav", sound, rate)
    frames = decode_audio(source, folder).frames
    viewer = viewer_sound(source, folder)
    counts: list[int] = []
    with SegmentWriter(folder / "clips", WIDTH, HEIGHT, viewer) as writer:
        for index, first in enumerate(range(0, frames, infer_frames)):
            count = min(infer_frames, frames - first)
            counts.append(writer.write_clip(index, first, flash_frames(first, count)).frames)
            write_playlist(folder / "clips", counts, infer_frames, complete=sum(counts) == frames)
    return viewer


@pytest.mark.parametrize(
    ("rate", "channels", "infer_frames"),
    [(44100, 2, 48), (44100, 1, 12), (48000, 2, 24), (48000, 6, 36), (8000, 1, 12), (16000, 1, 48), (22050, 1, 36)],
)
def test_picture_and_sound_are_aligned_everywhere(tmp_path: Path, rate: int, channels: int, infer_frames: int) -> None:
    audio = flash_take(tmp_path, rate, channels, infer_frames)
    clips = tmp_path / "clips"
    assert join_segments(clips, tmp_path / "out.mp4", audio) == 126
    concatenated = tmp_path / "concatenated.mp4"
    parts = [clips / "init.mp4", *sorted(clips.glob("clip_*.m4s"))]
    concatenated.write_bytes(b"".join(part.read_bytes() for part in parts))

    for path in (tmp_path / "out.mp4", concatenated, clips / "playlist.m3u8"):
        measured = timing(path)
        assert measured.flashes == pytest.approx([1, 2, 3, 4], abs=1e-6), path.name
        assert measured.clicks == pytest.approx([1, 2, 3, 4], abs=0.002), path.name
        assert measured.frames == 126
        assert measured.sound_gaps == []

    with av.open(str(tmp_path / "out.mp4")) as container:
        durations = [float((stream.duration or 0) * (stream.time_base or 0)) for stream in container.streams]
        assert durations[0] == pytest.approx(5.04, abs=1e-6)
        assert durations[1] == pytest.approx(5.03, abs=0.002)
        assert [stream.start_time for stream in container.streams] == [0, 0]


def test_the_measure_of_alignment_sees_a_shift(tmp_path: Path) -> None:
    audio = flash_take(tmp_path, 44100, 1, 48, click_delay=0.021)
    join_segments(tmp_path / "clips", tmp_path / "out.mp4", audio)
    assert timing(tmp_path / "out.mp4").clicks == pytest.approx([1.021, 2.021, 3.021, 4.021], abs=0.002)


@pytest.mark.parametrize("infer_frames", [12, 24, 36, 48])
def test_joined_video_is_the_clips_frame_by_frame(tmp_path: Path, audio: Path, infer_frames: int) -> None:
    infos = render(tmp_path / "clips", audio, 100, infer_frames)
    assert sum(info.frames for info in infos) == 100
    seen: list[tuple[int, int]] = []
    join_segments(tmp_path / "clips", tmp_path / "out.mp4", audio, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(index + 1, len(infos)) for index in range(len(infos))]
    of_clips = [digest for info in infos for digest in frame_hashes(info.path)]
    assert frame_hashes(tmp_path / "out.mp4") == of_clips
    assert len(set(of_clips)) == 100, "the frames must differ for this test to mean anything"


def test_every_sound_packet_is_copied_once(tmp_path: Path, audio: Path) -> None:
    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    render(tmp_path / "clips", audio, 100, 12)
    join_segments(tmp_path / "clips", tmp_path / "out.mp4", audio)
    assert packets(tmp_path / "out.mp4") == packets(audio)
    assert packets(tmp_path / "clips" / "playlist.m3u8") == packets(audio)


def test_colours_come_back(tmp_path: Path, audio: Path) -> None:
    colours = np.array(
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 150, 120], [16, 16, 16], [250, 250, 250]], np.uint8
    )
    frame = np.repeat(np.repeat(colours[None], HEIGHT, axis=0), 16, axis=1)
    with SegmentWriter(tmp_path, WIDTH, HEIGHT, audio) as writer:
        info = writer.write_clip(0, 0, [frame] * 3)
    for decoded in read_frames(info.path):
        middles = decoded[HEIGHT // 2, 8::16].astype(int)
        assert np.abs(middles - colours).max() <= 4
    with av.open(str(tmp_path / "init.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


def test_each_clip_starts_with_its_only_keyframe_and_has_no_reordering(tmp_path: Path, audio: Path) -> None:
    for info in render(tmp_path, audio, 100, 48):
        data = (tmp_path / "init.mp4").read_bytes() + info.path.read_bytes()
        (tmp_path / "one.mp4").write_bytes(data)
        with av.open(str(tmp_path / "one.mp4")) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        assert [packet.is_keyframe for packet in packets] == [True] + [False] * (info.frames - 1)
        assert [packet.pts for packet in packets] == [(info.first_frame + k) * 512 for k in range(info.frames)]
        assert all(packet.pts == packet.dts for packet in packets)


def test_bytes_are_the_same_again_and_one_clip_can_be_replaced(tmp_path: Path, audio: Path) -> None:
    first = render(tmp_path / "one", audio, 100, 36)
    again = render(tmp_path / "two", audio, 100, 36)
    assert [info.sha256 for info in first] == [info.sha256 for info in again]
    assert (tmp_path / "one" / "init.mp4").read_bytes() == (tmp_path / "two" / "init.mp4").read_bytes()
    for info in first:
        assert hashlib.sha256(info.path.read_bytes()).hexdigest() == info.sha256
        assert info.path.stat().st_size == info.bytes

    before = frame_hashes(tmp_path / "two" / "playlist.m3u8")
    with SegmentWriter(tmp_path / "two", WIDTH, HEIGHT, audio) as writer:
        changed = writer.write_clip(1, 36, moving_frames(500, 36))
        assert changed.sha256 != first[1].sha256
        after = frame_hashes(tmp_path / "two" / "playlist.m3u8")
        assert (after[:36], after[72:]) == (before[:36], before[72:])
        assert not set(after[36:72]) & set(before[36:72])
        restored = writer.write_clip(1, 36, moving_frames(36, 36))
    assert restored.sha256 == first[1].sha256


def test_bytes_do_not_depend_on_what_was_in_memory_before(tmp_path: Path, audio: Path) -> None:
    """x264 with its defaults fails this: in narrow pictures its bytes depend on what the heap held."""
    random = np.random.default_rng(3)
    digests = set()
    litter: list[Frame] = []
    with SegmentWriter(tmp_path, WIDTH, HEIGHT, audio) as writer:
        for turn in range(12):
            digests.add(writer.write_clip(0, 0, moving_frames(0, 12)).sha256)
            sizes = random.choice([200, 9216, 14_000, 40_000, 100_000, 300_000], random.integers(0, 60))
            litter = [] if turn % 3 == 0 else [random.integers(0, 255, size, np.uint8) for size in sizes]
    assert len(litter) > 0
    assert len(digests) == 1


def test_a_take_longer_or_shorter_than_its_sound(tmp_path: Path, audio: Path) -> None:
    for frames in (60, 130):
        folder = tmp_path / str(frames)
        render(folder, audio, frames, 24)
        join_segments(folder, folder / "out.mp4", audio)
        assert timing(folder / "out.mp4").frames == frames
        assert timing(folder / "playlist.m3u8").frames == frames


def test_a_failing_or_cancelled_clip_writes_nothing(tmp_path: Path, audio: Path) -> None:
    def cancelled() -> Iterator[Frame]:
        yield from moving_frames(0, 5)
        raise Cancelled

    with SegmentWriter(tmp_path, WIDTH, HEIGHT, audio) as writer:
        with pytest.raises(Cancelled):
            writer.write_clip(0, 0, cancelled())
        with pytest.raises(ValueError, match="at least one frame"):
            writer.write_clip(0, 0, [])
        with pytest.raises(ValueError, match=r"expected uint8 \[64, 96, 3\]"):
            writer.write_clip(0, 0, [np.zeros((WIDTH, HEIGHT, 3), np.uint8)])
        with pytest.raises(ValueError, match="got float32"):
            writer.write_clip(0, 0, [np.zeros((HEIGHT, WIDTH, 3), np.float32)])
    assert [path.name for path in tmp_path.iterdir()] == ["init.mp4"]


def test_frames_are_taken_one_by_one(tmp_path: Path, audio: Path) -> None:
    """RAM is bounded only if a frame can be freed before the last one is made."""
    import weakref

    alive: list[weakref.ref[Frame]] = []
    most = 0

    def watched() -> Iterator[Frame]:
        nonlocal most
        for frame in moving_frames(0, 100):
            fresh = frame.copy()
            alive.append(weakref.ref(fresh))
            yield fresh
            del fresh
            most = max(most, sum(reference() is not None for reference in alive))

    with SegmentWriter(tmp_path, WIDTH, HEIGHT, audio) as writer:
        writer.write_clip(0, 0, watched())
    assert most <= 2


def test_a_folder_of_other_clips_is_not_continued(tmp_path: Path, audio: Path) -> None:
    render(tmp_path, audio, 24, 24)
    with pytest.raises(UserError) as caught:
        SegmentWriter(tmp_path, WIDTH + 32, HEIGHT, audio)
    assert caught.value.code == "SEGMENT_FORMAT_CHANGED"
    with pytest.raises(UserError) as caught:
        SegmentWriter(tmp_path, WIDTH, HEIGHT, audio, VideoCodecSettings(preset="ultrafast"))
    assert caught.value.code == "SEGMENT_FORMAT_CHANGED"


def test_full_disk_keeps_finished_clips(tmp_path: Path, audio: Path) -> None:
    clips = tmp_path / "clips"
    infos = render(clips, audio, 48, 48)
    with SegmentWriter(clips, WIDTH, HEIGHT, audio) as writer:
        with pytest.raises(UserError) as caught, largest_file(3000):
            writer.write_clip(1, 48, moving_frames(48, 48))
        assert caught.value.code == "DISK_FULL"
        assert sorted(path.name for path in clips.iterdir()) == ["clip_00000.m4s", "init.mp4", "playlist.m3u8"]
        assert hashlib.sha256(infos[0].path.read_bytes()).hexdigest() == infos[0].sha256
        assert writer.write_clip(1, 48, moving_frames(48, 48)).frames == 48


@pytest.mark.parametrize("size", [500, 20_000, 100_000])
def test_full_disk_while_joining_keeps_the_output_that_was_there(tmp_path: Path, audio: Path, size: int) -> None:
    render(tmp_path / "clips", audio, 100, 48)
    output = tmp_path / "out" / "video.mp4"
    output.parent.mkdir()
    output.write_bytes(b"old")
    with pytest.raises(UserError) as caught, largest_file(size):
        join_segments(tmp_path / "clips", output, audio, overwrite=True)
    assert caught.value.code == "DISK_FULL"
    assert output.read_bytes() == b"old"
    assert [path.name for path in output.parent.iterdir()] == ["video.mp4"]


def test_no_room_is_seen_before_joining(tmp_path: Path, audio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render(tmp_path / "clips", audio, 24, 24)
    usage = shutil.disk_usage(tmp_path)._replace(free=1_100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError) as caught:
        join_segments(tmp_path / "clips", tmp_path / "out.mp4", audio)
    assert caught.value.code == "DISK_FULL"
    assert not (tmp_path / "out.mp4").exists()


def test_an_output_that_exists_is_kept(tmp_path: Path, audio: Path) -> None:
    render(tmp_path / "clips", audio, 24, 24)
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    with pytest.raises(UserError) as caught:
        join_segments(tmp_path / "clips", output, audio)
    assert caught.value.code == "OUTPUT_EXISTS"
    assert output.read_bytes() == b"precious"
    assert join_segments(tmp_path / "clips", output, audio, overwrite=True) == 24
    assert len(frame_hashes(output)) == 24
    with pytest.raises(UserError) as caught:
        check_output(tmp_path, overwrite=True)
    assert caught.value.code == "OUTPUT_IS_FOLDER"


def test_the_index_comes_first_and_the_join_is_deterministic(tmp_path: Path, audio: Path) -> None:
    render(tmp_path / "clips", audio, 100, 48)
    for name in ("a.mp4", "b.mp4"):
        join_segments(tmp_path / "clips", tmp_path / name, audio)
    data = (tmp_path / "a.mp4").read_bytes()
    kinds = [box.kind for box in boxes(data)]
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert data == (tmp_path / "b.mp4").read_bytes()


def test_ffprobe_agrees_where_there_is_one(tmp_path: Path, audio: Path) -> None:
    """PyAV's reading is the main check, above; the command-line tool is a second opinion where it is installed."""
    render(tmp_path / "clips", audio, 100, 48)
    join_segments(tmp_path / "clips", tmp_path / "out.mp4", audio)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration == pytest.approx(4_000_000, abs=1000)
    ffprobe = shutil.which("ffprobe")
    if ffprobe is not None:
        command = [ffprobe, "-v", "error", "-of", "json", "-count_frames", "-show_streams", str(tmp_path / "out.mp4")]
        finished = subprocess.run(command, capture_output=True, check=True, text=True)
        assert finished.stderr == ""
        video, sound = json.loads(finished.stdout)["streams"]
        assert (video["nb_read_frames"], video["r_frame_rate"], video["color_space"]) == ("100", "25/1", "bt709")
        assert float(sound["start_time"]) == 0


def test_damaged_clips_are_named(tmp_path: Path, audio: Path) -> None:
    infos = render(tmp_path / "clips", audio, 72, 24)
    whole = infos[1].path.read_bytes()
    for damaged in (whole[:-300], whole[:200], bytes(len(whole))):
        infos[1].path.write_bytes(damaged)
        with pytest.raises(UserError) as caught:
            join_segments(tmp_path / "clips", tmp_path / "out.mp4", audio)
        assert caught.value.code == "SEGMENT_DAMAGED"
        assert "clip_00001.m4s" in caught.value.what
        assert not (tmp_path / "out.mp4").exists()
    shutil.rmtree(tmp_path / "clips")
    (tmp_path / "clips").mkdir()
    with pytest.raises(UserError) as caught:
        join_segments(tmp_path / "clips", tmp_path / "out.mp4", audio)
    assert caught.value.code == "SEGMENTS_MISSING"


def test_playlist_round_trip(tmp_path: Path) -> None:
    for name in ("init.mp4", "clip_00000.m4s", "clip_00001.m4s", "clip_00002.m4s"):
        (tmp_path / name).write_bytes(b"x")
    assert read_playlist(tmp_path) == Playlist((), complete=False)
    write_playlist(tmp_path, [48, 48], 48, complete=False)
    assert read_playlist(tmp_path) == Playlist((48, 48), complete=False)
    text = (tmp_path / "playlist.m3u8").read_text()
    assert "#EXT-X-TARGETDURATION:2\n" in text
    assert "#EXT-X-ENDLIST" not in text
    write_playlist(tmp_path, [48, 48, 7], 48, complete=True)
    assert read_playlist(tmp_path) == Playlist((48, 48, 7), complete=True)
    assert read_playlist(tmp_path).total_frames == 103
    assert [path.name for path in read_playlist(tmp_path).paths(tmp_path)][-1] == "clip_00002.m4s"


def test_playlist_counts_only_what_is_there(tmp_path: Path) -> None:
    for name in ("init.mp4", "clip_00000.m4s", "clip_00001.m4s", "clip_00002.m4s"):
        (tmp_path / name).write_bytes(b"x")
    write_playlist(tmp_path, [12, 12, 12], 12, complete=True)
    (tmp_path / "clip_00001.m4s").write_bytes(b"")
    assert read_playlist(tmp_path) == Playlist((12,), complete=False)
    (tmp_path / "init.mp4").unlink()
    assert read_playlist(tmp_path) == Playlist((), complete=False)
    (tmp_path / "init.mp4").write_bytes(b"x")
    for garbage in (b"", b"\xff\xfe", b"#EXTM3U\nclip_00000.m4s\n"):
        (tmp_path / "playlist.m3u8").write_bytes(garbage)
        assert read_playlist(tmp_path) == Playlist((), complete=False)


@pytest.mark.parametrize("count", [1, 11, 12, 36, 47, 48, 60, 250])
def test_every_clip_length_survives_its_text_form(tmp_path: Path, count: int) -> None:
    for name in ("init.mp4", "clip_00000.m4s"):
        (tmp_path / name).write_bytes(b"x")
    write_playlist(tmp_path, [count], 48, complete=False)
    assert read_playlist(tmp_path).frames == (count,)


def test_boxes_refuse_damage(tmp_path: Path, audio: Path) -> None:
    info = render(tmp_path, audio, 12, 12)[0]
    segment = info.path.read_bytes()
    assert [box.kind for box in boxes(segment)] == [b"moof", b"mdat"]
    with pytest.raises(ValueError, match="size"):
        list(boxes(segment[:-1]))
    with pytest.raises(ValueError, match="track 2"):
        place_fragment(segment, 1, {1: 0})
