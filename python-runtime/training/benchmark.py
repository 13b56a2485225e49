"""How good the demo model is, measured on finished videos of people, voices and words it has never met.

``python -m training.benchmark [--only vae,lips,lora,prompt,identity] [--json FILE]`` prints figures and their bars.
All pictures are measured after the whole path: portrait file, sound file, prompt, real ``render()``, H.264, decoder.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from live_avatar.geometry import MODEL_SAMPLE_RATE
from live_avatar.image import fit_picture, open_picture
from live_avatar.media.frames import read_frames
from live_avatar.pipeline import Pipeline, PipelineOptions
from live_avatar.render import RenderJob, render
from live_avatar.take import PromptSpan
from training.avatars import measures
from training.avatars.appearance import Appearance, sample_appearance
from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.avatars.performance import performance_from_mouth
from training.avatars.renderer import AvatarRenderer, to_uint8
from training.speech.corpus import Utterance, make_utterance
from training.text.prompts import LANGUAGES, Language, sample_prompt
from training.train_vae import decibels, stream_quality

Frames = NDArray[np.uint8]
Track = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "resources" / "models" / "demo"
SIZE = (384, 256)
PORTRAIT_WIDTH = 1152
SPEECH_SEED = 4_711
AVATAR_SEED = 500_000
PROMPT_SEED = 90_000
LONGEST_LAG = 5
IDENTITY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``met`` is None where there is no bar."""

    what: str
    figure: str
    bar: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Subject:
    """An unseen person who says something."""

    look: Appearance
    speech: Utterance
    expression: str
    light: str
    prompt: str


