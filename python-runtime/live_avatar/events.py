"""What a render tells whoever started it. The command line draws these; the worker sends them as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from live_avatar.sentence import Value, values_of


@dataclass(frozen=True, slots=True)
class StageEvent:
    """A long act began or moved.

    ``stage``: ``load``, ``audio``, ``prompt``, ``portrait``, ``prefill``, ``resume``, ``save`` or ``join``.
    ``code`` names the sentence ``text`` for translations, with the ``values`` in it.
    """

    stage: str
    done: int
    total: int
    text: str
    code: str
    values: Mapping[str, Value] = field(default_factory=dict)
    kind: Literal["stage"] = "stage"


@dataclass(frozen=True, slots=True)
class BlockEvent:
    """One block was denoised and decoded."""

    clip: int
    block: int
    blocks_per_clip: int
    seconds: float
    kind: Literal["block"] = "block"


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes on a card: held by tensors, and by the process for them."""

    allocated: int
    reserved: int


@dataclass(frozen=True, slots=True)
class ClipEvent:
    """A clip is on disk as a finished segment.

    ``frames`` counts frames of this clip, ``content_hash`` chains over all clips before it, ``reused`` is true when the
    segment was found on disk from an earlier run, ``frames_per_second`` is the pace over the last clips, and
    ``device_memory`` the memory on the card, if there is one.
    """

    clip: int
    clips: int
    first_frame: int
    frames: int
    path: str
    content_hash: str
    reused: bool
    seconds: float
    memory_bytes: int
    frames_per_second: float | None = None
    device_memory: DeviceMemory | None = None
    kind: Literal["clip"] = "clip"


@dataclass(frozen=True, slots=True)
class PictureEvent:
    """A picture of a block lies on disk, ahead of its clip: JPEG at ``path``, replaced by that of the next block.

    ``frame`` counts over the whole video.
    """

    clip: int
    frame: int
    path: str
    kind: Literal["picture"] = "picture"


@dataclass(frozen=True, slots=True)
class StateEvent:
    """The session state was saved; a crash from here on costs only later clips."""

    clip: int
    path: str
    bytes: int
    seconds: float
    kind: Literal["state"] = "state"


@dataclass(frozen=True, slots=True)
class WarningEvent:
    """Something the user should know but that does not stop the render; ``values`` are those in its sentence."""

    code: str
    text: str
    values: Mapping[str, Value] = field(init=False, default_factory=dict)
    kind: Literal["warning"] = "warning"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", values_of(self.text))


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """The finished video is in place; without an output (``path`` is ``None``) its clips are."""

    path: str | None
    frames: int
    seconds: float
    frames_per_second: float
    kind: Literal["done"] = "done"


RenderEvent = StageEvent | BlockEvent | PictureEvent | ClipEvent | StateEvent | WarningEvent | DoneEvent
EventSink = Callable[[RenderEvent], None]
