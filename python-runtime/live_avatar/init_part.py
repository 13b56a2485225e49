"""Whether clips made with one initialisation part play with another (ISO 14496-14, 14496-12)."""

from __future__ import annotations

import struct

# Distance from a decoder description's tag (0x04, four length bytes) to its largest and average bit rate.
_DESCRIPTION = b"\x04\x80\x80\x80"
_DESCRIPTION_RATES = slice(10, 18)
_RATE_BOX_SIZE = 20


def same_format(one: bytes, other: bytes) -> bool:
    """Whether two ``init.mp4`` differ at most in the bit rates they announce.

    These are averages over the whole sound, for information only: an edit at its end moves them.
    """
    return _without_bit_rates(one) == _without_bit_rates(other)


def _without_bit_rates(init: bytes) -> bytes:
    data = bytearray(init)
    place = data.find(b"esds")
    if place >= 0 and (tag := data.find(_DESCRIPTION, place)) >= 0:
        data[tag + _DESCRIPTION_RATES.start : tag + _DESCRIPTION_RATES.stop] = bytes(8)
    place = data.find(b"btrt")
    while place >= 4:
        if struct.unpack_from(">I", data, place - 4)[0] == _RATE_BOX_SIZE:
            data[place + 4 : place + _RATE_BOX_SIZE - 4] = bytes(_RATE_BOX_SIZE - 8)
        place = data.find(b"btrt", place + 4)
    return bytes(data)
