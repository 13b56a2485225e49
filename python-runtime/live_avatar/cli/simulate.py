"""``live-avatar plan --simulate N``: what this video would be on several cards, here or not. No torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from live_avatar.cli.console import Console
from live_avatar.distributed.cut import CutKind
from live_avatar.distributed.transfer_model import LINKS, NETWORKS
from live_avatar.errors import UserError

if TYPE_CHECKING:
    from live_avatar.distributed.multi_planner import Fleet, MultiPlan
    from live_avatar.fast.task import Card
    from live_avatar.planner import Plan

MOST_CARDS = 64
_LINK, _NETWORK = "nvlink", "infiniband"
# Of a take's beginning, what the picture shows.
_SHOWN_SECONDS = 3.0


def add_simulate_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of the simulation of several cards."""
    group = parser.add_argument_group("several cards, simulated")
    group.add_argument(
        "--simulate", metavar="N[,N…]", help="plan for N cards like this one (1 to 64), and for each number before it"
    )
    group.add_argument(
        "--simulate_cards", metavar="LIST", help='other cards, such as "H200:141,RTX 4090:24" (NAME:GB, with commas)'
    )
    group.add_argument("--simulate_link", choices=list(LINKS), help=f"between cards of a host (default {_LINK})")
    group.add_argument("--simulate_hosts", metavar="H", type=int, help="spread them over H hosts (default 1)")
    group.add_argument("--simulate_network", choices=list(NETWORKS), help=f"between hosts (default {_NETWORK})")
    group.add_argument("--simulate_cut", choices=get_args(CutKind), help="only this kind of cut")
    group.add_argument(
        "--simulate_counts",
        metavar="A,B,…",
        help="layers of each card, or with --simulate_cut its steps, or its units of a step and a layer",
    )
    group.add_argument(
        "--simulate_turns",
        action="store_true",
        help="only orders in which blocks take turns evenly (otherwise the better of these and rounds)",
    )
    group.add_argument("--simulate_picture", metavar="FILE", type=Path, help="draw the time line of the best to an SVG")


def simulation_wanted(options: argparse.Namespace) -> bool:
    """Whether the flags ask for it.

    Raises:
        UserError: ``ARGUMENTS_INVALID``: a flag would say nothing without another.
    """
    wanted = options.simulate is not None or options.simulate_cards is not None
    details = ("link", "hosts", "network", "cut", "counts", "turns", "picture")
    given = [f"simulate_{name}" for name in details if getattr(options, f"simulate_{name}") not in (None, False)]
    if given and not wanted:
        raise _refused(
            f"--{given[0]} says nothing by itself.",
            "It is about several cards that are simulated.",
            given[0],
            "Give --simulate with their number, too, or leave it out.",
        )
    if options.simulate_network is not None and (options.simulate_hosts or 1) == 1:
        raise _refused(
            "--simulate_network is between hosts.",
            "All cards are simulated on one.",
            "simulate_network",
            "Give --simulate_hosts with a number above 1, too, or leave it out.",
        )
    return wanted


