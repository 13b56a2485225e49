"""Content hashes of clips: each chains over everything that decides its pictures (house section 5.2). Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# Raise it whenever a change to the engine changes the pictures: clips made before are then made anew.
NUMERICS_VERSION = 2


def digest(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form, 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def array_digest(array: np.ndarray[Any, Any]) -> str:
    """SHA-256 of an array's bytes, shape and dtype."""
    total = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def clip_hashes(common: Any, clips: Iterable[Any]) -> list[str]:
    """One hash a clip; hash n covers ``common`` (what holds for the whole take) and the inputs of clips 0 .. n.

    Args:
        common: JSON value: portrait, settings, seed, weights.
        clips: JSON values: prompts, sound and length of each clip.
    """
    hashes: list[str] = []
    previous = digest(["take", NUMERICS_VERSION, common])
    for clip in clips:
        previous = digest([previous, clip])
        hashes.append(previous)
    return hashes


def fresh_count(expected: Sequence[str], found: Sequence[str]) -> int:
    """Number of leading clips whose hash on disk is the one expected now."""
    for index, (wanted, have) in enumerate(zip(expected, found, strict=False)):
        if wanted != have:
            return index
    return min(len(expected), len(found))
