"""Reads sound files of any common kind: what the header says, then chunk by chunk what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
from av.stream import Disposition

from live_avatar.errors import UserError
from live_avatar.geometry import FRAMES_PER_SECOND
from live_avatar.media.audio_damage import declares_duration, missing_bytes
from live_avatar.media.audio_levels import FloatArray

_FORMATS = "WAV, MP3, FLAC, M4A, OGG, Opus, or a video file with sound"
# A shorter shortfall is encoder delay or rounding in the header, not a cut-off file.
_MISSING_SECONDS = 0.08
# Full scale is 1; float files scaled like 16- or 20-bit integers exist, anything above is damage.
_LARGEST_SAMPLE = 1e6


@dataclass(frozen=True, slots=True)
class AudioProbe:
    """What the header of a file says about its sound.

    Attributes:
        duration: seconds, or ``None`` where the header does not say.
        sample_rate, channels, codec, container: as FFmpeg names them.
        has_video: whether there are moving pictures in the file (cover art does not count).
    """

    duration: float | None
    sample_rate: int
    channels: int
    codec: str
    container: str
    has_video: bool


class AudioReader:
    """Decodes one stretch of a sound stream chunk by chunk and notes what went wrong on the way."""

    def __init__(
        self, container: av.container.InputContainer, path: Path, start_frame: int, max_frames: int | None
    ) -> None:
        self.path = path
        self._container = container
        self._stream = container.streams.audio[0]
        self._start_frame = start_frame
        self._max_frames = max_frames
        self.sample_rate = 0
        self.layout = ""
        self._position = 0
        self._bad_packets = 0
        self._last_error = ""
        self._last_packet = b""
        self._stopped_early = False

    def chunks(self) -> Iterator[FloatArray]:
        """Float32 [channels, samples] of the wanted stretch, in order.

        Raises:
            UserError: ``AUDIO_NAN``.
        """
        end: int | None = None
        start = 0
        for chunk in self._decoded():
            if self._position == 0:
                start = self._start_frame * self.sample_rate // FRAMES_PER_SECOND
                if self._max_frames is not None:
                    end = (self._start_frame + self._max_frames) * self.sample_rate // FRAMES_PER_SECOND
            first = max(0, start - self._position)
            last = chunk.shape[1] if end is None else min(chunk.shape[1], end - self._position)
            wanted = chunk[:, first : max(first, last)]
            self._refuse_nan(wanted, self._position + first)
            self._position += chunk.shape[1]
            if wanted.shape[1]:
                yield wanted
            if end is not None and self._position >= end:
                self._stopped_early = True
                return

    def warnings(self, probe: AudioProbe, path: Path) -> list[tuple[str, str]]:
        """``AUDIO_TRUNCATED`` if packets were damaged or the file ends before its header says."""
        seconds = self._position / self.sample_rate
        if self._bad_packets:
            why = (
                f"{self._bad_packets} packet{'s are' if self._bad_packets > 1 else ' is'} damaged ({self._last_error})"
            )
        elif self._stopped_early:
            return []
        elif missing := missing_bytes(path, probe.container, self._last_packet):
            why = f"{missing} bytes are missing at its end"
        elif self._falls_short(probe, path, seconds):
            why = f"its header promises {probe.duration:.2f} s"
        else:
            return []
        return [("AUDIO_TRUNCATED", f'"{path.name}" is damaged or cut off: {why}. The {seconds:.2f} s found are used.')]

    @staticmethod
    def _falls_short(probe: AudioProbe, path: Path, seconds: float) -> bool:
        missing = (probe.duration or 0.0) - seconds
        return missing > _MISSING_SECONDS and declares_duration(path, probe.container)

    @property
    def failure(self) -> str:
        """Why nothing could be decoded, or an empty string when there was simply nothing."""
        return self._last_error

    @property
    def found_seconds(self) -> float:
        """Seconds decoded so far, the part before the wanted stretch included."""
        return self._position / self.sample_rate if self.sample_rate else 0.0

    def _decoded(self) -> Iterator[FloatArray]:
        resampler: av.AudioResampler | None = None
        for frame in self._frames():
            if resampler is None:
                self.sample_rate, self.layout = frame.sample_rate, frame.layout.name
                resampler = self._resampler()
            try:
                parts = resampler.resample(frame)
            except ValueError:  # the stream changes its rate or channels here; go on at the first ones
                tail = drain(resampler)
                resampler = self._resampler()
                parts = tail + resampler.resample(frame)
            yield from map(_samples, parts)
        if resampler is not None:
            yield from map(_samples, drain(resampler))

    def _resampler(self) -> av.AudioResampler:
        return av.AudioResampler(format="fltp", layout=self.layout, rate=self.sample_rate)

    def _frames(self) -> Iterator[av.AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                self._note(error)
                return
            if packet.size:
                self._last_packet = bytes(packet)
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                self._note(error)
                continue
            yield from frames

    def _note(self, error: av.error.FFmpegError) -> None:
        self._bad_packets += 1
        self._last_error = error.strerror or type(error).__name__

    def _refuse_nan(self, chunk: FloatArray, position: int) -> None:
        usable = (np.abs(chunk) < _LARGEST_SAMPLE).all(axis=0)  # also false for NaN
        if usable.all():
            return
        seconds = (position + int(np.argmin(usable))) / self.sample_rate
        raise UserError(
            "AUDIO_NAN",
            f'"{self.path.name}" holds samples that are not numbers.',
            f"The first one is at {seconds:.3f} s (not-a-number, infinite, or far out of range).",
            "Export the recording again, for example as a 16-bit WAV.",
            field="audio",
        )


def open_audio(path: Path) -> av.container.InputContainer:
    """Open ``path`` for reading; no network, whatever is in the file.

    Raises:
        UserError: ``AUDIO_NOT_FOUND``, ``AUDIO_UNREADABLE``.
    """
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(
            "AUDIO_NOT_FOUND",
            f'There is no sound file "{path}".',
            f"That path {kind}.",
            "Check the spelling, or give the full path.",
            field="audio",
        )
    try:
        # "file:" and the whitelist keep a playlist or an odd file name from reaching out to the network.
        return av.open(f"file:{path}", "r", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from error


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(
        "AUDIO_UNREADABLE",
        f'"{path.name}" cannot be read as sound.',
        f"FFmpeg says: {reason.rstrip('.')}.",
        f"Give it as {_FORMATS}.",
        field="audio",
    )


def probe_container(container: av.container.InputContainer, path: Path) -> AudioProbe:
    """What the header of the opened file says.

    Raises:
        UserError: ``AUDIO_NO_STREAM``, ``AUDIO_UNREADABLE`` (a codec FFmpeg does not know).
    """
    if not container.streams.audio:
        raise UserError(
            "AUDIO_NO_STREAM",
            f'"{path.name}" has no sound in it.',
            f"FFmpeg reads it as {container.format.long_name or container.format.name} without a sound stream.",
            f"Give the recording as {_FORMATS}.",
            field="audio",
        )
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise _unreadable(path, "there is no decoder for its sound")
    has_video = any(not video.disposition & Disposition.attached_pic for video in container.streams.video)
    duration: float | None = None
    if stream.duration is not None and stream.time_base is not None:
        duration = float(stream.duration * stream.time_base)
    elif container.duration is not None and not has_video:
        duration = container.duration / av.time_base
    return AudioProbe(
        duration=duration,
        sample_rate=stream.codec_context.sample_rate,
        channels=stream.codec_context.layout.nb_channels,
        codec=stream.codec_context.name,
        container=container.format.name,
        has_video=has_video,
    )


def drain(resampler: av.AudioResampler) -> list[av.AudioFrame]:
    """What a resampler still holds at the end; one that passes frames through answers with ``None`` in the list."""
    return list(filter(None, resampler.resample(None)))


def _samples(frame: av.AudioFrame) -> FloatArray:
    return np.asarray(frame.to_ndarray(), np.float32)


def nothing_decoded(reader: AudioReader) -> UserError:
    """The error to raise when a reader gave not one sample."""
    if reader.failure:
        return _unreadable(reader.path, reader.failure)
    if reader.found_seconds:
        why = f"It is {reader.found_seconds:.2f} s long and the wanted stretch begins after its end."
        return UserError(
            "AUDIO_EMPTY", f'"{reader.path.name}" has no sound there.', why, "Choose an earlier start.", field="audio"
        )
    return UserError(
        "AUDIO_EMPTY",
        f'"{reader.path.name}" holds no sound.',
        "The file has a sound stream with not one sample in it.",
        "Choose another recording.",
        field="audio",
    )
