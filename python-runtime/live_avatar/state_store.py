"""Saved session states on disk: written whole or not at all, few of them, checked before use.

The files are safetensors. They are written piece by piece from the live tensors, because the library's own writer first
copies all of them; a state of the large model is tens of gigabytes.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from live_avatar.state_spread import spread

_FILE = re.compile(r"state_(\d{5,})\.safetensors")
_KEPT = 2
_PIECE = 32 << 20
_VERSION = 1
_COST_FACTOR = 20.0
_QUICK_SECONDS = 2.0
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.int64: "I64",
    torch.int32: "I32",
}
# What a disk is taken to write before the first save has told; states that take longer wait for their turn.
_ASSUMED_BYTES_PER_SECOND = 1e9
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
        budget: bytes that all states together may take, spread over the take; ``None`` for the two newest, however
            large.
        clock: seconds, rising.
    """

    def __init__(self, folder: Path, budget: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._budget = budget
        self._clock = clock
        self._too_large = False
        self._opened = clock()
        self._last_end: float | None = None
        self._last_cost = 0.0
        self._last_clips = 0
        self.saves = 0
        self.total_seconds = 0.0

    def due(self, size: int = 0) -> bool:
        """Whether to save a state of ``size`` bytes now: when 20 times the cost of a save has gone by since the last.

        So saving takes at most a twentieth of the time. The first one's cost is guessed; if it is small, it is due when
        first asked for.
        """
        if self._too_large:
            return False
        if self._last_end is not None:
            return self._clock() - self._last_end > _COST_FACTOR * self._last_cost
        guess = size / _ASSUMED_BYTES_PER_SECOND
        return guess < _QUICK_SECONDS or self._clock() - self._opened > _COST_FACTOR * guess

    def worth_saving(self, clips: int) -> bool:
        """Whether somebody who asked to stop should wait for the state after ``clips`` clips: new, and quickly done."""
        return self.saves > 0 and clips > self._last_clips and self._last_cost < _QUICK_SECONDS

    def save(self, saved: SavedSession, clips: int, content_hash: str, pinned: int | None = None) -> SaveCost:
        """Write the session after ``clips`` clips. States already there make room for it first.

        Args:
            pinned: number of clips of a state that is to stay if the budget allows for two.

        Raises:
            UserError: ``DISK_FULL``; the states already there that were not too many stay. ``STATE_BUDGET_SMALL`` when
                the budget does not allow for one; it is not due again.
        """
        started = self._clock()
        image = _lay_out(saved, clips, content_hash)
        self._make_room(image.bytes, clips, pinned)
        path = self._folder / f"state_{clips:05d}.safetensors"
        try:
            _write(path, image)
        finally:
            # A failed save counts too: a full disk is not tried again at every clip.
            self._last_end = self._clock()
            self._last_cost = self._last_end - started
            self.total_seconds += self._last_cost
        self.saves += 1
        self._last_clips = clips
        return SaveCost(path, image.bytes, self._last_cost)

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

    def keep_only(self, hashes: Sequence[str]) -> None:
        """Delete the states that do not belong to clips with these content hashes."""
        for path in self._newest_first():
            state = _describe(path)
            if state is None or not 1 <= state.clips <= len(hashes) or state.content_hash != hashes[state.clips - 1]:
                path.unlink(missing_ok=True)

    def thin(self) -> None:
        """Delete states that are over the budget, which may be smaller than in an earlier run. The newest goes last."""
        states = self._newest_first()
        if self._budget is None or not states:
            return
        largest = max(path.stat().st_size for path in states)
        self._delete_but(states, spread(map(_clips, states), _clips(states[0]), self._budget // largest))

    def _make_room(self, size: int, clips: int, pinned: int | None) -> None:
        """Delete states so that one of ``size`` bytes after ``clips`` clips may be added."""
        states = self._newest_first()
        if self._budget is None:
            for old in states[_KEPT - 1 :]:
                old.unlink(missing_ok=True)
            return
        # States of a take differ only by the length of the prompt they name.
        largest = max([size, *(path.stat().st_size for path in states)])
        kept = spread(map(_clips, states), clips, self._budget // largest, pinned)
        if not kept:
            self._too_large = True
            raise UserError(
                "STATE_BUDGET_SMALL",
                "No state is saved.",
                f"One takes {size} bytes and {self._budget} are allowed.",
                "Allow more, or none at all and accept that a continued render starts from the beginning.",
                field="state_budget_bytes",
            )
        self._delete_but(states, kept)

    def _delete_but(self, states: Iterable[Path], kept: Sequence[int]) -> None:
        for old in states:
            if _clips(old) not in kept:
                old.unlink(missing_ok=True)

    def _newest_first(self) -> list[Path]:
        states = [path for path in self._folder.iterdir() if _FILE.fullmatch(path.name)]
        return sorted(states, key=_clips, reverse=True)


def _clips(path: Path) -> int:
    return int(path.stem.removeprefix("state_"))


@dataclass(frozen=True, slots=True)
class _Image:
    """A state file before it is written: its header, its tensors in order of their places, its size."""

    header: bytes
    tensors: Sequence[Tensor]
    bytes: int


def _lay_out(saved: SavedSession, clips: int, content_hash: str) -> _Image:
    layouts: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    offset = 0
    flat: list[Tensor] = []
    for name, tensor in saved.tensors.items():
        stored = tensor if _fills_its_storage(tensor) else tensor.contiguous()
        flat.append(stored.as_strided((stored.numel(),), (1,)))
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
        "flight_steps": list(saved.flight_steps),
        "layouts": layouts,
    }
    metadata = {"checksum": _NO_CHECKSUM, "session": json.dumps(facts, sort_keys=True)}
    header = json.dumps({"__metadata__": metadata, **entries}).encode()
    header += b" " * (-len(header) % 8)
    return _Image(header, flat, 8 + len(header) + offset)


def _write(path: Path, image: _Image) -> None:
    with atomic_file(path) as file:
        file.write(len(image.header).to_bytes(8, "little"))
        file.write(image.header)
        checksum = zlib.crc32(image.header)
        for tensor in image.tensors:
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
