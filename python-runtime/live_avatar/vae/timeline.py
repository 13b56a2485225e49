"""How a causal layer sees time: as a stream with caches, as a still picture, or while a stream is primed.

A layer asks its timeline for the frames before a chunk; the timeline decides where they come from. State is a value of
the caller, never kept on a module. Tensors are [batch, channels, frames, height, width].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

CONTEXT = 2  # Frames a kernel of three sees before the current one.


class Timeline(ABC):
    """Supplies left context to causal layers. ``key`` is the qualified name of the asking convolution."""

    @abstractmethod
    def before(self, key: str, x: Tensor) -> Tensor:
        """Frames that precede ``x`` at a three-tap convolution: two (zeros before the start of the stream), or none."""

    @abstractmethod
    def joined(self, key: str, frames: Tensor) -> Tensor:
        """Take note of ``frames`` (what :meth:`before` gave, then the new ones); return the convolution's input."""

    @abstractmethod
    def match(self, x: Tensor, frames: int) -> Tensor:
        """Bring a shortcut to the number of frames of the branch it is added to."""


class EncoderTimeline(Timeline):
    """A timeline that can also halve the frame rate."""

    @abstractmethod
    def downsampling_input(self, key: str, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """Input of a temporal stride-2 convolution.

        Returns:
            (first frame of the stream, passed through, or ``None``; frames for a valid three-tap stride-2 convolution).
        """


class DecoderTimeline(Timeline):
    """A timeline that can also double the frame rate."""

    @abstractmethod
    def split_start(self, key: str, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """Split off the very first frame of the stream, which temporal upsampling passes through untouched.

        Returns:
            (first frame or ``None``, the frames after it, possibly none).
        """


def zeros_before(x: Tensor) -> Tensor:
    """Two zero frames shaped like the frames of ``x``."""
    shape = (x.shape[0], x.shape[1], CONTEXT, *x.shape[3:])
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last_3d).zero_()


def repeat_last(x: Tensor, frames: int) -> Tensor:
    """``x`` followed by ``frames`` more copies of its last frame."""
    return x if frames <= 0 else join_frames([x, *[x[:, :, -1:]] * frames])


def join_frames(parts: Sequence[Tensor]) -> Tensor:
    """Parts of a video one after the other, channels innermost in memory.

    Frames lie one after the other there, so they are copied whole; joined as they are named, a card takes ten times as
    long.
    """
    rows = torch.cat([part.permute(0, 2, 3, 4, 1) for part in parts], dim=1)
    return rows.permute(0, 4, 1, 2, 3)


class StreamState(Timeline):
    """Caches of one stream: the last input frames of every causal layer.

    Empty before the first chunk; afterwards one tensor per layer of fixed shape, so a state can be saved, restored
    bit-exactly, copied, and several streams can run through one network.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = tuple(keys)
        self._caches: dict[str, Tensor] = {}

    @property
    def started(self) -> bool:
        """Whether a first chunk has been seen."""
        return bool(self._caches)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of all caches that a started stream has."""
        return self._keys

    def tensors(self) -> dict[str, Tensor]:
        """All caches by layer name; empty for a fresh stream. Values are the live tensors, not copies."""
        return {key: self._caches[key] for key in self._keys if key in self._caches}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace all caches by what :meth:`tensors` of an equal network gave; the tensors are copied.

        Raises:
            ValueError: names are missing or unknown.
        """
        if tensors and set(tensors) != set(self._keys):
            wrong = sorted(set(tensors) ^ set(self._keys))
            raise ValueError(f"VAE stream state does not fit this network: {', '.join(wrong[:3])}")
        self._caches = {}
        for key, tensor in tensors.items():
            self.put(key, tensor)

    def share(self, tensors: Mapping[str, Tensor]) -> None:
        """Use ``tensors``, one for each of :attr:`keys`, as the caches from here on: themselves, not copies."""
        self._caches = {key: tensors[key] for key in self._keys}

    def detach(self) -> Self:
        """Cut the caches from the autograd graph, in place (between chunks in training)."""
        self._caches = {key: cache.detach() for key, cache in self._caches.items()}
        return self

    def clone(self) -> Self:
        """An independent copy with its own storage."""
        copy = type(self)(self._keys)
        copy.load_tensors(self._caches)
        return copy

    def put(self, key: str, frames: Tensor) -> None:
        """Remember a copy of ``frames``: a view would keep the whole activation alive."""
        self._caches[key] = frames.clone(memory_format=torch.channels_last_3d)

    def before(self, key: str, x: Tensor) -> Tensor:
        """The last two frames this layer has seen."""
        cache = self._caches.get(key)
        return zeros_before(x) if cache is None else cache

    def joined(self, key: str, frames: Tensor) -> Tensor:
        """Remember the last two frames."""
        self.put(key, frames[:, :, -CONTEXT:])
        return frames

    def match(self, x: Tensor, frames: int) -> Tensor:
        """Branch and shortcut have equally many frames."""
        return x


class EncoderState(StreamState, EncoderTimeline):
    """Streaming state of the encoder."""

    def downsampling_input(self, key: str, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """The chunk after the last frame of the chunk before it."""
        cache = self._caches.get(key)
        self.put(key, x[:, :, -1:])
        return (x[:, :, :1], x) if cache is None else (None, join_frames([cache.to(x.dtype), x]))


class DecoderState(StreamState, DecoderTimeline):
    """Streaming state of the decoder."""

    def split_start(self, key: str, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """The first frame of a fresh stream is no context for later ones: they start from zeros (spec 5.2, up3d)."""
        if key in self._caches:
            return None, x
        self.put(key, zeros_before(x))
        return x[:, :, :1], x[:, :, 1:]


class StillTimeline(EncoderTimeline):
    """A video of ``length`` equal frames, of which only frames that differ are computed.

    After each layer the tensor holds the first frames; every later one equals its last. A three-tap layer adds at most
    two distinct frames, so the work is bounded whatever the length.
    """

    def __init__(self, length: int) -> None:
        self.length = length

    def before(self, key: str, x: Tensor) -> Tensor:
        """Zeros: the tensor always begins with the first frame."""
        return zeros_before(x)

    def joined(self, key: str, frames: Tensor) -> Tensor:
        """Add the repeats after which the output is constant, as far as the video goes."""
        return repeat_last(frames, min(CONTEXT, self.length + CONTEXT - frames.shape[2]))

    def downsampling_input(self, key: str, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """Frames up to the first output frame that sees only repeats."""
        self.length = (self.length - 1) // 2 + 1
        distinct = min(self.length, (x.shape[2] + 2) // 2 + 1)
        return x[:, :, :1], repeat_last(x, 2 * distinct - 1 - x.shape[2])

    def match(self, x: Tensor, frames: int) -> Tensor:
        """Repeat the shortcut's last frame."""
        return repeat_last(x, frames - x.shape[2])


class PrimingTimeline(DecoderTimeline):
    """Fills a fresh decoder state while computing only the frames that some cache still depends on.

    Attributes:
        complete: whether the tensors in flight still begin with the first frame of the stream.
    """

    def __init__(self, state: DecoderState) -> None:
        self._state = state
        self.complete = True

    def keep_last(self, x: Tensor, frames: int) -> Tensor:
        """Drop all but the last ``frames`` frames."""
        if frames >= x.shape[2]:
            return x
        self.complete = False
        return x[:, :, -frames:]

    def before(self, key: str, x: Tensor) -> Tensor:
        """Zeros at the start of the stream; otherwise nothing, the first frames serve as context."""
        return zeros_before(x) if self.complete else x[:, :, :0]

    def joined(self, key: str, frames: Tensor) -> Tensor:
        """Fill the cache of this layer."""
        return self._state.joined(key, frames)

    def split_start(self, key: str, x: Tensor) -> tuple[Tensor | None, Tensor]:
        """As in a stream, if the first frame is still there."""
        return self._state.split_start(key, x) if self.complete else (None, x)

    def match(self, x: Tensor, frames: int) -> Tensor:
        """Drop the frames the branch used as context."""
        return x[:, :, -frames:]
