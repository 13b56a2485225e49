"""Generated speech with mouth truth: random sentences, many voices, disjoint training and test splits."""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve, resample_poly

from training.speech import espeak, words
from training.speech.espeak import Phoneme
from training.speech.visemes import FRAMES_PER_SECOND, mouth_track

FloatArray = npt.NDArray[np.float32]
Split = Literal["train", "test"]

SAMPLE_RATE = 16000
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAMES_PER_SECOND
MIN_SECONDS, MAX_SECONDS = 4.0, 12.0

_VARIANTS = (
    "m1", "m2", "m3", "m5", "m7", "m8", "f1", "f2", "f3", "f5", "Alex", "Alicia", "Andrea", "Andy", "Annie",
    "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen",
    "Reed", "adam", "anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward",
    "grandma", "grandpa", "gustave", "ian", "john", "linda", "marcelo", "max", "michel", "miguel", "pablo", "paul",
    "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "zac", "klatt", "klatt2",
)  # fmt: skip
TEST_VARIANTS = ("f4", "m4", "m6", "steph3", "klatt4", "Storm", "norbert", "iven3")
_ENGLISH = ("en", "en-us", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc")
TEST_ACCENT = "en-gb-scotland"
_OTHER = ("de", "fr", "es", "es-419")
_MANDARIN_SHARE, _OTHER_SHARE = 0.25, 0.12
_RATES = range(130, 211)
_PITCHES = range(20, 81)
_HELD_OUT = 3  # of four neighbouring groups of five rates (or pitches), this one is for tests


@dataclass(frozen=True)
class Utterance:
    """One recording with its truth.

    Attributes:
        samples: float32 [n] at 16 kHz, n a multiple of 640 (whole video frames), 4 to 12 seconds.
        mouth: float32 [n / 640, 3]: opening, width, rounding per frame at 25 fps, aligned with the samples.
        text: what is said. voice: ``voice+variant/rate/pitch``.
        phonemes: symbols with start times in milliseconds of ``samples``.
    """

    samples: FloatArray
    mouth: FloatArray
    text: str
    voice: str
    phonemes: list[Phoneme]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def make_corpus(
    minutes: float, split: Split, seed: int, workers: int = 1, augment: bool | None = None
) -> list[Utterance]:
    """Utterances of together at least ``minutes``; equal arguments give an equal corpus, whatever ``workers`` is.

    ``workers`` above 1 starts that many processes (with an importable, guarded main module). ``augment``:
    gain, noise, equaliser, room, and a small change of speed that also moves the formants; default on for training.
    """
    if augment is None:
        augment = split == "train"
    corpus: list[Utterance] = []
    total = 0.0
    for utterance in _generate(split, seed, workers, augment):
        corpus.append(utterance)
        total += utterance.seconds
        if total >= 60.0 * minutes:
            break
    return corpus


def _generate(split: Split, seed: int, workers: int, augment: bool) -> Iterator[Utterance]:
    def jobs() -> Iterator[tuple[Split, int, int, bool]]:
        index = 0
        while True:
            yield split, seed, index, augment
            index += 1

    if workers <= 1:
        yield from map(_make_job, jobs())
        return
    endless = jobs()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        while True:
            yield from pool.map(_make_job, [next(endless) for _ in range(workers * 8)], chunksize=4)


def _make_job(job: tuple[Split, int, int, bool]) -> Utterance:
    return make_utterance(*job)


def make_utterance(split: Split, seed: int, index: int, augment: bool) -> Utterance:
    """Utterance ``index`` of the corpus ``(split, seed)``."""
    random = np.random.default_rng([seed, zlib.crc32(split.encode()), index])
    language, variant = choose_voice(random, split)
    rate, pitch = _setting(random, _RATES, split), _setting(random, _PITCHES, split)
    # Whole multiples of 50 Hz keep the resampling filter short.
    speed = round(float(random.uniform(0.9, 1.12)) * 441) / 441 if augment else 1.0
    sentences: list[str] = []
    while True:
        sentences.append(make_sentence(random, language, split))
        text = ("" if language == "cmn" else " ").join(sentences)
        samples, phonemes = espeak.synthesise(text, language, variant, rate, pitch)
        seconds = len(samples) / espeak.SAMPLE_RATE / speed
        if seconds > MAX_SECONDS - 0.2:
            sentences = []
        elif seconds >= MIN_SECONDS and random.random() < max(0.35, (seconds - MIN_SECONDS) / 5.0):
            break
    return _finish(samples, phonemes, speed, text, f"{language}+{variant}/{rate}/{pitch}", random, augment)


def _finish(
    samples: FloatArray,
    phonemes: Sequence[Phoneme],
    speed: float,
    text: str,
    voice: str,
    random: np.random.Generator,
    augment: bool,
) -> Utterance:
    sound = resample(samples, round(espeak.SAMPLE_RATE * speed), SAMPLE_RATE)
    lead = float(random.uniform(0.0, 0.35))
    head = round(lead * SAMPLE_RATE)
    frames = -(-(head + len(sound)) // SAMPLES_PER_FRAME)
    padded = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    padded[head : head + len(sound)] = np.clip(sound, -1.0, 1.0)
    times = [Phoneme(espeak.SILENCE, 0.0)]
    times += [Phoneme(p.symbol, 1000.0 * lead + p.start_ms / speed) for p in phonemes]
    times.append(Phoneme(espeak.SILENCE, max(times[-1].start_ms, 1000.0 * (head + len(sound)) / SAMPLE_RATE)))
    if augment:
        padded = _augment(padded, random)
    mouth = mouth_track(times, len(padded) / SAMPLE_RATE)
    return Utterance(padded, mouth, text, voice, times)


def choose_voice(random: np.random.Generator, split: Split) -> tuple[str, str]:
    """A language and a variant of the split. Test variants and the test accent never occur in training."""
    draw = random.random()
    if draw < _MANDARIN_SHARE:
        language = "cmn"
    elif draw < _MANDARIN_SHARE + _OTHER_SHARE:
        language = str(random.choice(_OTHER))
    else:
        accents = (*_ENGLISH, TEST_ACCENT, TEST_ACCENT) if split == "test" else _ENGLISH
        language = str(random.choice(accents))
    return language, str(random.choice(TEST_VARIANTS if split == "test" else _VARIANTS))


def _setting(random: np.random.Generator, values: range, split: Split) -> int:
    while True:
        value = int(random.integers(values.start, values.stop))
        if (value // 5 % 4 == _HELD_OUT) == (split == "test"):
            return value


def in_split(key: str, split: Split) -> bool:
    """Whether a sentence belongs to the split: one in eight, by a hash of its text, is kept for tests."""
    return (zlib.crc32(key.encode()) % 8 == 0) == (split == "test")


def make_sentence(random: np.random.Generator, language: str, split: Split) -> str:
    """A random sentence; no sentence of one split can occur in the other. Some English templates are test-only."""
    base = language.split("-")[0]
    while True:
        if base in words.PARTS:
            parts = [str(random.choice(part)) for part in words.PARTS[base]]
            sentence = ("" if base == "cmn" else " ").join(parts)
        else:
            templates = words.TEST_TEMPLATES + words.TEMPLATES if split == "test" else words.TEMPLATES
            sentence = _fill(random, str(random.choice(templates)))
        if in_split(sentence, split):
            return sentence


def _fill(random: np.random.Generator, template: str) -> str:
    def pick(items: Sequence[str]) -> str:
        return str(random.choice(items))

    text = template.format(
        noun=pick(words.NOUNS),
        noun2=pick(words.NOUNS),
        verb=pick(words.VERBS),
        verb2=pick(words.VERBS),
        adjective=pick(words.ADJECTIVES),
        adjective2=pick(words.ADJECTIVES),
        adverb=pick(words.ADVERBS),
        place=pick(words.PLACES),
        person=pick(words.PEOPLE),
        person2=pick(words.PEOPLE),
        number=pick(words.NUMBERS),
        number2=pick(words.NUMBERS),
    )
    return text[0].upper() + text[1:]


def resample(samples: FloatArray, rate_in: int, rate_out: int) -> FloatArray:
    """Samples at another rate; soxr where installed, else scipy's polyphase filter (both linear phase: no shift)."""
    if rate_in == rate_out:
        return samples
    try:
        import soxr
    except ImportError:
        divisor = int(np.gcd(rate_in, rate_out))
        return np.asarray(resample_poly(samples, rate_out // divisor, rate_in // divisor), np.float32)
    return np.asarray(soxr.resample(samples, rate_in, rate_out, quality="HQ"), np.float32)


def _augment(samples: FloatArray, random: np.random.Generator) -> FloatArray:
    """A random recording condition: room, equaliser, noise, gain. Never moves the sound in time."""
    sound = samples.astype(np.float64)
    if random.random() < 0.4:
        length = int(random.uniform(0.05, 0.25) * SAMPLE_RATE)
        decay = np.exp(-6.9 * np.arange(length) / length)
        room = random.standard_normal(length) * decay * random.uniform(0.01, 0.05)
        room[0] = 1.0
        sound = fftconvolve(sound, room)[: len(samples)]
    if random.random() < 0.6:
        spectrum = np.fft.rfft(sound)
        frequency = np.linspace(0.0, 1.0, len(spectrum))
        knots = np.array([0.0, 0.02, 0.06, 0.15, 0.35, 0.6, 1.0])
        gains = np.interp(frequency, knots, random.uniform(-8.0, 8.0, len(knots)))
        sound = np.fft.irfft(spectrum * 10.0 ** (gains / 20.0), len(samples))
    level = float(np.sqrt(np.mean(sound**2))) + 1e-9
    if random.random() < 0.7:
        noise = random.standard_normal(len(samples))
        if random.random() < 0.5:
            noise = np.convolve(noise, np.ones(8) / np.sqrt(8.0), mode="same")
        sound = sound + noise * level * 10.0 ** (-random.uniform(18.0, 50.0) / 20.0)
    target = 10.0 ** (random.uniform(-32.0, -14.0) / 20.0)
    return np.asarray(np.clip(sound * (target / level), -1.0, 1.0), np.float32)
