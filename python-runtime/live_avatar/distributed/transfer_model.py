"""How long something takes from one rank to another: latency and bytes over bandwidth. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_GIGA = 1e9
_MICRO = 1e-6


@dataclass(frozen=True, slots=True)
class Link:
    """A way between two ranks.

    Attributes:
        name: for people.
        latency: seconds before the first byte; bandwidth: bytes a second.
        source: where the figures come from.
        beside: a message arrives beside the target's work, before it is wanted there; otherwise the target takes it in
            when it wants it (:mod:`live_avatar.distributed.card_links`).
    """

    name: str
    latency: float
    bandwidth: float
    source: str = "guessed"
    beside: bool = False

    def seconds(self, size: float) -> float:
        """Time of one transfer of ``size`` bytes."""
        return self.latency + size / self.bandwidth


# One direction of one edge. Measured: two H200, on whose NVLink four channels of NCCL carry 65 GB/s (33 on another
# host), and copies between host and card (54.5 GB/s on PCIe 5). A way between cards over PCIe is taken to be as fast as
# these, one through host memory to be two of them one after the other. The others are what is usually reached of the
# peak. The benchmark of several cards measures them all.
LINKS: dict[str, Link] = {
    "nvlink": Link("NVLink", 20 * _MICRO, 65 * _GIGA, "measured"),
    "pcie5": Link("PCIe 5, card to card", 30 * _MICRO, 45 * _GIGA),
    "pcie4": Link("PCIe 4, card to card", 30 * _MICRO, 22 * _GIGA),
    "host": Link("host memory", 200 * _MICRO, 12 * _GIGA, beside=True),
}
NETWORKS: dict[str, Link] = {
    "infiniband": Link("InfiniBand, 400 Gbit/s", 30 * _MICRO, 40 * _GIGA),
    "100g": Link("Ethernet, 100 Gbit/s", 100 * _MICRO, 9 * _GIGA),
    "10g": Link("Ethernet, 10 Gbit/s", 200 * _MICRO, 1.1 * _GIGA),
}


@dataclass(frozen=True, slots=True)
class Wiring:
    """The ways between all ranks.

    Attributes:
        hosts: for each rank the host it is on.
        within, between: ways of a host, and between two.
        measured: (source, target) -> way, before all others.
    """

    hosts: tuple[int, ...]
    within: Link
    between: Link
    measured: Mapping[tuple[int, int], Link] = field(default_factory=dict)

    @classmethod
    def of(cls, ranks: int, within: str = "nvlink", between: str = "infiniband", hosts: int = 1) -> Wiring:
        """``ranks`` spread evenly over ``hosts``, with ways from :data:`LINKS` and :data:`NETWORKS`."""
        return cls(tuple(rank * hosts // ranks for rank in range(ranks)), LINKS[within], NETWORKS[between])

    def link(self, source: int, target: int) -> Link:
        """The way from one rank to another."""
        known = self.measured.get((source, target))
        if known is not None:
            return known
        return self.within if self.hosts[source] == self.hosts[target] else self.between
