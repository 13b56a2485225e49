"""Train the demo model's speech encoder on generated speech.

``python -m training.speech.train_wav2vec --out DIR --minutes 120 --seconds 90 --device cuda``
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate
from transformers import Wav2Vec2Model

from live_avatar.audio_features import feature_frames, frame_features
from training.speech.corpus import SAMPLE_RATE, Utterance, make_corpus
from training.speech.espeak import Phoneme
from training.speech.visemes import mouth_track, visemes_at
from training.speech.wav2vec_model import (
    FOLDER,
    MOUTH_OFFSETS,
    STEP_SAMPLES,
    STEPS_PER_SECOND,
    MouthHead,
    SpeechTrainee,
    load_encoder,
    normalise,
    save_encoder,
)

HEAD_FILE = Path(__file__).with_name("head.safetensors")
# Lengths of the training windows in seconds; the engine hears whole recordings of 2 to 60 s.
_WINDOWS = (2.0, 4.0, 4.0, 6.0, 10.0, 20.0)
_MOUTH_WEIGHTS = (2.0, 1.0, 1.0)
_OFFSET_WEIGHTS = (0.3, 1.0, 0.3)
_EMA = 0.998
READ_AHEAD_MS = 12.0
"""The published resampling from 50 to 30 steps with both ends aligned reads ahead: 0 ms at the start, 13 to 40 ms at
the end of a recording; this is about the average."""


@dataclass(frozen=True)
class Stream:
    """Utterances laid end to end on the training device.

    Attributes:
        wave: float32 [320 n]. mouth: float32 [n,3], the mouth of the 40 ms that step k tells about.
        viseme: int64 [n], what is spoken in the middle of those 40 ms.
    """

    wave: Tensor
    mouth: Tensor
    viseme: Tensor

    @property
    def steps(self) -> int:
        """Number of steps of 20 ms."""
        return len(self.viseme)


def step_truth(utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
    """Mouth [n,3] and viseme [n] per 20 ms step: step 2i tells the mouth of video frame i, less ``READ_AHEAD_MS``."""
    late = [Phoneme(p.symbol, p.start_ms + READ_AHEAD_MS * (p.start_ms > 0)) for p in utterance.phonemes]
    fine = mouth_track(late, utterance.seconds, STEPS_PER_SECOND)
    following = np.concatenate([fine[1:], fine[-1:]])
    seconds = (np.arange(len(fine)) + 1.0) / STEPS_PER_SECOND
    return (fine + following) / 2, visemes_at(late, utterance.seconds, seconds)


def make_stream(corpus: Sequence[Utterance], seed: int, device: torch.device, pauses: bool = True) -> Stream:
    """Lay utterances at comparable loudness end to end, some with a pause of up to 1.5 s of silence or faint noise."""
    random = np.random.default_rng(seed)
    waves, mouths, visemes = [], [], []
    for utterance in corpus:
        mouth, viseme = step_truth(utterance)
        level = float(np.sqrt(np.mean(utterance.samples**2))) + 1e-6
        waves.append(utterance.samples * (10 ** (random.uniform(-4.0, 4.0) / 20) * 0.1 / level))
        mouths.append(mouth)
        visemes.append(viseme)
        if pauses and random.random() < 0.3:
            steps = int(random.integers(5, 75))
            noise = random.standard_normal(steps * STEP_SAMPLES) * random.choice((0.0, 1e-4, 1e-3))
            waves.append(noise.astype(np.float32))
            mouths.append(np.zeros((steps, 3), np.float32))
            visemes.append(np.zeros(steps, np.int64))
    return Stream(
        torch.from_numpy(np.concatenate(waves)).to(device),
        torch.from_numpy(np.concatenate(mouths)).to(device),
        torch.from_numpy(np.concatenate(visemes)).to(device),
    )


def sample_batch(
    stream: Stream, seconds: float, batch_seconds: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Augmented windows: waves [B,n], mouth [B,T,offsets,3], viseme [B,T].

    The windows of one batch are sped up or slowed down together, which also moves pitch and formants: more speakers.
    """
    device = stream.wave.device
    speed = float(torch.empty(1).uniform_(0.86, 1.16, generator=generator))
    steps = int(seconds * STEPS_PER_SECOND)
    source_steps = math.ceil(steps * speed)
    count = max(1, round(batch_seconds / seconds))
    starts = torch.randint(2, stream.steps - source_steps - 4, (count,), generator=generator).to(device)
    samples = starts[:, None] * STEP_SAMPLES + torch.arange(source_steps * STEP_SAMPLES, device=device)
    length = steps * STEP_SAMPLES
    position = torch.arange(length, device=device) * speed
    left = position.long().clamp(max=source_steps * STEP_SAMPLES - 2)
    part = (position - left).to(torch.float32)
    source = stream.wave[samples]
    waves = source[:, left] * (1 - part) + source[:, left + 1] * part
    heard = (length - 400) // STEP_SAMPLES + 1
    at = torch.arange(heard, device=device) * speed
    index = (starts[:, None, None] + at.round().long()[None, :, None]) + torch.tensor(
        [round(offset * speed) for offset in MOUTH_OFFSETS], device=device
    )
    return normalise(_colour(waves, generator)), stream.mouth[index], stream.viseme[index[:, :, 1]]


