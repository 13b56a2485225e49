"""Flags that say how cards compute, where that is not left to the planner."""

from __future__ import annotations

import argparse

from live_avatar.cli.arguments import add_switch, place
from live_avatar.compute_wishes import STEP_ORDERS, ComputeWishes, memory_limit
from live_avatar.distributed.launch import torchrun_place
from live_avatar.distributed.wishes import CUT_KINDS, CutWishes, read_cut_wishes
from live_avatar.errors import UserError

_MOST_CARDS = 64


def add_compute_flags(parser: argparse.ArgumentParser) -> None:
    """Choices that the planner makes unless they are made here, for one card or several."""
    group = parser.add_argument_group("how a card computes (live-avatar plan tells what is chosen)")
    group.add_argument(
        "--memory_limit",
        type=float,
        metavar="GB",
        help="use at most so much of each card, in 10^9 bytes (default: LIVE_AVATAR_MEMORY_LIMIT, else all of it)",
    )
    _add_place(
        group, "offload_model", "stream all layers of the denoiser from main memory; false keeps all on the card"
    )
    _add_place(group, "offload_kv_cache", "keep the caches in main memory; false keeps them on the card")
    _add_place(group, "t5_cpu", "read prompts on the processor; false: on the card")
    group.add_argument(
        "--step_order",
        choices=STEP_ORDERS,
        default="auto",
        help="denoising steps of a block one after the other, or of several blocks packed into one pass (default auto)",
    )
    group.add_argument(
        "--last_step",
        choices=("run", "skip"),
        default="run",
        help="skip leaves the last denoising step out: a quarter less work, a hardly different picture (default run)",
    )
    group.add_argument(
        "--weight_cache",
        default="on",
        metavar="DIR",
        help="keep prepared 8-bit weights in DIR, or off (default on: in the user's cache)",
    )
    _add_rank_flags(parser)


def _add_rank_flags(parser: argparse.ArgumentParser) -> None:
    """How many cards share the work, and how."""
    group = parser.add_argument_group("several cards (live-avatar plan tells what is chosen)")
    group.add_argument(
        "--num_gpus_dit",
        type=int,
        metavar="N",
        help="cards that denoise, from --device on; with --device cpu processes (default: as many cards as make it "
        "sooner, or as torchrun started; one if --device names it)",
    )
    add_switch(group, "single_gpu", "one card, as --num_gpus_dit 1")
    add_switch(
        group,
        "enable_vae_parallel",
        "one more card, the first, that only decodes and encodes (default: it denoises too)",
    )
    group.add_argument(
        "--cut", metavar="KIND", help=f"how the work is cut: auto, {', '.join(CUT_KINDS)} (default auto: the fastest)"
    )
    group.add_argument(
        "--layers",
        metavar="A,B,…",
        help="layers of each card, 0 for a first one that only decodes; with --cut steps its steps, with --cut "
        "balanced its units of one step and one layer",
    )
    group.add_argument(
        "--ulysses_size", type=int, default=1, metavar="N", help="only 1: a single pass is not split over cards"
    )


def _read_cut(options: argparse.Namespace) -> CutWishes:
    place = torchrun_place()
    wanted: int | None = options.num_gpus_dit
    if options.single_gpu:
        if wanted is not None and wanted > 1:
            raise UserError(
                "RANKS_INVALID",
                f"--single_gpu and --num_gpus_dit {wanted} contradict each other.",
                "One says one card, the other more.",
                "Leave one of them out.",
                field="num_gpus_dit",
            )
        wanted = 1
    return read_cut_wishes(
        num_gpus_dit=wanted,
        ulysses_size=options.ulysses_size,
        enable_vae_parallel=options.enable_vae_parallel,
        cut=options.cut,
        layers=options.layers,
        world=None if place is None else place.ranks,
        most=_MOST_CARDS if options.device in ("auto", "cuda") else 1,
    )


def read_wishes(options: argparse.Namespace) -> ComputeWishes:
    """What the flags of :func:`add_compute_flags` ask for.

    Raises:
        UserError: ``MEMORY_LIMIT_INVALID``, ``RANKS_INVALID``, ``CUT_INVALID``, ``LAYERS_INVALID``,
            ``ULYSSES_NOT_BUILT``.
    """
    return ComputeWishes(
        memory_limit=None if options.memory_limit is None else memory_limit(options.memory_limit),
        layers=options.offload_model,
        cache=options.offload_kv_cache,
        text_encoder=options.t5_cpu,
        steps=options.step_order,
        last_step=options.last_step,
        weight_cache=options.weight_cache,
        cut=_read_cut(options),
    )


def _add_place(group: argparse._ArgumentGroup, name: str, text: str) -> None:
    group.add_argument(
        f"--{name}", nargs="?", const="true", default="auto", type=place, metavar="BOOL", help=f"{text} (default auto)"
    )
