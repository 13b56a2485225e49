"""From published tensors to prepared ones: read, LoRA merged, quantised, one group after the other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.lora import LoraFile
from live_avatar.checkpoint.source import TensorSource
from live_avatar.fast.products import WeightFormat
from live_avatar.fast.read_ahead import ReadAhead, ReadRequest
from live_avatar.fast.weight_groups import WeightGroup
from live_avatar.fast.weight_only import SmallForm, small_codes
from live_avatar.fast.weights import layer_tensors, make_layer

Prepared = dict[str, Tensor]


def stored_tensors(
    source: TensorSource, names: Iterable[str], device: torch.device, threads: int
) -> Iterator[tuple[str, Tensor]]:
    """The given tensors in order, as stored, on ``device``: files are read ahead by threads past the memory map.

    On the CPU they stay views of the mapped files, so that no second copy exists.
    """
    wanted = list(names)
    if device.type != "cuda":
        yield from ((name, source.get_on(name, device)) for name in wanted)
        return
    places = ((name, source.place(name)) for name in wanted)
    requests = (ReadRequest(at.path, at.offset, source.bytes(name)) for name, at in places if at is not None)
    with ReadAhead(device, threads) as reader:
        arriving = reader.read(requests)
        for name in wanted:
            if source.place(name) is None:
                yield name, source.get_on(name, device)
            else:
                yield name, next(arriving).view(source.dtype(name)).view(source.shape(name))


def prepared_groups(
    config: DitConfig,
    source: TensorSource,
    lora: LoraFile | None,
    groups: list[WeightGroup],
    form: WeightFormat,
    conditions: SmallForm | None,
    device: torch.device,
    threads: int,
    done: Callable[[int], None],
) -> Generator[tuple[WeightGroup, Prepared]]:
    """Each group's prepared tensors on ``device``; never more than one group is held in the published precision.

    Args:
        form: of the layers' products.
        conditions: of the linear layers that are used once a prompt or a block; ``None`` for the network's precision.
        done: told the stored bytes of each tensor when it has been read.
    """
    dtype = torch.float32 if form == "float32" else torch.bfloat16
    in_order = [name for group in groups for name in _by_place(source, group.names)]
    arriving = stored_tensors(source, in_order, device, threads)
    for group in groups:
        tensors: Prepared = {}
        for _ in group.names:
            name, tensor = next(arriving)
            tensor = tensor.to(dtype)
            tensors[name] = tensor if lora is None else lora.merge(name, tensor)
            done(source.bytes(name))
        if group.kind == "layer":
            # Popped, so that a tensor is let go as soon as its codes are there.
            yield group, layer_tensors(make_layer(config, group.layer, tensors.pop, form))
        elif group.layer < 0 or conditions is None:
            yield group, tensors
        else:
            yield group, _small(tensors, conditions)


def _small(tensors: Prepared, form: SmallForm) -> Prepared:
    small: Prepared = {}
    for name in list(tensors):
        tensor = tensors.pop(name)
        if name.endswith(".weight"):
            small[name], small[f"{name.removesuffix('.weight')}.scale"] = small_codes(tensor, form)
        else:
            small[name] = tensor
    return small


def _by_place(source: TensorSource, names: Iterable[str]) -> list[str]:
    """Names in the order of the files, so that each is read from front to back within a group."""

    def place(name: str) -> tuple[str, int]:
        at = source.place(name)
        return ("", 0) if at is None else (str(at.path), at.offset)

    return sorted(names, key=place)
