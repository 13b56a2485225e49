"""Which bytes of a file are there. Pure arithmetic on half-open ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class ByteRanges:
    """A set of bytes, kept as ranges ``(start, end)`` that neither touch nor overlap, in order."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._ranges: list[Range] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByteRanges) and self._ranges == other._ranges

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"ByteRanges({self._ranges})"

    def copy(self) -> ByteRanges:
        """The same bytes, on their own."""
        return ByteRanges(self._ranges)

    @property
    def bytes(self) -> int:
        """How many there are."""
        return sum(end - start for start, end in self._ranges)

    def add(self, start: int, end: int) -> None:
        """Put bytes ``start`` to ``end`` (not included) in; an empty range changes nothing."""
        if start >= end:
            return
        apart = [(a, b) for a, b in self._ranges if b < start or a > end]
        joined = [(a, b) for a, b in self._ranges if not (b < start or a > end)]
        merged = (min([start, *(a for a, _ in joined)]), max([end, *(b for _, b in joined)]))
        self._ranges = sorted([*apart, merged])

    def remove(self, start: int, end: int) -> None:
        """Take bytes ``start`` to ``end`` (not included) out."""
        kept = [(a, b) for a, b in self._ranges if b <= start or a >= end]
        cut = [
            piece
            for a, b in self._ranges
            if not (b <= start or a >= end)
            for piece in ((a, start), (end, b))
            if piece[0] < piece[1]
        ]
        self._ranges = sorted([*kept, *cut])

    def missing(self, size: int) -> list[Range]:
        """The bytes of a file of ``size`` bytes that are not in the set."""
        gaps: list[Range] = []
        position = 0
        for start, end in self._ranges:
            if position < start:
                gaps.append((position, min(start, size)))
            position = max(position, end)
        if position < size:
            gaps.append((position, size))
        return [(a, b) for a, b in gaps if a < b]
