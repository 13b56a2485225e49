"""Which H.264 encoder a take gets. The card's is stood in for by x264 under other settings, or by what fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av
import pytest

from live_avatar.errors import UserError
from live_avatar.media import segments, video_encoder
from live_avatar.media.frames import frame_hashes
from live_avatar.media.join import join_segments
from live_avatar.media.playlist import write_playlist
from live_avatar.media.segments import SegmentWriter, VideoCodecSettings
from live_avatar.media.video_encoder import ENCODERS, H264Encoder, choose_encoders, why_unusable
from tests.media_material import HEIGHT, WIDTH, Frame, moving_frames, noise, viewer_sound, write_sound

SOFTWARE = ENCODERS[-1]
SETTINGS = VideoCodecSettings()


def stand_in(name: str = "libx264", **options: str) -> H264Encoder:
    """An encoder that counts as the card's."""

    def made(settings: VideoCodecSettings) -> Mapping[str, str]:
        return {"crf": "20", "preset": "ultrafast", "bf": "0", "g": "250", "flags": "+cgop", "threads": "1"} | options

    return H264Encoder(name, True, made)


WORKS = stand_in()


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    return viewer_sound(write_sound(folder / "a.wav", noise(2.0, 44100), 44100), folder)


def reason(encoder: H264Encoder) -> str:
    answer = why_unusable(encoder, SETTINGS, WIDTH, HEIGHT)
    assert answer is not None
    return answer


def test_encoders_that_make_clips_pass_the_trial() -> None:
    assert why_unusable(WORKS, SETTINGS, WIDTH, HEIGHT) is None
    assert why_unusable(SOFTWARE, SETTINGS, 704, 384) is None


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        (stand_in("no_such_encoder"), "no_such_encoder"),
        (stand_in("aac"), "no video encoder"),
        (stand_in(**{"bf": "2", "x264-params": "b-adapt=0"}), "another order"),
        (stand_in(g="1"), "key frames"),
        (stand_in("mpeg4", b="1000000"), "It answers"),
        (stand_in(preset="no such preset"), "It answers"),
    ],
)
def test_others_are_refused_in_words(encoder: H264Encoder, words: str) -> None:
    assert words in reason(encoder)


def test_pictures_that_are_not_the_given_ones_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = video_encoder.to_picture
    given: list[int] = []

    def darkened(frame: Frame, position: int) -> av.VideoFrame:
        given.append(position)
        # The first ones go into the encoder; the rest is what its pictures are compared with.
        return real(frame // 4 if len(given) <= 4 else frame, position)

    monkeypatch.setattr(video_encoder, "to_picture", darkened)
    assert reason(stand_in(crf="21")) == "What comes back is not what was given."


def test_a_start_without_an_idr_picture_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_encoder, "_unit_types", lambda packet: [6, 1])
    assert reason(stand_in(crf="22")) == "Its first picture is not one to start from."


def test_a_computer_without_a_card_takes_x264() -> None:
    usable, note = choose_encoders(ENCODERS, SETTINGS, WIDTH, HEIGHT)
    assert usable[-1] is SOFTWARE
    # On a computer with NVENC the card's comes first and there is nothing to say.
    assert (len(usable), note is None) in {(1, False), (2, True)}
    if note is not None:
        assert note.startswith("The video is compressed on the processor: h264_nvenc cannot be used here.")


def test_the_cards_encoder_is_not_tried_when_it_is_not_wanted() -> None:
    settings = VideoCodecSettings(hardware=False)
    assert choose_encoders((stand_in("no_such_encoder"), SOFTWARE), settings, WIDTH, HEIGHT) == ([SOFTWARE], None)
    assert choose_encoders((WORKS, SOFTWARE), settings, WIDTH, HEIGHT) == ([SOFTWARE], None)


