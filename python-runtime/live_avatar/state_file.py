"""The file of a saved session state: written whole or not at all, and checked before it is used.

The files are safetensors. They are written piece by piece from the live tensors, because the library's own writer first
copies all of them; a state of the large model is tens of gigabytes. What other ranks hold comes slice by slice.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

from live_avatar.checkpoint.headers import read_safetensors_header
from live_avatar.errors import UserError
from live_avatar.media.atomic import atomic_file
from live_avatar.saved_session import SavedSession, SlicedTensor

_PIECE = 32 << 20
_VERSION = 1
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.int64: "I64",
    torch.int32: "I32",
}
_CHECKSUM_KEY = b'"checksum": "'
_NO_CHECKSUM = "0" * 8


@dataclass(frozen=True, slots=True)
class StateFile:
    """A state on disk: the session after ``clips`` clips, which were made from ``content_hash``."""

    path: Path
    clips: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class StateImage:
    """A state file before it is written: its header, its tensors in order of their places, flat, and its size."""

    header: bytes
    tensors: Sequence[Tensor | SlicedTensor]
    bytes: int


def lay_out_state(saved: SavedSession, clips: int, content_hash: str) -> StateImage:
    """The file of a session after ``clips`` clips that were made from ``content_hash``; nothing is copied."""
    layouts: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    flat: list[Tensor | SlicedTensor] = []
    offset = 0
    for name, tensor in (saved.slices | saved.tensors).items():
        if isinstance(tensor, SlicedTensor):
            shape, stride = list(tensor.shape), _packed_strides(tensor.shape)
            entry, dtype = shape, tensor.dtype
            flat.append(tensor)
        else:
            stored = tensor if _fills_its_storage(tensor) else tensor.contiguous()
            shape, stride = list(stored.shape), list(stored.stride())
            entry, dtype = shape if stored.is_contiguous() else [stored.numel()], stored.dtype
            flat.append(stored.as_strided((stored.numel(),), (1,)))
        # Strides are kept: a convolution may round differently on the same numbers in another memory order.
        layouts[name] = {"shape": shape, "stride": stride}
        end = offset + math.prod(shape) * dtype.itemsize
        entries[name] = {"dtype": _DTYPES[dtype], "shape": entry, "data_offsets": [offset, end]}
        offset = end
    facts = {
        "version": _VERSION,
        "clips": clips,
        "content_hash": content_hash,
        "block": saved.block,
        "prefilled_prompt": saved.prefilled_prompt,
        "anchored": saved.anchored,
        "flight_steps": list(saved.flight_steps),
        "layouts": layouts,
    }
    metadata = {"checksum": _NO_CHECKSUM, "session": json.dumps(facts, sort_keys=True)}
    header = json.dumps({"__metadata__": metadata, **entries}).encode()
    header += b" " * (-len(header) % 8)
    return StateImage(header, flat, 8 + len(header) + offset)


def write_state(path: Path, image: StateImage) -> None:
    """Write a state; whatever happens, ``path`` is it, or what it was before.

    Raises:
        UserError: ``DISK_FULL``; ``RANK_…``: a rank was lost before it gave all its slices.
        ValueError: the slices of a tensor are not all of it.
    """
    with atomic_file(path) as file:
        file.write(len(image.header).to_bytes(8, "little"))
        file.write(image.header)
        checksum = zlib.crc32(image.header)
        for tensor in image.tensors:
            if isinstance(tensor, SlicedTensor):
                checksum = _write_slices(file, tensor, checksum)
            else:
                checksum = _write_tensor(file, tensor, checksum)
        file.seek(8 + image.header.index(_CHECKSUM_KEY) + len(_CHECKSUM_KEY))
        file.write(f"{checksum:08x}".encode())
        file.flush()


def _write_tensor(file: BinaryIO, flat: Tensor, checksum: int) -> int:
    step = _PIECE // flat.element_size()
    for start in range(0, flat.numel(), step):
        piece = flat[start : start + step].cpu().view(torch.uint8).numpy().data
        checksum = zlib.crc32(piece, checksum)
        file.write(piece)
    return checksum


def _write_slices(file: BinaryIO, sliced: SlicedTensor, checksum: int) -> int:
    written = 0
    with closing(sliced.slices()) as slices:
        for part in slices:
            checksum = _write_tensor(file, part.reshape(-1), checksum)
            written += part.numel()
    if written != math.prod(sliced.shape):
        raise ValueError(f"{written} values came of a tensor of the shape {sliced.shape}")
    return checksum


def _packed_strides(shape: Sequence[int]) -> list[int]:
    """Of a contiguous tensor."""
    return [math.prod(shape[place + 1 :]) for place in range(len(shape))]


def _fills_its_storage(tensor: Tensor) -> bool:
    """Whether the elements lie side by side in memory, in whatever order."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size == 1:
            continue
        if stride != expected:
            return False
        expected *= size
    return True


def describe_state(path: Path) -> StateFile | None:
    """What a state file says about itself, or ``None`` if it is not readable."""
    try:
        facts = json.loads(read_safetensors_header(path).metadata["session"])
        if facts["version"] != _VERSION:
            return None
        return StateFile(path, int(facts["clips"]), str(facts["content_hash"]))
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return None


def read_state(path: Path) -> SavedSession:
    """A state; its tensors are views of the mapped file.

    Raises:
        Exception: of many kinds, if it is damaged; ``ValueError`` when its checksum does not fit.
    """
    header = read_safetensors_header(path)
    if _checksum(path) != header.metadata["checksum"]:
        raise ValueError("its checksum is wrong")
    facts = json.loads(header.metadata["session"])
    tensors: dict[str, Tensor] = {}
    with safe_open(str(path), framework="pt", device="cpu") as file:
        for name, layout in facts["layouts"].items():
            tensors[name] = file.get_tensor(name).flatten().as_strided(layout["shape"], layout["stride"])
    flights = tuple(facts.get("flight_steps", ()))
    return SavedSession(tensors, facts["block"], facts["prefilled_prompt"], facts["anchored"], flights)


def _checksum(path: Path) -> str:
    """CRC-32 of header and tensors as they were before the checksum itself was entered."""
    with open(path, "rb") as file:
        header = bytearray(file.read(int.from_bytes(file.read(8), "little")))
        place = header.index(_CHECKSUM_KEY) + len(_CHECKSUM_KEY)
        header[place : place + len(_NO_CHECKSUM)] = _NO_CHECKSUM.encode()
        checksum = zlib.crc32(header)
        for piece in _pieces(file):
            checksum = zlib.crc32(piece, checksum)
    return f"{checksum:08x}"


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