def simulate(options: argparse.Namespace, plan: Plan, console: Console) -> None:
    """Plan the same video for several cards, and print the ways.

    Args:
        plan: for one card, here or described: what is made, and the card that several are like.

    Raises:
        UserError: ``ARGUMENTS_INVALID``, ``CARD_UNKNOWN``, ``LAYERS_INVALID``, ``MEMORY_TOO_SMALL``,
            ``OUTPUT_NOT_WRITABLE``.
    """
    from live_avatar.distributed.multi_planner import plan_fleet
    from live_avatar.distributed.multi_words import HEAD, plan_as_dict, plan_lines
    from live_avatar.distributed.wishes import read_cut_wishes

    if plan.on_card is None:
        raise _refused(
            "There is no card to simulate several of.",
            "This video would be made by the plain engine, which several cards do not share.",
            "simulate",
            'Describe one: --for_card "H200:141".',
        )
    take, wishes = plan.on_card.take, plan.on_card.wishes
    cards = _cards(options, plan.on_card.card)
    choice = read_cut_wishes(cut=options.simulate_cut, layers=options.simulate_counts)
    counts = [len(cards)] if options.simulate is None else _counts(options.simulate)
    if choice.counts is not None and counts != [len(choice.counts)]:
        raise _refused(
            f"--simulate_counts are for {len(choice.counts)} cards.",
            f"{' and '.join(map(str, counts))} are to be simulated.",
            "simulate_counts",
        )
    turns = options.simulate_turns
    plans = [plan_fleet(take, _fleet(options, cards, count), wishes, choice, turns=turns) for count in counts]
    last = plans.pop()
    if not last.options and last.single is None:
        raise _no_room(last, counts[-1])
    if plans:
        console.say("\n".join(["Fewer cards", HEAD, *map(_best_line, plans, counts)]))
    for found in plans:
        console.record({"kind": "simulation_smaller", **plan_as_dict(found)})
    console.result("\n".join(plan_lines(last)), {"kind": "simulation", **plan_as_dict(last)})
    if options.simulate_picture is not None:
        _draw(options.simulate_picture, last)


def _best_line(plan: MultiPlan, count: int) -> str:
    from live_avatar.distributed.multi_words import option_line, single_line

    if plan.chosen is not None:
        return option_line(plan.chosen)
    return single_line(*plan.single) if plan.single is not None else f"  it does not fit on {count}"


def _cards(options: argparse.Namespace, here: Card) -> tuple[Card, ...]:
    """The cards to take, the last of them again and again if more are wanted."""
    if options.simulate_cards is None:
        return (here,)
    from live_avatar.fast.described_card import describe_card

    return tuple(describe_card(text)[1] for text in options.simulate_cards.split(","))


def _fleet(options: argparse.Namespace, cards: tuple[Card, ...], count: int) -> Fleet:
    from live_avatar.distributed.multi_planner import Fleet
    from live_avatar.distributed.transfer_model import Wiring

    hosts = 1 if options.simulate_hosts is None else options.simulate_hosts
    if not 1 <= hosts <= count:
        raise _refused(
            f"{count} cards cannot be spread over {hosts} hosts.",
            "Every host has a card.",
            "simulate_hosts",
        )
    all_cards = (*cards[:count], *([cards[-1]] * (count - len(cards))))
    return Fleet(
        all_cards, Wiring.of(count, options.simulate_link or _LINK, options.simulate_network or _NETWORK, hosts)
    )


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        raise _refused(f'"{text}" is no number of cards.', "Several have commas between them.", "simulate") from None
    if not all(1 <= count <= MOST_CARDS for count in counts):
        raise _refused(f"--simulate {text} cannot be used.", f"It is 1 to {MOST_CARDS} cards.", "simulate")
    return counts


def _draw(path: Path, plan: MultiPlan) -> None:
    from live_avatar.distributed.multi_words import option_words
    from live_avatar.distributed.time_line_picture import time_line_svg

    option = plan.chosen or (plan.options[0] if plan.options else None)
    if option is None:
        return
    picture = time_line_svg(option.run, 0.0, _SHOWN_SECONDS, option_words(option))
    try:
        path.write_text(picture, "utf-8")
    except OSError as error:
        raise UserError(
            "OUTPUT_NOT_WRITABLE",
            f'The picture cannot be written to "{path}".',
            f"The system says: {error.strerror or error}.",
            "Choose another place for --simulate_picture.",
            field="simulate_picture",
        ) from error


def _no_room(plan: MultiPlan, count: int) -> UserError:
    reasons = "; ".join(f"{name}: {why}" for name, why in plan.refused[:3]) or "no cut of it can be made"
    return UserError(
        "MEMORY_TOO_SMALL",
        f"This video does not fit on {count} such cards.",
        f"Tried without success: {reasons}.",
        "Take more cards, a smaller size, or leave --simulate_cut and --simulate_counts out.",
        field="simulate",
    )


def _refused(what: str, why: str, field: str, hint: str = "See live-avatar plan --help.") -> UserError:
    return UserError("ARGUMENTS_INVALID", what, why, hint, field=field)
