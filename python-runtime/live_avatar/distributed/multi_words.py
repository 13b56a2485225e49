"""A plan for several cards as a table for people and as JSON values. No torch."""

from __future__ import annotations

import itertools
from typing import Any

from live_avatar.distributed.cut import Cut
from live_avatar.distributed.multi_planner import MultiPlan, Option
from live_avatar.distributed.simulated_order import Order
from live_avatar.distributed.time_line import ENCODER
from live_avatar.fast.planner import CardPlan

_SHOWN = 8
_GB = 1e9
_LITTLE = 0.02
HEAD = f"{'':2}{'frames/s':>8} {'first frame':>12} {'period p50 / p95':>17} {'idle':>5} {'GB a card':>10}  how"


def option_line(option: Option, mark: str = " ") -> str:
    """One way as a line below :data:`HEAD`."""
    run = option.run
    peaks = [rank.memory.peak / _GB for rank in option.ranks]
    periods = f"{run.period(0.5) * 1000:.0f} / {run.period(0.95) * 1000:.0f} ms"
    idle = sum(map(run.idle, range(run.ranks))) / run.ranks
    return (
        f"{mark:2}{run.frames_per_second:8.1f} {run.first_frame:10.2f} s {periods:>17} {idle:5.0%} "
        f"{_range(peaks):>10}  {option_words(option)}"
    )


def option_words(option: Option) -> str:
    """The cut in words: cards, who does how much, and in what order."""
    parts = ["1 card" if option.cut.ranks == 1 else f"{option.cut.ranks} cards", cut_words(option.cut)]
    if option.decoding_alone:
        parts.append("the lead only decodes")
    return ", ".join([*parts, _order_words(option.order)])


def plan_lines(plan: MultiPlan) -> list[str]:
    """The options as a table, the best marked, then what each card holds, and what has no room."""
    names = _counted([card.name for card in plan.fleet.cards])
    within, between = plan.fleet.wiring.within, plan.fleet.wiring.between
    hosts = len(set(plan.fleet.wiring.hosts))
    ways = within.name if hosts == 1 else f"{within.name} on each of {hosts} hosts, {between.name} between them"
    lines = [f"{names}; {ways}", HEAD]
    chosen = plan.chosen
    lines += [option_line(option, "*" if option is chosen else " ") for option in plan.options[:_SHOWN]]
    if plan.single is not None:
        lines.append(single_line(*plan.single, "*" if chosen is None else " "))
    if chosen is not None:
        lines += card_lines(chosen)
        if chosen.run.idle(ENCODER) < _LITTLE:
            most = chosen.run.frames_per_second
            lines.append(
                f"  The lead's processor compresses no more than about {most:.0f} frames/s: cards wait for it."
            )
    lines += [f"No room: {name}: {why}." for name, why in plan.refused]
    return lines


def single_line(rank: int, plan: CardPlan, mark: str = " ") -> str:
    """The best of one card alone as a line below :data:`HEAD`."""
    time = plan.chosen.time
    return (
        f"{mark:2}{time.frames_per_second:8.1f} {time.first:10.2f} s {time.seconds * 1000:14.0f} ms {0:5.0%} "
        f"{plan.chosen.memory.peak / _GB:10.1f}  card {rank} alone: {plan.chosen.words(plan.config)}"
    )


def cut_words(cut: Cut) -> str:
    """Kind and slices, with runs of equal ones told once: ``by layers: 0, 8 x 5``."""
    if cut.kind == "layers":
        name, slices = "by layers", [f"{len(cut.span_of(rank))}" for rank in range(cut.ranks)]
    else:
        name = "by steps" if cut.kind == "steps" else "by steps, balanced"
        slices = [f"{cut.units_of(rank) / cut.layers:.3g}" for rank in range(cut.ranks)]
    runs = [(value, len(list(equal))) for value, equal in itertools.groupby(slices)]
    return f"{name}: " + ", ".join(value if count == 1 else f"{count} x {value}" for value, count in runs)


def card_lines(option: Option) -> list[str]:
    """What each card holds and how busy it is."""
    lines = []
    for rank, plan in enumerate(option.ranks[:_SHOWN]):
        parts = [f"{len(plan.role.held)} layers" if plan.role.items else "no layers"]
        if plan.role.lead:
            parts.append("conditions, decoder")
        if words := plan.words():
            parts.append(words)
        busy = 1 - option.run.idle(rank)
        lines.append(f"  card {rank}: {plan.memory.peak / _GB:.1f} GB, busy {busy:.0%}: {', '.join(parts)}")
    if len(option.ranks) > _SHOWN:
        lines.append(f"  and {len(option.ranks) - _SHOWN} more")
    return lines


def plan_as_dict(plan: MultiPlan) -> dict[str, Any]:
    """JSON values."""
    chosen = plan.chosen
    return {
        "cards": [
            {"name": card.name, "free": card.free, "host": host}
            for card, host in zip(plan.fleet.cards, plan.fleet.wiring.hosts, strict=False)
        ],
        "chosen": None if chosen is None else plan.options.index(chosen),
        "options": [option_as_dict(option) for option in plan.options],
        "single": None if plan.single is None else {"rank": plan.single[0], **plan.single[1].as_dict()},
        "refused": [{"what": name, "why": why} for name, why in plan.refused],
    }


def option_as_dict(option: Option) -> dict[str, Any]:
    """JSON values of one way."""
    run, order = option.run, option.order
    return {
        "summary": option_words(option),
        "cut": option.cut.as_dict(),
        "order": {"room": order.room, "gap": order.gap, "ahead": order.ahead},
        "frames_per_second": run.frames_per_second,
        "first_frame_seconds": run.first_frame,
        "period_seconds": {f"p{share}": run.period(share / 100) for share in (50, 95, 99)},
        "standing": option.standing,
        "ranks": [
            {
                "layers": len(rank.role.held),
                "units": sum(rank.role.items),
                "peak": rank.memory.peak,
                "host": rank.memory.host,
                "idle": run.idle(index),
                "words": rank.words(),
                "plan": rank.plan.as_dict(),
            }
            for index, rank in enumerate(option.ranks)
        ],
    }


def _order_words(order: Order) -> str:
    if order.gap is not None:
        return f"steps of a block {order.gap} turns apart"
    return "one block after the other" if order.room == 1 else f"{order.room} blocks in flight"


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.1f}" if high - low < 0.05 else f"{low:.1f}-{high:.1f}"


def _counted(names: list[str]) -> str:
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(f"{count} x {name}" for name, count in counts.items())
