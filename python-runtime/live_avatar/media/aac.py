"""The viewer's sound: encoded once to AAC in an MP4 file, then copied by packets into segments and the final file."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt

from live_avatar.errors import UserError
from live_avatar.media.audio_reader import drain

BIT_RATE = 192_000
_LEGAL_RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_PACKET_SAMPLES = 1024
_PACKET_BITS_PER_CHANNEL = 6144
_STANDARD_LAYOUTS = {3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def viewer_rate(sample_rate: int) -> int:
    """The sample rate the viewer's sound gets: the original where AAC has it up to 48 kHz, else 48 kHz."""
    return sample_rate if sample_rate in _LEGAL_RATES else 48000


class AacEncoder:
    """Encodes float32 chunks to AAC-LC in MP4, mono or stereo. The same samples give the same bytes.

    ``file`` is a binary file that can be written and sought. ``layout`` is FFmpeg's name of the source's channel
    layout. More than two channels are mixed down to stereo by the standard matrix.
    """

    def __init__(self, file: BinaryIO, sample_rate: int, channels: int, layout: str) -> None:
        rate = viewer_rate(sample_rate)
        self._source_rate = sample_rate
        self._source_layout = _source_layout(channels, layout)
        target = "mono" if self._source_layout == "mono" else "stereo"
        # A mix to 16 bit is normalised, so that loud surround channels cannot add up beyond full scale.
        self._downmix = av.AudioResampler(format="s16p", layout=target) if channels > 2 else None
        self._resampler = av.AudioResampler(format="fltp", layout=target, rate=rate)
        self._container = av.open(file, "w", format="mp4", options={"fflags": "+bitexact"})
        limit = rate * _PACKET_BITS_PER_CHANNEL // _PACKET_SAMPLES * (1 if target == "mono" else 2)
        self._stream = self._container.add_stream("aac", rate=rate, layout=target, bit_rate=min(BIT_RATE, limit))
        self._stream.codec_context.flags |= av.codec.context.Flags.bitexact
        self._samples_in = 0
        self._samples_out = 0

    def add(self, chunk: npt.NDArray[np.float32]) -> None:
        """Encode one chunk, float32 [channels, samples]."""
        if self._source_layout == "mono" and chunk.shape[0] > 1:
            chunk = chunk.mean(axis=0, keepdims=True)
        # Players cut off what is beyond full scale, and the encoder refuses what is far beyond it.
        frame = av.AudioFrame.from_ndarray(np.clip(chunk, -1, 1), "fltp", self._source_layout)
        frame.sample_rate = self._source_rate
        frame.pts = self._samples_in
        frame.time_base = Fraction(1, self._source_rate)
        self._samples_in += chunk.shape[1]
        mixed = [frame] if self._downmix is None else self._downmix.resample(frame)
        for part in mixed:
            self._encode(self._resampler.resample(part))

    def close(self) -> None:
        """Encode what is left and finish the file."""
        if self._downmix is not None:
            for part in drain(self._downmix):
                self._encode(self._resampler.resample(part))
        self._encode(drain(self._resampler))
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _encode(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            frame.pts = self._samples_out
            frame.time_base = Fraction(1, frame.sample_rate)
            self._samples_out += frame.samples
            self._container.mux(self._stream.encode(frame))


class AacTrack:
    """Reads the packets of an ``audio.m4a`` by time, without decoding. Holds one open file; close it or use ``with``.

    Attributes:
        sample_rate: samples a second of the track.
        priming: encoder delay in samples; packet k starts at ``k * 1024 - priming`` on the viewer's clock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.priming = _read_priming(path)
        # Without the edit list the first packet starts at 0, on every version of the demuxer.
        self._container = _open_sound(path, {"ignore_editlist": "1"})
        self.stream = self._container.streams.audio[0]
        self.sample_rate = self.stream.sample_rate
        self._next: int | None = 0

    def __enter__(self) -> AacTrack:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def packets(self, start: int | None = None, end: int | None = None) -> Iterator[av.Packet[av.AudioStream]]:
        """Packets that begin in [``start``, ``end``) samples on the viewer's clock, in order.

        ``None`` means from the very first packet (which begins before 0), and to the last. A packet's ``pts`` and
        ``dts`` are on the viewer's clock, in units of 1 / ``sample_rate``.
        """
        target = 0 if start is None else max(0, start + self.priming)
        self._container.seek(target, stream=self.stream, backward=True)
        for packet in self._container.demux(self.stream):
            if packet.pts is None or packet.pts < target:
                continue
            begin = packet.pts - self.priming
            if end is not None and begin >= end:
                return
            packet.pts = packet.dts = begin
            packet.time_base = Fraction(1, self.sample_rate)
            yield packet


def _source_layout(channels: int, layout: str) -> str:
    if channels == 1:
        return "mono"
    if channels == 2:
        return "stereo"
    if not layout.endswith(" channels"):
        return layout
    return _STANDARD_LAYOUTS.get(channels, "mono")


def _read_priming(path: Path) -> int:
    with _open_sound(path, {}) as container:
        for packet in container.demux(container.streams.audio[0]):
            if packet.pts is not None:
                return max(0, -packet.pts)
    return 0


def _open_sound(path: Path, options: dict[str, str]) -> av.container.InputContainer:
    try:
        return av.open(f"file:{path}", "r", options=options)
    except av.error.FFmpegError as error:
        raise UserError(
            "AUDIO_UNREADABLE",
            f'The prepared sound "{path}" cannot be read.',
            f"FFmpeg says: {error.strerror}.",
            "Delete it and run the same command again: it is made anew from the recording.",
            field="audio",
        ) from error
