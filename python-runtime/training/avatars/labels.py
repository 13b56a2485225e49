"""Names of what a prompt controls. No torch: prompts, renderer and benchmark share this file."""

from __future__ import annotations

from typing import Final

EXPRESSIONS: Final = ("neutral", "happy", "sad", "angry", "surprised")
LIGHTS: Final = ("day", "evening", "night", "studio")
