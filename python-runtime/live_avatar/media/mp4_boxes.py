"""Just enough of ISO 14496-12 to take fragmented MP4 apart and to move a fragment to its place in time."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_CONTAINERS = {b"moof", b"traf"}


class Box(NamedTuple):
    """A box at bytes [start, end) of a buffer; its payload begins at ``body``."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that lie side by side in ``data[start:end]``.

    Raises:
        ValueError: when a box reaches beyond the end (a truncated file).
    """
    limit = len(data) if end is None else end
    while start < limit:
        if limit - start < 8:
            raise ValueError(f"{limit - start} stray bytes after the last box")
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            if limit - start < 16:
                raise ValueError(f"box {kind!r} at {start} is truncated")
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        if size < body - start or start + size > limit:
            raise ValueError(f"box {kind!r} at {start} has a size of {size}, {limit - start} bytes are there")
        yield Box(kind, start, body, start + size)
        start += size


def split_fragmented(data: bytes) -> tuple[bytes, bytes]:
    """Split a fragmented MP4 into its initialisation part (ftyp, moov) and its one fragment (moof, mdat).

    Raises:
        ValueError: when there is not exactly one of each.
    """
    found = list(boxes(data))
    kinds = [box.kind for box in found]
    if kinds != [b"ftyp", b"moov", b"moof", b"mdat"]:
        raise ValueError(f"expected ftyp, moov, moof, mdat; found {kinds}")
    cut = found[2].start
    return data[:cut], data[cut:]


def place_fragment(fragment: bytes, sequence: int, decode_times: Mapping[int, int]) -> bytes:
    """Return ``fragment`` with its sequence number and, per track id, its base media decode time (``tfdt``) set.

    Times are in units of the track's own timescale.

    Raises:
        ValueError: when the fragment holds a track that ``decode_times`` does not name, or a tfdt of 32 bits.
    """
    data = bytearray(fragment)
    _place(data, 0, len(data), sequence, decode_times)
    return bytes(data)


def _place(data: bytearray, start: int, end: int, sequence: int, decode_times: Mapping[int, int]) -> None:
    track = -1
    for box in boxes(data, start, end):
        if box.kind in _CONTAINERS:
            _place(data, box.body, box.end, sequence, decode_times)
        elif box.kind == b"mfhd":
            struct.pack_into(">I", data, box.body + 4, sequence)
        elif box.kind == b"tfhd":
            (track,) = struct.unpack_from(">I", data, box.body + 4)
        elif box.kind == b"tfdt":
            if track not in decode_times or data[box.body] != 1:
                raise ValueError(f"tfdt version {data[box.body]} of track {track} cannot be set")
            struct.pack_into(">Q", data, box.body + 4, decode_times[track])
