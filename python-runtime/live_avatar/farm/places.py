"""How cards and processors of this machine are shared out among workers. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from live_avatar.errors import UserError

# A render gains little from more cores than these.
_CORES_OF_A_WORKER = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker computes.

    Attributes:
        name: for people.
        environment: that gives it its cards or cores, and no others.
    """

    name: str
    environment: Mapping[str, str]


def visible_cards() -> str:
    """The cards that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; empty if it says nothing."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "")


def share_cards(cards: int, gpus: int, workers: int | None, environ: Mapping[str, str] = os.environ) -> list[Place]:
    """A place for every ``gpus`` cards.

    Args:
        cards: that torch sees.
        workers: at most so many places.

    Raises:
        UserError: ``FARM_NO_ROOM``.
    """
    if cards < gpus:
        raise no_room(f"A job is to have {gpus} cards, and this machine has {cards}.")
    visible = [name.strip() for name in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    names = visible[:cards] if len(visible) >= cards else [str(index) for index in range(cards)]
    groups = [names[start : start + gpus] for start in range(0, cards - gpus + 1, gpus)]
    return [
        Place(f"{number} (card {', '.join(group)})", {"CUDA_VISIBLE_DEVICES": ",".join(group)})
        for number, group in enumerate(groups[:workers], 1)
    ]


def share_cores(
    cores: int, workers: int | None, cpus: int | None, environ: Mapping[str, str] = os.environ
) -> list[Place]:
    """Places on the processor: ``workers``, or as many as have ``cpus`` cores, or 4, each."""
    count = workers or max(1, cores // (cpus or _CORES_OF_A_WORKER))
    threads = cpus or max(1, cores // count)
    # What the user has set stays, unless a flag says otherwise.
    own = {} if cpus is None and environ.get("OMP_NUM_THREADS") else {"OMP_NUM_THREADS": str(threads)}
    return [Place(str(number), {"CUDA_VISIBLE_DEVICES": "", **own}) for number in range(1, count + 1)]


def no_room(why: str) -> UserError:
    """Not one job can run."""
    return UserError(
        "FARM_NO_ROOM",
        "There is no room for a single job.",
        why,
        "Give a job fewer cards or processors (--gpus_per_job, --cpus_per_job), or use another machine.",
        field="gpus_per_job",
    )


def worker_failed(why: str, hint: str) -> UserError:
    """No worker is left, and none can begin."""
    return UserError("FARM_WORKER_FAILED", "No worker can begin.", why, hint)
