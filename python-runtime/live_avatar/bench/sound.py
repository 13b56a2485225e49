"""Sound of any length for a benchmark, from a recording that is played over and over."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from live_avatar.geometry import FRAMES_PER_SECOND
from live_avatar.media.audio_reader import AudioReader, nothing_decoded, open_audio

# Of a longer recording only this much is repeated, so that memory stays small.
_LONGEST_LOOP = 60


def write_looped(recording: Path, seconds: float, path: Path) -> None:
    """Write exactly ``seconds`` of ``recording``, repeated as needed, as a 16-bit WAV of its rate and channels.

    Raises:
        UserError: ``AUDIO_…``.
    """
    with open_audio(recording) as container:
        reader = AudioReader(container, recording, 0, _LONGEST_LOOP * FRAMES_PER_SECOND)
        chunks = list(reader.chunks())
        if not chunks:
            raise nothing_decoded(reader)
    loop = np.concatenate(chunks, axis=1)
    left = round(seconds * reader.sample_rate)
    data = (np.clip(loop, -1.0, 1.0) * 32767).astype("<i2").T
    with wave.open(str(path), "wb") as file:
        file.setnchannels(loop.shape[0])
        file.setsampwidth(2)
        file.setframerate(reader.sample_rate)
        while left > 0:
            piece = np.ascontiguousarray(data[:left])
            file.writeframes(piece.tobytes())
            left -= len(piece)
