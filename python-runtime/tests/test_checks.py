from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from live_avatar.checks import Finding, problems
from live_avatar.checks.picture import check_pixels, check_size, laplacian_variance, luma
from live_avatar.checks.prompt import check_prompt, contradictions, count_words, other_script_share
from live_avatar.checks.sound import check_noise, check_sound_file, speech_to_noise
from live_avatar.errors import UserError
from live_avatar.media.audio_file import probe_audio
from tests.cli_material import empty_wav, tone
from tests.media_material import noise, write_sound


def codes(findings: Iterable[Finding]) -> list[str]:
    """Of those that say what could be better."""
    assert all((finding.severity == "ok") == finding.code.endswith("_OK") for finding in findings)
    return [finding.code for finding in problems(findings)]


def textured(brightness: int, spread: int = 30, side: int = 128) -> np.ndarray:
    values = np.random.default_rng(0).integers(brightness - spread, brightness + spread, (side, side, 3))
    return values.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "expected"), [((512, 512), []), ((2000, 511), ["IMAGE_SMALL"]), ((90, 100), ["IMAGE_SMALL"])]
)
def test_size(size: tuple[int, int], expected: list[str]) -> None:
    assert codes(check_size(*size)) == expected


def test_a_good_picture_has_no_findings() -> None:
    assert codes(check_pixels(textured(120))) == []


def test_dark_and_burnt_are_told_apart() -> None:
    assert codes(check_pixels(textured(25, 20))) == ["IMAGE_DARK"]
    assert codes(check_pixels(textured(250, 30))) == ["IMAGE_BURNT"]


def test_a_white_background_around_a_face_is_not_burnt() -> None:
    pixels = np.full((128, 128, 3), 255, np.uint8)
    pixels[20:110, 30:98] = textured(120)[20:110, 30:98]
    assert "IMAGE_BURNT" not in codes(check_pixels(pixels))


def drawn_face(side: int) -> Image.Image:
    """A few shapes with smooth edges."""
    image = Image.new("RGB", (side * 2, side * 2), (150, 170, 190))
    draw = ImageDraw.Draw(image)
    for left, top, right, bottom, colour in (
        (0.25, 0.15, 0.75, 0.85, (220, 180, 150)),
        (0.33, 0.42, 0.43, 0.48, (30, 30, 30)),
        (0.57, 0.42, 0.67, 0.48, (30, 30, 30)),
        (0.42, 0.65, 0.58, 0.70, (180, 60, 60)),
    ):
        draw.ellipse([edge * side * 2 for edge in (left, top, right, bottom)], fill=colour)
    return image.resize((side, side), Image.Resampling.LANCZOS)


@pytest.mark.parametrize("side", [200, 900])
def test_blur_is_found_at_any_resolution(side: int) -> None:
    sharp = drawn_face(side)
    blurred = sharp.filter(ImageFilter.GaussianBlur(side / 40))
    assert "IMAGE_BLURRED" not in codes(check_pixels(np.asarray(sharp)))
    assert "IMAGE_BLURRED" in codes(check_pixels(np.asarray(blurred)))


@given(st.integers(1, 40), st.integers(1, 40))
def test_sharpness_takes_any_size(width: int, height: int) -> None:
    assert laplacian_variance(luma(np.zeros((height, width, 3), np.uint8))) == 0.0


def test_findings_say_what_was_measured_and_what_is_wanted() -> None:
    [finding] = check_size(300, 400)
    assert "300x400" in finding.measured
    assert "512x512" in finding.wanted
    assert finding.text == f"{finding.measured} {finding.wanted}"


def test_speech_to_noise_of_known_levels() -> None:
    levels = np.array([0.1] * 50 + [0.01] * 50, np.float32)
    assert speech_to_noise(levels) == pytest.approx(20.0, abs=0.1)
    assert codes(check_noise(levels)) == []
    assert codes(check_noise(np.array([0.1] * 50 + [0.05] * 50, np.float32))) == ["AUDIO_NOISY"]


def test_speech_to_noise_is_not_guessed() -> None:
    assert speech_to_noise(np.full(10, 0.1, np.float32)) is None
    assert speech_to_noise(np.array([0.1] * 50 + [0.0] * 50, np.float32)) is None


def test_noise_in_a_file_is_found(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "noise.wav", noise(3, 16_000), 16_000)
    assert "AUDIO_NOISY" in codes(check_sound_file(path, probe_audio(path)))
    clean = tone(tmp_path / "tone.wav", 3)
    assert codes(check_sound_file(clean, probe_audio(clean))) == []


@pytest.mark.parametrize(
    ("rate", "level", "expected"), [(8000, 0.3, ["AUDIO_LOW_RATE"]), (16_000, 0.02, ["AUDIO_QUIET"])]
)
def test_levels_of_a_file(tmp_path: Path, rate: int, level: float, expected: list[str]) -> None:
    path = tone(tmp_path / "a.wav", 3, rate, level)
    assert set(expected) <= set(codes(check_sound_file(path, probe_audio(path))))


def test_clipping_and_a_silent_channel(tmp_path: Path) -> None:
    loud = np.sign(noise(2, 16_000))
    sound = np.concatenate([loud, np.zeros_like(loud)])
    path = write_sound(tmp_path / "a.wav", sound, 16_000)
    assert {"AUDIO_CLIPPED", "AUDIO_CHANNEL_SILENT"} <= set(codes(check_sound_file(path, probe_audio(path))))


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    path = empty_wav(tmp_path / "a.wav")
    with pytest.raises(UserError) as caught:
        check_sound_file(path, probe_audio(path))
    assert caught.value.code == "AUDIO_EMPTY"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("A calm woman talks.", 4),
        ("It's a well-lit room", 4),
        ("一个女人在说话", 4),
        ("一个 smiling 女人", 3),
        ("25 fps, 4K", 3),
    ],
)
def test_words(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A calm woman talks to the camera in soft daylight", []),
        ("woman talks", ["PROMPT_SHORT"]),
        ("word " * 201, ["PROMPT_LONG"]),
        ("字" * 398, []),
        ("字" * 402, ["PROMPT_LONG"]),
        ("Улыбающаяся женщина спокойно говорит в камеру", ["PROMPT_LANGUAGE"]),
        ("A smiling man who is crying in an office", ["PROMPT_CONTRADICTORY"]),
        ("一个微笑的女人在流泪，站在办公室里说话", ["PROMPT_CONTRADICTORY"]),
        ("A man in the moonlight and bright daylight on a street", ["PROMPT_CONTRADICTORY"]),
    ],
)
def test_prompts(text: str, expected: list[str]) -> None:
    assert codes(check_prompt(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "A happy woman, not sad, talks",
        "A happy woman without crying talks",
        "开心的女人，不悲伤",
        "A knight in a sunny place",  # "night" inside another word
        "She is never angry and smiles",
    ],
)
def test_denied_and_embedded_words_do_not_contradict(text: str) -> None:
    assert contradictions(text) == []


def test_script_of_mixed_text() -> None:
    share, script = other_script_share("abc где")
    assert share == pytest.approx(0.5)
    assert script == "Cyrillic"
    assert other_script_share("一个 woman é") == (0.0, "")
