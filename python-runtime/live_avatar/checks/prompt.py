"""Checks of a prompt: length, language, words that contradict each other. Pure."""

from __future__ import annotations

import re
import unicodedata
from itertools import combinations

from live_avatar.checks.finding import Finding, fine

MOST_WORDS = 200
FEWEST_WORDS = 5
# Chinese is written without spaces; a word has 1.5 to 2 characters.
CHARACTERS_PER_WORD = 2
_OTHER_SCRIPT_SHARE = 0.3
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_NEGATION = re.compile(
    r"(?:\b(?:not|no|never|without|isn['’]t|aren['’]t|neither|nor|less)\s+(?:\w+\s+)?|[不没無无非别]有?)$"
)

# Groups of words within one theme; a prompt that draws from two groups asks for two things at once.
_THEMES: dict[str, dict[str, tuple[str, ...]]] = {
    "mood": {
        "happy": (
            "happy", "happily", "cheerful", "joyful", "smiling", "smiles", "smile", "laughing", "laughs", "delighted",
            "高兴", "开心", "快乐", "微笑", "大笑", "愉快", "笑着",
        ),
        "sad": (
            "sad", "sadly", "sorrowful", "crying", "cries", "weeping", "tearful", "gloomy", "depressed", "grieving",
            "悲伤", "伤心", "难过", "哭泣", "流泪", "忧郁", "沮丧",
        ),
        "angry": ("angry", "angrily", "furious", "enraged", "shouting", "愤怒", "生气", "暴怒", "怒吼"),
    },
    "temper": {
        "calm": ("calm", "calmly", "relaxed", "serene", "peaceful", "平静", "冷静", "放松", "从容"),
        "agitated": (
            "excited", "agitated", "frantic", "hysterical", "energetic", "激动", "兴奋", "慌张", "狂热",
        ),
    },
    "light": {
        "day": (
            "daylight", "sunlight", "sunny", "noon", "midday", "morning light", "bright daylight",
            "阳光", "白天", "晴天", "正午", "日光",
        ),
        "night": (
            "night", "nighttime", "midnight", "moonlight", "moonlit", "in the dark", "darkness",
            "夜晚", "夜间", "深夜", "月光", "黑暗", "午夜",
        ),
    },
    "brightness": {
        "bright": ("brightly lit", "bright light", "bright lighting", "high-key", "明亮", "光线充足"),
        "dark": ("dimly lit", "dim light", "dim lighting", "low light", "low-key", "昏暗", "暗淡", "光线不足"),
    },
    "place": {
        "indoors": ("indoors", "inside a room", "in a studio", "in an office", "室内", "办公室", "演播室"),
        "outdoors": ("outdoors", "in a park", "on a beach", "on a street", "室外", "户外", "公园", "海滩", "街道"),
    },
}  # fmt: skip


def count_words(text: str) -> int:
    """Words of ``text``; two Chinese characters count as one word."""
    characters = len(_HAN.findall(text))
    return len(_WORD.findall(_HAN.sub(" ", text))) + -(-characters // CHARACTERS_PER_WORD)


def other_script_share(text: str) -> tuple[float, str]:
    """Share of letters that are neither Latin nor Chinese, and the name of the script most of those belong to."""
    counts: dict[str, int] = {}
    for character in text:
        if character.isalpha():
            script = unicodedata.name(character, "UNKNOWN").split(" ")[0].split("-")[0]
            counts[script] = counts.get(script, 0) + 1
    others = {script: count for script, count in counts.items() if script not in ("LATIN", "CJK")}
    if not others:
        return 0.0, ""
    return sum(others.values()) / sum(counts.values()), max(others, key=others.__getitem__).title()


def contradictions(text: str) -> list[tuple[str, str]]:
    """Pairs of words that ask for opposite things; a word with "not", "without" or 不 before it does not count."""
    lowered = text.lower()
    pairs = []
    for groups in _THEMES.values():
        found = [first for words in groups.values() if (first := _first_match(lowered, words)) is not None]
        pairs += list(combinations(found, 2))
    return pairs


def check_prompt(text: str) -> list[Finding]:
    """``PROMPT_LONG`` or ``PROMPT_SHORT``, ``PROMPT_LANGUAGE``, ``PROMPT_CONTRADICTORY``, or in place of each an OK."""
    return [_check_length(text), _check_language(text), *_check_content(text)]


def _check_length(text: str) -> Finding:
    words = count_words(text)
    measured = f"The prompt has {words} word{'' if words == 1 else 's'}."
    if words > MOST_WORDS:
        wanted = f"At most {MOST_WORDS} are wanted: what comes late in a long prompt has little effect."
        return Finding("PROMPT_LONG", measured, wanted, value=words, unit="words")
    if words < FEWEST_WORDS:
        wanted = f"At least {FEWEST_WORDS} are wanted: who is seen, doing what, in which light and place."
        return Finding("PROMPT_SHORT", measured, wanted, value=words, unit="words")
    return fine("PROMPT_LENGTH_OK", measured, words, "words")


def _check_language(text: str) -> Finding:
    share, script = other_script_share(text)
    if share <= _OTHER_SCRIPT_SHARE:
        return fine("PROMPT_LANGUAGE_OK", "The prompt is written in Latin or Chinese letters.")
    return Finding(
        "PROMPT_LANGUAGE",
        f"{share:.0%} of the prompt's letters are {script}.",
        "English or Chinese is wanted: the model was trained on these.",
        value=round(share, 4),
        unit="share of letters",
    )


def _check_content(text: str) -> list[Finding]:
    found = [
        Finding(
            "PROMPT_CONTRADICTORY",
            f'The prompt asks for "{first}" and for "{second}".',
            "One of the two is wanted; together they pull the picture both ways. For a change, use a prompt schedule.",
        )
        for first, second in contradictions(text)
    ]
    return found or [fine("PROMPT_CONTENT_OK", "The prompt does not contradict itself.")]


def _first_match(text: str, words: tuple[str, ...]) -> str | None:
    for word in words:
        pattern = re.escape(word) if _HAN.search(word) else rf"(?<![\w-]){re.escape(word)}(?![\w-])"
        for match in re.finditer(pattern, text):
            if _NEGATION.search(text[: match.start()]) is None:
                return word
    return None
