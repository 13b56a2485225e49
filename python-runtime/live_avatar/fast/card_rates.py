"""How fast cards are, for choosing between plans. No torch.

The H200 is what rates were measured on. Of others the vendor's peak rates are known; what share of a peak this engine
reaches is taken from the H200 (an H100 was then 4 to 6 % faster than planned). Plans are compared on one card, so it is
the proportions that matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Capability = tuple[int, int]

_TERA, _GIGA = 1e12, 1e9


@dataclass(frozen=True, slots=True)
class CardRates:
    """Rates that the engine reaches on a card, per second.

    Attributes:
        float8_products, bfloat16_products: operations of matrix products; ``None`` where a card has no e4m3.
        float8_attention, bfloat16_attention: operations of attention over the window.
        decoding: operations of the VAE's convolutions.
        memory: bytes that the row kernels move.
        to_device, from_device: bytes copied between pinned host memory and card.
        launch_seconds: a pass takes no less without a graph: the host queues its thousand kernels.
        idle_seconds: between the kernels of a pass.
        source: where the figures come from.
    """

    float8_products: float | None
    bfloat16_products: float
    float8_attention: float | None
    bfloat16_attention: float
    decoding: float
    memory: float
    to_device: float
    from_device: float
    launch_seconds: float = 0.020
    idle_seconds: float = 0.005
    source: str = ""

    def with_link(self, bytes_per_second: float) -> CardRates:
        """The same card behind another link, such as a measured one."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return CardRates(**(values | {"to_device": bytes_per_second, "from_device": bytes_per_second}))


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Dense peaks with float32 accumulation, in TFLOP/s, memory in GB/s, generation of PCIe (16 lanes)."""

    bfloat16: float
    float8: float | None
    memory: float
    link: int
    capability: Capability = (0, 0)


# Measured on an H200 (700 W), float8 weights, 704x384 and 384x256, bench.denoiser: 553 and 167 ms a block in sequence
# with float8 attention, 646 and 180 ms with bfloat16 attention, 530 and 153 ms packed. Products and row kernels were
# fitted to these, with the shares of the profile; copies from transfers timed on the same machine; decoding is 57.4 ms
# for 27.5 TFLOP.
_H200 = CardRates(
    float8_products=1250 * _TERA,
    bfloat16_products=690 * _TERA,
    float8_attention=750 * _TERA,
    bfloat16_attention=520 * _TERA,
    decoding=479 * _TERA,
    memory=3000 * _GIGA,
    to_device=55 * _GIGA,
    from_device=55 * _GIGA,
    source="measured",
)
# Vendor's data sheets. GeForce cards form float32 sums at half the advertised rate, which is what is given here.
_PEAKS: dict[str, _Peaks] = {
    "H200": _Peaks(989, 1979, 4800, 5, (9, 0)),
    "H100 PCIe": _Peaks(756, 1513, 2000, 5, (9, 0)),
    "H100": _Peaks(989, 1979, 3350, 5, (9, 0)),
    "H20": _Peaks(148, 296, 4000, 5, (9, 0)),
    "H800": _Peaks(989, 1979, 3350, 5, (9, 0)),
    "B200": _Peaks(2250, 4500, 8000, 5, (10, 0)),
    "RTX PRO 6000": _Peaks(504, 1007, 1792, 5, (12, 0)),
    "RTX 5090": _Peaks(210, 419, 1792, 5, (12, 0)),
    "RTX 5080": _Peaks(113, 225, 960, 5, (12, 0)),
    "L40S": _Peaks(362, 733, 864, 4, (8, 9)),
    "L40": _Peaks(181, 362, 864, 4, (8, 9)),
    "L4": _Peaks(121, 242, 300, 4, (8, 9)),
    "RTX 6000 Ada": _Peaks(364, 729, 960, 4, (8, 9)),
    "RTX 4090": _Peaks(165, 330, 1008, 4, (8, 9)),
    "RTX 4080": _Peaks(98, 195, 717, 4, (8, 9)),
    "A100": _Peaks(312, None, 2039, 4, (8, 0)),
    "A6000": _Peaks(155, None, 768, 4, (8, 6)),
    "A40": _Peaks(150, None, 696, 4, (8, 6)),
    "A10": _Peaks(125, None, 600, 4, (8, 6)),
    "RTX 3090": _Peaks(71, None, 936, 4, (8, 6)),
}
# Pinned copies reach this of 16 lanes: measured for generation 5, the usual figure for 4 and 3.
_LINKS = {3: 12 * _GIGA, 4: 25 * _GIGA, 5: 55 * _GIGA}
# Per multiprocessor: TFLOP/s of bfloat16 and GB/s of the weakest card of a generation, for cards not listed.
_BY_GENERATION: dict[int, tuple[float, bool, float, int]] = {
    7: (0.6, False, 8, 3),
    8: (0.9, False, 8, 4),
    9: (7.0, True, 20, 5),
    10: (14.0, True, 40, 5),
    12: (1.2, True, 10, 5),
}
_ADA = (8, 9)


def known_cards() -> tuple[str, ...]:
    """Names of the cards whose rates are known."""
    return tuple(_PEAKS)


def capability_of(name: str) -> Capability | None:
    """Compute capability of a card by its name, or ``None`` for one that is not known."""
    part = _known(name)
    return None if part is None else _PEAKS[part].capability


def rates_of(name: str, capability: Capability, multiprocessors: int) -> CardRates:
    """Rates of a card by the name that the driver gives it, or by its generation."""
    part = _known(name)
    if part == "H200":
        return _H200
    if part is not None:
        return _scaled(_PEAKS[part], f"peaks of the {part}, shares reached measured on an H200")
    major = max((known for known in _BY_GENERATION if known <= capability[0]), default=min(_BY_GENERATION))
    each, float8, memory, link = _BY_GENERATION[major]
    peak = each * multiprocessors
    has_float8 = float8 or capability >= _ADA
    peaks = _Peaks(peak, 2 * peak if has_float8 else None, memory * multiprocessors, link)
    return _scaled(peaks, "guessed from the card's generation")


def _known(name: str) -> str | None:
    """The first known card whose name is part of ``name``, as whole words: an A1000 is no A100."""
    return next((part for part in _PEAKS if re.search(rf"\b{part}\b", name, re.IGNORECASE)), None)


def _scaled(peaks: _Peaks, source: str) -> CardRates:
    """The H200's rates in proportion to the peaks."""
    known = _PEAKS["H200"]
    wide = peaks.bfloat16 / known.bfloat16
    assert known.float8 is not None
    assert _H200.float8_products is not None
    assert _H200.float8_attention is not None
    narrow = None if peaks.float8 is None else peaks.float8 / known.float8
    return CardRates(
        float8_products=None if narrow is None else narrow * _H200.float8_products,
        bfloat16_products=wide * _H200.bfloat16_products,
        float8_attention=None if narrow is None else narrow * _H200.float8_attention,
        bfloat16_attention=wide * _H200.bfloat16_attention,
        decoding=wide * _H200.decoding,
        memory=peaks.memory / known.memory * _H200.memory,
        to_device=_LINKS[peaks.link],
        from_device=_LINKS[peaks.link],
        source=source,
    )
