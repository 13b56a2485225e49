"""Speech synthesis with phoneme times: a ctypes wrapper of libespeak-ng.

The library keeps one global state per process, part of which survives even its own termination, so the same text
sounds different after other texts. Each call therefore loads a fresh copy (3 ms) and seeds it: equal arguments give
equal samples. Parallel generation uses processes (see ``corpus.py``). Measured on the library of ``espeakng-loader``
0.2.4: event positions agree with the waveform to the sample. The event of a voiceless stop marks its burst, not its
closure; the closure is the silence before it, which ``synthesise`` reports as an event of its own.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

SAMPLE_RATE = 22050
SILENCE = ""
UNRELEASED = "\u031a"
"""IPA "no audible release": appended to a stop's symbol for the silent closure that precedes its burst."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_PHONEME_IPA = 0x0002
_INITIALIZE_DONT_EXIT = 0x8000
_CHARACTERS_UTF8 = 1
_END_PAUSE = 0x1000
_EVENT_END_OF_LIST = 0
_EVENT_PHONEME = 7
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_PARAMETER_RANGE = 4
_MAX_DATA_PATH = 140  # the library truncates longer data paths (160 bytes, some of them for file names)

_VOICELESS_STOPS = ("p", "t", "k", "q", "c", "ʈ")
_SEED = 1
_SILENCE_LEVEL = 0.002
_CLOSURE_SECONDS = (0.010, 0.080)
# Variants with an echo are never silent: there a quiet stretch of the usual length counts as the closure.
_QUIET_LEVEL = 0.06
_USUAL_CLOSURE_SECONDS = 0.038


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Phoneme:
    """One phoneme of an utterance: its IPA symbol (``""`` is silence) and where it starts, in milliseconds."""

    symbol: str
    start_ms: float


class _Engine:
    """One loaded copy of the library and the buffers its callback fills; used for one text, then closed."""

    def __init__(self) -> None:
        import espeakng_loader  # type: ignore[import-untyped, unused-ignore]

        self._library: Any = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        rate = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            os.fsencode(_short_path(Path(str(espeakng_loader.get_data_path())))),
            _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_PHONEME_IPA | _INITIALIZE_DONT_EXIT,
        )
        if rate != SAMPLE_RATE:
            raise RuntimeError(f"espeak-ng did not start: it returned {rate}, expected the sample rate {SAMPLE_RATE}.")
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        self._chunks: list[npt.NDArray[np.int16]] = []
        self._events: list[tuple[int, str]] = []
        # Kept on the object: ctypes does not hold a reference to a callback that C code still calls.
        self._callback = _CALLBACK(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self._chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_END_OF_LIST:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                address = ctypes.addressof(event) + _Event.id.offset
                symbol = ctypes.string_at(address, 8).split(b"\0", 1)[0].decode("utf-8", "ignore")
                self._events.append((int(event.sample), symbol))
            index += 1
        return 0

    def run(
        self, text: str, voice: str, rate: int, pitch: int, pitch_range: int
    ) -> tuple[npt.NDArray[np.int16], list[tuple[int, str]]]:
        self._chunks, self._events = [], []
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}.")
        for parameter, value in ((_PARAMETER_RATE, rate), (_PARAMETER_PITCH, pitch), (_PARAMETER_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode("utf-8")
        status = self._library.espeak_Synth(
            data, ctypes.c_size_t(len(data) + 1), 0, 1, 0, _CHARACTERS_UTF8 | _END_PAUSE, None, None
        )
        if status != 0:
            raise RuntimeError(f"espeak-ng could not speak {text!r}: status {status}.")
        self._library.espeak_Synchronize()
        if not self._chunks:
            raise ValueError(f"espeak-ng made no sound of {text!r}.")
        return np.concatenate(self._chunks), self._events

    def close(self) -> None:
        """Unload the library, so that the next copy starts from its initial state."""
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)


def synthesise(
    text: str, voice: str = "en-us", variant: str = "", rate: int = 170, pitch: int = 50, pitch_range: int = 50
) -> tuple[FloatArray, list[Phoneme]]:
    """Speak ``text``.

    Args:
        voice: espeak-ng language, for example ``en-us`` or ``cmn``.
        variant: voice variant such as ``m3`` or ``f2``; empty for the plain voice.
        rate: words per minute, 80 to 450. pitch, pitch_range: 0 to 100.

    Returns:
        samples: float32 [n] at ``SAMPLE_RATE`` in [-1, 1].
        phonemes: in order of time; the last one lasts to the end of the samples.

    Raises:
        ValueError: unknown voice, or a text without sound.
    """
    engine = _Engine()
    try:
        wave, events = engine.run(text, f"{voice}+{variant}" if variant else voice, rate, pitch, pitch_range)
    finally:
        engine.close()
    samples = wave.astype(np.float32) / 32768.0
    return samples, _with_closures(samples, events)


def _with_closures(samples: FloatArray, events: list[tuple[int, str]]) -> list[Phoneme]:
    """Turn raw events into phonemes, adding the silent closure in front of each voiceless stop."""
    phonemes: list[Phoneme] = [Phoneme(SILENCE, 0.0)]
    shortest, longest = (round(seconds * SAMPLE_RATE) for seconds in _CLOSURE_SECONDS)
    for position, symbol in events:
        if symbol.startswith("("):
            continue  # a change of language inside the text, not a sound
        start_ms = 1000.0 * position / SAMPLE_RATE
        base = symbol.lstrip("ˈˌ")
        if base.startswith(_VOICELESS_STOPS):
            before = np.abs(samples[max(0, position - longest) : position])
            loud = np.flatnonzero(before > _SILENCE_LEVEL)
            silent = before.size - (int(loud[-1]) + 1 if loud.size else 0)
            usual = round(_USUAL_CLOSURE_SECONDS * SAMPLE_RATE)
            if silent < shortest and before.size > usual and before[-usual // 2 :].max() < _QUIET_LEVEL:
                silent = usual
            if silent >= shortest:
                closure_ms = 1000.0 * (position - silent) / SAMPLE_RATE
                # Word-boundary events may lie inside the closure; the closure is what the lips do there.
                while len(phonemes) > 1 and phonemes[-1].start_ms >= closure_ms:
                    phonemes.pop()
                phonemes.append(Phoneme(base[0] + UNRELEASED, closure_ms))
        if phonemes[-1].start_ms >= start_ms and len(phonemes) > 1:
            if symbol == SILENCE:
                continue
            if phonemes[-1].symbol == SILENCE:
                phonemes.pop()
        phonemes.append(Phoneme(symbol, start_ms))
    return phonemes


def _short_path(path: Path) -> str:
    """``path`` itself, or a short link to it where the library would cut the name off."""
    if len(os.fsencode(path)) <= _MAX_DATA_PATH:
        return str(path)
    link = Path(tempfile.mkdtemp(prefix="espeak")) / "data"
    link.symlink_to(path, target_is_directory=True)
    return str(link)
