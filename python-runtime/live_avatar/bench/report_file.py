"""Files that a benchmark writes for whoever asked for them. No torch."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from live_avatar.errors import UserError


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write figures as JSON.

    Raises:
        UserError: ``OUTPUT_NOT_WRITABLE``.
    """
    write_text(path, json.dumps(_finite(report), indent=1, allow_nan=False) + "\n", "json")


def write_text(path: Path, text: str, flag: str) -> None:
    """Write a file that ``--flag`` named.

    Raises:
        UserError: ``OUTPUT_NOT_WRITABLE``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(
            "OUTPUT_NOT_WRITABLE",
            f'The figures cannot be written to "{path}".',
            f"The system says: {error.strerror or error}.",
            f"Choose another place for --{flag}.",
            field=flag,
        ) from error


def _finite(value: Any) -> Any:
    """Numbers that are not numbers become null: JSON has no word for them."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
