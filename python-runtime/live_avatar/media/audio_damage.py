"""Signs that a sound file was cut off, which FFmpeg passes over in silence."""

from __future__ import annotations

import struct
from pathlib import Path

_MP3_KILOBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = (44100, 48000, 32000)
_STREAMED = (0, 0xFFFFFFFF)
# Raw streams have no header with a length; FFmpeg guesses one from the bit rate.
_GUESSED_LENGTH = ("aac", "loas", "ac3", "eac3")


def declares_duration(path: Path, container: str) -> bool:
    """Whether the duration FFmpeg reports comes from the file's header and is not guessed from its size."""
    if container == "mp3":
        with open(path, "rb") as file:
            head = file.read(1 << 20)
        return b"Xing" in head or b"Info" in head
    return container not in _GUESSED_LENGTH


def missing_bytes(path: Path, container: str, last_packet: bytes) -> int:
    """How many bytes the file's own structure says are missing at its end; 0 when it looks whole.

    Checks the data chunk of WAV files and the last frame of MP3 files; other containers announce damage themselves.
    """
    if container == "wav":
        return _missing_from_wav(path)
    if container == "mp3":
        return max(0, mp3_frame_bytes(last_packet) - len(last_packet))
    return 0


def mp3_frame_bytes(header: bytes) -> int:
    """Length in bytes that the header of an MPEG layer III frame gives; 0 when it is no such header.

    A header that is itself cut off counts as its own four bytes. Source: ISO 11172-3 2.4.1.3 and 2.4.3.1.
    """
    if len(header) < 4:
        return 4
    bits = int.from_bytes(header[:4], "big")
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    bit_rate, rate, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    if bits >> 21 != 0x7FF or version == 1 or layer != 1 or bit_rate in (0, 15) or rate == 3:
        return 0
    if version == 3:
        return 144_000 * _MP3_KILOBITS[1][bit_rate] // _MP3_RATES[rate] + padding
    halvings = 1 if version == 2 else 2
    return 72_000 * _MP3_KILOBITS[2][bit_rate] // (_MP3_RATES[rate] >> halvings) + padding


def _missing_from_wav(path: Path) -> int:
    size = path.stat().st_size
    with open(path, "rb") as file:
        if file.read(4) != b"RIFF":
            return 0
        position = 12
        while position + 8 <= size:
            file.seek(position)
            kind, length = struct.unpack("<4sI", file.read(8))
            if kind == b"data":
                return 0 if length in _STREAMED else max(0, position + 8 + length - size)
            position += 8 + length + length % 2
    return 0
