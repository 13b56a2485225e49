from __future__ import annotations

import itertools
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from training.speech import corpus, espeak, visemes
from training.speech.espeak import SILENCE, UNRELEASED, Phoneme
from training.speech.make_voices import EXAMPLES, speak, write_wave

PACKAGE_ROOT = Path(__file__).parents[1]
SPEECH_MODEL = PACKAGE_ROOT.parent / "resources" / "models" / "demo" / "wav2vec2-large-xlsr-53-english"


def frames_of(phonemes: list[Phoneme], symbols: str) -> list[int]:
    """Video frames that lie wholly inside a phoneme starting with one of ``symbols``."""
    found = []
    for this, following in itertools.pairwise(phonemes):
        if this.symbol.strip("ˈˌ")[:1] in tuple(symbols):
            first, last = int(np.ceil(this.start_ms / 40)), int(following.start_ms // 40)
            found += list(range(first, last))
    return found


def test_phoneme_times_agree_with_the_sound() -> None:
    samples, phonemes = espeak.synthesise("A papa taps a map, a cat appeals.", "en-us", "m3", rate=140)
    closures = [
        (phoneme.start_ms, following.start_ms)
        for phoneme, following in itertools.pairwise(phonemes)
        if phoneme.symbol.endswith(UNRELEASED)
    ]
    assert len(closures) >= 6
    for start_ms, end_ms in closures:
        inside = samples[int(start_ms * 22.05) + 1 : int(end_ms * 22.05)]
        burst = samples[int(end_ms * 22.05) : int((end_ms + 30) * 22.05)]
        assert np.abs(inside).max() < 0.003
        assert np.abs(burst).max() > 0.02
    for phoneme, following in itertools.pairwise(phonemes):
        if "ɑ" in phoneme.symbol or "æ" in phoneme.symbol:
            vowel = samples[int(phoneme.start_ms * 22.05) : int(following.start_ms * 22.05)]
            assert np.sqrt(np.mean(vowel**2)) > 0.03


def test_phonemes_are_in_order_and_start_at_zero() -> None:
    for voice, text in (("en-us", "Papa, six foxes!"), ("cmn", "爸爸去北京，好吗？"), ("fr", "un petit papa")):
        samples, phonemes = espeak.synthesise(text, voice, "f2")
        starts = [phoneme.start_ms for phoneme in phonemes]
        assert starts[0] == 0.0
        assert starts == sorted(starts)
        assert starts[-1] <= 1000.0 * len(samples) / espeak.SAMPLE_RATE
        assert not any("(" in phoneme.symbol for phoneme in phonemes)


def test_equal_arguments_give_equal_samples_whatever_was_said_before() -> None:
    first, _ = espeak.synthesise("She sells sea shells.", "en-us", "f5")
    espeak.synthesise("我很高兴", "cmn", "m2", rate=200)
    second, _ = espeak.synthesise("She sells sea shells.", "en-us", "f5")
    np.testing.assert_array_equal(first, second)


def test_unknown_voice_is_refused() -> None:
    with pytest.raises(ValueError, match="no voice"):
        espeak.synthesise("hello", "xx-nowhere")


def test_lips_close_for_bilabials_and_open_for_vowels() -> None:
    samples, phonemes = espeak.synthesise("Mama, my mama, a bad mop, a farm, aha!", "en-us", "m1", rate=80)
    mouth = visemes.mouth_track(phonemes, len(samples) / espeak.SAMPLE_RATE)
    closed, opened = frames_of(phonemes, "mpb"), frames_of(phonemes, "ɑa")
    assert len(closed) >= 4
    assert len(opened) >= 8
    assert mouth[closed, 0].max() < 0.12
    assert np.median(mouth[opened, 0]) > 0.8


def test_width_and_rounding_follow_the_vowel() -> None:
    def held(vowel: str) -> np.ndarray:
        frame: np.ndarray = visemes.mouth_track([Phoneme(vowel, 0.0)], 0.6)[7]
        return frame

    (open_i, wide_i, round_i), (open_u, wide_u, round_u), (open_a, _, round_a) = held("iː"), held("uː"), held("ɑː")
    assert wide_i > 0.9
    assert round_i == 0.0
    assert wide_u < -0.85
    assert round_u > 0.95
    assert round_a == 0.0
    assert open_a == pytest.approx(1.0, abs=0.01)
    assert 0.3 < open_i < 0.5
    assert open_u < open_i
    assert held("ə")[0] == pytest.approx(0.55, abs=0.1)
    assert held(SILENCE).tolist() == [0.0, 0.0, 0.0]


def test_short_closure_between_vowels_shuts_the_mouth() -> None:
    events = [Phoneme("a", 0.0), Phoneme("p" + UNRELEASED, 400.0), Phoneme("p", 440.0), Phoneme("a", 470.0)]
    mouth = visemes.mouth_track(events, 0.8)
    assert mouth[10, 0] < 0.1  # 400 to 440 ms
    assert mouth[8, 0] > 0.8
    assert mouth[14, 0] > 0.8


def test_frames_belong_to_their_own_forty_milliseconds() -> None:
    mouth = visemes.mouth_track([Phoneme(SILENCE, 0.0), Phoneme("a", 800.0), Phoneme(SILENCE, 1200.0)], 2.0)
    assert mouth.shape == (50, 3)
    assert mouth.dtype == np.float32
    centre = float((np.arange(50) + 0.5) @ mouth[:, 0] / mouth[:, 0].sum())
    assert centre == pytest.approx(25.0, abs=0.05)  # 1000 ms: no lag


def test_every_phoneme_of_the_used_languages_has_a_mouth() -> None:
    texts = {
        "en-us": "The quick brown fox jumps over thirteen lazy dogs; she measures beige joy with awe.",
        "en-gb-scotland": "Which loch is near? The poor girl thinks about choir.",
        "cmn": "爸爸去北京吃饭，她日日思念儿子，月亮很圆，四十四只石狮子，女绿鱼。",
        "de": "Schöne Bücher über zwölf Äpfel, ach ich, Pfeffer, singen.",
        "fr": "Un bon vin blanc, la rue, peu de feuilles, huit agneaux.",
        "es": "El perro viejo llueve cien años, joven y gente, queso.",
    }
    for voice, text in texts.items():
        _, phonemes = espeak.synthesise(text, voice)
        for phoneme in phonemes:
            for symbol, _ in visemes.symbols_of(phoneme.symbol):
                assert symbol in visemes._VOWELS or symbol in visemes._CONSONANTS, (voice, phoneme.symbol)


def test_utterances_are_whole_frames_of_the_promised_length() -> None:
    for split in ("train", "test"):
        for utterance in corpus.make_corpus(0.5, split, 5):
            assert len(utterance.samples) == 640 * len(utterance.mouth)
            assert 4.0 <= utterance.seconds <= 12.5
            assert np.abs(utterance.samples).max() <= 1.0
            assert np.isfinite(utterance.samples).all()
            assert utterance.mouth[:, 0].max() > 0.5


def test_mouth_and_loudness_are_in_step() -> None:
    utterances = corpus.make_corpus(1.0, "test", 6)
    loud = [np.sqrt(np.mean(u.samples.reshape(-1, 640) ** 2, axis=1)) for u in utterances]
    scores = {}
    for lag in range(-4, 5):
        scores[lag] = np.mean(
            [np.corrcoef(np.roll(a, lag), u.mouth[:, 0])[0, 1] for a, u in zip(loud, utterances, strict=True)]
        )
    assert max(scores, key=lambda lag: scores[lag]) == 0
    assert scores[0] > 0.5


def test_the_corpus_is_reproducible_in_any_number_of_processes() -> None:
    alone = corpus.make_corpus(0.4, "train", 7, workers=1)
    shared = corpus.make_corpus(0.4, "train", 7, workers=2)
    assert [u.text for u in alone] == [u.text for u in shared]
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
    assert corpus.make_corpus(0.1, "train", 8)[0].text != alone[0].text


def test_train_and_test_share_no_voice_setting_or_sentence() -> None:
    def describe(split: corpus.Split) -> tuple[set[str], set[str], set[int], set[int], set[str]]:
        voices, accents, rates, pitches, sentences = set(), set(), set(), set(), set()
        random = np.random.default_rng(3)
        for _ in range(1500):
            language, variant = corpus.choose_voice(random, split)
            voices.add(variant)
            accents.add(language)
            rates.add(corpus._setting(random, corpus._RATES, split))
            pitches.add(corpus._setting(random, corpus._PITCHES, split))
            sentences.add(corpus.make_sentence(random, language, split))
        return voices, accents, rates, pitches, sentences

    train, test = describe("train"), describe("test")
    assert len(train[0]) >= 40
    for index in (0, 2, 3, 4):
        assert not train[index] & test[index]
    assert corpus.TEST_ACCENT in test[1]
    assert corpus.TEST_ACCENT not in train[1]
    assert {"cmn", "en-us"} <= train[1]


def test_augmentation_does_not_move_the_sound() -> None:
    click = np.zeros(16000, np.float32)
    click[8000:8160] = np.hanning(160) * np.sin(np.arange(160))
    for seed in range(12):
        changed = corpus._augment(click, np.random.default_rng(seed))
        lag = int(np.argmax(np.abs(np.correlate(changed, click, "same")))) - 8000
        assert abs(lag) <= 16  # a millisecond


def test_resampling_with_and_without_soxr_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    time = np.arange(22050) / 22050
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    with_soxr = corpus.resample(tone, 22050, 16000)
    monkeypatch.setitem(sys.modules, "soxr", None)
    without = corpus.resample(tone, 22050, 16000)
    assert abs(len(with_soxr) - len(without)) <= 1
    assert np.abs(with_soxr[500:15500] - without[500:15500]).max() < 0.01


def test_example_voices_are_unseen_and_readable(tmp_path: Path) -> None:
    for example in EXAMPLES:
        assert example.variant in corpus.TEST_VARIANTS
        assert example.rate // 5 % 4 == corpus._HELD_OUT
        assert example.pitch // 5 % 4 == corpus._HELD_OUT
        samples = speak(example)
        assert 5.0 <= len(samples) / espeak.SAMPLE_RATE <= 6.2
        write_wave(tmp_path / example.name / "voice.wav", samples, espeak.SAMPLE_RATE)
        with wave.open(str(tmp_path / example.name / "voice.wav")) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, espeak.SAMPLE_RATE)
            assert file.getnframes() == len(samples)


