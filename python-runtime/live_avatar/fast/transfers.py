"""Copies between host and card beside the computation, and the places on the card that they fill in turn."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor


class Slot:
    """Memory on the device that holds one thing after the other.

    Attributes:
        data: the memory.
        holds: what was copied there last, or ``None``.
        turn: grows with every copy into any slot.
    """

    def __init__(self, data: Tensor) -> None:
        self.data = data
        self.holds: Hashable | None = None
        self.turn = -1
        self._copied: torch.cuda.Event | None = None
        self._freed: torch.cuda.Event | None = None
        if data.device.type == "cuda":
            self._copied, self._freed = _event(), _event()
            # Kernels queued before may still use the memory under another name.
            self._freed.record(torch.cuda.current_stream(data.device))

    def await_copy(self) -> None:
        """Let the current stream wait until the copy into the slot is done."""
        if self._copied is not None:
            torch.cuda.current_stream(self.data.device).wait_event(self._copied)

    def free(self) -> None:
        """What the current stream was given so far is the last that uses the slot's content."""
        if self._freed is not None:
            self._freed.record(torch.cuda.current_stream(self.data.device))


class Transfers:
    """One stream of copies. On the CPU everything happens at once, in the order it is asked for.

    Copies on a stream run one after the other: two at a time are not faster, only the two directions are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._turn = 0

    def fill(
        self,
        slot: Slot,
        content: Hashable,
        parts: Iterable[tuple[Tensor, Tensor]],
        after: torch.cuda.Event | None = None,
    ) -> None:
        """Copy ``parts`` (target, source) into ``slot`` once it is free and ``after`` has happened."""
        slot.holds, slot.turn = content, self._turn
        self._turn += 1
        if self._stream is None:
            for target, source in parts:
                target.copy_(source)
            return
        assert slot._freed is not None
        assert slot._copied is not None
        self._stream.wait_event(slot._freed)
        if after is not None:
            self._stream.wait_event(after)
        with torch.cuda.stream(self._stream):
            for target, source in parts:
                target.copy_(source, non_blocking=True)
        slot._copied.record(self._stream)

    def drain(self, parts: Iterable[tuple[Tensor, Tensor]], slot: Slot | None = None) -> torch.cuda.Event | None:
        """Copy ``parts`` (target in host memory, source) once the current stream has come to here.

        The sources must not be overwritten before; a ``slot`` they lie in counts as free when they are copied.

        Returns:
            What happens when they are (``None`` on the CPU: it has).
        """
        if self._stream is None:
            for target, source in parts:
                target.copy_(source)
            return None
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for target, source in parts:
                target.copy_(source, non_blocking=True)
                if slot is None and source.is_cuda:
                    source.record_stream(self._stream)
        done = _event()
        done.record(self._stream)
        if slot is not None:
            slot._freed = done
        return done

    def finish(self) -> None:
        """Wait, on the host, until every copy is done."""
        if self._stream is not None:
            self._stream.synchronize()

    def refuse_capture(self, what: str) -> None:
        """For acts whose copies belong to more than one pass.

        Raises:
            RuntimeError: while a CUDA graph is captured.
        """
        if self._stream is not None and torch.cuda.is_current_stream_capturing():
            raise RuntimeError(f"{what} cannot be part of a captured graph; run the pass without one")


_kind: ContextVar[type[Transfers]] = ContextVar("transfers", default=Transfers)


def new_transfers(device: torch.device) -> Transfers:
    """A stream of copies for a store, of the kind that :func:`transfers_of` says."""
    return _kind.get()(device)


@contextmanager
def transfers_of(kind: type[Transfers]) -> Iterator[None]:
    """Stores made inside, in this thread, copy by ``kind``: a benchmark makes them slower."""
    token = _kind.set(kind)
    try:
        yield
    finally:
        _kind.reset(token)


def least_recent(slots: list[Slot]) -> Slot:
    """The slot that was filled longest ago."""
    return min(slots, key=lambda slot: slot.turn)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event()
