"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason to expect a worse video.

    Attributes:
        code: stable identifier, for example ``IMAGE_DARK``.
        measured: what was found, with its number.
        wanted: what would be better.
    """

    code: str
    measured: str
    wanted: str

    @property
    def text(self) -> str:
        """Both as one line."""
        return f"{self.measured} {self.wanted}"