def test_a_failing_encoder_is_replaced_and_told(tmp_path: Path, audio: Path) -> None:
    encoders = (stand_in("no_such_encoder"), SOFTWARE)
    with SegmentWriter(tmp_path / "a", WIDTH, HEIGHT, audio, encoders=encoders) as writer:
        assert writer.encoder is SOFTWARE
        assert writer.encoder_note is not None
        assert "no_such_encoder cannot be used here" in writer.encoder_note
        replaced = writer.write_clip(0, 0, moving_frames(0, 12))
    with SegmentWriter(tmp_path / "b", WIDTH, HEIGHT, audio, encoders=(SOFTWARE,)) as writer:
        assert writer.encoder_note is None
        assert writer.write_clip(0, 0, moving_frames(0, 12)).sha256 == replaced.sha256


def test_clips_of_the_cards_encoder_start_with_their_only_key_frame_and_join_frame_by_frame(
    tmp_path: Path, audio: Path
) -> None:
    clips = tmp_path / "clips"
    counts = []
    with SegmentWriter(clips, WIDTH, HEIGHT, audio, encoders=(WORKS, SOFTWARE)) as writer:
        assert writer.encoder is WORKS
        assert writer.encoder_note is None
        for index, first in enumerate(range(0, 50, 24)):
            counts.append(writer.write_clip(index, first, moving_frames(first, min(24, 50 - first))).frames)
            write_playlist(clips, counts, 24, complete=sum(counts) == 50)
    whole = b"".join(path.read_bytes() for path in (clips / "init.mp4", *sorted(clips.glob("*.m4s"))))
    (tmp_path / "whole.mp4").write_bytes(whole)
    with av.open(str(tmp_path / "whole.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [at for at, packet in enumerate(packets) if packet.is_keyframe] == [0, 24, 48]
    assert [packet.pts for packet in packets] == [frame * 512 for frame in range(50)]
    assert join_segments(clips, tmp_path / "out.mp4", audio) == 50
    assert len(set(frame_hashes(tmp_path / "out.mp4"))) == 50


def test_the_encoder_that_began_a_take_goes_on(tmp_path: Path, audio: Path) -> None:
    both, processor = (WORKS, SOFTWARE), (SOFTWARE,)
    for begun, expected in ((processor, SOFTWARE), (both, WORKS)):
        folder = tmp_path / expected.name / str(expected.hardware)
        with SegmentWriter(folder, WIDTH, HEIGHT, audio, encoders=begun) as writer:
            first = writer.write_clip(0, 0, moving_frames(0, 12))
            init = (folder / "init.mp4").read_bytes()
        with SegmentWriter(folder, WIDTH, HEIGHT, audio, encoders=both) as writer:
            assert writer.encoder is expected
            assert (folder / "init.mp4").read_bytes() == init
            assert writer.write_clip(0, 0, moving_frames(0, 12)).sha256 == first.sha256
    with pytest.raises(UserError) as caught:
        SegmentWriter(tmp_path / "libx264" / "True", WIDTH, HEIGHT, audio, encoders=processor)
    assert caught.value.code == "SEGMENT_FORMAT_CHANGED"


def test_a_card_that_stops_in_a_clip_keeps_those_before(
    tmp_path: Path, audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = video_encoder.to_picture

    def breaks(frame: Frame, position: int) -> av.VideoFrame:
        if position == 5:
            raise av.error.ExternalError(1, "out of sessions")
        return real(frame, position)

    with SegmentWriter(tmp_path, WIDTH, HEIGHT, audio, encoders=(WORKS, SOFTWARE)) as writer:
        writer.write_clip(0, 0, moving_frames(0, 12))
        monkeypatch.setattr(segments, "to_picture", breaks)
        with pytest.raises(UserError) as caught:
            writer.write_clip(1, 12, moving_frames(12, 12))
    assert caught.value.code == "VIDEO_ENCODER_FAILED"
    assert "out of sessions" in caught.value.why
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip_00000.m4s", "init.mp4"]
