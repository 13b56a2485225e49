"""Prompts with known labels: what a user might write in English or Chinese, and what it asks for."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from typing import Literal

from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.speech.words import MANDARIN, NOUNS
from training.text import prompt_words as words

Language = Literal["en", "zh"]
Split = Literal["train", "test"]

LANGUAGES: tuple[Language, ...] = ("en", "zh")
UNSPECIFIED_EXPRESSION = EXPRESSIONS[0]
UNSPECIFIED_LIGHT = LIGHTS[0]
_UNMENTIONED = 0.5
_TEST_SHARE = 7  # one of seven composed phrases is kept for tests


@dataclass(frozen=True)
class Prompt:
    """A prompt and its truth; ``expression`` and ``light`` are names of ``training.avatars.labels``."""

    text: str
    expression: str
    light: str
    language: Language


def random_prompt(seed: int, split: Split) -> Prompt:
    """A prompt with random labels in a random language; equal seeds give equal prompts."""
    choice = random.Random(f"{split}/labels/{seed}")
    expression, light = choice.choice(EXPRESSIONS), choice.choice(LIGHTS)
    language = choice.choice(LANGUAGES)
    return Prompt(sample_prompt(expression, light, seed, language, split), expression, light, language)


def sample_prompt(expression: str, light: str, seed: int, language: Language = "en", split: Split = "train") -> str:
    """A natural prompt asking for one expression and one light.

    Appearance, action, light and place, style, in varying order and length. The default labels (neutral, day) are
    often not mentioned at all. Test prompts use phrases, and pairs of phrases, that no training prompt uses.

    Raises:
        ValueError: unknown expression, light or language.
    """
    if expression not in EXPRESSIONS or light not in LIGHTS or language not in LANGUAGES:
        raise ValueError(f"unknown label or language: {expression!r}, {light!r}, {language!r}")
    chooser = random.Random(f"{split}/{language}/{expression}/{light}/{seed}")
    compose = _english if language == "en" else _chinese
    while True:
        mood = light_phrase = None
        if expression != UNSPECIFIED_EXPRESSION or chooser.random() > _UNMENTIONED:
            mood = _choose_phrase(chooser, f"{language}/{expression}", split)
        if light != UNSPECIFIED_LIGHT or chooser.random() > _UNMENTIONED:
            light_phrase = _choose_phrase(chooser, f"{language}/{light}", split)
        if (mood is None or light_phrase is None) or _pair_in_split(mood, light_phrase, split):
            return compose(chooser, mood, light_phrase)


def _held_out(key: str, parts: int) -> bool:
    return zlib.crc32(key.encode()) % parts == 0


def _pair_in_split(mood: str, light: str, split: Split) -> bool:
    """Training never sees a third of the pairs of phrases; test prompts use only those."""
    return _held_out(f"{mood}|{light}", 3) == (split == "test")


def _choose_phrase(chooser: random.Random, label: str, split: Split) -> str:
    seen, held_out, whole = _PHRASES[label]
    if split == "test" and chooser.random() < 0.5:
        return chooser.choice(held_out)
    return chooser.choice(whole) if chooser.random() < 0.4 else chooser.choice(seen)


def _english_mood(mood: words.Mood) -> list[str]:
    composed = [f"{start} {a}" for a in mood.adjectives for start in ("looks", "looks very", "is", "feels", "seems")]
    composed += [f"with {'an' if a[0] in 'aeiou' else 'a'} {a} {end}" for a in mood.adjectives for end in _FACE]
    composed += [f"{'an' if a[0] in 'aeiou' else 'a'} {a} *" for a in mood.adjectives for _ in range(3)]
    composed += [f"the mood is {a}" for a in mood.adjectives] + list(mood.adjectives)
    composed += [
        f"{verb} {adverb}" for adverb in mood.adverbs for verb in ("speaks", "talks", "talking", "speaking", "reacts")
    ]
    composed += [
        f"{start} {n}" for n in mood.nouns for start in ("full of", "an expression of", "showing", "filled with")
    ]
    composed += [f"a face of {n}" for n in mood.nouns] + [f"{n} in the eyes" for n in mood.nouns]
    return composed


def _english_light(light: words.Lighting) -> list[str]:
    composed = [
        f"{start} {thing}" for thing in light.lights for start in ("lit by", "in", "under", "illuminated by", "with")
    ]
    composed += [f"{thing} falls on the face" for thing in light.lights] + list(light.lights)
    composed += [
        f"{start} {time}" for time in light.times for start in ("at", "it is", "the scene is set at", "filmed at")
    ]
    composed += [
        f"{a} {noun}" for a in light.adjectives for noun in ("scene", "atmosphere", "background", "setting", "lighting")
    ]
    return composed


def _chinese_mood(mood: words.Mood) -> list[str]:
    composed = [f"一位{a}*" for a in mood.adjectives for _ in range(3)] + [f"{a}表情" for a in mood.adjectives]
    composed += [f"{a}{end}" for a in mood.adjectives for end in ("样子", "神情", "语气", "情绪", "心情")]
    composed += [
        f"{adverb}{verb}" for adverb in mood.adverbs for verb in ("说话", "讲话", "看着镜头", "说", "对观众讲述")
    ]
    composed += [
        f"{start}{n}" for n in mood.nouns for start in ("表情", "神情", "充满", "看起来很", "非常", "心情", "显得很")
    ]
    return composed


def _chinese_light(light: words.Lighting) -> list[str]:
    composed = [
        f"{thing}{end}" for thing in light.lights for end in ("下", "照在脸上", "照明", "洒在身上", "", "的氛围")
    ]
    composed += [f"在{thing}中" for thing in light.lights]
    composed += [f"{start}{time}" for time in light.times for start in ("在", "", "场景是", "时间是", "拍摄于")]
    composed += [f"{a}{noun}" for a in light.adjectives for noun in ("场景", "环境", "背景", "光线", "氛围")]
    return composed


_FACE = ("expression", "face", "look", "mood", "voice")


def _by_split(composed: list[str], whole: tuple[str, ...]) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Composed phrases of training, composed phrases kept for tests, whole phrases."""
    kept = [phrase for phrase in composed if _held_out(phrase, _TEST_SHARE)]
    return [phrase for phrase in composed if not _held_out(phrase, _TEST_SHARE)], kept, whole


