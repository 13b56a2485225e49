"""Flags that say who renders the jobs of a batch. No torch."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal, cast

from live_avatar.cli.compute_flags import read_wishes
from live_avatar.errors import UserError

ExecutorName = Literal["inline", "local", "ray"]
EXECUTORS: tuple[ExecutorName, ...] = ("inline", "local", "ray")
FARM_FLAGS = frozenset(("executor", "address", "workers", "gpus_per_job", "cpus_per_job"))


@dataclass(frozen=True, slots=True)
class FarmWishes:
    """Who renders the jobs of a batch.

    Attributes:
        executor: ``inline`` this process, ``local`` worker processes of this machine, ``ray`` a Ray cluster.
        address: of the cluster; ``None`` for the one that ``RAY_ADDRESS`` names, or one started here for the batch.
        workers: at most so many jobs at once; ``None`` for as many as there is room for.
        gpus: cards of one job; ``None`` for one where there are cards and they are not forbidden.
        cpus: processors of one job; ``None`` leaves it to the executor.
    """

    executor: ExecutorName = "inline"
    address: str | None = None
    workers: int | None = None
    gpus: int | None = None
    cpus: int | None = None


def add_farm_flags(parser: argparse.ArgumentParser) -> None:
    """Who renders the jobs."""
    group = parser.add_argument_group("who renders the jobs")
    group.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="inline",
        help="inline: this process; local: worker processes, one for each card; ray: a Ray cluster (default inline)",
    )
    group.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="the Ray cluster, or auto for the one this machine is in (default: RAY_ADDRESS, else one for this batch)",
    )
    group.add_argument("--workers", type=int, metavar="N", help="at most N jobs at once (default: as many as fit)")
    group.add_argument(
        "--gpus_per_job", type=int, metavar="G", help="cards of one job (default 1, or 0 where there are none)"
    )
    group.add_argument(
        "--cpus_per_job",
        type=int,
        metavar="C",
        help="processors of one job (default: local shares them out, ray reserves 1)",
    )


def read_farm_wishes(options: argparse.Namespace) -> FarmWishes:
    """What the flags of :func:`add_farm_flags` ask for.

    Raises:
        UserError: ``ARGUMENTS_INVALID``.
    """
    wishes = FarmWishes(
        cast(ExecutorName, options.executor),
        options.address,
        options.workers,
        _cards(options),
        options.cpus_per_job,
    )
    for name, value, least in (
        ("workers", wishes.workers, 1),
        ("gpus_per_job", wishes.gpus, 0),
        ("cpus_per_job", wishes.cpus, 1),
    ):
        if value is None:
            continue
        if value < least:
            raise _invalid(name, f"--{name} {value} cannot be used.", f"The least is {least}.", "Give another number.")
        if wishes.executor == "inline":
            raise _invalid(
                name,
                f"--{name} cannot be used here.",
                "It says how jobs are shared out, and this process does them one after the other.",
                "Add --executor local or --executor ray.",
            )
    _check_address(wishes)
    if wishes.executor != "inline" and options.device.startswith("cuda:"):
        raise _invalid(
            "device",
            f"--device {options.device} cannot be used with --executor {wishes.executor}.",
            "Each worker has cards of its own.",
            "Leave --device out; CUDA_VISIBLE_DEVICES says which cards a machine uses.",
        )
    if options.device == "cpu" and wishes.gpus:
        raise _invalid(
            "gpus_per_job",
            f"--device cpu and --gpus_per_job {wishes.gpus} contradict each other.",
            "The processor needs no card.",
            "Leave one of them out.",
        )
    return wishes


def _cards(options: argparse.Namespace) -> int | None:
    """Cards of one job: as many as its flags use together, unless it is said otherwise."""
    if options.executor == "inline" or options.gpus_per_job is not None or options.device == "cpu":
        given: int | None = options.gpus_per_job
        return given
    ranks = read_wishes(options).cut.ranks
    return ranks if ranks is not None and ranks > 1 else None


def _check_address(wishes: FarmWishes) -> None:
    if wishes.address is None:
        return
    if wishes.executor != "ray":
        raise _invalid(
            "address",
            "--address cannot be used here.",
            "It is the address of a Ray cluster.",
            "Add --executor ray, or leave it out.",
        )
    if "://" in wishes.address:
        raise _invalid(
            "address",
            f'--address "{wishes.address}" cannot be used.',
            "The batch runs on a machine of the cluster, which sees its files.",
            "Log in to one and say --address auto, or send the command with ray job submit.",
        )


def _invalid(field: str, what: str, why: str, hint: str) -> UserError:
    return UserError("ARGUMENTS_INVALID", what, why, hint, field=field)
