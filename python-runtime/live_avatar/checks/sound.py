"""Checks of a voice recording before a run, from its header and the levels of its first minutes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from live_avatar.checks.finding import Finding
from live_avatar.geometry import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from live_avatar.media.audio_levels import AudioStatistics
    from live_avatar.media.audio_reader import AudioProbe

LOW_RATIO_DECIBELS = 15.0
SAMPLED_SECONDS = 120
_WANTED = {
    "AUDIO_LOW_RATE": "At least 16 kHz is wanted.",
    "AUDIO_CHANNEL_SILENT": "",
    "AUDIO_CLIPPED": "A recording whose peaks stay below full scale is wanted.",
    "AUDIO_MOSTLY_SILENCE": "Speech without long pauses is wanted.",
    "AUDIO_QUIET": "Speech that peaks near full scale is wanted.",
}


def speech_to_noise(frame_rms: npt.NDArray[np.float32]) -> float | None:
    """Estimated decibels between speech (90th percentile of frame levels) and what is between words (10th).

    ``None`` when it cannot be told: under two seconds, or digital silence between the words.

    Args:
        frame_rms: float32 [frames], level of each 40 ms, full scale 1.
    """
    if len(frame_rms) < 2 * FRAMES_PER_SECOND:
        return None
    noise, speech = np.percentile(frame_rms, (10, 90))
    if noise < 1e-5 or speech <= 0:
        return None
    return float(20 * np.log10(speech / noise))


def check_noise(frame_rms: npt.NDArray[np.float32]) -> list[Finding]:
    """``AUDIO_NOISY`` when speech stands out by less than 15 dB."""
    ratio = speech_to_noise(frame_rms)
    if ratio is None or ratio >= LOW_RATIO_DECIBELS:
        return []
    return [
        Finding(
            "AUDIO_NOISY",
            f"Speech stands out from the background by about {ratio:.0f} dB.",
            f"{LOW_RATIO_DECIBELS:.0f} dB or more is wanted: noise and music move the lips too.",
        )
    ]


def check_levels(statistics: AudioStatistics, sample_rate: int) -> list[Finding]:
    """Everything that sampling rate and levels tell: rate, silent channel, clipping, silence, loudness, noise."""
    from live_avatar.media.audio_levels import level_warnings

    findings = [Finding(code, text, _WANTED.get(code, "")) for code, text in level_warnings(statistics, sample_rate)]
    return findings + check_noise(statistics.frame_rms)


def sample_levels(path: Path, seconds: int = SAMPLED_SECONDS) -> AudioStatistics:
    """Levels of the first ``seconds`` of ``path``, decoded in bounded memory and without resampling.

    Raises:
        UserError: as :func:`live_avatar.media.audio_file.decode_audio`, if the fault lies in that stretch.
    """
    from live_avatar.media.audio_levels import AudioStatistics, SourceMeter
    from live_avatar.media.audio_reader import AudioReader, nothing_decoded, open_audio, probe_container

    with open_audio(path) as container:
        probe_container(container, path)
        reader = AudioReader(container, path, 0, seconds * FRAMES_PER_SECOND)
        meter: SourceMeter | None = None
        pieces: list[npt.NDArray[np.float32]] = []
        for chunk in reader.chunks():
            meter = meter or SourceMeter(chunk.shape[0])
            meter.add(chunk)
            pieces.append(chunk.sum(axis=0))
        if meter is None:
            raise nothing_decoded(reader)
        sound = np.concatenate(pieces)
        del pieces
        # A silent channel carries nothing to the mix, so it must not halve the level either.
        sound /= len(meter.channel_peak) - len(meter.silent_channels)
        per_frame = max(1, reader.sample_rate // FRAMES_PER_SECOND)
        starts = np.arange(0, len(sound), per_frame)
        lengths = np.diff(np.append(starts, len(sound)))
        squares = np.add.reduceat(sound.astype(np.float64) ** 2, starts) / lengths
        return AudioStatistics(
            frame_rms=np.sqrt(squares).astype(np.float32),
            peak=float(np.abs(sound).max()),
            mean=float(sound.mean()),
            variance=float(sound.var()),
            channel_peak=tuple(map(float, meter.channel_peak)),
            silent_channels=meter.silent_channels,
            clipped_fraction=meter.clipped_fraction,
        )


def check_sound_file(path: Path, probe: AudioProbe) -> list[Finding]:
    """All checks of one recording.

    Raises:
        UserError: as :func:`sample_levels`.
    """
    findings = check_levels(sample_levels(path), probe.sample_rate)
    if probe.has_video:
        findings.insert(0, Finding("AUDIO_FROM_VIDEO", f'"{path.name}" is a video; its sound is used.', ""))
    return findings