def _colour(waves: Tensor, generator: torch.Generator) -> Tensor:
    """A new random equaliser, polarity and noise at every use; zero phase, so nothing moves in time."""
    device, count = waves.device, waves.shape[0]
    curves = torch.empty(count, 1, 9).uniform_(-7.0, 7.0, generator=generator).to(device)
    spectrum = torch.fft.rfft(waves)
    gain = interpolate(curves, size=spectrum.shape[-1], mode="linear", align_corners=True)[:, 0]
    waves = torch.fft.irfft(spectrum * 10 ** (gain / 20), n=waves.shape[-1])
    level = waves.square().mean(-1, keepdim=True).sqrt()
    ratio = torch.empty(count, 1).uniform_(15.0, 55.0, generator=generator).to(device)
    sign = torch.where(torch.rand(count, 1, generator=generator) < 0.5, -1.0, 1.0).to(device)
    return sign * waves + torch.randn_like(waves) * level * 10 ** (-ratio / 20)


def _head_loss(read: tuple[Tensor, Tensor], mouth: Tensor, viseme: Tensor) -> Tensor:
    weights = mouth.new_tensor(_OFFSET_WEIGHTS)[:, None] * mouth.new_tensor(_MOUTH_WEIGHTS)
    error = (read[0].float() - mouth).square() * weights
    confusion = cross_entropy(read[1].float().flatten(0, 1), viseme.flatten(), label_smoothing=0.05)
    return 10.0 * error.mean() + confusion


def train(
    stream: Stream, validation: Sequence[Utterance], seconds: float, seed: int, batch_seconds: float = 160.0
) -> SpeechTrainee:
    """Train for ``seconds`` of wall time; returns the averaged weights with the best validation score."""
    device = stream.wave.device
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = SpeechTrainee().to(device)
    average = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.03)
    best_score, best = -1.0, copy.deepcopy(average.state_dict())
    start, iteration, checks = time.monotonic(), 0, 0
    model.train()
    while (progress := (time.monotonic() - start) / seconds) < 1.0:
        rate = 1.5e-3 * min(1.0, (iteration + 1) / 100) * min(1.0, 0.03 + 1.3 * (1.0 - progress))
        for group in optimizer.param_groups:
            group["lr"] = rate
        window = _WINDOWS[iteration % len(_WINDOWS)]
        waves, mouth, viseme = sample_batch(stream, min(window, batch_seconds), batch_seconds, generator)
        with torch.autocast(device.type, torch.bfloat16):
            last, middle = model(waves)
            loss = _head_loss(last, mouth, viseme) + 0.5 * _head_loss(middle, mouth, viseme)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        decay = min(_EMA, (1 + iteration) / (10 + iteration))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1.0 - decay)
        if iteration % 100 == 0:
            print(f"{time.monotonic() - start:6.1f} s  iteration {iteration:5d}  loss {loss.item():.4f}", flush=True)
        iteration += 1
        if progress >= (checks + 1) / 8:
            checks += 1
            scores = evaluate(average.encoder, average.last_head, validation)
            score = scores["open"] + 0.5 * scores["wide"] + 0.5 * scores["round"]
            print(f"  validation {scores}", flush=True)
            if score > best_score:
                best_score, best = score, copy.deepcopy(average.state_dict())
    scores = evaluate(average.encoder, average.last_head, validation)
    if scores["open"] + 0.5 * scores["wide"] + 0.5 * scores["round"] < best_score:
        average.load_state_dict(best)
    return average


