"""Which saved states of a take to keep when not all fit: an edit anywhere should find one shortly before it. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def spread(clips: Iterable[int], newest: int, most: int, pinned: int | None = None) -> list[int]:
    """The states to keep out of ``clips`` and the one about to be saved, in ascending order.

    One after another the state goes whose neighbours are nearest to each other, the earlier of two alike. The take's
    beginning counts as a state that is always there: going on from it needs no file. So no gap that a state left behind
    is longer than ``2 * newest / most`` clips (``2 * newest / (most - 1)`` with a pinned state).

    Args:
        clips: number of clips that each state is after, at least 1.
        newest: the same of the state about to be saved; it always stays. States past it do not.
        most: how many may stay.
        pinned: a state that stays as well, if there is room for two.
    """
    if most < 1:
        return []
    kept = [0, *sorted({clip for clip in clips if 0 < clip < newest}), newest]
    while len(kept) - 1 > most:
        inside = range(1, len(kept) - 1)
        free = [index for index in inside if kept[index] != pinned] or list(inside)
        del kept[min(free, key=lambda index: kept[index + 1] - kept[index - 1])]
    return kept[1:]
