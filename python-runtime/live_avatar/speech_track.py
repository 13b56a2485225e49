"""One speaker's sound cut into segments, and which stretch of which segment a video frame hears. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from live_avatar.audio_features import Samples, WaveStatistics, split_points
from live_avatar.clip_hash import array_digest, digest
from live_avatar.geometry import SAMPLES_PER_FRAME

MAX_SEGMENT_SECONDS = 60.0
# The speech model gives its last vector a little before its sound ends; a cut recording goes on after the cut.
_MARGIN_FRAMES = 2


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """A stretch of sound that the speech model hears in one piece.

    Attributes:
        first_frame, frames: video frames it speaks for.
        samples: samples [start, end) given to the speech model.
        digest: identity of those samples, of how they are normalised and of the frames.
    """

    first_frame: int
    frames: int
    samples: tuple[int, int]
    digest: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """``frames`` frames of segment ``segment`` from its frame ``offset`` on."""

    segment: int
    offset: int
    frames: int


class SpeechTrack:
    """Where to find the sound of every video frame of one speaker.

    A recording of at most ``max_seconds`` is one segment, normalised by itself: the published behaviour. A longer one
    is cut at quiet places and normalised by the loudness of the whole, so that a quiet segment stays quiet.

    Args:
        sound: float32 [samples] at 16 kHz, for example a memory map.
        frame_rms: loudness of each video frame.
        statistics: mean and variance of the whole recording.
    """

    def __init__(
        self,
        sound: Samples,
        frame_rms: NDArray[np.float32],
        statistics: WaveStatistics,
        max_seconds: float = MAX_SEGMENT_SECONDS,
    ) -> None:
        self.sound = sound
        pieces = split_points(frame_rms, max_seconds)
        self.statistics = None if len(pieces) == 1 else coarse_statistics(statistics)
        self.segments = tuple(self._segment(*piece, last=piece == pieces[-1]) for piece in pieces)

    def samples(self, segment: int) -> Samples:
        """What the speech model hears of a segment."""
        start, end = self.segments[segment].samples
        return np.asarray(self.sound[start:end])

    def stretches(self, first_frame: int, frames: int) -> list[Stretch]:
        """The segments under ``frames`` video frames from ``first_frame`` on; the last segment has no end."""
        found: list[Stretch] = []
        end = first_frame + frames
        for index, segment in enumerate(self.segments):
            is_last = index == len(self.segments) - 1
            stop = end if is_last else min(end, segment.first_frame + segment.frames)
            start = max(first_frame, segment.first_frame)
            if start < stop:
                found.append(Stretch(index, start - segment.first_frame, stop - start))
        return found

    def describe(self, first_frame: int, frames: int) -> list[list[str | int]]:
        """The same as :meth:`stretches` with segments named by content: what a clip's hash takes in."""
        return [[self.segments[s.segment].digest, s.offset, s.frames] for s in self.stretches(first_frame, frames)]

    def _segment(self, first: int, frames: int, *, last: bool) -> SpeechSegment:
        start = first * SAMPLES_PER_FRAME
        end = len(self.sound)
        if not last:
            end = min(end, (first + frames + _MARGIN_FRAMES) * SAMPLES_PER_FRAME)
        statistics = None if self.statistics is None else [self.statistics.mean, self.statistics.variance]
        content = digest([array_digest(np.asarray(self.sound[start:end])), statistics, frames, last])
        return SpeechSegment(first, frames, (start, end), content)


def coarse_statistics(statistics: WaveStatistics) -> WaveStatistics:
    """Statistics on a coarse grid: variance in steps of 3 dB, mean in steps of a tenth of the deviation.

    An edit somewhere in a long recording then leaves the normalisation, and with it the clips elsewhere, as they were.
    The speech model's features hardly depend on the level: its own norms follow.
    """
    if statistics.variance <= 0:
        return WaveStatistics(0.0, 0.0)
    variance = 2.0 ** round(math.log2(statistics.variance))
    step = 0.1 * math.sqrt(variance)
    return WaveStatistics(round(statistics.mean / step) * step, variance)
