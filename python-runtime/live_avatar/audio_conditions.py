"""Speech features of a block, computed segment by segment as a render reaches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.audio_features import AudioFeatureExtractor, frame_features
from live_avatar.geometry import BLOCK_FRAMES
from live_avatar.numerics import return_unused_memory
from live_avatar.speech_track import SpeechTrack


@dataclass(slots=True)
class _Computed:
    segment: int
    features: Tensor


class BlockFeatures:
    """Features [actors, layers, A, 12] of any block, zeros past the end of a speaker's sound.

    Of each speaker only the features of the last segment used are kept, so memory does not grow with the length. A
    segment's features depend on its own samples alone: computed again after a restart, they are the same bytes.

    Args:
        tracks: one per speaker.
        extractor: gives the speech model; asked for it only when a segment is computed.
        on_segment: called with (speaker, segment, segments) before one is computed.
    """

    def __init__(
        self,
        tracks: Sequence[SpeechTrack],
        extractor: Callable[[], AudioFeatureExtractor],
        on_segment: Callable[[int, int, int], None] | None = None,
    ) -> None:
        self.tracks = tuple(tracks)
        self._extractor = extractor
        self._on_segment = on_segment
        self._computed: list[_Computed | None] = [None] * len(self.tracks)

    def __call__(self, block: int) -> Tensor:
        """Features of ``block``, counted over the whole take: float32 on the CPU."""
        speakers = []
        for speaker, track in enumerate(self.tracks):
            parts = [
                frame_features(self._segment(speaker, stretch.segment), stretch.offset, stretch.frames)
                for stretch in track.stretches(block * BLOCK_FRAMES, BLOCK_FRAMES)
            ]
            speakers.append(torch.cat(parts, dim=-1))
        return torch.cat(speakers)

    def _segment(self, speaker: int, segment: int) -> Tensor:
        computed = self._computed[speaker]
        if computed is None or computed.segment != segment:
            track = self.tracks[speaker]
            if self._on_segment is not None:
                self._on_segment(speaker, segment, len(track.segments))
            self._computed[speaker] = None  # frees the old features before the new ones need room
            features = self._extractor().features(track.samples(segment), track.segments[segment].statistics)
            computed = self._computed[speaker] = _Computed(segment, features)
            return_unused_memory()
        return computed.features
