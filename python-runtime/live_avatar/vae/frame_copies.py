"""Finished pictures on their way from the card to the processor, without either waiting for the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Frame = npt.NDArray[np.uint8]


class PendingFrames:
    """Pictures that are being copied. Take them once, from any thread; taking waits for the copy."""

    def __init__(self, copies: FrameCopies | None, buffer: Tensor, shape: torch.Size, done: torch.cuda.Event | None):
        self._copies = copies
        self._buffer: Tensor | None = buffer
        self._shape = shape
        self._done = done

    def take(self) -> list[Frame]:
        """The frames, uint8 [H,W,3] each.

        Raises:
            ValueError: they were taken already.
        """
        buffer, self._buffer = self._buffer, None
        if buffer is None:
            raise ValueError("these frames were taken already")
        if self._done is None:
            return list(buffer.numpy())
        self._done.synchronize()
        # Out of the page-locked buffer, which goes back to take the next block.
        frames = buffer[: self._shape.numel()].view(self._shape).numpy().copy()
        if self._copies is not None:
            self._copies.give_back(buffer)
        return list(frames)


class FrameCopies:
    """Copies blocks of pictures from ``device`` through page-locked buffers, on a stream of its own.

    There are as many buffers as blocks under way: two, if the taker keeps up. Nothing here waits for the card. On a
    processor nothing is copied.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        # append and pop of a list are atomic: frames are taken in another thread than they are sent from.
        self._free: list[Tensor] = []

    def send(self, frames: Tensor) -> PendingFrames:
        """Start copying ``frames`` uint8 [T,H,W,3], computed on the current stream; the tensor must not be changed."""
        if self._stream is None:
            return PendingFrames(None, frames, frames.shape, None)
        buffer = self._buffer(frames.numel())
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            buffer[: frames.numel()].copy_(frames.view(-1), non_blocking=True)
            done = torch.cuda.Event(blocking=True)
            done.record(self._stream)
        # Its memory may be used again only after the copy.
        frames.record_stream(self._stream)
        return PendingFrames(self, buffer, frames.shape, done)

    def give_back(self, buffer: Tensor) -> None:
        """``buffer`` is free for the next block."""
        self._free.append(buffer)

    def _buffer(self, size: int) -> Tensor:
        while self._free:
            buffer = self._free.pop()
            if buffer.numel() >= size:
                return buffer
        return torch.empty(size, dtype=torch.uint8, pin_memory=True)
