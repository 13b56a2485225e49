"""Any common sound file to what the model hears, streamed in bounded memory.

The model hears mono float32 at 16 kHz (channel mean first, then soxr HQ), kept as a raw file for memory mapping. It is
written whole or not at all, with ``audio.json`` after it, so that a continued run finds it. What the viewer hears is
made apart (:mod:`live_avatar.media.viewer_sound`), since encoding takes four times as long.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soxr

from live_avatar.geometry import MODEL_SAMPLE_RATE, SAMPLES_PER_FRAME, frames_for_samples
from live_avatar.media.atomic import atomic_file, atomic_write_json
from live_avatar.media.audio_levels import (
    AudioStatistics,
    FloatArray,
    SourceMeter,
    level_warnings,
    measure_model_sound,
)
from live_avatar.media.audio_reader import AudioProbe, AudioReader, nothing_decoded, open_audio, probe_container

MODEL_SOUND_NAME = "model_audio.f32"
RECORD_NAME = "audio.json"
_RECORD_VERSION = 2


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """A sound made ready for a take.

    Attributes:
        model_path: raw float32 little endian, mono, 16 kHz.
        samples: in ``model_path``.
        frames: video frames at 25 per second that cover the sound.
        source: what the file's header says.
        source_sha256: hash of the file's bytes.
        statistics: levels.
        warnings: (code, sentence).
        reused: true when an earlier run had already made it.
    """

    model_path: Path
    samples: int
    frames: int
    source: AudioProbe
    source_sha256: str
    statistics: AudioStatistics
    warnings: tuple[tuple[str, str], ...]
    reused: bool

    def model_sound(self) -> FloatArray:
        """The model's sound, float32 [samples], as a read-only memory map."""
        return np.memmap(self.model_path, "<f4", "r", shape=(self.samples,))


def probe_audio(path: Path) -> AudioProbe:
    """Read the header of ``path``.

    Raises:
        UserError: ``AUDIO_NOT_FOUND``, ``AUDIO_UNREADABLE``, ``AUDIO_NO_STREAM``.
    """
    with open_audio(path) as container:
        return probe_container(container, path)


def decode_audio(path: Path, work_dir: Path, *, start_frame: int = 0, max_frames: int | None = None) -> DecodedAudio:
    """Make the model's sound of ``path`` in ``work_dir``, or find it there from an earlier run.

    ``start_frame`` and ``max_frames`` choose a stretch in video frames (40 ms). One channel of stereo being silent, the
    model hears the other alone. Source: spec 3.1 (16 kHz mono, soxr HQ).

    Raises:
        UserError: ``AUDIO_NOT_FOUND``, ``AUDIO_UNREADABLE``, ``AUDIO_NO_STREAM``, ``AUDIO_EMPTY`` (no samples),
            ``AUDIO_NAN`` (not-a-number or infinite samples), ``DISK_FULL``. Nothing is left half written.
    """
    with open_audio(path) as container:
        probe = probe_container(container, path)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        wanted = {
            "version": _RECORD_VERSION,
            "source_sha256": digest,
            "start_frame": start_frame,
            "max_frames": max_frames,
        }
        work_dir.mkdir(parents=True, exist_ok=True)
        record = _read_record(work_dir, wanted)
        if record is not None:
            return _from_record(record, work_dir, reused=True)
        reader = AudioReader(container, path, start_frame, max_frames)
        with atomic_file(work_dir / MODEL_SOUND_NAME) as model_file:
            meter, samples = _write_sound(reader, model_file, max_frames)
            statistics = _measure(Path(model_file.name), samples, meter)
        warnings = reader.warnings(probe, path) + level_warnings(statistics, reader.sample_rate)
    if probe.has_video:
        warnings.insert(0, ("AUDIO_FROM_VIDEO", f'"{path.name}" is a video; its sound is used.'))
    record = wanted | {
        "source": asdict(probe),
        "samples": samples,
        "channel_peak": list(statistics.channel_peak),
        "silent_channels": list(statistics.silent_channels),
        "clipped_fraction": statistics.clipped_fraction,
        "warnings": [list(warning) for warning in warnings],
    }
    atomic_write_json(work_dir / RECORD_NAME, record)
    return _from_record(record, work_dir, reused=False)


def _write_sound(reader: AudioReader, model_file: BinaryIO, max_frames: int | None) -> tuple[SourceMeter, int]:
    """Stream the reader into the file. Returns the source's levels and the number of model samples."""
    meter: SourceMeter | None = None
    resampler: soxr.ResampleStream | None = None
    for chunk in reader.chunks():
        if meter is None:
            meter = SourceMeter(chunk.shape[0])
            if reader.sample_rate != MODEL_SAMPLE_RATE:
                resampler = soxr.ResampleStream(reader.sample_rate, MODEL_SAMPLE_RATE, 1, "float32", "HQ")
        meter.add(chunk)
        mono = chunk.mean(axis=0)
        _append(model_file, mono if resampler is None else resampler.resample_chunk(mono, last=False))
    if meter is None:
        raise nothing_decoded(reader)
    if resampler is not None:
        _append(model_file, resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    samples = -(-meter.samples * MODEL_SAMPLE_RATE // reader.sample_rate)
    if max_frames is not None:
        samples = min(samples, max_frames * SAMPLES_PER_FRAME)
    # The resampler may end a sample early or late; the length is a matter of the time base alone.
    model_file.truncate(samples * 4)
    model_file.flush()
    if meter.silent_channels:
        heard = len(meter.channel_peak) - len(meter.silent_channels)
        sound = np.memmap(model_file.name, "<f4", "r+", shape=(samples,))
        sound *= np.float32(len(meter.channel_peak) / heard)
        sound.flush()
    return meter, samples


def _append(file: BinaryIO, sound: FloatArray) -> None:
    file.write(np.ascontiguousarray(sound, "<f4").tobytes())


def _measure(model_path: Path, samples: int, meter: SourceMeter) -> AudioStatistics:
    return measure_model_sound(
        np.memmap(model_path, "<f4", "r", shape=(samples,)),
        channel_peak=map(float, meter.channel_peak),
        silent_channels=meter.silent_channels,
        clipped_fraction=meter.clipped_fraction,
    )


def _read_record(work_dir: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The record of an earlier run that made exactly this, with its file whole; else ``None``."""
    try:
        record: dict[str, Any] = json.loads((work_dir / RECORD_NAME).read_text("utf-8"))
        size = (work_dir / MODEL_SOUND_NAME).stat().st_size
    except (FileNotFoundError, ValueError):
        return None
    same = all(record.get(key) == value for key, value in wanted.items())
    return record if same and size == record["samples"] * 4 else None


def _from_record(record: dict[str, Any], work_dir: Path, *, reused: bool) -> DecodedAudio:
    model_path = work_dir / MODEL_SOUND_NAME
    samples: int = record["samples"]
    statistics = measure_model_sound(
        np.memmap(model_path, "<f4", "r", shape=(samples,)),
        channel_peak=record["channel_peak"],
        silent_channels=record["silent_channels"],
        clipped_fraction=record["clipped_fraction"],
    )
    return DecodedAudio(
        model_path=model_path,
        samples=samples,
        frames=frames_for_samples(samples),
        source=AudioProbe(**record["source"]),
        source_sha256=record["source_sha256"],
        statistics=statistics,
        warnings=tuple((code, text) for code, text in record["warnings"]),
        reused=reused,
    )
