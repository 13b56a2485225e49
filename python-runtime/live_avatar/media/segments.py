"""One finished piece of fragmented MP4 per clip: H.264 from frames, AAC copied from the prepared sound.

A folder holds ``init.mp4`` and ``clip_00000.m4s``, ``clip_00001.m4s`` …; put end to end they are a valid MP4, and an
HLS playlist over them plays. Each clip has its own encoder, so a clip's bytes depend on its frames alone: a continued
run writes the same bytes, and one clip can be replaced without touching its neighbours.

FFmpeg's hls muxer was weighed: it keeps one encoder and one clock for the whole run, so it can neither continue after a
kill with identical bytes nor replace a single clip. Here FFmpeg writes each fragment and only its times are set after.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from live_avatar.errors import UserError
from live_avatar.geometry import FRAMES_PER_SECOND
from live_avatar.init_part import same_format
from live_avatar.media.aac import AacTrack
from live_avatar.media.atomic import atomic_write_bytes, remove_stale_temporaries
from live_avatar.media.mp4_boxes import place_fragment, split_fragmented
from live_avatar.media.playlist import INIT_NAME, clip_name
from live_avatar.media.video_encoder import (
    ENCODERS,
    Frame,
    H264Encoder,
    VideoCodecSettings,
    add_stream,
    choose_encoders,
    to_picture,
)

__all__ = ["Frame", "SegmentInfo", "SegmentWriter", "VideoCodecSettings"]

_VIDEO_TRACK, _AUDIO_TRACK = 1, 2
_TICKS_PER_FRAME = 512  # the video track counts 12800 a second at 25 frames a second
_MUX_OPTIONS = {
    # One fragment per file, times relative to its own start, nothing after the fragment.
    "movflags": "frag_custom+delay_moov+default_base_moof+skip_trailer",
    "video_track_timescale": str(_TICKS_PER_FRAME * FRAMES_PER_SECOND),
    "fflags": "+bitexact",
}


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """A clip on disk.

    ``frames`` counts its frames, ``sha256`` and ``bytes`` are of the file.
    """

    index: int
    first_frame: int
    frames: int
    path: Path
    sha256: str
    bytes: int


class SegmentWriter:
    """Writes the clips of one take into ``folder``; see the module's text. Use it with ``with``, or call ``close``.

    Opening one, at the latest for its first clip, writes ``init.mp4``; one that is there already has to be of the same
    format. With several encoders at hand, the one that made it goes on, and the first one begins.

    Attributes:
        encoder: what compresses the frames.
        encoder_note: in words, why the card's encoder cannot be used though it was wanted; or ``None``.

    Args:
        audio: the viewer's sound: a file, opened at once, or what gives one when the first clip needs it.

    Raises:
        UserError: ``DISK_FULL``; and with a file what :meth:`open` raises.
    """

    def __init__(
        self,
        folder: Path,
        width: int,
        height: int,
        audio: Path | Callable[[], Path],
        settings: VideoCodecSettings | None = None,
        encoders: Sequence[H264Encoder] = ENCODERS,
    ) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"{width}x{height}: both sides must be even")
        self.folder = folder
        self.width = width
        self.height = height
        self.settings = settings or VideoCodecSettings()
        self._usable, self.encoder_note = choose_encoders(encoders, self.settings, width, height)
        self.encoder = self._usable[0]
        self._audio = audio
        self._track: AacTrack | None = None
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale_temporaries(folder)
        if isinstance(audio, Path):
            self.open()

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Wait for the sound and write the initialisation part, if that is not done yet.

        Raises:
            UserError: ``DISK_FULL``; ``SEGMENT_FORMAT_CHANGED`` when the folder holds clips of another size, sound or
                codec setting, which cannot be continued; ``AUDIO_UNREADABLE`` when the sound is damaged; and what
                making it raised.
        """
        if self._track is not None:
            return
        track = AacTrack(self._audio if isinstance(self._audio, Path) else self._audio())
        try:
            self._write_init(track)
        except BaseException:
            track.close()
            raise
        self._track = track

    def close(self) -> None:
        """Close the sound file. Clips are whole on disk already."""
        if self._track is not None:
            self._track.close()

    def write_clip(self, index: int, first_frame: int, frames: Iterable[Frame]) -> SegmentInfo:
        """Encode ``frames`` (uint8 RGB [height, width, 3]) as clip ``index``, shown from ``first_frame`` on.

        Frames are taken from the iterator one by one while encoding; what is held is one compressed clip. If the
        iterator raises, nothing is written. An existing clip of that index is replaced.

        Raises:
            UserError: ``DISK_FULL``, or ``VIDEO_ENCODER_FAILED`` of the card's encoder; the clips before this one are
                kept. For the first clip what :meth:`open` raises, too.
            ValueError: no frames, or a frame of another shape or dtype.
        """
        self.open()
        assert self._track is not None
        try:
            data, count, decode_times = self._mux(self._track, frames, first_frame, is_init=False)
        except av.FFmpegError as error:
            if not self.encoder.hardware:
                raise
            raise UserError(
                "VIDEO_ENCODER_FAILED",
                f"Clip {index + 1} could not be compressed.",
                f"The card's encoder ({self.encoder.name}) stopped: {error.strerror}.",
                "Run the command again: finished clips are kept. Other programs may be using the encoder.",
            ) from error
        _, fragment = split_fragmented(data)
        segment = place_fragment(fragment, index + 1, decode_times)
        path = self.folder / clip_name(index)
        atomic_write_bytes(path, segment)
        digest = hashlib.sha256(segment).hexdigest()
        return SegmentInfo(index, first_frame, count, path, digest, len(segment))

    def _write_init(self, track: AacTrack) -> None:
        """Make the initialisation part from one black frame and the first packet, whose time sets the edit list."""
        black = np.zeros((self.height, self.width, 3), np.uint8)
        path = self.folder / INIT_NAME
        before = path.read_bytes() if path.exists() else None
        for encoder in self._usable:
            self.encoder = encoder
            data, _, _ = self._mux(track, [black], 0, is_init=True)
            init, _ = split_fragmented(data)
            if before == init:
                return
            if before is None or same_format(before, init):
                atomic_write_bytes(path, init)
                return
        raise UserError(
            "SEGMENT_FORMAT_CHANGED",
            f"The clips in {self.folder} cannot be continued.",
            "They were made with another picture size, sound, codec setting or version of the encoder.",
            "Start the render anew in an empty work folder.",
            field="output",
        )

    def _mux(
        self, track: AacTrack, frames: Iterable[Frame], first_frame: int, *, is_init: bool
    ) -> tuple[bytes, int, dict[int, int]]:
        """One fragmented MP4 in memory, its number of frames, and the decode time of each track it holds."""
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mp4", options=_MUX_OPTIONS) as container:
            video = add_stream(container, self.encoder, self.settings, self.width, self.height)
            audio = container.add_stream_from_template(track.stream)
            count = 0
            for frame in frames:
                container.mux(video.encode(self._picture(frame, count)))
                count += 1
            if count == 0:
                raise ValueError("a clip needs at least one frame")
            container.mux(video.encode(None))
            decode_times = {_VIDEO_TRACK: first_frame * _TICKS_PER_FRAME}
            start = None if first_frame == 0 else _sample_of(track, first_frame)
            first_packet: int | None = None
            for packet in track.packets(start, _sample_of(track, first_frame + count)):
                if first_packet is None:
                    first_packet = packet.pts or 0
                    decode_times[_AUDIO_TRACK] = first_packet + track.priming
                if not is_init:
                    # Every clip's own clock starts at 0: with no early packet there is no edit list to differ.
                    packet.pts = packet.dts = (packet.pts or 0) - first_packet
                packet.stream = audio
                container.mux(packet)
                if is_init:
                    break
        return buffer.getvalue(), count, decode_times

    def _picture(self, frame: Frame, position: int) -> av.VideoFrame:
        if frame.shape != (self.height, self.width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"expected uint8 [{self.height}, {self.width}, 3], got {frame.dtype} {list(frame.shape)}")
        return to_picture(frame, position)


def _sample_of(track: AacTrack, frame: int) -> int:
    """First sample of the viewer's sound that belongs to ``frame``."""
    return -(-frame * track.sample_rate // FRAMES_PER_SECOND)
