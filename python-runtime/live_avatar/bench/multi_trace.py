"""Two blocks of a take as a time line: who computes and who waits, from moments that every rank noted."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from live_avatar.bench.card_take import take_block
from live_avatar.bench.multi_job import Job
from live_avatar.bench.random_network import random_conditions
from live_avatar.bench.recorded_team import recorded_take
from live_avatar.distributed.act_record import RankRecord
from live_avatar.distributed.cut import LEAD, Cut
from live_avatar.distributed.multi_planner import Fleet, Option, setting_of
from live_avatar.distributed.multi_words import cut_words
from live_avatar.distributed.simulated_order import acts_of
from live_avatar.distributed.simulation import simulate
from live_avatar.distributed.stage_times import RankTimes
from live_avatar.distributed.time_line import Simulation, Span, Work
from live_avatar.distributed.time_line_picture import time_line_svg
from live_avatar.noise import SeededDraws
from live_avatar.numerics import choose_device

_SEED = 3
_SHOWN_BLOCKS = 2
_SETTLING_BLOCKS = 4
# Acts of a rank for the blocks shown and those before and after them, generously.
_KEEP = 4096


def trace_option(job: Job, option: Option) -> tuple[str, dict[str, Any]]:
    """Run an option on a recorded team; the picture (SVG), and how busy each rank was in it."""
    run = recorded_run(job, option, job.take.shape.clip_blocks + _SETTLING_BLOCKS + _SHOWN_BLOCKS + 1)
    begin, end = run.pictures[-1 - _SHOWN_BLOCKS], run.pictures[-1]
    what = "processors" if job.cores is not None else "cards"
    simulated = simulated_again(job, option, run)
    title = f"Measured: {_SHOWN_BLOCKS} blocks on {option.cut.ranks} {what}, {cut_words(option.cut)}"
    # The picture begins at 0.
    shifted = _shifted(run, -begin)
    busy = [shifted.busy(rank, 0.0, end - begin) for rank in range(run.ranks)]
    waits = [shifted.waits(rank, 0.0, end - begin) for rank in range(run.ranks)]
    facts = {
        "seconds": end - begin,
        "blocks": _SHOWN_BLOCKS,
        "cut": option.cut.words(),
        "busy": busy,
        "waits": waits,
        "fps": run.frames_per_second,
        "simulated_fps": simulated.frames_per_second,
    }
    return time_line_svg(shifted, 0.0, end - begin, title, rank_name="rank"), facts


def recorded_run(job: Job, option: Option, blocks: int) -> Simulation:
    """What every rank did of a take of so many blocks, as if it were simulated."""
    device = choose_device(job.devices[LEAD])
    conditions = random_conditions(job.take.sizes.config, job.take.shape, device)
    formation = job.formation(option)
    with recorded_take(formation, job.settings, conditions, SeededDraws(_SEED), keep=_KEEP) as take:
        for _ in range(blocks):
            take_block(take.session)
        records = take.finish()
    return replace(run_of(records), settled=min(job.take.shape.clip_blocks, blocks - 2))


def simulated_again(job: Job, option: Option, run: Simulation, prompts: frozenset[int] = frozenset()) -> Simulation:
    """A recorded take by the simulator, from what each rank's acts took in it: what is left is order and waiting.

    The acts were slowed by whatever shared the processor with them, so it is given no cores to share.

    Args:
        prompts: blocks at which the prompt changed.
    """
    cut = option.cut
    setting = setting_of(job.take, Fleet(job.cards, job.wiring), cut, option.ranks)
    times = tuple(_recorded_times(run, rank, cut) for rank in range(cut.ranks))
    setting = replace(setting, times=times, encode=0.0)
    count = len(run.pictures)
    anchor = job.take.shape.clip_blocks
    acts = acts_of(count, len(cut.steps), option.order, anchor=anchor, prompts=prompts, more=True)
    again = simulate(setting, acts)
    return replace(again, settled=run.settled)


def _recorded_times(run: Simulation, rank: int, cut: Cut) -> RankTimes:
    """Means of a rank's acts; those of the first clip, which see less, are left out where there are others."""

    def mean(work: Work) -> float:
        seconds = [span.seconds for span in run.spans if (span.rank, span.work) == (rank, work)]
        settled = [
            span.seconds for span in run.spans if (span.rank, span.work) == (rank, work) and span.block >= run.settled
        ]
        return statistics.fmean(settled or seconds or [0.0])

    items = sum(cut.share_of(rank, step) is not None for step in range(len(cut.steps)))
    units = cut.units_of(rank)
    held = len(cut.held_by(rank))
    return RankTimes(
        mean("pass") * items / units if units else 0.0,
        prefill=mean("prefill") / held if held else 0.0,
        decode=mean("decode"),
    )


def run_of(records: Sequence[RankRecord]) -> Simulation:
    """Records of a take as a run: the pictures of a block are there when it is decoded. Times begin with the first."""
    spans = sorted((span for record in records for span in record.spans), key=lambda span: (span.start, span.end))
    if not spans:
        raise ValueError("nothing was recorded")
    pictures = tuple(span.end for span in spans if span.work == "decode")
    run = Simulation(len(records), tuple(spans), pictures, pictures, 0)
    return _shifted(run, -spans[0].start)


def _shifted(run: Simulation, by: float) -> Simulation:
    def moved(span: Span) -> Span:
        return replace(span, start=span.start + by, end=span.end + by)

    moments = tuple(moment + by for moment in run.pictures)
    return replace(run, spans=tuple(map(moved, run.spans)), pictures=moments, done=moments)