_PHRASES = {
    **{f"en/{k}": _by_split(_english_mood(mood), mood.phrases) for k, mood in words.ENGLISH_MOODS.items()},
    **{f"zh/{k}": _by_split(_chinese_mood(mood), mood.phrases) for k, mood in words.CHINESE_MOODS.items()},
    **{f"en/{k}": _by_split(_english_light(light), light.phrases) for k, light in words.ENGLISH_LIGHTS.items()},
    **{f"zh/{k}": _by_split(_chinese_light(light), light.phrases) for k, light in words.CHINESE_LIGHTS.items()},
}

# Any object may be talked about; these nouns would say something about the light.
_THINGS = tuple(
    n
    for n in NOUNS
    if n not in {"candle", "evening", "lamp", "light", "moon", "morning", "night", "ring", "star", "sun"}
)
_CHINESE_THINGS = tuple(thing for thing in MANDARIN[4] if thing != "月亮")


def _english(chooser: random.Random, mood: str | None, light: str | None) -> str:
    person = chooser.choice(words.PERSONS)
    subject = f"{'an' if person[0] in 'aeiou' else 'a'} {person}"
    if mood is not None and mood.endswith("*"):
        subject, mood = mood.replace("*", person), None
    extra = chooser.random()  # how talkative this user is
    if chooser.random() < extra:
        subject += f" with {chooser.choice(words.HAIR)}"
    if chooser.random() < extra:
        subject += f"{chooser.choice((' wearing', ' in', ', dressed in'))} {chooser.choice(words.CLOTHES)}"
    clauses: list[str] = []
    if chooser.random() < 0.3 + 0.6 * extra:
        clauses.append(chooser.choice(words.ACTIONS))
    if mood is not None:
        clauses.append(mood)
    if chooser.random() < extra:
        clauses.append(chooser.choice(words.PLACES))
    if chooser.random() < 0.15:
        first, second = chooser.choice(_THINGS), chooser.choice(_THINGS)
        clauses.append(
            chooser.choice((f"talks about the {first}", f"with a {first}", f"next to a {first} and a {second}"))
        )
    if light is not None:
        clauses.append(light)
    clauses += chooser.sample(words.STYLES, chooser.choice((0, 0, 1, 2, 3)) if extra > 0.3 else 0)
    if chooser.random() < 0.35:
        chooser.shuffle(clauses)
    parts = [subject, *clauses]
    if chooser.random() < 0.12:
        parts = [*clauses, subject]
    text = parts[0]
    for part in parts[1:]:
        text += chooser.choice((", ", ", ", ". ", " ", " and ", "; ")) + part
    if chooser.random() < 0.15:
        text = (
            chooser.choice(("A video of ", "Portrait: ", "Please show ", "The video shows ", "A talking avatar: "))
            + text
        )
    style = chooser.random()
    if style < 0.6:
        text = ". ".join(sentence[:1].upper() + sentence[1:] for sentence in text.split(". "))
    elif style > 0.97:
        text = text.upper()
    return text + chooser.choice((".", ".", "", "!"))


def _chinese(chooser: random.Random, mood: str | None, light: str | None) -> str:
    person = chooser.choice(words.CHINESE_PERSONS)
    subject = chooser.choice(("一位", "一个", "一名", "")) + person
    if mood is not None and mood.endswith("*"):
        subject, mood = mood.replace("*", person), None
    extra = chooser.random()
    clauses: list[str] = []
    if chooser.random() < extra:
        clauses.append(chooser.choice(words.CHINESE_HAIR))
    if chooser.random() < extra:
        clauses.append(chooser.choice(words.CHINESE_CLOTHES))
    if chooser.random() < 0.3 + 0.6 * extra:
        clauses.append(chooser.choice(words.CHINESE_ACTIONS))
    if mood is not None:
        clauses.append(mood)
    if chooser.random() < extra:
        clauses.append(chooser.choice(words.CHINESE_PLACES))
    if chooser.random() < 0.15:
        clauses.append(chooser.choice(("介绍", "拿着", "谈论", "旁边有")) + chooser.choice(_CHINESE_THINGS))
    if light is not None:
        clauses.append(light)
    clauses += chooser.sample(words.CHINESE_STYLES, chooser.choice((0, 0, 1, 2, 3)) if extra > 0.3 else 0)
    if chooser.random() < 0.35:
        chooser.shuffle(clauses)
    parts = [subject, *clauses]
    if chooser.random() < 0.12:
        parts = [*clauses, subject]
    text = parts[0]
    for part in parts[1:]:
        text += chooser.choice(("，", "，", "，", "。", "", "、", ",")) + part
    if chooser.random() < 0.12:
        text = chooser.choice(("视频：", "画面中，", "生成一段视频：", "人像，")) + text
    return text + chooser.choice(("。", "。", "", "！"))
