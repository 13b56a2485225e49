"""Checks of a voice recording before a run, from its header and the levels of its first minutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from live_avatar.checks.finding import Finding, fine
from live_avatar.geometry import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from live_avatar.media.audio_levels import AudioStatistics
    from live_avatar.media.audio_reader import AudioProbe

LOW_RATIO_DECIBELS = 15.0
SAMPLED_SECONDS = 120
_WANTED = {
    "AUDIO_LOW_RATE": "At least 16 kHz is wanted.",
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
    """``AUDIO_NOISY`` when speech stands out by less than 15 dB, or ``AUDIO_NOISE_OK``; nothing if nobody can tell."""
    ratio = speech_to_noise(frame_rms)
    if ratio is None:
        return []
    measured = f"Speech stands out from the background by about {ratio:.0f} dB."
    if ratio >= LOW_RATIO_DECIBELS:
        return [fine("AUDIO_NOISE_OK", measured, round(ratio, 1), "dB")]
    wanted = f"{LOW_RATIO_DECIBELS:.0f} dB or more is wanted: noise and music move the lips too."
    return [Finding("AUDIO_NOISY", measured, wanted, value=round(ratio, 1), unit="dB")]


def check_levels(statistics: AudioStatistics, sample_rate: int) -> list[Finding]:
    """Everything that sampling rate and levels tell: rate, silent channel, clipping, silence, loudness, noise."""
    from live_avatar.media.audio_levels import level_warnings

    said = dict(level_warnings(statistics, sample_rate))

    def judge(code: str, ok_code: str, ok_text: str, value: float, unit: str) -> Finding:
        if code in said:
            return Finding(code, said[code], _WANTED[code], value=value, unit=unit)
        return fine(ok_code, ok_text, value, unit)

    share = speech_share(statistics)
    clipped = statistics.clipped_fraction
    findings = [
        judge("AUDIO_LOW_RATE", "AUDIO_RATE_OK", f"The sound has {sample_rate} samples a second.", sample_rate, "Hz"),
        judge(
            "AUDIO_CLIPPED", "AUDIO_CLIPPING_OK", f"{clipped:.1%} of the samples are at full scale.", clipped, "share"
        ),
        judge("AUDIO_MOSTLY_SILENCE", "AUDIO_SPEECH_OK", f"{share:.0%} of the sound is not silent.", share, "share"),
    ]
    if (peak := decibels(statistics.peak)) is not None:
        below = f"The sound's peak is {-peak:.0f} dB below full scale."
        findings.append(judge("AUDIO_QUIET", "AUDIO_LEVEL_OK", below, peak, "dB of full scale"))
    if "AUDIO_CHANNEL_SILENT" in said:
        findings.append(Finding("AUDIO_CHANNEL_SILENT", said["AUDIO_CHANNEL_SILENT"], "", "note"))
    return findings + check_noise(statistics.frame_rms)


def speech_share(statistics: AudioStatistics) -> float:
    """Share of 40 ms frames that are not silent."""
    return round(1.0 - statistics.silent_fraction, 4)


def decibels(level: float) -> float | None:
    """A level as decibels of full scale, or ``None`` for silence."""
    return round(float(20 * np.log10(level)), 1) if level > 0 else None


@dataclass(frozen=True, slots=True)
class SampledSound:
    """What was measured of a recording's first minutes.

    Attributes:
        statistics: levels.
        loudness: integrated, LUFS (EBU R 128); ``None`` for silence and for under 0.4 s.
        seconds: how much was measured.
    """

    statistics: AudioStatistics
    loudness: float | None
    seconds: float


def sample_sound(path: Path, seconds: int = SAMPLED_SECONDS) -> SampledSound:
    """Measure the first ``seconds`` of ``path``, decoded in bounded memory and without resampling.

    Raises:
        UserError: as :func:`live_avatar.media.audio_file.decode_audio`, if the fault lies in that stretch.
    """
    from live_avatar.media.audio_levels import AudioStatistics, SourceMeter
    from live_avatar.media.audio_reader import AudioReader, nothing_decoded, open_audio, probe_container
    from live_avatar.media.loudness import LoudnessMeter

    with open_audio(path) as container:
        probe_container(container, path)
        reader = AudioReader(container, path, 0, seconds * FRAMES_PER_SECOND)
        meter: SourceMeter | None = None
        loudness: LoudnessMeter | None = None
        pieces: list[npt.NDArray[np.float32]] = []
        for chunk in reader.chunks():
            meter = meter or SourceMeter(chunk.shape[0])
            loudness = loudness or LoudnessMeter(reader.sample_rate, chunk.shape[0])
            meter.add(chunk)
            loudness.add(chunk)
            pieces.append(chunk.sum(axis=0))
        if meter is None or loudness is None:
            raise nothing_decoded(reader)
        sound = np.concatenate(pieces)
        del pieces
        # A silent channel carries nothing to the mix, so it must not halve the level either.
        sound /= len(meter.channel_peak) - len(meter.silent_channels)
        per_frame = max(1, reader.sample_rate // FRAMES_PER_SECOND)
        starts = np.arange(0, len(sound), per_frame)
        lengths = np.diff(np.append(starts, len(sound)))
        squares = np.add.reduceat(sound.astype(np.float64) ** 2, starts) / lengths
        statistics = AudioStatistics(
            frame_rms=np.sqrt(squares).astype(np.float32),
            peak=float(np.abs(sound).max()),
            mean=float(sound.mean()),
            variance=float(sound.var()),
            channel_peak=tuple(map(float, meter.channel_peak)),
            silent_channels=meter.silent_channels,
            clipped_fraction=meter.clipped_fraction,
        )
        return SampledSound(statistics, loudness.integrated, len(sound) / reader.sample_rate)


def check_sound_file(path: Path, probe: AudioProbe) -> list[Finding]:
    """All checks of one recording.

    Raises:
        UserError: as :func:`sample_sound`.
    """
    return check_sampled(path, probe, sample_sound(path))


def check_sampled(path: Path, probe: AudioProbe, sampled: SampledSound) -> list[Finding]:
    """The same of a recording that was measured."""
    findings = check_levels(sampled.statistics, probe.sample_rate)
    if probe.has_video:
        findings.insert(0, Finding("AUDIO_FROM_VIDEO", f'"{path.name}" is a video; its sound is used.', "", "note"))
    return findings
