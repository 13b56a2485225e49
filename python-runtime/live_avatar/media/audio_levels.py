"""What is measured of a sound, and which of it the user should hear about. Pure; one pass in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from live_avatar.geometry import MODEL_SAMPLE_RATE, SAMPLES_PER_FRAME

FloatArray = npt.NDArray[np.float32]

SILENT_PEAK = 1e-4  # -80 dBFS: below the noise of a 16-bit recording, so nothing was recorded
CLIPPED_LEVEL = 0.9995
CLIPPED_FRACTION = 1e-3
QUIET_PEAK = 0.03
SILENT_FRAME_RMS = 3e-3  # -50 dBFS
MOSTLY_SILENT_FRACTION = 0.7
LOW_RATE = MODEL_SAMPLE_RATE
_CHUNK_FRAMES = 1024


class SourceMeter:
    """Running levels of the sound as it was recorded, fed with chunks float32 [channels, samples]."""

    def __init__(self, channels: int) -> None:
        self.samples = 0
        self.channel_peak: FloatArray = np.zeros(channels, np.float32)
        self._clipped = 0

    def add(self, chunk: FloatArray) -> None:
        """Account for one chunk."""
        if chunk.shape[1] == 0:
            return
        magnitude = np.abs(chunk)
        self.samples += chunk.shape[1]
        self.channel_peak = np.maximum(self.channel_peak, magnitude.max(axis=1))
        self._clipped += int(np.count_nonzero(magnitude >= CLIPPED_LEVEL))

    @property
    def clipped_fraction(self) -> float:
        """Share of samples, over all channels, at full scale."""
        return self._clipped / max(1, self.samples * len(self.channel_peak))

    @property
    def silent_channels(self) -> tuple[int, ...]:
        """Channels with nothing on them; empty when every channel is silent."""
        silent = tuple(index for index, peak in enumerate(self.channel_peak) if peak < SILENT_PEAK)
        return silent if len(silent) < len(self.channel_peak) else ()


@dataclass(frozen=True, slots=True)
class AudioStatistics:
    """Levels of one sound; 1.0 is full scale.

    Attributes:
        frame_rms: float32 [frames], root mean square of the model sound over each 40 ms; the last may be a part frame.
        peak, mean, variance: of the model sound (mono, 16 kHz).
        channel_peak: largest magnitude in each channel as recorded.
        silent_channels: indices of channels with nothing on them (none when all are silent).
        clipped_fraction: share of recorded samples at full scale.
    """

    frame_rms: FloatArray
    peak: float
    mean: float
    variance: float
    channel_peak: tuple[float, ...]
    silent_channels: tuple[int, ...]
    clipped_fraction: float

    @property
    def silent_fraction(self) -> float:
        """Share of 40 ms frames below -50 dBFS."""
        return float(np.mean(self.frame_rms < SILENT_FRAME_RMS))


def measure_model_sound(
    sound: FloatArray,
    *,
    channel_peak: Iterable[float],
    silent_channels: Iterable[int],
    clipped_fraction: float,
) -> AudioStatistics:
    """Measure ``sound``, float32 [samples] at 16 kHz (a memmap is read in pieces), and add the source's figures."""
    rms: list[FloatArray] = []
    peak = total = total_square = 0.0
    step = _CHUNK_FRAMES * SAMPLES_PER_FRAME
    for start in range(0, len(sound), step):
        piece = np.asarray(sound[start : start + step], np.float64)
        square = piece * piece
        peak = max(peak, float(np.abs(piece).max()))
        total += float(piece.sum())
        total_square += float(square.sum())
        starts = np.arange(0, len(piece), SAMPLES_PER_FRAME)
        lengths = np.diff(np.append(starts, len(piece)))
        rms.append(np.sqrt(np.add.reduceat(square, starts) / lengths).astype(np.float32))
    mean = total / len(sound)
    return AudioStatistics(
        frame_rms=np.concatenate(rms),
        peak=peak,
        mean=mean,
        variance=max(0.0, total_square / len(sound) - mean * mean),
        channel_peak=tuple(float(value) for value in channel_peak),
        silent_channels=tuple(silent_channels),
        clipped_fraction=clipped_fraction,
    )


def level_warnings(statistics: AudioStatistics, sample_rate: int) -> list[tuple[str, str]]:
    """(code, sentence) for each thing about the sound that will make the video worse."""
    warnings: list[tuple[str, str]] = []
    if sample_rate < LOW_RATE:
        warnings.append(
            (
                "AUDIO_LOW_RATE",
                f"The sound has {sample_rate} samples a second; the model listens at {LOW_RATE}. "
                "It works, but consonants are hard to tell apart, so lips may be less exact.",
            )
        )
    if len(statistics.channel_peak) == 2 and statistics.silent_channels:
        silent = ("left", "right")[statistics.silent_channels[0]]
        warnings.append(
            ("AUDIO_CHANNEL_SILENT", f"The {silent} channel is silent; the model listens to the other one alone.")
        )
    if statistics.clipped_fraction > CLIPPED_FRACTION:
        warnings.append(
            (
                "AUDIO_CLIPPED",
                f"{statistics.clipped_fraction:.1%} of the samples are at full scale: the recording is distorted. "
                "A recording at a lower level moves the lips better.",
            )
        )
    if statistics.silent_fraction > MOSTLY_SILENT_FRACTION:
        warnings.append(
            (
                "AUDIO_MOSTLY_SILENCE",
                f"{statistics.silent_fraction:.0%} of the sound is silence; the mouth will rest for that time.",
            )
        )
    elif statistics.peak < QUIET_PEAK:
        below = -20 * np.log10(statistics.peak)
        warnings.append(
            (
                "AUDIO_QUIET",
                f"The sound is very quiet: its peak is {below:.0f} dB below full scale. "
                "The model evens out the level, and with it the background noise.",
            )
        )
    return warnings
