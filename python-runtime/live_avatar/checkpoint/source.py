"""Named tensors that are not read before they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from live_avatar.checkpoint.drawn import Draw
from live_avatar.checkpoint.headers import damaged


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a tensor's bytes are: contiguous, little-endian, in its stored precision."""

    path: Path
    offset: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that is not read yet.

    Attributes:
        shape, dtype: as stored.
        read: gets it on the CPU, as stored.
        place: its bytes, for who reads them past the map; ``None`` where they are not plain bytes of a file.
        draw: makes it on a device, when the file says that its contents are to be drawn; then ``read`` draws too.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]
    place: FilePlace | None = None
    draw: Callable[[torch.device], Tensor] | None = None

    @property
    def bytes(self) -> int:
        """Stored size."""
        return math.prod(self.shape) * self.dtype.itemsize


class TensorSource:
    """Named tensors that are read only when asked for.

    Iterating gives the names, in the order that reads the files from front to back.

    Attributes:
        files: files the tensors come from; empty for tensors in memory.
        metadata: free text pairs the files carry.
    """

    def __init__(
        self,
        tensors: Mapping[str, StoredTensor],
        files: Iterable[Path] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._tensors = dict(tensors)
        self.files = tuple(files)
        self.metadata = dict(metadata or {})

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], files: Iterable[Path] = ()) -> TensorSource:
        """A source over tensors that are already in memory, or memory-mapped by torch."""
        stored = {
            key: StoredTensor(tuple(tensor.shape), tensor.dtype, partial(tensors.__getitem__, key))
            for key, tensor in tensors.items()
        }
        return cls(stored, files)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, key: object) -> bool:
        return key in self._tensors

    def keys(self) -> list[str]:
        """The names, in file order."""
        return list(self._tensors)

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor, without reading it."""
        return self._tensors[key].shape

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor by name, without reading any."""
        return {key: stored.shape for key, stored in self._tensors.items()}

    def dtype(self, key: str) -> torch.dtype:
        """Stored precision of a tensor, without reading it."""
        return self._tensors[key].dtype

    def bytes(self, key: str) -> int:
        """Stored size of a tensor."""
        return self._tensors[key].bytes

    def get(self, key: str) -> Tensor:
        """The tensor on the CPU as stored; may be a view of a mapped file, so it must not be written to."""
        return self._tensors[key].read()

    def get_on(self, key: str, device: torch.device | str) -> Tensor:
        """The tensor on ``device`` as stored; one that is to be drawn is drawn there."""
        stored = self._tensors[key]
        return stored.read().to(device) if stored.draw is None else stored.draw(torch.device(device))

    def place(self, key: str) -> FilePlace | None:
        """Where the tensor's bytes are, or ``None`` if it can only be asked for."""
        return self._tensors[key].place

    def draw(self, key: str) -> Draw | None:
        """What draws the tensor, if it is to be drawn."""
        return self._tensors[key].draw

    def renamed(self, rename: Callable[[str], str | None]) -> TensorSource:
        """The same tensors under other names; ``None`` leaves a tensor out on purpose.

        Raises:
            UserError: ``CHECKPOINT_FILE_DAMAGED`` when two tensors get the same name.
        """
        tensors: dict[str, StoredTensor] = {}
        for key, stored in self._tensors.items():
            name = rename(key)
            if name is None:
                continue
            if name in tensors:
                raise damaged(self.files[0], f'Two tensors stand for the weight "{name}"; one of them is "{key}".')
            tensors[name] = stored
        return TensorSource(tensors, self.files, self.metadata)
