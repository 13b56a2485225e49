"""Write the example recordings: three voices, texts and settings that training never uses.

``python -m training.speech.make_voices --out ../resources/examples``
"""

from __future__ import annotations

import argparse
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.speech import espeak
from training.speech.espeak import FloatArray


@dataclass(frozen=True)
class ExampleVoice:
    """Who says what, and how (arguments of ``espeak.synthesise``)."""

    name: str
    text: str
    voice: str
    variant: str
    rate: int
    pitch: int


EXAMPLES = (
    ExampleVoice(
        "anna",
        "Hello, my name is Anna. A picture and a voice make me speak. Shall we?",
        "en-us",
        "f4",
        157,
        56,
    ),
    ExampleVoice(
        "ben",
        "Good evening, I am Ben. Please open your books: practice makes perfect.",
        "en-gb-scotland",
        "m6",
        156,
        38,
    ),
    ExampleVoice("mei", "大家好，我叫小梅。很高兴见到大家，我们出发吧！", "cmn", "f4", 176, 77),
)
_PEAK = 10 ** (-3 / 20)
_EDGE_SECONDS = 0.25


def speak(example: ExampleVoice) -> FloatArray:
    """The recording: float32 at ``espeak.SAMPLE_RATE``, peak at -3 dB, a quarter second of silence at both ends."""
    samples, _ = espeak.synthesise(example.text, example.voice, example.variant, example.rate, example.pitch)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    edge = np.zeros(round(_EDGE_SECONDS * espeak.SAMPLE_RATE), np.float32)
    spoken = samples[loud[0] : loud[-1] + 1]
    return np.concatenate([edge, spoken * (_PEAK / np.abs(spoken).max()), edge]).astype(np.float32)


def write_wave(path: Path, samples: FloatArray, rate: int) -> None:
    """Write mono 16-bit PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(samples * 32767.0).astype("<i2").tobytes())


def main() -> None:
    """Command line: write every example's ``voice.wav``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="examples folder; one folder a name inside")
    arguments = parser.parse_args()
    for example in EXAMPLES:
        samples = speak(example)
        path = arguments.out / example.name / "voice.wav"
        write_wave(path, samples, espeak.SAMPLE_RATE)
        print(f"{path}: {len(samples) / espeak.SAMPLE_RATE:.2f} s")


if __name__ == "__main__":
    main()
