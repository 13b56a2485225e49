"""The header of a safetensors file, read and checked without torch.

A file is: 8 bytes little-endian header length, that many bytes of JSON, then the tensor bytes. Everything a damaged
download breaks shows here, before a byte of weights is touched.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from live_avatar.errors import UserError

_LENGTH_BYTES = 8
_HEADER_LIMIT = 100_000_000
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a file: stored dtype name (``BF16``, ``F32`` …), shape, first byte in the file, byte count."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """What a safetensors file says about itself.

    Attributes:
        path: the file.
        tensors: entry by tensor name, in the order of the bytes in the file.
        metadata: free text pairs of the writer.
        data_offset: first byte of tensor data.
        file_size: bytes on disk.
    """

    path: Path
    tensors: dict[str, TensorEntry]
    metadata: dict[str, str]
    data_offset: int
    file_size: int


def read_safetensors_header(path: Path) -> SafetensorsHeader:
    """Read and check the header of ``path``.

    Raises:
        UserError: ``CHECKPOINT_SHARD_MISSING`` (no such file), ``CHECKPOINT_FILE_TRUNCATED`` (shorter than it says),
            ``CHECKPOINT_FILE_DAMAGED`` (not a consistent safetensors file).
    """
    if not path.is_file():
        raise shard_missing([path])
    file_size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_LENGTH_BYTES)
        if start.startswith(b"version "):
            raise damaged(path, "It is a Git LFS pointer, a text of a few lines that stands for the real file.")
        if len(start) < _LENGTH_BYTES:
            raise truncated(path, file_size, _LENGTH_BYTES)
        length = int.from_bytes(start, "little")
        if length > _HEADER_LIMIT:
            raise damaged(path, "Its first bytes are not the length of a safetensors header.")
        if _LENGTH_BYTES + length > file_size:
            raise truncated(path, file_size, _LENGTH_BYTES + length)
        raw = file.read(length)
    tensors, metadata = _parse(path, raw, _LENGTH_BYTES + length)
    expected = max((entry.offset + entry.size for entry in tensors.values()), default=_LENGTH_BYTES + length)
    if file_size < expected:
        raise truncated(path, file_size, expected)
    if file_size > expected:
        raise damaged(path, f"It has {file_size} bytes where its header accounts for {expected}.")
    return SafetensorsHeader(path, tensors, metadata, _LENGTH_BYTES + length, file_size)


def _parse(path: Path, raw: bytes, data_offset: int) -> tuple[dict[str, TensorEntry], dict[str, str]]:
    try:
        table = json.loads(raw)
        metadata = {str(name): str(value) for name, value in table.pop("__metadata__", {}).items()}
        entries = {name: _entry(item, data_offset) for name, item in table.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(path, f"Its header cannot be read ({error}).") from error
    ordered = dict(sorted(entries.items(), key=lambda pair: (pair[1].offset, pair[1].size)))
    position = data_offset
    for name, entry in ordered.items():
        if entry.offset != position:
            raise damaged(path, f'The bytes of tensor "{name}" do not follow on the tensor before it.')
        position += entry.size
    return ordered, metadata


def _entry(item: dict[str, object], data_offset: int) -> TensorEntry:
    dtype, shape, offsets = item["dtype"], item["shape"], item["data_offsets"]
    if not isinstance(dtype, str) or not isinstance(shape, list) or not isinstance(offsets, list):
        raise ValueError("dtype, shape or data_offsets has the wrong type")
    begin, end = (int(offset) for offset in offsets)
    entry = TensorEntry(dtype, tuple(int(side) for side in shape), data_offset + begin, end - begin)
    if begin < 0 or end < begin or any(side < 0 for side in entry.shape):
        raise ValueError("negative size")
    if dtype in _BITS and entry.elements * _BITS[dtype] != entry.size * 8:
        raise ValueError(f"{entry.size} bytes for shape {list(entry.shape)} of {dtype}")
    return entry


def shard_missing(paths: list[Path]) -> UserError:
    """The error for weight files that should be there and are not."""
    names = ", ".join(path.name for path in paths)
    return UserError(
        "CHECKPOINT_SHARD_MISSING",
        f"Weights are missing in {paths[0].parent}: {names}.",
        f"{len(paths)} of the files that hold the model's tensors cannot be found.",
        "Download these files again into that folder, or choose another model folder.",
        field="ckpt_dir",
    )


def truncated(path: Path, found: int, expected: int) -> UserError:
    """The error for a file that ends too early; sizes in bytes."""
    return UserError(
        "CHECKPOINT_FILE_TRUNCATED",
        f"{path} is cut short.",
        f"It has {found} bytes and should have at least {expected}; a download or copy probably stopped early.",
        "Download or copy this file again.",
        field="ckpt_dir",
    )


def damaged(path: Path, why: str) -> UserError:
    """The error for a file whose content is not what it should be; ``why`` is one sentence."""
    return UserError(
        "CHECKPOINT_FILE_DAMAGED",
        f"{path} cannot be read.",
        why,
        "Download or copy this file again.",
        field="ckpt_dir",
    )
