"""One speaker's sound cut into segments, and which stretch of which segment a video frame hears. No torch."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from live_avatar.audio_features import Samples, WaveStatistics, split_points
from live_avatar.clip_hash import array_digest, digest
from live_avatar.geometry import SAMPLES_PER_FRAME
from live_avatar.media.audio_levels import SILENT_FRAME_RMS

MAX_SEGMENT_SECONDS = 60.0
# The speech model gives its last vector a little before its sound ends; a cut recording goes on after the cut.
_MARGIN_FRAMES = 2
_LEAST_VARIANCE = SILENT_FRAME_RMS**2


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """A stretch of sound that the speech model hears in one piece.

    Attributes:
        first_frame, frames: video frames it speaks for.
        samples: samples [start, end) of the recording given to the speech model.
        silence: samples of digital silence given after them.
        statistics: what they are normalised by; ``None``: by themselves.
        digest: identity of all that the speech model gets, and of the frames.
    """

    first_frame: int
    frames: int
    samples: tuple[int, int]
    silence: int
    statistics: WaveStatistics | None
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

    With ``cuts`` the recording is a row of utterances, each heard and normalised by itself, so that an edit of one
    leaves the others' features as they are. What follows a cut is not heard before it: silence is.

    Args:
        sound: float32 [samples] at 16 kHz, for example a memory map.
        frame_rms: loudness of each video frame.
        statistics: mean and variance of the whole recording.
        cuts: frames at which an utterance begins; those outside the recording are passed over, but any at all mean
            that there are utterances.
    """

    def __init__(
        self,
        sound: Samples,
        frame_rms: NDArray[np.float32],
        statistics: WaveStatistics,
        max_seconds: float = MAX_SEGMENT_SECONDS,
        cuts: Sequence[int] = (),
    ) -> None:
        self.sound = sound
        if cuts:
            self.segments = tuple(self._utterances(frame_rms, max_seconds, cuts))
        else:
            self.segments = tuple(self._whole(frame_rms, statistics, max_seconds))

    def samples(self, segment: int) -> Samples:
        """What the speech model hears of a segment."""
        heard = self.segments[segment]
        start, end = heard.samples
        samples = np.asarray(self.sound[start:end])
        return np.pad(samples, (0, heard.silence)) if heard.silence else samples

    def without_sound(self) -> SpeechTrack:
        """The same places and identities, without the samples: to remember it when the file they lie in is gone."""
        track = copy(self)
        track.sound = np.zeros(0, np.float32)
        return track

    def stretches(self, first_frame: int, frames: int) -> list[Stretch]:
        """The segments under ``frames`` video frames from ``first_frame`` on; the last segment has no end."""
        found: list[Stretch] = []
        end = first_frame + frames
        index = max(0, bisect_right(self.segments, first_frame, key=lambda segment: segment.first_frame) - 1)
        for segment in self.segments[index:]:
            is_last = index == len(self.segments) - 1
            stop = end if is_last else min(end, segment.first_frame + segment.frames)
            start = max(first_frame, segment.first_frame)
            if start >= stop:
                break
            found.append(Stretch(index, start - segment.first_frame, stop - start))
            index += 1
        return found

    def describe(self, first_frame: int, frames: int) -> list[list[str | int]]:
        """The same as :meth:`stretches` with segments named by content: what a clip's hash takes in."""
        return [[self.segments[s.segment].digest, s.offset, s.frames] for s in self.stretches(first_frame, frames)]

    def _whole(
        self, frame_rms: NDArray[np.float32], statistics: WaveStatistics, max_seconds: float
    ) -> Iterator[SpeechSegment]:
        """Segments of one recording."""
        pieces = split_points(frame_rms, max_seconds)
        shared = None if len(pieces) == 1 else coarse_statistics(statistics)
        for first, frames in pieces:
            last = (first, frames) == pieces[-1]
            samples = self._range(first, None if last else first + frames + _MARGIN_FRAMES)
            named = None if shared is None else [shared.mean, shared.variance]
            content = digest([self._digest(samples), named, frames, last])
            yield SpeechSegment(first, frames, samples, 0, shared, content)

    def _utterances(
        self, frame_rms: NDArray[np.float32], max_seconds: float, cuts: Sequence[int]
    ) -> Iterator[SpeechSegment]:
        """Segments of every utterance in turn."""
        edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(frame_rms)}), len(frame_rms)]
        for start, stop in pairwise(edges):
            pieces = split_points(frame_rms[start:stop], max_seconds)
            own = WaveStatistics.of([np.asarray(self.sound[slice(*self._range(start, stop))])])
            level = _not_louder(own if len(pieces) == 1 else coarse_statistics(own))
            for offset, frames in pieces:
                first = start + offset
                heard_until = first + frames + _MARGIN_FRAMES
                samples = self._range(first, min(stop, heard_until))
                silence = (heard_until - first) * SAMPLES_PER_FRAME - (samples[1] - samples[0])
                content = digest(["utterance", self._digest(samples), level.mean, level.variance, frames, silence])
                yield SpeechSegment(first, frames, samples, silence, level, content)

    def _range(self, first_frame: int, end_frame: int | None) -> tuple[int, int]:
        """Samples of the frames [first, end), or of all from the first on."""
        end = len(self.sound) if end_frame is None else min(len(self.sound), end_frame * SAMPLES_PER_FRAME)
        return first_frame * SAMPLES_PER_FRAME, end

    def _digest(self, samples: tuple[int, int]) -> str:
        return array_digest(np.asarray(self.sound[slice(*samples)]))


def _not_louder(statistics: WaveStatistics) -> WaveStatistics:
    """Statistics that do not bring the noise of an utterance without speech up to the level of speech."""
    return WaveStatistics(statistics.mean, max(statistics.variance, _LEAST_VARIANCE))


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
