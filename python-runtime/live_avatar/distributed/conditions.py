"""Small tensors from the lead to a follower: they travel like a block's, so that the host waits for no card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from live_avatar.distributed.links import ReceivingEnd, SendingEnd
from live_avatar.distributed.parcels import ParcelLayout

# Name, dtype and shape of each tensor of a message.
Described = list[list[Any]]


def describe(tensors: Mapping[str, Tensor]) -> Described:
    """What the receiver has to know beforehand, as JSON values."""
    return [[name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for name, tensor in tensors.items()]


def send_conditions(end: SendingEnd, tensors: Mapping[str, Tensor]) -> None:
    """Let the tensors travel."""
    if tensors:
        end.send(tuple(tensors.values()))


def receive_conditions(end: ReceivingEnd, described: Described) -> dict[str, Tensor]:
    """The tensors of a message, in memory of their own."""
    if not described:
        return {}
    shapes = tuple(tuple(shape) for _, _, shape in described)
    end.expect(ParcelLayout(shapes, tuple(getattr(torch, dtype) for _, dtype, _ in described)))
    parcel = end.take()
    own = {name: tensor.clone() for (name, _, _), tensor in zip(described, parcel.tensors, strict=True)}
    parcel.release()
    return own
