"""A take: everything that decides the pictures of one continuous run, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from live_avatar.errors import UserError
from live_avatar.geometry import check_infer_frames

Precision = Literal["auto", "fp32", "bf16", "fp8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
RotaryRounding = Literal["float16", "none"]


@dataclass(frozen=True, slots=True)
class PromptSpan:
    """A prompt that holds from ``start_block`` (over the whole take) until the next span."""

    start_block: int
    text: str


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """Choices that change the pictures.

    Attributes:
        width, height: real picture size, multiples of 64.
        infer_frames: video frames per clip, a multiple of 12.
        sample_steps: denoising steps, 1 to 6.
        base_seed: seed of every random number.
        rotary_rounding: ``float16`` is what the published weights were trained with.
    """

    width: int
    height: int
    base_seed: int
    infer_frames: int = 48
    sample_steps: int = 4
    rotary_rounding: RotaryRounding = "float16"

    def __post_init__(self) -> None:
        check_infer_frames(self.infer_frames)


def prompt_at(spans: tuple[PromptSpan, ...], block: int) -> str:
    """The prompt that holds at ``block``.

    Raises:
        UserError: ``PROMPT_MISSING`` when no span starts at block 0.
    """
    current: str | None = None
    for span in sorted(spans, key=lambda span: span.start_block):
        if span.start_block <= block:
            current = span.text
    if current is None:
        raise UserError(
            "PROMPT_MISSING",
            f"There is no prompt at block {block}.",
            "The first prompt has to start at the beginning.",
            "Give the first prompt the start 0.",
            field="prompt",
        )
    return current
