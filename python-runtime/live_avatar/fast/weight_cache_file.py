"""One file of prepared weights: a safetensors file whose data is a flat buffer, so that it is read in one run."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from live_avatar.checkpoint.headers import damaged, read_safetensors_header
from live_avatar.fast.flat_layer import ALIGNMENT, FlatEntry, FlatLayout
from live_avatar.media.atomic import atomic_file

_NAMES = {
    torch.float8_e4m3fn: "F8_E4M3",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.int8: "I8",
    torch.uint8: "U8",
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}
# The format knows no holes: the bytes between two aligned tensors are tensors of this name and a number.
_GAP = "_gap_"


def write_flat_file(path: Path, layout: FlatLayout, buffer: Tensor) -> None:
    """Write ``buffer`` (uint8 [bytes] in host memory), which ``layout`` describes, as the whole file ``path``.

    Raises:
        UserError: ``DISK_FULL``.
        OSError: anything else that keeps it from being written.
    """
    table: dict[str, object] = {}
    end = 0
    for number, entry in enumerate(layout.entries):
        _add_gap(table, number, end, entry.offset)
        end = entry.offset + entry.bytes
        offsets = [entry.offset, end]
        table[entry.name] = {"dtype": _NAMES[entry.dtype], "shape": list(entry.shape), "data_offsets": offsets}
    _add_gap(table, len(layout.entries), end, layout.bytes)
    header = json.dumps(table, separators=(",", ":")).encode()
    header += b" " * (-(8 + len(header)) % ALIGNMENT)
    with atomic_file(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(buffer[: layout.bytes].numpy().data)


def read_flat_layout(path: Path) -> tuple[FlatLayout, int]:
    """The layout of a file's buffer, and where in the file it begins.

    Raises:
        UserError: ``CHECKPOINT_…`` for a file that is missing, cut short or not one of these.
    """
    header = read_safetensors_header(path)
    entries = []
    for name, stored in header.tensors.items():
        if name.startswith(_GAP):
            continue
        if stored.dtype not in _DTYPES or (stored.offset - header.data_offset) % ALIGNMENT:
            raise damaged(path, f'Its tensor "{name}" is not as this program writes it.')
        entries.append(FlatEntry(name, _DTYPES[stored.dtype], stored.shape, stored.offset - header.data_offset))
    return FlatLayout(tuple(entries), header.file_size - header.data_offset), header.data_offset


def _add_gap(table: dict[str, object], number: int, begin: int, end: int) -> None:
    if end > begin:
        table[f"{_GAP}{number}"] = {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
