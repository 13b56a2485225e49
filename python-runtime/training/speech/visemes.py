"""Phonemes to mouth shapes: targets by IPA features, co-articulation, lip closures, tracks at 25 or 50 per second."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import category

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from training.speech.espeak import SILENCE, UNRELEASED, Phoneme

FloatArray = npt.NDArray[np.float32]

FRAMES_PER_SECOND = 25
TRACK_MS = 5
COARTICULATION_MS = 30.0
CLOSURE_MS = 15.0
VOWEL_OVERSHOOT = 1.25
"""Vowel openings are aimed beyond their target, since smoothing lowers the peak of a 70 ms vowel by about that much."""
SHORT_PAUSE_MS = 90.0
"""Pauses shorter than this are word boundaries: the mouth goes on to the next phoneme instead of closing."""

VISEMES = (
    "silence",
    "bilabial",
    "labiodental",
    "dental",
    "alveolar",
    "sibilant",
    "postalveolar",
    "lateral",
    "rhotic",
    "velar",
    "glottal",
    "w",
    "j",
    "i",
    "e",
    "a",
    "schwa",
    "open_o",
    "o",
    "u",
    "y",
)

# Vowel: viseme and (open, wide, round). Height gives the opening, frontness the width, rounding both.
_VOWELS: dict[str, tuple[str, tuple[float, float, float]]] = {}
for _symbols, _viseme, _target in (
    ("i", "i", (0.35, 1.0, 0.0)),
    ("ɪᵻɨ", "i", (0.42, 0.75, 0.0)),
    ("e", "e", (0.55, 0.8, 0.0)),
    ("ɛ", "e", (0.70, 0.6, 0.0)),
    ("æ", "a", (0.88, 0.55, 0.0)),
    ("aɐ", "a", (1.0, 0.25, 0.0)),
    ("ɑ", "a", (1.0, -0.05, 0.0)),
    ("ʌ", "a", (0.75, 0.05, 0.0)),
    ("ə", "schwa", (0.48, 0.1, 0.0)),
    ("ɚ", "schwa", (0.45, -0.15, 0.25)),
    ("ɜɝɤɘ", "schwa", (0.55, -0.05, 0.1)),
    ("ɒ", "open_o", (0.85, -0.35, 0.35)),
    ("ɔ", "open_o", (0.70, -0.5, 0.55)),
    ("oɵ", "o", (0.52, -0.7, 0.8)),
    ("ʊ", "u", (0.38, -0.7, 0.75)),
    ("uʉ", "u", (0.28, -0.95, 1.0)),
    ("ɯ", "i", (0.35, 0.3, 0.0)),
    ("yʏ", "y", (0.28, -0.6, 0.95)),
    ("ø", "y", (0.45, -0.5, 0.8)),
    ("œɶ", "y", (0.60, -0.35, 0.6)),
):
    for _symbol in _symbols:
        _VOWELS[_symbol] = (_viseme, _target)

# Consonant: viseme by place of articulation and (open, wide, round).
_CONSONANTS: dict[str, tuple[str, tuple[float, float, float]]] = {}
for _symbols, _viseme, _target in (
    ("pbmɓ", "bilabial", (0.0, 0.0, 0.0)),
    ("βɸʙ", "bilabial", (0.1, -0.1, 0.2)),
    ("fvɱʋⱱ", "labiodental", (0.10, 0.15, 0.0)),
    ("θð", "dental", (0.22, 0.2, 0.0)),
    ("tdnɾɗʈɖɳ", "alveolar", (0.18, 0.25, 0.0)),
    ("sz", "sibilant", (0.12, 0.5, 0.0)),
    ("ʃʒʂʐɕʑ", "postalveolar", (0.16, -0.35, 0.5)),
    ("lɬɮɭʎʟ", "lateral", (0.30, 0.2, 0.0)),
    ("ɫ", "lateral", (0.30, -0.15, 0.15)),
    ("ɹɻɽr", "rhotic", (0.22, -0.3, 0.4)),
    ("kgɡŋqɢɴcɟ", "velar", (0.28, 0.1, 0.0)),
    ("xɣχʁçʝʀ", "velar", (0.30, 0.1, 0.0)),
    ("hɦħʕʔʜ", "glottal", (0.45, 0.1, 0.0)),
    ("wʍ", "w", (0.12, -0.95, 1.0)),
    ("ɥ", "w", (0.14, -0.6, 0.95)),
    ("jɲ", "j", (0.26, 0.75, 0.0)),
):
    for _symbol in _symbols:
        _CONSONANTS[_symbol] = (_viseme, _target)

# espeak-ng writes some Mandarin sounds without IPA characters: apical vowels, velar fricatives, retroflexes.
_SPELLINGS = {"i.": "ɨ", "i[": "ɨ", "ts.": "tʂ", "s.": "ʂ", "z.": "ʐ", "er": "ɚ", "r.": "ɻ"}
_LENGTH = "ː"
_CLOSURE_STRENGTH = {"bilabial": 1.0, "labiodental": 0.75}
_UNKNOWN = ("schwa", (0.4, 0.0, 0.0))


def symbols_of(phoneme: str) -> list[tuple[str, float]]:
    """The IPA base symbols of one espeak-ng phoneme with their share of its duration (sums to 1; empty for silence)."""
    for spelling, ipa in _SPELLINGS.items():
        phoneme = phoneme.replace(spelling, ipa)
    found: list[str] = []
    weights: list[float] = []
    for position, character in enumerate(phoneme):
        if character == _LENGTH and found:
            weights[-1] += 0.5
        elif character == "h" and position and phoneme[position - 1] in "ptkɕsʂx":
            continue  # Mandarin aspiration: the lips already shape the vowel
        elif character in _VOWELS or character in _CONSONANTS or (category(character) in ("Ll", "Lo") and not found):
            found.append(character)
            weights.append(1.0)
    total = sum(weights)
    return [(symbol, weight / total) for symbol, weight in zip(found, weights, strict=True)]


def _lookup(symbol: str) -> tuple[str, tuple[float, float, float]]:
    return _VOWELS.get(symbol) or _CONSONANTS.get(symbol) or _UNKNOWN


def _segments(phonemes: Sequence[Phoneme], duration: float) -> list[tuple[float, float, str]]:
    """(start ms, end ms, base symbol or silence) without gaps from 0 to the duration."""
    end_of_all = 1000.0 * duration
    raw: list[tuple[float, float, str]] = []
    for index, phoneme in enumerate(phonemes):
        end = phonemes[index + 1].start_ms if index + 1 < len(phonemes) else end_of_all
        start, end = min(phoneme.start_ms, end_of_all), min(end, end_of_all)
        if end <= start:
            continue
        symbols = symbols_of(phoneme.symbol.removesuffix(UNRELEASED))
        if not symbols:
            raw.append((start, end, SILENCE))
            continue
        at = start
        for symbol, share in symbols:
            raw.append((at, at + share * (end - start), symbol))
            at += share * (end - start)
    segments: list[tuple[float, float, str]] = []
    for index, (start, end, symbol) in enumerate(raw):
        following = raw[index + 1][2] if 0 < index < len(raw) - 1 else None
        passing = symbol == SILENCE and end - start < SHORT_PAUSE_MS
        breathed = symbol in ("h", "ɦ", "ʔ") and following in _VOWELS
        if following is not None and (passing or breathed):
            symbol = following
        segments.append((start, end, symbol))
    return segments


def _fine_track(phonemes: Sequence[Phoneme], duration: float) -> FloatArray:
    """Mouth parameters every ``TRACK_MS``: float32 [n,3]; sample k is the middle of [k, k+1) * TRACK_MS."""
    count = max(1, int(np.ceil(1000.0 * duration / TRACK_MS)))
    target = np.zeros((count, 3), np.float64)
    closure = np.zeros(count, np.float64)
    times = (np.arange(count) + 0.5) * TRACK_MS
    previous: tuple[float, float, float] | None = None
    for start, end, symbol in _segments(phonemes, duration):
        first, last = np.searchsorted(times, (start, end))
        viseme, values = ("silence", (0.0, 0.0, 0.0)) if symbol == SILENCE else _lookup(symbol)
        strength = _CLOSURE_STRENGTH.get(viseme, 0.0)
        if strength and previous is not None:
            # Closed lips keep the width and rounding of their surroundings; the closure itself is multiplied in below.
            values = (previous[0], previous[1], previous[2])
        overshoot = VOWEL_OVERSHOOT if symbol in _VOWELS else 1.0
        target[first:last] = (values[0] * overshoot, values[1], values[2])
        closure[first:last] = strength
        previous = None if symbol == SILENCE else values
    smooth = gaussian_filter1d(target, COARTICULATION_MS / TRACK_MS, axis=0, mode="nearest")
    # A 35 ms closure must still close: the narrow kernel alone would leave a quarter of the opening.
    shut = np.clip(1.3 * gaussian_filter1d(closure, CLOSURE_MS / TRACK_MS, mode="nearest"), 0.0, None)
    ceiling = gaussian_filter1d(np.where(closure > 0, closure, 1.0), CLOSURE_MS / TRACK_MS, mode="nearest")
    smooth[:, 0] *= 1.0 - np.minimum(shut, np.minimum(ceiling, 1.0))
    return np.asarray(np.clip(smooth, (0.0, -1.0, 0.0), 1.0), np.float32)


def mouth_track(phonemes: Sequence[Phoneme], duration: float, frames_per_second: int = FRAMES_PER_SECOND) -> FloatArray:
    """Mouth parameters per video frame.

    Args:
        phonemes: as returned by ``espeak.synthesise``. duration: seconds of sound.

    Returns:
        float32 [T,3] with T = ceil(duration * frames_per_second): opening 0..1, width -1..1, rounding 0..1. Frame i is
        the mean over [i, i+1) / frames_per_second, so frame i belongs to the sound of its own 40 ms (no lag).
    """
    frames = max(1, int(np.ceil(duration * frames_per_second - 1e-6)))
    fine = _fine_track(phonemes, frames / frames_per_second)
    total = np.concatenate([np.zeros((1, 3)), np.cumsum(fine, axis=0, dtype=np.float64)])
    edges = np.arange(frames + 1) * (1000.0 / frames_per_second / TRACK_MS)
    grid = np.arange(total.shape[0])
    at = np.stack([np.interp(edges, grid, total[:, column]) for column in range(3)], axis=1)
    mean = np.diff(at, axis=0) / np.diff(edges)[:, None]
    return np.asarray(mean, np.float32)


def track_at(phonemes: Sequence[Phoneme], duration: float, seconds: npt.NDArray[np.float64]) -> FloatArray:
    """Mouth parameters at given times: float32 [len(seconds),3], linear between the 5 ms samples."""
    fine = _fine_track(phonemes, duration)
    grid = (np.arange(fine.shape[0]) + 0.5) * TRACK_MS / 1000.0
    return np.stack([np.interp(seconds, grid, fine[:, column]) for column in range(3)], axis=1).astype(np.float32)


def visemes_at(phonemes: Sequence[Phoneme], duration: float, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Index into ``VISEMES`` of what is spoken at each time: int64 [len(seconds)]."""
    segments = _segments(phonemes, duration)
    starts = np.array([start for start, _, _ in segments]) / 1000.0
    ids = np.array([VISEMES.index("silence" if s == SILENCE else _lookup(s)[0]) for _, _, s in segments], np.int64)
    result: npt.NDArray[np.int64] = ids[np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, len(ids) - 1)]
    return result
