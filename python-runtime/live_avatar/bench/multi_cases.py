"""What the benchmark of several cards measures: sizes, caps, precisions, cuts, and what each is held to. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import even_counts
from live_avatar.distributed.multi_planner import Fleet, Option, plan_fleet, single_option
from live_avatar.distributed.wishes import CutWishes, read_cut_wishes
from live_avatar.errors import UserError
from live_avatar.fast.task import Take, Wishes
from live_avatar.take import Precision

# ``best`` is the planner's own choice; ``layers`` and ``balanced`` balance the decoder and unequal cards; ``even``
# gives every rank as many layers, as if there were neither.
CUTS = ("best", "layers", "even", "balanced", "steps")


@dataclass(frozen=True, slots=True)
class Case:
    """One take to measure.

    Attributes:
        size: (width, height); limit: gigabytes of each card that may be taken, or ``None``.
        precision: as of a render; cuts: of :data:`CUTS`, measured for several ranks.
    """

    size: tuple[int, int]
    limit: float | None = None
    precision: Precision = "auto"
    cuts: tuple[str, ...] = ("best",)

    def words(self) -> str:
        """For people."""
        parts = [f"{self.size[0]}*{self.size[1]}"]
        if self.limit is not None:
            parts.append(f"{self.limit:g} GB a card")
        if self.precision != "auto":
            parts.append(self.precision)
        return ", ".join(parts)

    def bar(self, ranks: int) -> float | None:
        """Frames a second with decoding and compressing that these are held to on H200 cards, four steps."""
        return _BARS.get((ranks, *self.size, self.limit))


_GIVEN = "layers "

# Published sizes on cards as they are, then as smaller cards.
CARD_CASES = (
    Case((704, 384), cuts=CUTS),
    Case((384, 256)),
    Case((704, 384), 24.0),
    Case((688, 368), 24.0, "bf16"),
    Case((688, 368), 24.0, "fp8"),
    Case((384, 256), 16.0),
)
PROCESSOR_CASES = (Case((64, 64), cuts=CUTS),)
_BARS: dict[tuple[int, int, int, float | None], float] = {
    (2, 704, 384, None): 36.0,
    (2, 704, 384, 24.0): 25.0,
    (2, 384, 256, 16.0): 40.0,
    (4, 704, 384, None): 65.0,
    (4, 384, 256, None): 180.0,
    (4, 688, 368, 24.0): 40.0,
}
FIRST_PICTURE_BARS = {2: 0.8, 4: 0.7}


def given_cut(layers: str) -> str:
    """The name of a cut by hand: layers of each rank, with commas between them."""
    return f"{_GIVEN}{layers}"


def read_cuts(text: str) -> tuple[str, ...]:
    """Names of :data:`CUTS`, with commas between them.

    Raises:
        UserError: ``CUT_INVALID``.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in CUTS:
            raise UserError(
                "CUT_INVALID",
                f'"{name}" is no cut to measure.',
                f"The cuts are {', '.join(CUTS)}.",
                "Leave --cuts out to measure all of them.",
                field="cuts",
            )
    return names


def options_of(case: Case, take: Take, fleet: Fleet, *, plain: bool) -> Iterator[tuple[str, Option | None]]:
    """Every cut of a case for all ranks of ``fleet``, without those that are others again; ``None`` if there is none.

    Args:
        plain: ranks compute with the network as published, in float32: what a processor does.
    """
    ranks = len(fleet.cards)
    wishes = Wishes(case.precision, steps="sequential")
    seen: set[object] = set()
    for name in case.cuts if ranks > 1 else ("one card",):
        if name.startswith(_GIVEN) and name.count(",") + 1 != ranks:
            # It is for another number of ranks, which take the best.
            name = "best"
        if ranks == 1:
            option = single_option(take, fleet, wishes)
        elif name == "even" and ranks > take.sizes.config.num_layers:
            option = None
        else:
            plan = plan_fleet(take, fleet, wishes, _choice(name, take, ranks))
            option = plan.options[0] if plan.options else None
        if option is not None:
            if option.cut.steps in seen:
                continue
            seen.add(option.cut.steps)
            option = _plain(option) if plain else option
        yield name, option


def _choice(name: str, take: Take, ranks: int) -> CutWishes:
    if name.startswith(_GIVEN):
        return read_cut_wishes(layers=name.removeprefix(_GIVEN))
    if name == "best":
        return CutWishes(ranks=ranks)
    if name == "layers":
        return CutWishes(kind="layers", ranks=ranks)
    if name == "even":
        return CutWishes("layers", even_counts(take.sizes.config.num_layers, ranks), ranks)
    return CutWishes(kind="balanced" if name == "balanced" else "steps", ranks=ranks)


def _plain(option: Option) -> Option:
    plan = ComputePlan("plain", "float32", "float32", graphs=False)
    return replace(option, ranks=tuple(replace(rank, plan=plan) for rank in option.ranks))
