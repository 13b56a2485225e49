"""Reading typed fields out of a JSON object, with errors that name the field. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from live_avatar.errors import UserError

Value = TypeVar("Value")
# Absolute on Unix, with a drive letter, or on a Windows share; the same pattern stands in the schema.
ABSOLUTE_PATH = r"^(/|[A-Za-z]:[/\\]|\\\\)[^\u0000]*$"
_ABSOLUTE_PATH = re.compile(ABSOLUTE_PATH)
_REQUIRED: Final = object()
_LONGEST_SHOWN = 60


class Fields:
    """A JSON object whose fields are taken one by one; :meth:`end` refuses what nobody took.

    Args:
        value: parsed JSON that should be an object.
        place: where it stands in the request, for example ``job.prompts[0]``; empty for the request itself.

    Raises:
        UserError: ``PROTOCOL_FIELD_INVALID`` from every method, with ``field`` naming the place.
    """

    def __init__(self, value: object, place: str = "") -> None:
        if not isinstance(value, dict):
            raise invalid(place, "an object", value)
        self._values: dict[str, Any] = dict(value)
        self._place = place

    def has(self, name: str) -> bool:
        """Whether the field is there and was not taken yet."""
        return name in self._values

    def text(self, name: str, *, shortest: int = 0, longest: int | None = None, default: object = _REQUIRED) -> str:
        """A string of so many characters."""
        return self._take(name, lambda value, place: _text(value, place, shortest, longest), default)

    def optional_text(self, name: str, *, shortest: int = 0, required: bool = False) -> str | None:
        """A string or null; ``required`` asks that the null is written out."""
        default = _REQUIRED if required else None
        return self._take(name, lambda value, place: _or_none(value, place, _text, shortest, None), default)

    def choice(self, name: str, choices: tuple[str, ...], default: object = _REQUIRED) -> str:
        """One of the given strings."""

        def read(value: object, place: str) -> str:
            if isinstance(value, str) and value in choices:
                return value
            raise invalid(place, f"one of {', '.join(choices)}", value)

        return self._take(name, read, default)

    def integer(self, name: str, lowest: int, highest: int, default: object = _REQUIRED) -> int:
        """A whole number in the given range, written with or without ``.0``."""
        return self._take(name, lambda value, place: read_integer(value, place, lowest, highest), default)

    def optional_integer(self, name: str, lowest: int, highest: int) -> int | None:
        """A whole number, or null, which is also the default."""
        return self._take(name, lambda value, place: _or_none(value, place, read_integer, lowest, highest), None)

    def flag(self, name: str, default: object = _REQUIRED) -> bool:
        """True or false."""

        def read(value: object, place: str) -> bool:
            if isinstance(value, bool):
                return value
            raise invalid(place, "true or false", value)

        return self._take(name, read, default)

    def path(self, name: str) -> Path:
        """An absolute path."""
        return self._take(name, _path, _REQUIRED)

    def optional_path(self, name: str, *, required: bool = False) -> Path | None:
        """An absolute path or null, which is also the default unless ``required`` asks that it is written out."""
        default = _REQUIRED if required else None
        return self._take(name, lambda value, place: _or_none(value, place, _path), default)

    def paths(self, name: str, *, fewest: int = 0, default: object = _REQUIRED) -> tuple[Path, ...]:
        """A list of absolute paths."""
        return self.items(name, _path, fewest=fewest, default=default)

    def nested(self, name: str) -> Fields:
        """An object, to be read in turn."""
        return self._take(name, Fields, _REQUIRED)

    def items(
        self, name: str, read: Callable[[object, str], Value], *, fewest: int = 0, default: object = _REQUIRED
    ) -> tuple[Value, ...]:
        """A list, every element read by ``read(value, place)``."""

        def read_all(value: object, place: str) -> tuple[Value, ...]:
            if not isinstance(value, list) or len(value) < fewest:
                raise invalid(place, f"a list of at least {fewest}" if fewest else "a list", value)
            return tuple(read(element, f"{place}[{index}]") for index, element in enumerate(value))

        return self._take(name, read_all, default)

    def end(self) -> None:
        """Refuse fields that were not taken."""
        for name in self._values:
            raise UserError(
                "PROTOCOL_FIELD_INVALID",
                f'There is no field "{_shown(self.place_of(name))}" here.',
                "This version of the engine does not know it.",
                "See docs/protocol.md for the fields of each request.",
                field=_shown(self.place_of(name)),
            )

    def _take(self, name: str, read: Callable[[Any, str], Value], default: Any) -> Value:
        if name in self._values:
            return read(self._values.pop(name), self.place_of(name))
        if default is not _REQUIRED:
            value: Value = default
            return value
        place = self.place_of(name)
        raise UserError(
            "PROTOCOL_FIELD_INVALID",
            f'The field "{place}" is missing.',
            "It has no default.",
            "See docs/protocol.md for the fields of each request.",
            field=place,
        )

    def place_of(self, name: str) -> str:
        """Where the field ``name`` stands in the request."""
        return f"{self._place}.{name}" if self._place else name


def is_absolute_path(text: str) -> bool:
    """Whether ``text`` is a path that a request may name."""
    return _ABSOLUTE_PATH.search(text) is not None


def invalid(place: str, wanted: str, value: object) -> UserError:
    """The error for a value that is not what its field holds."""
    return UserError(
        "PROTOCOL_FIELD_INVALID",
        f'The field "{place}" is wrong.' if place else "The request is wrong.",
        f"It has to be {wanted}; it is {_described(value)}.",
        "See docs/protocol.md for the fields of each request.",
        field=place or None,
    )


def _or_none(value: object, place: str, read: Callable[..., Value], *arguments: object) -> Value | None:
    return None if value is None else read(value, place, *arguments)


def _text(value: object, place: str, shortest: int, longest: int | None) -> str:
    if not isinstance(value, str) or len(value) < shortest or (longest is not None and len(value) > longest):
        limits = f" of {shortest} to {longest} characters" if longest else (" that is not empty" if shortest else "")
        raise invalid(place, f"a text{limits}", value)
    if not _encodable(value):
        raise invalid(place, "a text that can be written as UTF-8", value)
    return value


def read_integer(value: object, place: str, lowest: int, highest: int) -> int:
    """The value as a whole number in the given range."""
    # JSON has one kind of number: 4.0 is the whole number 4, as in the schema.
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1
    if not whole or not lowest <= value <= highest:  # type: ignore[operator]
        raise invalid(place, f"a whole number from {lowest} to {highest}", value)
    return int(value)  # type: ignore[call-overload, no-any-return]


def _path(value: object, place: str) -> Path:
    if not isinstance(value, str) or _ABSOLUTE_PATH.search(value) is None or not _encodable(value):
        raise invalid(place, "an absolute path", value)
    return Path(value)


def _encodable(text: str) -> bool:
    """Whether no half of a surrogate pair stands alone in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _described(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {_shown(str(value))}"
        case str():
            return f'"{_shown(value)}"'
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def _shown(text: str) -> str:
    text = text.encode(errors="replace").decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
