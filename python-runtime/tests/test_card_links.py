"""What an edge between cards asks NCCL for, and when; what NCCL makes of it is for tests/gpu."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from live_avatar.distributed.card_links import CardReceiver, CardSender
from live_avatar.distributed.links import EdgeSetting
from live_avatar.distributed.parcels import ParcelLayout

CPU = torch.device("cpu")


@dataclass
class Wire:
    """A group of NCCL's: what is sent through it comes out at once."""

    asked: list[str] = field(default_factory=list)
    under_way: list[Tensor] = field(default_factory=list)

    def send(self, tensors: Sequence[Tensor], target: int, tag: int) -> Wire:
        assert (len(tensors), target, tag) == (1, 1, 0)
        self.asked.append("send")
        self.under_way.append(tensors[0].clone())
        return self

    def recv(self, tensors: Sequence[Tensor], source: int, tag: int) -> Wire:
        assert (len(tensors), source, tag) == (1, 0, 0)
        self.asked.append("receive")
        tensors[0].copy_(self.under_way.pop(0))
        return self

    def wait(self) -> None:
        self.asked.append("wait")

    def abort(self) -> None:
        self.asked.append("abort")


def message(number: int) -> tuple[Tensor, Tensor]:
    return torch.full((3, 2), float(number)), torch.arange(number, number + 5, dtype=torch.int64)


def test_a_receive_begins_when_its_message_is_wanted() -> None:
    wire = Wire()
    sender, receiver = CardSender(wire, CPU, EdgeSetting(2, lambda: False)), CardReceiver(wire, CPU)
    layout = ParcelLayout.of(message(0))
    for number in range(2):
        receiver.expect(layout)
        sender.send(message(number))
    assert wire.asked == ["send", "send"]
    for number in range(2):
        parcel = receiver.take()
        for found, sent in zip(parcel.tensors, message(number), strict=True):
            assert torch.equal(found, sent)
        parcel.release()
    assert wire.asked[2:] == ["receive", "wait"] * 2


def test_memory_is_used_again_once_it_is_given_back() -> None:
    wire = Wire()
    sender, receiver = CardSender(wire, CPU, EdgeSetting(2, lambda: False)), CardReceiver(wire, CPU)
    for number in range(3):
        receiver.expect(ParcelLayout.of(message(number)))
        sender.send(message(number))
    first, second = receiver.take(), receiver.take()
    # Both are held: neither was written over.
    for number, parcel in enumerate((first, second)):
        assert torch.equal(parcel.tensors[0], message(number)[0])
    held = second.tensors[0].data_ptr()
    second.release()
    third = receiver.take()
    assert third.tensors[0].data_ptr() == held
    assert torch.equal(first.tensors[0], message(0)[0])
    assert torch.equal(third.tensors[1], message(2)[1])


def test_a_sender_waits_for_a_place_only_when_all_are_under_way() -> None:
    wire = Wire()
    sender = CardSender(wire, CPU, EdgeSetting(2, lambda: False))
    for number in range(3):
        sender.send(message(number))
    assert wire.asked == ["send", "send", "wait", "send"]
    sender.close()
    assert wire.asked[-1] == "abort"