@torch.no_grad()
def evaluate(
    encoder: Wav2Vec2Model, head: MouthHead, corpus: Sequence[Utterance], together: int = 1
) -> dict[str, float]:
    """Correlation of the linear reading of the last state with the truth, per video frame as the engine hears it.

    Args:
        together: how many utterances are joined into one recording.

    Returns:
        ``open``, ``wide``, ``round``: r at lag 0; ``lag``: the lag in frames with the best r of the opening;
        ``amplitude``: standard deviation read over true; ``viseme``: share of right visemes.
    """
    device = next(encoder.parameters()).device
    read, truth, right, total = [], [], 0, 0
    for first in range(0, len(corpus), together):
        stream = make_stream(corpus[first : first + together], 0, device, pauses=False)
        states = encoder(normalise(stream.wave[None]), output_hidden_states=True).hidden_states[-1]
        viseme = head(states)[1]
        steps = viseme.shape[1]
        right += int((viseme[0].argmax(-1) == stream.viseme[:steps]).sum())
        total += steps
        frames = np.concatenate([utterance.mouth for utterance in corpus[first : first + together]])
        resampled = interpolate(states.mT, size=feature_frames(steps), mode="linear", align_corners=True).mT
        heard = frame_features(resampled, 0, len(frames))[0, 0].T
        read.append(head(heard[None])[0][0, :, 1].float().cpu().numpy())
        truth.append(frames)
    values, target = np.concatenate(read), np.concatenate(truth)
    scores = {
        name: float(np.corrcoef(values[:, column], target[:, column])[0, 1])
        for column, name in enumerate(("open", "wide", "round"))
    }
    lags = {lag: float(np.corrcoef(np.roll(values[:, 0], -lag), target[:, 0])[0, 1]) for lag in range(-3, 4)}
    scores["lag"] = float(max(lags, key=lambda lag: lags[lag]))
    scores["amplitude"] = float(values[:, 0].std() / target[:, 0].std())
    scores["viseme"] = right / total
    return {name: round(value, 4) for name, value in scores.items()}


def main() -> None:
    """Command line: make speech, train, write the folder, test what was written on voices and sentences not heard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help=f"model folder; receives {FOLDER}/")
    parser.add_argument("--head", type=Path, default=HEAD_FILE, help="where the mouth head goes (used by tests only)")
    parser.add_argument("--minutes", type=float, default=120.0, help="training speech; half of it augmented")
    parser.add_argument("--test-minutes", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=90.0, help="training time")
    parser.add_argument("--batch-seconds", type=float, default=160.0, help="speech per iteration")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)

    begin = time.monotonic()
    corpus = make_corpus(arguments.minutes / 2, "train", arguments.seed, arguments.workers)
    corpus += make_corpus(arguments.minutes / 2, "train", arguments.seed + 1, arguments.workers, augment=False)
    validation = make_corpus(arguments.test_minutes / 2, "test", arguments.seed + 2)
    test = make_corpus(arguments.test_minutes, "test", arguments.seed + 3)
    stream = make_stream(corpus, arguments.seed, device)
    speech = len(stream.wave) / SAMPLE_RATE / 60
    print(f"{speech:.0f} minutes of speech in {time.monotonic() - begin:.0f} s", flush=True)

    trained = train(stream, validation, arguments.seconds, arguments.seed, arguments.batch_seconds)
    folder = arguments.out / FOLDER
    save_encoder(trained.encoder.cpu(), folder)
    save_file({name: value.cpu() for name, value in trained.last_head.state_dict().items()}, arguments.head)

    written, head = load_encoder(folder).to(device), trained.last_head.to(device)
    print("unseen voices, sentences and settings:", evaluate(written, head, test))
    print("the same joined to about a minute:    ", evaluate(written, head, test, together=8))
    mandarin = [utterance for utterance in test if utterance.voice.startswith("cmn")]
    print("Mandarin only:                        ", evaluate(written, head, mandarin))


if __name__ == "__main__":
    main()