def test_step_truth_is_the_frame_truth_a_little_later() -> None:
    from training.speech.train_wav2vec import READ_AHEAD_MS, step_truth

    utterance = corpus.make_corpus(0.1, "test", 9)[0]
    mouth, viseme = step_truth(utterance)
    assert len(viseme) == len(mouth) == 2 * len(utterance.mouth)
    even, odd = np.arange(len(mouth))[::2], np.arange(len(mouth))
    at = even + READ_AHEAD_MS / 20.0
    for column in range(3):
        shifted = np.interp(at, odd, mouth[:, column])
        assert np.abs(shifted - utterance.mouth[:, column]).mean() < 0.02


def test_training_windows_keep_sound_and_truth_together() -> None:
    import torch

    from training.speech.train_wav2vec import make_stream, sample_batch

    stream = make_stream(corpus.make_corpus(0.5, "train", 10, augment=False), 1, torch.device("cpu"))
    waves, mouth, viseme = sample_batch(stream, 4.0, 16.0, torch.Generator().manual_seed(1))
    assert waves.shape == (4, 64000)
    assert mouth.shape == (4, 199, 3, 3)
    assert viseme.shape == (4, 199)
    torch.testing.assert_close(waves.square().mean(-1), torch.ones(4), atol=1e-3, rtol=0)
    level = waves[:, : 199 * 320].reshape(4, 199, 320).square().mean(-1).sqrt()
    best = []
    for shift in range(-4, 5):
        pair = torch.stack([level.roll(shift, 1).flatten(), mouth[:, :, 1, 0].flatten()])
        best.append(float(torch.corrcoef(pair)[0, 1]))
    assert abs(int(np.argmax(best)) - 4) <= 1


