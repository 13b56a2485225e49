"""What sharing each layer between cards would give (Ulysses), to compare with pipelines. It is not built. No torch.

Each of ``width`` cards has a part of a block's tokens, and trades queries, keys and values for those of its heads
before attention, and the outcome back after it. That divides the time of a pass, which a pipeline does not; a pipeline
divides the work of many passes, and pays a hand-over once a slice, where this pays two exchanges in every layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import cut_by_layers, even_counts
from live_avatar.distributed.multi_planner import Fleet, best_order, setting_of
from live_avatar.distributed.rank_plans import RankPlan, Role, make_rank_plan
from live_avatar.distributed.simulation import Setting
from live_avatar.distributed.stage_times import RankTimes
from live_avatar.distributed.time_line import Simulation
from live_avatar.distributed.transfer_model import Link, Wiring
from live_avatar.fast.task import Card, Take
from live_avatar.geometry import LatentShape

# Kernels wait for the slowest card twice a layer, and matrix products of few rows reach less of the peak. Assumed,
# after products timed at 1,152 and at 3,168 rows.
_EFFICIENCY = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same cards in two ways.

    Attributes:
        cards: how many; width: cards that share each layer, 1 for a plain pipeline.
        frames_per_second, first_frame: of that way.
    """

    cards: int
    width: int
    frames_per_second: float
    first_frame: float


def compare_widths(
    take: Take, card: Card, plan: ComputePlan, cards: int, link: Link, widths: tuple[int, ...] = (1, 2, 4)
) -> list[Comparison]:
    """Pipelines of alike cards with 1, 2, … of them in each stage; the lead decodes besides its layers."""
    found = []
    for width in widths:
        if cards % width == 0 and cards // width <= take.sizes.config.num_layers:
            run = _best(take, card, plan, cards // width, width, link)
            found.append(Comparison(cards, width, run.frames_per_second, run.first_frame))
    return found


def shared_layer_seconds(seconds: float, width: int, shape: LatentShape, dim: int, item: int, link: Link) -> float:
    """Of a layer that takes ``seconds`` on one card: the arithmetic shared, and two exchanges.

    Args:
        item: bytes of a value that is exchanged.
    """
    if width == 1:
        return seconds
    rows = shape.block_tokens / width
    leaves = (width - 1) / width
    exchanges = link.seconds(3 * rows * dim * item * leaves) + link.seconds(rows * dim * item * leaves)
    return seconds / width / _EFFICIENCY + exchanges


def _best(take: Take, card: Card, plan: ComputePlan, stages: int, width: int, link: Link) -> Simulation:
    """The fastest of the slices that are about even."""
    layers, runs = take.sizes.config.num_layers, []
    for lead in _lead_layers(take, card, plan, stages, width, link):
        followers = even_counts(layers - lead, stages - 1) if stages > 1 else ()
        setting = _setting(take, card, plan, [lead, *followers], width, link)
        runs.append(best_order(setting, take.steps, turns=True)[1])
    return max(runs, key=lambda run: run.frames_per_second)


def _lead_layers(take: Take, card: Card, plan: ComputePlan, stages: int, width: int, link: Link) -> list[int]:
    """How many layers the lead may have, so that with its decoding it does as much as the others."""
    layers = take.sizes.config.num_layers
    if stages == 1:
        return [layers]
    whole = _setting(take, card, plan, [layers], width, link).times[0]
    even = (layers - (stages - 1) * whole.decode / (take.steps * whole.layer)) / stages
    most = layers - (stages - 1)
    return sorted({min(most, max(0, round(even) + offset)) for offset in (-1, 0, 1)})


def _setting(take: Take, card: Card, plan: ComputePlan, counts: list[int], width: int, link: Link) -> Setting:
    cut = cut_by_layers(take.steps, counts)
    ranks = tuple(make_rank_plan(take, card, Role.of(cut, rank), plan) for rank in range(cut.ranks))
    wiring = Wiring((0,) * cut.ranks, link, link)
    setting = setting_of(take, Fleet((card,) * cut.ranks, wiring), cut, ranks)
    return replace(setting, times=tuple(_shared(rank, take, width, link) for rank in ranks))


def _shared(rank: RankPlan, take: Take, width: int, link: Link) -> RankTimes:
    times = rank.times
    layer = shared_layer_seconds(times.layer, width, take.shape, take.sizes.config.dim, 2, link)
    return replace(times, layer=layer, windowed=times.windowed / width, prefill=times.prefill / width)
