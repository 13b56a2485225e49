"""A short identity of weights: it changes when they change, and survives copying and touching the files. No torch."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from live_avatar.checkpoint.headers import read_safetensors_header

# Up to here a file is hashed whole; larger ones (34 GB in all) are sampled, which takes about a second.
_WHOLE_FILE_LIMIT = 64 << 20
_EDGE = 1 << 20
_EVEN_SAMPLES = 64
_EVEN_SAMPLE_BYTES = 64 << 10
_TENSOR_SAMPLE_BYTES = 4 << 10
_CHUNK = 8 << 20


def weights_fingerprint(files: Sequence[Path]) -> str:
    """64 hexadecimal digits over names, sizes and content of ``files``; their order and folder do not matter.

    A file up to 64 MiB counts with every byte. Of a larger one: its header, the first and last 1 MiB, 64 evenly
    spaced pieces of 64 KiB, and from the middle of every tensor 4 KiB (safetensors) or the stored CRC-32 of every
    tensor (``.pth``). So retraining, merging or swapping any tensor shows; flipping a byte between two samples of a
    large safetensors file does not: that is what the full hashes of ``inspect`` are for.

    Raises:
        UserError: a large safetensors file whose header is damaged.
        OSError: a file that cannot be read.
    """
    total = hashlib.sha256()
    for path in sorted(files, key=lambda path: (path.name, str(path))):
        size = path.stat().st_size
        content = file_sha256(path) if size <= _WHOLE_FILE_LIMIT else _sampled_sha256(path, size)
        total.update(f"{path.name}\0{size}\0{content}\n".encode())
    return total.hexdigest()


def file_sha256(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """SHA-256 of the whole file; ``progress`` gets the bytes read since its last call, and may raise to stop."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
            if progress is not None:
                progress(len(piece))
    return digest.hexdigest()


def _sampled_sha256(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    places = [(0, _EDGE), (size - _EDGE, _EDGE)]
    step = (size - _EVEN_SAMPLE_BYTES) // (_EVEN_SAMPLES - 1)
    places += [(i * step, _EVEN_SAMPLE_BYTES) for i in range(_EVEN_SAMPLES)]
    if path.suffix == ".safetensors":
        header = read_safetensors_header(path)
        places.append((0, header.data_offset))
        for entry in header.tensors.values():
            length = min(entry.size, _TENSOR_SAMPLE_BYTES)
            places.append((entry.offset + (entry.size - length) // 2, length))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                digest.update(f"{info.filename}\0{info.file_size}\0{info.CRC}\n".encode())
    with path.open("rb") as file:
        for place in sorted(places):
            _update(digest, file, *place)
    return digest.hexdigest()


def _update(digest: hashlib._Hash, file: BinaryIO, offset: int, length: int) -> None:
    file.seek(offset)
    digest.update(file.read(length))
