"""Messages between the lead and a follower: commands, conditions, beats, pieces of states. Importing this is cheap.

One TCP connection for each follower, apart from the ways that blocks travel: it can be watched, it ends when a process
does, and nothing on it waits for a card. A message is facts in JSON and tensors as they lie in memory; nothing that is
received is ever executed.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Bytes of the header in JSON, bytes of the tensors.
_FRAME = struct.Struct(">IQ")
_LARGEST_HEADER = 16 << 20
_DTYPES = ("float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "int64", "int32", "uint8")


class Disconnected(Exception):
    """The other side is gone, or does not speak this language."""


@dataclass(frozen=True, slots=True)
class Message:
    """What was said.

    Attributes:
        kind: names the sentence; facts: JSON values in it.
        tensors: on the processor, in memory of their own.
    """

    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)


class Channel:
    """One end of a connection. Any thread may send; one thread receives.

    Args:
        connection: is closed with the channel.
        patient: sending returns at once and a thread of its own writes, so that a peer who stopped reading holds
            nobody up.
    """

    def __init__(self, connection: socket.socket, *, patient: bool = False) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(None)
        self._connection = connection
        self._lock = threading.Lock()
        self._outbox: queue.SimpleQueue[Message | None] | None = None
        if patient:
            self._outbox = queue.SimpleQueue()
            self._writer = threading.Thread(target=self._write_outbox, name="channel", daemon=True)
            self._writer.start()

    def send(self, kind: str, tensors: Mapping[str, Tensor] | None = None, **facts: Any) -> None:
        """Say something. The tensors must lie on the processor and stay as they are until they are written.

        Raises:
            Disconnected: the other side is gone; never from a patient channel.
        """
        message = Message(kind, facts, dict(tensors or {}))
        if self._outbox is None:
            self._write(message)
        else:
            self._outbox.put(message)

    def receive(self) -> Message:
        """Wait for the next message.

        Raises:
            Disconnected: there will be none.
        """
        try:
            header_size, _ = _FRAME.unpack(self._read(_FRAME.size))
            if header_size > _LARGEST_HEADER:
                raise Disconnected("its message is too long")
            header = json.loads(self._read(header_size))
            tensors = {name: self._read_tensor(dtype, shape) for name, dtype, shape in header["tensors"]}
            return Message(header["kind"], header["facts"], tensors)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Disconnected(str(error)) from error

    def say_last(self, kind: str, seconds: float) -> None:
        """Say the last thing on a patient channel, and wait until it is written, but no longer than that."""
        assert self._outbox is not None
        self._outbox.put(Message(kind))
        self._outbox.put(None)
        self._writer.join(seconds)

    def close(self) -> None:
        """End the connection; whoever waits in :meth:`receive` on either side learns of it."""
        if self._outbox is not None:
            self._outbox.put(None)
        with contextlib.suppress(OSError):  # gone already
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _write_outbox(self) -> None:
        assert self._outbox is not None
        while (message := self._outbox.get()) is not None:
            try:
                self._write(message)
            except Disconnected:
                # Whoever receives on this channel learns of it too, and says so.
                return

    def _write(self, message: Message) -> None:
        tensors = {name: tensor.detach().contiguous() for name, tensor in message.tensors.items()}
        entries = [[name, _name(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()]
        header = json.dumps({"kind": message.kind, "facts": message.facts, "tensors": entries}).encode()
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        with self._lock:
            try:
                self._connection.sendall(_FRAME.pack(len(header), size) + header)
                for tensor in tensors.values():
                    if tensor.numel():
                        self._connection.sendall(_bytes_of(tensor))
            except OSError as error:
                raise Disconnected(str(error)) from error

    def _read(self, size: int) -> bytes:
        buffer = bytearray(size)
        self._fill(memoryview(buffer))
        return bytes(buffer)

    def _read_tensor(self, dtype: str, shape: list[int]) -> Tensor:
        import torch

        if dtype not in _DTYPES:
            raise Disconnected(f"it sent {dtype}")
        tensor = torch.empty(shape, dtype=getattr(torch, dtype))
        if tensor.numel():
            self._fill(_bytes_of(tensor))
        return tensor

    def _fill(self, target: memoryview) -> None:
        while target:
            count = self._connection.recv_into(target)
            if count == 0:
                raise Disconnected("it closed the connection")
            target = target[count:]


def _bytes_of(tensor: Tensor) -> memoryview:
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
