"""English sentences that know what is filled into them, so that a window can say them in other words. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

Value = str | int | float


class Said(TypedDict):
    """A sentence as it crosses the protocol."""

    code: str
    text: str
    values: dict[str, Value]


class Sentence(str):
    """A sentence in English, to be used as any text.

    Attributes:
        code: names the sentence, stable and upper case; empty where whoever holds it has a code already.
        values: what is filled in, by name.
    """

    code: str
    values: Mapping[str, Value]


def fill(english: str, **values: Value) -> Sentence:
    """``english`` with its ``{names}`` replaced by ``values``."""
    return say("", english, **values)


def say(code: str, english: str, **values: Value) -> Sentence:
    """:func:`fill`, with a code."""
    sentence = Sentence(english.format(**values))
    sentence.code, sentence.values = code, values
    return sentence


def values_of(*texts: str) -> dict[str, Value]:
    """What is filled into ``texts``, as far as they are sentences."""
    return {name: value for text in texts if isinstance(text, Sentence) for name, value in text.values.items()}


def said(sentence: Sentence) -> Said:
    """The sentence with its code and values, as JSON values."""
    return {"code": sentence.code, "text": str(sentence), "values": dict(sentence.values)}


def gigabytes(count: float) -> float:
    """Bytes as people are told them."""
    return round(count / 1e9, 1)
