"""With which weights and numbers each clip of a take was made, where that changed on the way. Pure.

A take may change its numbers in its middle: a card ran out of memory, or a later run finds less of it free. The clips
that are finished stay if their numbers are among those that the same wishes allow, and the hash of every clip says
which it was made with.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from live_avatar.job_folder import FinishedClip


def weights_of_clips(
    recorded: Sequence[FinishedClip], first: str | None, now: str, accepted: Collection[str], clips: int
) -> list[str]:
    """The fingerprint of each of ``clips`` clips: as recorded for those that may stay, ``now`` for the rest.

    Args:
        recorded: clips on disk.
        first: fingerprint of the job on record, which holds for clips that name none of their own.
        now: of the pipeline.
        accepted: others that finished clips may have.
    """
    kept: list[str] = []
    for clip in recorded[:clips]:
        weights = clip.weights or first
        if weights is None or (weights != now and weights not in accepted):
            break
        kept.append(weights)
    return [*kept, *[now] * (clips - len(kept))]


def with_weights(described: Sequence[dict[str, Any]], weights: Sequence[str]) -> list[dict[str, Any]]:
    """What is hashed of each clip: its description and, where they are not those of the first clip, its weights."""
    return [
        clip if own == weights[0] else {**clip, "weights": own} for clip, own in zip(described, weights, strict=True)
    ]