def test_training_command_writes_a_loadable_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.speech.train_wav2vec", "--out", str(tmp_path)]
    command += ["--head", str(tmp_path / "head.safetensors"), "--minutes", "0.4", "--test-minutes", "0.2"]
    command += ["--seconds", "2", "--device", "cpu", "--workers", "1", "--batch-seconds", "4"]
    done = subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "unseen voices" in done.stdout
    from transformers import Wav2Vec2Model, Wav2Vec2Processor

    folder = tmp_path / SPEECH_MODEL.name
    model = Wav2Vec2Model.from_pretrained(folder)
    assert model.config.num_hidden_layers == 4
    assert Wav2Vec2Processor.from_pretrained(folder).feature_extractor.do_normalize is True
    assert sum(file.stat().st_size for file in folder.iterdir()) < 4_000_000


@pytest.mark.skipif(not SPEECH_MODEL.exists(), reason="the demo model is not in this checkout")
def test_the_demo_speech_model_reads_the_mouth_of_unseen_voices() -> None:
    from safetensors.torch import load_file

    from training.speech.train_wav2vec import HEAD_FILE, evaluate
    from training.speech.wav2vec_model import MouthHead, load_encoder

    encoder = load_encoder(SPEECH_MODEL)
    head = MouthHead(encoder.config.hidden_size)
    head.load_state_dict(load_file(HEAD_FILE))
    scores = evaluate(encoder, head, corpus.make_corpus(1.5, "test", 1234))
    assert scores["open"] > 0.88
    assert scores["lag"] == 0
    assert scores["wide"] > 0.82
    assert scores["round"] > 0.82
