"""Which weights stay on the card, which wait in host memory, and which layers take turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Placement:
    """Where weights live. The default keeps all of them on the device.

    Attributes:
        resident_layers: layers that stay on the device; the others are streamed from host memory. ``None`` for all.
        conditions: form of what is used once a prompt or once a block: text and audio keys and values and the
            injectors' modulation. ``wide``, the network's precision, is 6.7 GB of the published one; one byte a weight
            is half. Activations stay wide, so ``int8`` is the closer of the two.
        host_text: text keys and values wait in host memory until a prompt needs them.
        host_audio: the injectors' keys, values and modulation do, until a block needs them.
    """

    resident_layers: int | None = None
    conditions: Literal["wide", "float8", "int8"] = "wide"
    host_text: bool = False
    host_audio: bool = False


def streamed_indices(count: int, resident: int | None) -> list[int]:
    """Which of ``count`` layers are streamed when ``resident`` stay: spread evenly, so that copies hide best."""
    streamed = 0 if resident is None else max(0, count - max(0, resident))
    return [index for index in range(count) if (index + 1) * streamed // count > index * streamed // count]
