"""Weight files in the published formats with holes in place of contents, a few hundred kilobytes on disk."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

from live_avatar.checkpoint.drawn import TORCH_RECORD, Drawing
from live_avatar.media.atomic import atomic_path

Shapes = Mapping[str, tuple[int, ...]]
_SAFETENSORS_NAMES = {torch.bfloat16: "BF16", torch.float32: "F32"}
_HEADER_MULTIPLE = 8


def write_sparse_safetensors(
    path: Path, shapes: Shapes, dtype: torch.dtype, drawing: Drawing, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file of the given tensors, sorted by name as that library does.

    Raises:
        UserError: ``DISK_FULL``.
    """
    table: dict[str, object] = {"__metadata__": {"format": "pt", **(metadata or {}), **drawing.metadata()}}
    position = 0
    for name in sorted(shapes):
        size = math.prod(shapes[name]) * dtype.itemsize
        table[name] = {
            "dtype": _SAFETENSORS_NAMES[dtype],
            "shape": list(shapes[name]),
            "data_offsets": [position, position + size],
        }
        position += size
    header = json.dumps(table, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _HEADER_MULTIPLE)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + position)


def write_sparse_torch(path: Path, shapes: Shapes, dtype: torch.dtype, drawing: Drawing) -> None:
    """Write a torch dictionary (a zip file) of the given tensors; torch itself leaves their bytes out.

    Raises:
        UserError: ``DISK_FULL``.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.serialization import skip_data

    with FakeTensorMode():
        # Tensors without memory: torch.save writes their names, shapes and the places of their bytes.
        table = {name: torch.empty(shape, dtype=dtype) for name, shape in shapes.items()}
        with atomic_path(path) as temporary:
            with skip_data(materialize_fake_tensors=True):
                torch.save(table, temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                top = archive.namelist()[0].partition("/")[0]
                archive.writestr(f"{top}/{TORCH_RECORD}", json.dumps(drawing.metadata()))
