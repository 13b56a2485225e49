"""Lazy, strict reading of weights: one tensor at a time, straight to the device and precision wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from live_avatar.checkpoint.drawn import Draw, drawing_of_metadata, drawing_of_torch_file
from live_avatar.checkpoint.headers import damaged, read_safetensors_header, shard_missing
from live_avatar.checkpoint.pickles import read_torch_dictionary
from live_avatar.checkpoint.source import FilePlace, StoredTensor, TensorSource
from live_avatar.errors import UserError

Transform = Callable[[str, Tensor], Tensor]
Progress = Callable[[int, int], None]

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMED = 5


class _MappedFile:
    """One safetensors file, mapped when its first tensor is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: Any = None

    def get(self, key: str) -> Tensor:
        try:
            if self._handle is None:
                self._handle = safe_open(str(self._path), framework="pt", device="cpu")
            tensor: Tensor = self._handle.get_tensor(key)
        except (SafetensorError, OSError) as error:
            raise damaged(self._path, f'Tensor "{key}" cannot be read ({error}).') from error
        return tensor


def open_safetensors_set(files: Sequence[Path]) -> TensorSource:
    """Open safetensors files as one memory-mapped source. Only headers are read here.

    Raises:
        UserError: ``CHECKPOINT_SHARD_MISSING``, ``CHECKPOINT_FILE_TRUNCATED``, ``CHECKPOINT_FILE_DAMAGED``.
    """
    absent = [path for path in files if not path.is_file()]
    if absent:
        raise shard_missing(absent)
    tensors: dict[str, StoredTensor] = {}
    metadata: dict[str, str] = {}
    for path in files:
        header = read_safetensors_header(path)
        mapped = _MappedFile(path)
        metadata.update(header.metadata)
        drawing = drawing_of_metadata(header.metadata)
        for key, entry in header.tensors.items():
            if key in tensors:
                raise damaged(path, f'Its tensor "{key}" is in another file of the set as well.')
            if entry.dtype not in _DTYPES:
                raise damaged(path, f'Its tensor "{key}" has the unknown precision {entry.dtype}.')
            dtype = _DTYPES[entry.dtype]
            if drawing is None:
                place = FilePlace(path, entry.offset)
                tensors[key] = StoredTensor(entry.shape, dtype, partial(mapped.get, key), place)
            else:
                tensors[key] = _drawn(drawing.of(key, entry.shape, dtype), entry.shape, dtype)
    return TensorSource(tensors, files, metadata)


def open_weights(path: Path) -> TensorSource:
    """Open one weight file: ``.safetensors``, or a torch dictionary (``.pth``, ``.pt``, ``.bin``).

    Raises:
        UserError: as :func:`open_safetensors_set`, and ``CHECKPOINT_UNSAFE_PICKLE``.
    """
    if path.suffix == ".safetensors":
        return open_safetensors_set([path])
    table = read_torch_dictionary(path)
    drawing = drawing_of_torch_file(path)
    if drawing is None:
        return TensorSource.of_tensors(table, [path])
    drawn = {}
    for key, tensor in table.items():
        shape = tuple(tensor.shape)
        drawn[key] = _drawn(drawing.of(key, shape, tensor.dtype), shape, tensor.dtype)
    return TensorSource(drawn, [path])


def _drawn(draw: Draw, shape: tuple[int, ...], dtype: torch.dtype) -> StoredTensor:
    return StoredTensor(shape, dtype, partial(draw, torch.device("cpu")), draw=draw)


def load_strict(
    module: nn.Module,
    source: TensorSource,
    *,
    dtype: torch.dtype | Callable[[str], torch.dtype] | None,
    device: torch.device | str,
    transform: Transform | None = None,
    progress: Progress | None = None,
    only: Callable[[str], bool] | None = None,
) -> None:
    """Fill every parameter and persistent buffer of ``module`` from ``source``, one tensor at a time.

    The module may be built on ``torch.device("meta")`` or normally; its tensors are replaced, never copied into, so
    no second copy of the weights exists. On the CPU in the stored precision they stay views of the mapped file.
    Parameters shared under several names (tied) need one of the names in the source.

    Args:
        dtype: precision of floating-point tensors, or a function of the name, or ``None`` for the stored one.
        device: where the tensors go.
        transform: applied to (name, tensor) after the move to ``device`` and ``dtype``; must keep the shape.
        progress: called with (bytes done, bytes in all), as stored.
        only: names of what is to be filled; the rest stays as it is, but must be in the source all the same.

    Raises:
        UserError: ``CHECKPOINT_KEYS_MISMATCH`` or ``CHECKPOINT_SHAPE_MISMATCH``, before anything is changed.
    """
    slots = _slots(module)
    check_source(_expected(slots, source), source)
    wanted_keys = [key for key in source if only is None or only(key)]
    total, done = sum(source.bytes(key) for key in wanted_keys), 0
    for key in wanted_keys:
        wanted = dtype(key) if callable(dtype) else dtype
        if wanted is None or not source.dtype(key).is_floating_point:
            wanted = source.dtype(key)
        tensor = source.get_on(key, device).to(wanted)
        if transform is not None:
            tensor = transform(key, tensor)
            if tuple(tensor.shape) != source.shape(key):
                raise ValueError(f"transform changed the shape of {key}")
        _assign(slots[key], tensor)
        done += source.bytes(key)
        if progress is not None:
            progress(done, total)
    _place_computed_buffers(module, device)