def make_subject(index: int) -> Subject:
    """Subject ``index``: test-split look, voice, sentence and prompt, every pair of labels in turn."""
    expression = EXPRESSIONS[index % len(EXPRESSIONS)]
    light = LIGHTS[index // len(EXPRESSIONS) % len(LIGHTS)]
    language: Language = LANGUAGES[index % len(LANGUAGES)]
    return Subject(
        sample_appearance(AVATAR_SEED + index, "test"),
        make_utterance("test", SPEECH_SEED, index, augment=False),
        expression,
        light,
        sample_prompt(expression, light, PROMPT_SEED + index, language, "test"),
    )


class Studio:
    """Renders subjects through the real engine.

    Args:
        folder: where the files of a run go.
        ckpt: model folder; lora: whether its LoRA is loaded.
    """

    def __init__(self, folder: Path, ckpt: Path, lora: bool = True) -> None:
        self.folder = folder
        self.ckpt = ckpt
        name = str(ckpt / "liveavatar.safetensors") if lora else None
        self._pipeline = Pipeline.load(PipelineOptions(ckpt, name))
        self._suffix = "" if lora else "-base"

    def portrait(self, index: int, look: Appearance) -> Path:
        """Draw a portrait file."""
        path = self.folder / f"portrait{index}.png"
        if not path.exists():
            pixels = to_uint8(AvatarRenderer([look], width=PORTRAIT_WIDTH).portrait(0)).numpy()
            Image.fromarray(pixels).save(path)
        return path

    def video(
        self, index: int, subject: Subject, clips: int | None = None, samples: NDArray[np.float32] | None = None
    ) -> Frames:
        """Render and read back: uint8 [T, 256, 384, 3]."""
        sound = self.folder / f"voice{index}.wav"
        write_wav(sound, subject.speech.samples if samples is None else samples)
        output = self.folder / f"clip{index}{self._suffix}.mp4"
        job = RenderJob(
            self.portrait(index, subject.look),
            (sound,),
            (PromptSpan(0, subject.prompt),),
            output,
            SIZE,
            base_seed=1000 + index,
            num_clip=clips,
            overwrite=True,
        )
        render(job, self._pipeline, lambda event: None, lambda: False)
        return np.stack(list(read_frames(output)))


def write_wav(path: Path, samples: NDArray[np.floating]) -> None:
    """Mono 16-bit WAV at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MODEL_SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def correlation(first: Track, second: Track, lag: int = 0) -> float:
    """Pearson correlation of two tracks, ``second`` delayed by ``lag`` frames."""
    length = min(len(first), len(second))
    a, b = first[:length], second[:length]
    if lag > 0:
        a, b = a[lag:], b[:-lag]
    elif lag < 0:
        a, b = a[:lag], b[-lag:]
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def true_frames(subject: Subject, seed: int) -> Frames:
    """The drawing that a perfect model would give, but for its random head movements."""
    play = performance_from_mouth(subject.speech.mouth, subject.expression, seed=seed)
    drawn = AvatarRenderer([subject.look]).render_clip(0, play, subject.light)
    frames: Frames = to_uint8(drawn).numpy()
    return frames


def lips(studio: Studio, count: int, say: Callable[[str], None]) -> list[Row]:
    """Lip sync on unseen people, voices and words."""
    subjects = [make_subject(index) for index in range(count)]
    made, exact, amplitude, ceiling = [], [], [], []
    for index, subject in enumerate(subjects):
        opening = measures.mouth_opening(studio.video(index, subject))
        truth = measures.mouth_opening(true_frames(subject, index))
        made.append(np.asarray(opening, dtype=np.float64))
        exact.append(np.asarray(subject.speech.mouth[:, 0], dtype=np.float64))
        ceiling.append(correlation(truth, exact[-1]))
        amplitude.append(float(opening.std() / truth.std()))
        say(
            f"lips {index + 1}/{count}: r {correlation(made[-1], exact[-1]):.3f}, measure on truth {ceiling[-1]:.3f}, "
            f"amplitude {amplitude[-1]:.2f}, {subject.expression}, {subject.light}, {subject.speech.voice}"
        )
    by_lag = {
        lag: float(np.mean([correlation(a, b, lag) for a, b in zip(made, exact, strict=True)]))
        for lag in range(-LONGEST_LAG, LONGEST_LAG + 1)
    }
    best = max(by_lag, key=lambda lag: by_lag[lag])
    shuffled = float(np.mean([correlation(made[i], exact[(i + 1) % count]) for i in range(count)]))
    each = [correlation(a, b) for a, b in zip(made, exact, strict=True)]
    strength = float(np.mean(amplitude))
    return [
        Row(
            "lip sync, mean correlation",
            f"{by_lag[0]:.3f} (clips {min(each):.2f} to {max(each):.2f})",
            "0.8",
            by_lag[0] >= 0.8,
        ),
        Row("lip sync, best lag", f"{best} frames", "0", best == 0),
        Row("lip sync, other clip's sound", f"{shuffled:.3f}", "below 0.15", abs(shuffled) < 0.15),
        Row("mouth amplitude against truth", f"{strength:.2f}", "0.6", strength >= 0.6),
        Row("the measure itself on true drawings", f"{np.mean(ceiling):.3f}", "0.95", float(np.mean(ceiling)) >= 0.95),
    ]


def lora_rows(studio: Studio, base: Studio, count: int, say: Callable[[str], None]) -> list[Row]:
    """The same clips with and without the LoRA: lip sync, and distance from the drawing a perfect model would give."""
    scores: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
    for index in range(count):
        subject = make_subject(index)
        wanted = true_frames(subject, index)
        for name, maker in (("with", studio), ("without", base)):
            frames = maker.video(index, subject)
            length = min(len(frames), len(wanted))
            sync = correlation(measures.mouth_opening(frames), np.asarray(subject.speech.mouth[:, 0], dtype=np.float64))
            likeness = float(measures.psnr(frames[:length], wanted[:length], measures.MOUTH_BOX).mean())
            scores[name].append((sync, likeness))
        say(f"LoRA {index + 1}/{count}: with {scores['with'][-1]}, without {scores['without'][-1]}")
    means = {name: np.mean(values, axis=0) for name, values in scores.items()}
    return [
        Row("LoRA: lip sync with, without", f"{means['with'][0]:.3f}, {means['without'][0]:.3f}", "", None),
        Row("LoRA: mouth PSNR with, without", f"{means['with'][1]:.2f}, {means['without'][1]:.2f} dB", "", None),
    ]


def identity(studio: Studio, people: int, say: Callable[[str], None]) -> list[Row]:
    """Colours and sharpness over a minute."""
    parts, total, index = [], 0, 0
    while total < IDENTITY_SECONDS * MODEL_SAMPLE_RATE:
        parts.append(make_utterance("test", SPEECH_SEED + 1, index, augment=False).samples)
        total += len(parts[-1])
        index += 1
    sound = np.concatenate(parts)[: IDENTITY_SECONDS * MODEL_SAMPLE_RATE]
    rows = []
    for number in range(people):
        subject = make_subject(200 + number * len(EXPRESSIONS))
        plain = "A person speaks calmly with a neutral expression in natural daylight."
        subject = Subject(subject.look, subject.speech, "neutral", "day", plain)
        frames = studio.video(200 + number, subject, samples=sound)
        picture = open_picture(studio.portrait(200 + number, subject.look)).image
        portrait = measures.region_colours(np.asarray(fit_picture(picture, *SIZE))[None])
        colours = measures.region_colours(frames)
        seconds = len(frames) // 25
        drift = {}
        for region, wanted in portrait.items():
            found = colours[region][: seconds * 25].reshape(seconds, 25, 3).mean(1)
            drift[region] = float(measures.delta_e(found, np.repeat(wanted, seconds, 0)).max())
        sharp = measures.sharpness(frames)
        change = float(sharp[-50:].mean() / sharp[12:62].mean() - 1)
        text = ", ".join(f"{region} {value:.1f}" for region, value in drift.items())
        say(f"identity {number + 1}/{people}: {text}, sharpness {change:+.1%}")
        rows.append(
            Row(f"60 s, person {number + 1}: worst second's colour drift", text, "5 delta E", max(drift.values()) < 5)
        )
        rows.append(
            Row(f"60 s, person {number + 1}: sharpness, end against start", f"{change:+.1%}", "10 %", abs(change) < 0.1)
        )
    return rows


def prompts(studio: Studio, count: int, say: Callable[[str], None]) -> list[Row]:
    """Expression and light as asked, on unseen prompts."""
    right = {"expression": 0, "light": 0}
    for index in range(count):
        # A stride coprime to the labels' period pairs people, words and labels anew.
        subject = make_subject(1000 + index * 7)
        frames = studio.video(1000 + index, subject, clips=1)
        found = measures.expression(frames[12:])[0], measures.light(frames[12:])[0]
        right["expression"] += found[0] == subject.expression
        right["light"] += found[1] == subject.light
        if found != (subject.expression, subject.light):
            say(f"prompt {index + 1}: wanted {subject.expression}/{subject.light}, seen {found}: {subject.prompt}")
    return [
        Row(f"prompt, {name} as asked", f"{hits} of {count} ({hits / count:.0%})", "90 %", hits / count >= 0.9)
        for name, hits in right.items()
    ]


def vae(studio: Studio, count: int, say: Callable[[str], None]) -> list[Row]:
    """Reconstruction of 301-frame streams of unseen people by the shipped VAE, in the precision the demo uses."""
    codec = studio._pipeline.vae
    whole, mouth = [], []
    for index in range(count):
        track = np.concatenate([make_utterance("test", SPEECH_SEED + 2, index * 9 + i, False).mouth for i in range(4)])
        if len(track) < 301:
            track = np.concatenate([track] * 3)
        play = performance_from_mouth(track[:301], EXPRESSIONS[index % 5], seed=index)
        look = sample_appearance(AVATAR_SEED + 3000 + index, "test")
        drawn = AvatarRenderer([look]).render_clip(0, play, LIGHTS[index % 4])
        pixels = to_uint8(drawn).movedim(-1, 1)[None]
        error, mouth_error = stream_quality(codec, pixels, torch.device("cpu"))
        whole.append(error[0])
        mouth.append(mouth_error[0])
        say(f"vae {index + 1}/{count}: {decibels(error):.1f} dB, mouth {decibels(mouth_error):.1f} dB")
    errors, mouth_errors = torch.stack(whole), torch.stack(mouth)
    early, late = decibels(errors[:, 1:51]), decibels(errors[:, 251:301])
    return [
        Row("VAE, 301-frame streams", f"{decibels(errors):.1f} dB", "32 dB", decibels(errors) >= 32),
        Row("VAE, mouth box", f"{decibels(mouth_errors):.1f} dB", "28 dB", decibels(mouth_errors) >= 28),
        Row("VAE, frames 1-50 then 251-300", f"{early:.1f} then {late:.1f} dB", "no fall", late >= early - 0.2),
    ]


def table(rows: Sequence[Row]) -> str:
    """Rows as text."""
    lines = [f"{'what':50} {'figure':44} {'bar':12} met"]
    for row in rows:
        met = "" if row.met is None else "yes" if row.met else "NO"
        lines.append(f"{row.what:50} {row.figure:44} {row.bar:12} {met}")
    return "\n".join(lines)


def main() -> int:
    """Run the chosen parts; exit status 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_dir", type=Path, default=DEMO)
    parser.add_argument("--only", default="vae,lips,lora,prompt,identity", help="parts, separated by commas")
    parser.add_argument("--clips", type=int, default=20, help="lip-sync clips")
    parser.add_argument("--lora_clips", type=int, default=6, help="clips made with and without the LoRA")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--people", type=int, default=2, help="60-second videos")
    parser.add_argument("--vae_clips", type=int, default=4)
    parser.add_argument("--keep", type=Path, default=None, help="keep portraits, sounds and videos in this folder")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    parts = options.only.split(",")
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"demo model on {machine}", flush=True)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        studio = Studio(folder, options.ckpt_dir)
        if "vae" in parts:
            rows += vae(studio, options.vae_clips, say)
        if "lips" in parts:
            rows += lips(studio, options.clips, say)
        if "lora" in parts:
            rows += lora_rows(studio, Studio(folder, options.ckpt_dir, lora=False), options.lora_clips, say)
        if "prompt" in parts:
            rows += prompts(studio, options.prompts, say)
        if "identity" in parts:
            rows += identity(studio, options.people, say)
    print(table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1))
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
