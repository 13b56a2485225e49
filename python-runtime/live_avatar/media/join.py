"""The finished MP4 from a take's clips, without encoding anything again."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error

from live_avatar.errors import UserError
from live_avatar.geometry import FRAMES_PER_SECOND
from live_avatar.media.aac import AacTrack
from live_avatar.media.atomic import atomic_path, remove_stale_temporaries
from live_avatar.media.mp4_boxes import boxes
from live_avatar.media.playlist import INIT_NAME, read_playlist

_SPARE_BYTES = 1 << 20


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that exists, before any work is done.

    Raises:
        UserError: ``OUTPUT_EXISTS``, or ``OUTPUT_IS_FOLDER``.
    """
    if output.is_dir():
        raise UserError(
            "OUTPUT_IS_FOLDER",
            f'"{output}" is a folder.',
            "The finished video is one file.",
            f'Give a file name, for example "{output / "video.mp4"}".',
            field="output",
        )
    if output.exists() and not overwrite:
        raise UserError(
            "OUTPUT_EXISTS",
            f'"{output}" exists.',
            "It is kept as it is.",
            "Choose another name, or say --overwrite.",
            field="output",
        )


def join_segments(
    folder: Path,
    output: Path,
    audio: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Join the clips listed in ``folder``'s playlist and all of ``audio`` into ``output``; returns its frames.

    Picture and sound are copied, with the index first (fast start). ``progress`` gets (clips done, clips). Memory
    holds one compressed clip and the index. ``output`` appears only when it is whole.

    Raises:
        UserError: ``OUTPUT_EXISTS``, ``OUTPUT_IS_FOLDER``, ``DISK_FULL``, ``SEGMENTS_MISSING`` (no clip to join),
            ``SEGMENT_DAMAGED``, ``AUDIO_UNREADABLE``.
    """
    check_output(output, overwrite=overwrite)
    playlist = read_playlist(folder)
    paths = playlist.paths(folder)
    if not paths:
        raise UserError(
            "SEGMENTS_MISSING",
            f"There is nothing to join in {folder}.",
            "No finished clip is listed there.",
            "Run the render again; it makes the missing clips.",
            field="output",
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_temporaries(output.parent, output.name)
    _require_space(output, sum(path.stat().st_size for path in [*paths, audio]))
    init = (folder / INIT_NAME).read_bytes()
    with (
        atomic_path(output) as temporary,
        AacTrack(audio) as track,
        _Joiner(temporary, init, paths[0], track) as joiner,
    ):
        for index, (path, frames) in enumerate(zip(paths, playlist.frames, strict=True)):
            joiner.add_clip(path, frames)
            if progress is not None:
                progress(index + 1, len(paths))
        joiner.add_remaining_sound()
    return playlist.total_frames


class _Joiner:
    """An MP4 being written: video packets clip by clip, each preceded by the sound up to it."""

    def __init__(self, path: Path, init: bytes, first_clip: Path, track: AacTrack) -> None:
        self._init = init
        self._frames = 0
        self._rate = track.sample_rate
        self._packets = track.packets()
        self._waiting: av.Packet[av.AudioStream] | None = None
        self._container = av.open(
            f"file:{path}", "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        )
        with _open_clip(init, first_clip) as clip:
            self._video = self._container.add_stream_from_template(clip.streams.video[0])
        self._audio = self._container.add_stream_from_template(track.stream)

    def __enter__(self) -> _Joiner:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def add_clip(self, path: Path, frames: int) -> None:
        """Copy a clip's video packets, which must be ``frames`` in number, and the sound that goes with them."""
        count = 0
        for packet in _video_packets(self._init, path):
            self._add_sound_before(self._frames)
            packet.stream = self._video
            packet.pts = packet.dts = self._frames
            packet.duration = 1
            packet.time_base = Fraction(1, FRAMES_PER_SECOND)
            self._container.mux(packet)
            self._frames += 1
            count += 1
        if count != frames:
            raise _damaged(path, f"it holds {count} frames, the playlist says {frames}")

    def add_remaining_sound(self) -> None:
        """Copy the sound after the last frame's start."""
        self._add_sound_before(None)

    def _add_sound_before(self, frame: int | None) -> None:
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = packet
            if packet is None or packet.pts is None:
                return
            if frame is not None and packet.pts * FRAMES_PER_SECOND >= frame * self._rate:
                return
            packet.stream = self._audio
            self._container.mux(packet)
            self._waiting = None


def _video_packets(init: bytes, path: Path) -> Iterator[av.Packet[av.VideoStream]]:
    with _open_clip(init, path) as clip:
        try:
            for packet in clip.demux(clip.streams.video[0]):
                if packet.size:
                    yield packet
        except av.error.InvalidDataError as error:
            raise _damaged(path, f"FFmpeg says: {error.strerror}") from error


def _open_clip(init: bytes, path: Path) -> av.container.InputContainer:
    segment = path.read_bytes()
    try:
        whole = [box.kind for box in boxes(segment)] == [b"moof", b"mdat"]
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not whole:
        raise _damaged(path, "it is not one fragment of MP4")
    try:
        return av.open(io.BytesIO(init + segment), "r", format="mp4")
    except av.error.FFmpegError as error:
        raise _damaged(path, f"FFmpeg says: {error.strerror}") from error


def _damaged(path: Path, why: str) -> UserError:
    return UserError(
        "SEGMENT_DAMAGED",
        f"The clip {path} cannot be used.",
        f"{why[0].upper()}{why[1:]}.",
        "Delete that file and run the same command again: the clip is made anew.",
        field="output",
    )


def _require_space(output: Path, needed: int) -> None:
    """Fail before writing, not after minutes of it."""
    free = shutil.disk_usage(output.parent).free
    if free < needed + _SPARE_BYTES:
        raise UserError(
            "DISK_FULL",
            f'"{output.name}" does not fit on the disk of {output.parent}.',
            f"It needs {needed / 1e6:.1f} MB and {free / 1e6:.1f} MB are free.",
            "Everything finished so far is kept. Free some space and run the same command again to continue.",
            field="output",
        )