_Slot = list[tuple[nn.Module, str]]


def _slots(module: nn.Module) -> dict[str, _Slot]:
    """Where each named tensor lives; tied names share one list of places."""
    slots: dict[str, _Slot] = {}
    shared: dict[int, _Slot] = defaultdict(list)
    persistent = module.state_dict(keep_vars=True)
    for prefix, child in module.named_modules():
        for name, tensor in [*child._parameters.items(), *child._buffers.items()]:
            key = f"{prefix}.{name}" if prefix else name
            if tensor is None or key not in persistent:
                continue
            places = shared[id(tensor)]
            places.append((child, name))
            slots[key] = places
    return slots


def _tensor(slot: _Slot) -> Tensor:
    owner, name = slot[0]
    tensor = owner._parameters[name] if name in owner._parameters else owner._buffers[name]
    assert tensor is not None
    return tensor


def _assign(slot: _Slot, tensor: Tensor) -> None:
    old = _tensor(slot)
    new = nn.Parameter(tensor, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else tensor
    for owner, name in slot:
        if isinstance(new, nn.Parameter):
            owner._parameters[name] = new
        else:
            owner._buffers[name] = new


def _expected(slots: Mapping[str, _Slot], source: TensorSource) -> dict[str, tuple[int, ...]]:
    """The names and shapes the source must have: of tied names, those it uses."""
    used = {id(slots[key]) for key in source if key in slots}
    return {key: tuple(_tensor(slot).shape) for key, slot in slots.items() if key in source or id(slot) not in used}


def check_source(expected: Mapping[str, tuple[int, ...]], source: TensorSource) -> None:
    """Compare names and shapes, without reading a tensor.

    Raises:
        UserError: ``CHECKPOINT_KEYS_MISMATCH`` or ``CHECKPOINT_SHAPE_MISMATCH``.
    """
    missing = [key for key in expected if key not in source]
    unexpected = [key for key in source if key not in expected]
    if missing or unexpected:
        parts = [
            f"{len(keys)} {word}: {listed(keys)}"
            for word, keys in (("missing", missing), ("unexpected", unexpected))
            if keys
        ]
        raise UserError(
            "CHECKPOINT_KEYS_MISMATCH",
            f"The tensors in {_file_names(source)} are not those of this model.",
            f"{'; '.join(parts)}.",
            "Check that all files come from one download of one model.",
            field="ckpt_dir",
        )
    wrong = [
        f"{key} is {list(source.shape(key))} and should be {list(shape)}"
        for key, shape in expected.items()
        if source.shape(key) != shape
    ]
    if wrong:
        raise UserError(
            "CHECKPOINT_SHAPE_MISMATCH",
            f"{len(wrong)} tensors in {_file_names(source)} have the wrong size.",
            f"{listed(wrong, '; ')}.",
            "Check that config.json and the weights come from the same model.",
            field="ckpt_dir",
        )


def _place_computed_buffers(module: nn.Module, device: torch.device | str) -> None:
    for prefix, child in module.named_modules():
        for name, buffer in child._buffers.items():
            if buffer is None:
                continue
            if buffer.is_meta:
                raise ValueError(f"buffer {prefix}.{name} is not in the checkpoint and was built on the meta device")
            child._buffers[name] = buffer.to(device)


def _file_names(source: TensorSource) -> str:
    files = source.files
    if not files:
        return "memory"
    return str(files[0]) if len(files) == 1 else f"{files[0].parent} ({len(files)} files)"


def listed(names: Sequence[str], separator: str = ", ") -> str:
    """The first five names, and how many more there are."""
    more = len(names) - _NAMED
    return separator.join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
