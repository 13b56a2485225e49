"""Saved session states on disk: written whole or not at all, at most two, checked before use.

The files are safetensors. They are written piece by piece from the live tensors, because the library's own writer first
copies all of them; a state of the large model is tens of gigabytes.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from live_avatar.checkpoint.headers import read_safetensors_header
from live_avatar.errors import UserError
from live_avatar.media.atomic import atomic_file
from live_avatar.session import SavedSession

_FILE = re.compile(r"state_(\d{5,})\.safetensors")
_KEPT = 2
_PIECE = 32 << 20
_VERSION = 1
_COST_FACTOR = 20.0
_QUICK_SECONDS = 2.0
_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.float64: "F64", torch.int64: "I64"}
_CHECKSUM_KEY = b'"checksum": "'
_NO_CHECKSUM = "0" * 8


@dataclass(frozen=True, slots=True)
class StateFile:
    """A state on disk: the session after ``clips`` clips, which were made from ``content_hash``."""

    path: Path
    clips: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class SaveCost:
    """One save: where, how large, how long it took."""

    path: Path
    bytes: int
    seconds: float


class StateStore:
    """The states in one folder.

    Args:
        folder: must exist.
        clock: seconds, rising.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._last_end: float | None = None
        self._last_cost = 0.0
        self._last_clips = 0
        self.saves = 0
        self.total_seconds = 0.0

    def due(self) -> bool:
        """Whether to save now: the first time asked, then when 20 times the cost of a save has gone by since the last.

        So saving takes at most a twentieth of the time.
        """
        return self._last_end is None or self._clock() - self._last_end > _COST_FACTOR * self._last_cost

    def worth_saving(self, clips: int) -> bool:
        """Whether somebody who asked to stop should wait for the state after ``clips`` clips: new, and quickly done."""
        return self.saves > 0 and clips > self._last_clips and self._last_cost < _QUICK_SECONDS

    def save(self, saved: SavedSession, clips: int, content_hash: str) -> SaveCost:
        """Write the session after ``clips`` clips. Of the states already there only the newest stays beside it.

        Raises:
            UserError: ``DISK_FULL``; the states already there that were not too many stay.
        """
        started = self._clock()
        for old in self._newest_first()[_KEPT - 1 :]:
            old.unlink(missing_ok=True)
        path = self._folder / f"state_{clips:05d}.safetensors"
        try:
            size = _write(path, saved, clips, content_hash)
        finally:
            # A failed save counts too: a full disk is not tried again at every clip.
            self._last_end = self._clock()
            self._last_cost = self._last_end - started
            self.total_seconds += self._last_cost
        self.saves += 1
        self._last_clips = clips
        return SaveCost(path, size, self._last_cost)

    def find(self, hashes: Sequence[str], at_most: int) -> StateFile | None:
        """The newest state after at most ``at_most`` clips that were made from what is wanted now.

        Args:
            hashes: content hash of every clip, as expected now.
        """
        for path in self._newest_first():
            state = _describe(path)
            if state is not None and 1 <= state.clips <= at_most and state.content_hash == hashes[state.clips - 1]:
                return state
        return None

    def load(self, state: StateFile) -> SavedSession:
        """Read a state; its tensors are views of the mapped file, so restore from it and let it go.

        Raises:
            UserError: ``STATE_DAMAGED`` when its checksum does not fit.
        """
        try:
            return _read(state.path)
        except (UserError, OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise UserError(
                "STATE_DAMAGED",
                f"The saved state {state.path.name} cannot be used.",
                f"It is damaged ({error}).",
                "Delete it and run the same command again.",
                field="output",
            ) from error

    def delete(self, state: StateFile) -> None:
        """Remove a state that is of no use."""
        state.path.unlink(missing_ok=True)

    def _newest_first(self) -> list[Path]:
        states = [path for path in self._folder.iterdir() if _FILE.fullmatch(path.name)]
        return sorted(states, key=lambda path: int(path.stem.removeprefix("state_")), reverse=True)


def _write(path: Path, saved: SavedSession, clips: int, content_hash: str) -> int:
    layouts: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    offset = 0
    flat: dict[str, Tensor] = {}
    for name, tensor in saved.tensors.items():
        stored = tensor if _fills_its_storage(tensor) else tensor.contiguous()
        flat[name] = stored.as_strided((stored.numel(),), (1,))
        # Strides are kept: a convolution may round differently on the same numbers in another memory order.
        layouts[name] = {"shape": list(stored.shape), "stride": list(stored.stride())}
        end = offset + stored.numel() * stored.element_size()
        shape = list(stored.shape) if stored.is_contiguous() else [stored.numel()]
        entries[name] = {"dtype": _DTYPES[stored.dtype], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    facts = {
        "version": _VERSION,
        "clips": clips,
        "content_hash": content_hash,
        "block": saved.block,
        "prefilled_prompt": saved.prefilled_prompt,
        "anchored": saved.anchored,
        "layouts": layouts,
    }
    metadata = {"checksum": _NO_CHECKSUM, "session": json.dumps(facts, sort_keys=True)}
    header = json.dumps({"__metadata__": metadata, **entries}).encode()
    header += b" " * (-len(header) % 8)
    with atomic_file(path) as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        checksum = zlib.crc32(header)
        for tensor in flat.values():
            checksum = _write_tensor(file, tensor, checksum)
        file.seek(8 + header.index(_CHECKSUM_KEY) + len(_CHECKSUM_KEY))
        file.write(f"{checksum:08x}".encode())
        file.flush()
    return 8 + len(header) + offset


def _write_tensor(file: BinaryIO, flat: Tensor, checksum: int) -> int:
    step = _PIECE // flat.element_size()
    for start in range(0, flat.numel(), step):
        piece = flat[start : start + step].cpu().view(torch.uint8).numpy().data
        checksum = zlib.crc32(piece, checksum)
        file.write(piece)
    return checksum


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


def _describe(path: Path) -> StateFile | None:
    """What a state file says about itself, or ``None`` if it is not readable."""
    try:
        facts = json.loads(read_safetensors_header(path).metadata["session"])
        if facts["version"] != _VERSION:
            return None
        return StateFile(path, int(facts["clips"]), str(facts["content_hash"]))
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return None


def _read(path: Path) -> SavedSession:
    header = read_safetensors_header(path)
    if _checksum(path) != header.metadata["checksum"]:
        raise ValueError("its checksum is wrong")
    facts = json.loads(header.metadata["session"])
    tensors: dict[str, Tensor] = {}
    with safe_open(str(path), framework="pt", device="cpu") as file:
        for name, layout in facts["layouts"].items():
            tensors[name] = file.get_tensor(name).flatten().as_strided(layout["shape"], layout["stride"])
    return SavedSession(tensors, facts["block"], facts["prefilled_prompt"], facts["anchored"])


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
