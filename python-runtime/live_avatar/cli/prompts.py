"""Prompts as people give them: text, ``@file``, or a schedule file; to spans that start at block boundaries."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

from live_avatar.errors import UserError
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND
from live_avatar.take import PromptSpan

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)|(\d+):(\d+):(\d+):(\d+)")
_TEXT_COLUMNS = ("text", "prompt")
_LONGEST_FILE = 1 << 20


def read_prompt(value: str) -> str:
    """The prompt meant by ``value``: the text itself, or the content of FILE for ``@FILE``.

    Raises:
        UserError: ``PROMPT_FILE_UNREADABLE``, ``PROMPT_EMPTY``.
    """
    text = _read_text(Path(value[1:]).expanduser()) if value.startswith("@") else value
    return _not_empty(text.strip(), "--prompt")


def read_schedule(path: Path, first: str | None = None) -> tuple[PromptSpan, ...]:
    """Prompt spans of a schedule file, in order of time.

    JSON: a list of ``{"start": …, "text": …}`` or ``[start, text]``. CSV: the columns start and text, with or without a
    heading. A start is seconds, ``m:s``, ``h:m:s`` or ``h:m:s:frame``; the change comes at the next block (0.48 s).

    Args:
        path: the file.
        first: prompt that holds from the beginning, if the file has none for 0.

    Raises:
        UserError: ``PROMPT_FILE_UNREADABLE``, ``PROMPT_SCHEDULE_INVALID``, ``PROMPT_EMPTY``.
    """
    content = _read_text(path)
    pairs = _json_pairs(content, path) if path.suffix.lower() == ".json" else _csv_pairs(content, path)
    spans: dict[int, str] = {}
    for place, start, text in pairs:
        block = -(-_frame(start, path, place) // BLOCK_FRAMES)
        if block in spans:
            raise _invalid(path, place, "It starts in the same 0.48 s block as an earlier one.")
        spans[block] = _not_empty(text.strip(), f"{path.name}, {place}")
    if first is not None:
        spans.setdefault(0, first)
    if 0 not in spans:
        raise _invalid(path, "the list", "No prompt starts at 0.")
    return tuple(PromptSpan(block, text) for block, text in sorted(spans.items()))


def _json_pairs(content: str, path: Path) -> list[tuple[str, Any, str]]:
    try:
        items = json.loads(content)
    except ValueError as error:
        raise _invalid(path, "the file", f"It is not JSON ({error}).") from error
    if not isinstance(items, list) or not items:
        raise _invalid(path, "the file", "A list with at least one prompt is needed.")
    pairs = []
    for number, item in enumerate(items, 1):
        place = f"entry {number}"
        if isinstance(item, dict):
            start = item.get("start", 0)
            text = next((item[column] for column in _TEXT_COLUMNS if column in item), None)
        elif isinstance(item, list) and len(item) == 2:
            start, text = item
        else:
            start = text = None
        if not isinstance(text, str):
            raise _invalid(path, place, 'It needs a "start" and a "text".')
        pairs.append((place, start, text))
    return pairs


def _csv_pairs(content: str, path: Path) -> list[tuple[str, Any, str]]:
    rows = csv.reader(io.StringIO(content))
    pairs: list[tuple[str, Any, str]] = []
    columns = (0, 1)
    try:
        for row in rows:
            names = [cell.strip().lower() for cell in row]
            if not any(names):
                continue
            if not pairs and "start" in names and set(names) & set(_TEXT_COLUMNS):
                columns = (names.index("start"), next(names.index(c) for c in _TEXT_COLUMNS if c in names))
                continue
            place = f"line {rows.line_num}"
            if len(row) <= max(columns):
                raise _invalid(path, place, "It needs a start and a text, separated by a comma.")
            pairs.append((place, row[columns[0]], row[columns[1]]))
    except csv.Error as error:
        raise _invalid(path, f"line {rows.line_num}", f"It is not CSV ({error}).") from error
    if not pairs:
        raise _invalid(path, "the file", "It holds no prompt.")
    return pairs


def _frame(start: Any, path: Path, place: str) -> int:
    """The video frame meant by ``start``."""
    if isinstance(start, str):
        text = start.strip()
        match = _CLOCK.fullmatch(text)
        if match is not None and match[4] is not None:
            hours, minutes, seconds, frame = (int(part) for part in match.group(4, 5, 6, 7))
            if frame >= FRAMES_PER_SECOND:
                raise _invalid(path, place, f'In "{text}" the frame is {frame}; it goes from 0 to 24.')
            return ((hours * 60 + minutes) * 60 + seconds) * FRAMES_PER_SECOND + frame
        if match is not None:
            start = (int(match[1] or 0) * 60 + int(match[2])) * 60 + float(match[3])
        else:
            try:
                start = float(text)
            except ValueError:
                start = None
    if isinstance(start, bool) or not isinstance(start, (int, float)) or not math.isfinite(start) or start < 0:
        raise _invalid(path, place, "Its start is no time; seconds, m:s, h:m:s or h:m:s:frame is needed.")
    return round(start * FRAMES_PER_SECOND)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_FILE + 1)
        if len(raw) > _LONGEST_FILE:
            raise ValueError("it is larger than 1 MB")
        return raw.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            "PROMPT_FILE_UNREADABLE",
            f'The text file "{path}" cannot be read.',
            f"The reason: {why}.",
            "Give a text file in UTF-8.",
            field="prompt",
        ) from error


def _not_empty(text: str, place: str) -> str:
    if text:
        return text
    raise UserError(
        "PROMPT_EMPTY",
        f"The prompt is empty ({place}).",
        "The model needs a description of what is seen.",
        "Write who is seen, doing what, in which light and place, in which style.",
        field="prompt",
    )


def _invalid(path: Path, place: str, why: str) -> UserError:
    return UserError(
        "PROMPT_SCHEDULE_INVALID",
        f'The prompt schedule "{path.name}" cannot be used: {place}.',
        why,
        'Use lines like "0,A woman talks calmly" and "12.5,She laughs".',
        field="prompt_schedule",
    )
