"""Loudness as listeners hear it (EBU R 128, ITU-R BS.1770), measured by FFmpeg's filter. One pass in bounded memory."""

from __future__ import annotations

import av
import av.error
import numpy as np
from av.filter import Graph

from live_avatar.media.audio_levels import FloatArray

# What the filter answers when nothing was loud enough to count.
_NOTHING = -69.9


class LoudnessMeter:
    """Fed with chunks float32 [channels, samples]; :attr:`integrated` tells the loudness so far."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._sample_rate = sample_rate
        self._samples = 0
        self._layout = "stereo" if channels == 2 else "mono"
        self._graph = Graph()
        source = self._graph.add_abuffer(sample_rate=sample_rate, format="fltp", layout=self._layout)
        meter = self._graph.add("ebur128", "metadata=1")
        sink = self._graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        self._graph.configure()
        self._integrated: float | None = None

    def add(self, chunk: FloatArray) -> None:
        """Account for one chunk; more than two channels count as their mean."""
        heard = chunk if self._layout == "stereo" else chunk.mean(axis=0, keepdims=True)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(heard, np.float32), "fltp", self._layout)
        frame.sample_rate = self._sample_rate
        frame.pts = self._samples
        self._samples += chunk.shape[1]
        self._graph.push(frame)
        while True:
            try:
                measured = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            value = float(measured.metadata["lavfi.r128.I"])
            self._integrated = value if value > _NOTHING else None

    @property
    def integrated(self) -> float | None:
        """LUFS, or ``None`` for silence and for under 0.4 s."""
        return self._integrated
