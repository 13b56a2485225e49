"""Which rank does which layers of which denoising step. No torch.

A block's way is one row of (step, layer) units, followed by the decoder, which is always the lead's (rank 0). A cut
says for every step which ranks run it, in order; whatever the kind, the same code carries it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Literal

from live_avatar.layer_span import HeldUnits, LayerSpan
from live_avatar.network_part import NetworkPart

LEAD = 0

CutKind = Literal["layers", "steps", "balanced"]
# What crosses an edge: prompts, sound and noise from the lead (a few MB now and then); the latents of a block (0.4 MB);
# or the hidden state of its tokens (32 MB at 704 x 384).
Cargo = Literal["conditions", "latents", "hidden"]


@dataclass(frozen=True, slots=True)
class Share:
    """A run of layers of one step, and the rank that does it."""

    rank: int
    span: LayerSpan


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A directed way between two ranks for one kind of cargo."""

    source: int
    target: int
    cargo: Cargo


@dataclass(frozen=True)
class Cut:
    """A whole cut.

    Attributes:
        kind: how it was made; nothing but words depends on it.
        ranks: processes, the lead among them.
        layers: of the network.
        steps: for each step its shares in order; together they cover all layers.

    Raises:
        ValueError: the shares leave a gap, overlap, name a rank that is not there or the same one twice in a step, or
            leave a follower without work.
    """

    kind: CutKind
    ranks: int
    layers: int
    steps: tuple[tuple[Share, ...], ...]

    def __post_init__(self) -> None:
        for step, shares in enumerate(self.steps):
            reached = 0
            for share in shares:
                if share.span.first != reached or share.span.last <= reached:
                    raise ValueError(f"step {step} has a gap or an overlap at layer {reached}")
                if not 0 <= share.rank < self.ranks:
                    raise ValueError(f"step {step} names rank {share.rank} of {self.ranks}")
                reached = share.span.last
            if reached != self.layers:
                raise ValueError(f"step {step} covers {reached} of {self.layers} layers")
            if len({share.rank for share in shares}) != len(shares):
                raise ValueError(f"step {step} comes to a rank twice")
        idle = set(range(1, self.ranks)) - {share.rank for shares in self.steps for share in shares}
        if idle:
            raise ValueError(f"rank {min(idle)} has nothing to do")

    def span_of(self, rank: int) -> LayerSpan:
        """The layers whose weights a rank holds: from the first to the last it does in any step; maybe empty."""
        spans = [share.span for shares in self.steps for share in shares if share.rank == rank]
        if not spans:
            return LayerSpan(0, 0)
        return LayerSpan(min(span.first for span in spans), max(span.last for span in spans))

    def steps_of(self, rank: int) -> range:
        """The run of steps that a rank has to do with, for its caches; maybe empty."""
        steps = [step for step, shares in enumerate(self.steps) if any(share.rank == rank for share in shares)]
        return range(min(steps), max(steps) + 1) if steps else range(0)

    def share_of(self, rank: int, step: int) -> LayerSpan | None:
        """What a rank does of a step."""
        return next((share.span for share in self.steps[step] if share.rank == rank), None)

    def units_of(self, rank: int) -> int:
        """(step, layer) units that a rank does for every block."""
        return sum(len(share.span) for shares in self.steps for share in shares if share.rank == rank)

    def source_of(self, rank: int, step: int) -> int:
        """The rank that the input of a rank's share of a step comes from, maybe itself: noise comes from the lead."""
        shares = self.steps[step]
        place = self._place(rank, step)
        if place > 0:
            return shares[place - 1].rank
        return self.steps[step - 1][-1].rank if step > 0 else LEAD

    def target_of(self, rank: int, step: int) -> int:
        """The rank that the output of a rank's share of a step goes to, maybe itself; after the last step the lead."""
        shares = self.steps[step]
        place = self._place(rank, step)
        if place + 1 < len(shares):
            return shares[place + 1].rank
        return self.steps[step + 1][0].rank if step + 1 < len(self.steps) else LEAD

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All ways between ranks, sorted."""
        edges = {Edge(LEAD, rank, "conditions") for rank in range(1, self.ranks)}
        before = self.steps[0][0].rank
        for shares in self.steps:
            edges.add(Edge(before, shares[0].rank, "latents"))
            for left, right in pairwise(shares):
                # The latents travel beside the hidden state: the last rank of a step moves them by the velocity.
                edges.add(Edge(left.rank, right.rank, "hidden"))
            before = shares[-1].rank
        edges.add(Edge(before, LEAD, "latents"))
        return tuple(sorted(edge for edge in edges if edge.source != edge.target))

    @cached_property
    def prefill_chains(self) -> tuple[tuple[Share, ...], ...]:
        """How the condition tokens run through the layers: once along the ranks, or on each rank by itself.

        If every step is cut alike, each rank needs the conditions of its own layers only, and one run along the ranks
        fills them all. Otherwise each rank runs all layers up to its last.
        """
        if len(set(self.steps)) == 1:
            return (self.steps[0],)
        ranks = sorted({share.rank for shares in self.steps for share in shares})
        return tuple((Share(rank, LayerSpan(0, self.span_of(rank).last)),) for rank in ranks)

    def held_by(self, rank: int) -> LayerSpan:
        """The layers whose weights a rank must hold: those it does, and those its prefill runs through."""
        needed = [self.span_of(rank)]
        needed += [share.span for chain in self.prefill_chains for share in chain if share.rank == rank]
        spans = [span for span in needed if len(span)]
        if not spans:
            return LayerSpan(0, 0)
        return LayerSpan(min(span.first for span in spans), max(span.last for span in spans))

    def units_held_by(self, rank: int) -> HeldUnits:
        """The units whose keys and values a rank keeps."""
        return HeldUnits(tuple(self.share_of(rank, step) or LayerSpan(0, 0) for step in range(len(self.steps))))

    def part_of(self, rank: int) -> NetworkPart:
        """What a rank loads of the network."""
        return NetworkPart(self.held_by(rank), lead=rank == LEAD)

    def as_dict(self) -> dict[str, Any]:
        """JSON values that :func:`read_cut` reads."""
        steps = [[[share.rank, share.span.first, share.span.last] for share in shares] for shares in self.steps]
        return {"kind": self.kind, "ranks": self.ranks, "layers": self.layers, "steps": steps}

    def words(self) -> str:
        """For people: ``by layers: 22, 18``."""
        if self.kind == "layers":
            return "by layers: " + ", ".join(str(len(self.span_of(rank))) for rank in range(self.ranks))
        names = "by steps" if self.kind == "steps" else "by steps, balanced"
        units = [self.units_of(rank) / self.layers for rank in range(self.ranks)]
        return f"{names}: " + ", ".join(f"{steps:.3g}" for steps in units)

    def _place(self, rank: int, step: int) -> int:
        return next(place for place, share in enumerate(self.steps[step]) if share.rank == rank)


def read_cut(value: dict[str, Any]) -> Cut:
    """A cut from what :meth:`Cut.as_dict` gave."""
    steps = tuple(
        tuple(Share(rank, LayerSpan(first, last)) for rank, first, last in shares) for shares in value["steps"]
    )
    return Cut(value["kind"], value["ranks"], value["layers"], steps)


def whole(steps: int, layers: int) -> Cut:
    """Everything on the lead: one card."""
    return cut_by_layers(steps, [layers])


def cut_by_layers(steps: int, counts: Sequence[int]) -> Cut:
    """Each rank a run of layers, the same in every step; rank ``r`` has ``counts[r]``, the lead maybe none.

    Raises:
        ValueError: a follower has none.
    """
    ends = list(accumulate(counts))
    shares = tuple(
        Share(rank, LayerSpan(end - count, end))
        for rank, (count, end) in enumerate(zip(counts, ends, strict=True))
        if count > 0
    )
    return Cut("layers", len(counts), ends[-1], (shares,) * steps)


def cut_by_steps(layers: int, counts: Sequence[int]) -> Cut:
    """Each rank whole steps; rank ``r`` has ``counts[r]`` of them, the lead maybe none.

    Raises:
        ValueError: a follower has none.
    """
    owners = [rank for rank, count in enumerate(counts) for _ in range(count)]
    return Cut("steps", len(counts), layers, tuple((Share(rank, LayerSpan(0, layers)),) for rank in owners))


def cut_balanced(steps: int, layers: int, units: Sequence[int]) -> Cut:
    """The row of ``steps * layers`` units cut anywhere; rank ``r`` has ``units[r]`` in a row, the lead maybe none.

    Raises:
        ValueError: the units are not all, or a follower has none.
    """
    if sum(units) != steps * layers or min(units, default=0) < 0:
        raise ValueError(f"{list(units)} are not {steps * layers} units")
    ends = list(accumulate(units))
    rows = []
    for step in range(steps):
        low, high = step * layers, (step + 1) * layers
        shares = []
        for rank, (count, end) in enumerate(zip(units, ends, strict=True)):
            first, last = max(low, end - count), min(high, end)
            if first < last:
                shares.append(Share(rank, LayerSpan(first - low, last - low)))
        rows.append(tuple(shares))
    return Cut("balanced", len(units), layers, tuple(rows))


def even_counts(total: int, ranks: int, weights: Iterable[float] | None = None) -> tuple[int, ...]:
    """``total`` whole things over ``ranks``, in proportion to ``weights``; what is left over goes to the last ranks.

    A rank of weight 0 gets none; every other gets at least one.

    Raises:
        ValueError: there are fewer things than ranks that want some.
    """
    wanted = list(weights) if weights is not None else [1.0] * ranks
    if len(wanted) != ranks or min(wanted, default=0.0) < 0 or not any(wanted):
        raise ValueError(f"{wanted} are not weights for {ranks} ranks")
    takers = [rank for rank in range(ranks) if wanted[rank] > 0]
    if total < len(takers):
        raise ValueError(f"{total} for {len(takers)} ranks")
    whole_weight = sum(wanted)
    counts = [0] * ranks
    for rank in takers:
        counts[rank] = max(1, int(total * wanted[rank] / whole_weight))
    # Hand out what rounding down left, and take back what the least of one took.
    while (rest := total - sum(counts)) != 0:
        missing = [total * wanted[rank] / whole_weight - counts[rank] for rank in range(ranks)]
        if rest > 0:
            counts[max(takers, key=lambda rank: (missing[rank], rank))] += 1
        else:
            counts[min((rank for rank in takers if counts[rank] > 1), key=lambda rank: (missing[rank], -rank))] -= 1
    return tuple(counts)
