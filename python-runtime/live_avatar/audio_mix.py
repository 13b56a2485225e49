"""Several speakers' recordings mixed to one file for the viewer, streamed in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from live_avatar.errors import UserError
from live_avatar.media.atomic import atomic_path
from live_avatar.media.audio_reader import drain, open_audio, probe_container

_RATE = 48_000
_CHUNK = _RATE  # samples mixed at a time
_HIGHEST_PEAK = 0.99

_Chunk = NDArray[np.float32]


def mix_recordings(paths: Sequence[Path], target: Path) -> None:
    """Write the sum of all recordings as a float WAV, 48 kHz stereo, as long as the longest.

    Shorter ones are followed by silence. If the sum would exceed full scale, all of it is turned down alike.

    Raises:
        UserError: ``AUDIO_…`` as for any recording, ``DISK_FULL``.
    """
    peak = max((float(np.abs(chunk).max()) for chunk in _sums(paths)), default=0.0)
    gain = np.float32(min(1.0, _HIGHEST_PEAK / peak) if peak > 0 else 1.0)
    with atomic_path(target) as temporary:
        options = {"rf64": "auto", "fflags": "+bitexact"}
        with av.open(f"file:{temporary}", "w", format="wav", options=options) as container:
            stream = container.add_stream("pcm_f32le", rate=_RATE, layout="stereo")
            position = 0
            for chunk in _sums(paths):
                interleaved = np.ascontiguousarray((chunk * gain).T).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(interleaved, "flt", "stereo")
                frame.sample_rate = _RATE
                frame.pts = position
                position += chunk.shape[1]
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def _sums(paths: Sequence[Path]) -> Iterator[_Chunk]:
    """Sum of all recordings in chunks [2, samples], until the longest ends."""
    sources = [_chunks(path) for path in paths]
    while True:
        parts = [chunk for source in sources if (chunk := next(source, None)) is not None]
        if not parts:
            return
        total = np.zeros((2, max(part.shape[1] for part in parts)), np.float32)
        for part in parts:
            total[:, : part.shape[1]] += part
        yield total


def _chunks(path: Path) -> Iterator[_Chunk]:
    """A recording in chunks of exactly ``_CHUNK`` samples [2, samples], the last one shorter."""
    rest = np.zeros((2, 0), np.float32)
    for part in _decoded(path):
        rest = np.concatenate([rest, part], axis=1)
        while rest.shape[1] >= _CHUNK:
            yield rest[:, :_CHUNK]
            rest = rest[:, _CHUNK:]
    if rest.shape[1]:
        yield rest


def _decoded(path: Path) -> Iterator[_Chunk]:
    with open_audio(path) as container:
        probe_container(container, path)
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=_RATE)
        try:
            for frame in container.decode(container.streams.audio[0]):
                frame.pts = None
                yield from (np.asarray(part.to_ndarray(), np.float32) for part in resampler.resample(frame))
        except av.error.FFmpegError as error:
            raise UserError(
                "AUDIO_UNREADABLE",
                f'"{path.name}" cannot be mixed with the other recordings.',
                f"FFmpeg says: {error.strerror or type(error).__name__}.",
                "Export that recording again, for example as a WAV.",
                field="audio",
            ) from error
        yield from (np.asarray(part.to_ndarray(), np.float32) for part in drain(resampler))
