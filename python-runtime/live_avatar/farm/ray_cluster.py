"""The Ray cluster of a batch: joined or started, and left. Ray is imported here and in ``ray_*.py`` only."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from live_avatar.errors import UserError
from live_avatar.farm.own_output import own_output

_KNOCK_SECONDS = 10.0


@contextmanager
def ray_cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected.

    Args:
        address: ``host:port`` of a cluster, ``auto`` for the one this machine is in, or ``None`` for the one that
            ``RAY_ADDRESS`` names or else one that is started here and ends with the batch.

    Raises:
        UserError: ``RAY_NOT_INSTALLED``, ``FARM_CLUSTER_NOT_FOUND``.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "RAY_NOT_INSTALLED",
            "Ray is not installed.",
            "It is needed for --executor ray alone, so it does not come with this program.",
            "Install it into this Python with pip install -r requirements-farm.txt, on every machine of the cluster.",
            field="executor",
        )
    # Ray reports its use to its makers unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    # Ray takes the signals of whoever connects; a batch has its own way to stop.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    where = address or os.environ.get("RAY_ADDRESS")
    try:
        _knock(where)
        # Its remarks would stand between the records of a batch.
        with redirect_stdout(sys.stderr):
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except Exception as error:  # ConnectionError, RuntimeError and more, by what is wrong
        raise UserError(
            "FARM_CLUSTER_NOT_FOUND",
            f"There is no Ray cluster to work with at {where or 'this machine'}.",
            f"Ray says: {str(error).strip().rstrip('.')}.",
            "Start it with ray start --head, then ray start --address HOST:6379 on the others.",
            field="address",
        ) from error
    # Its threads print what they think of a lost worker, to the very end.
    with own_output():
        try:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            yield ray
        finally:
            # There it prints what it has held back, from this thread.
            with redirect_stdout(sys.stderr):
                ray.shutdown()


def _knock(address: str | None) -> None:
    """See that somebody answers at ``host:port``; Ray would try for minutes.

    Raises:
        OSError: nobody does.
    """
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()


def choose_gpus(ray: Any, wished: int | None, device: str) -> int:
    """Cards of a job: what is wished, else one if the cluster has cards and they are not forbidden."""
    if wished is not None:
        return wished
    return int(device != "cpu" and any(node.get("GPU", 0) >= 1 for node in nodes_there(ray).values()))


def nodes_there(ray: Any) -> dict[str, Mapping[str, float]]:
    """What each machine that is there offers in all (``CPU``, ``GPU`` …), by Ray's name of it."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def room(nodes: Iterable[Mapping[str, float]], gpus: int, cpus: int) -> int:
    """How many jobs fit on the machines at once."""
    fitting = 0
    for node in nodes:
        by_cpu = int(node.get("CPU", 0) // cpus)
        fitting += by_cpu if gpus == 0 else min(by_cpu, int(node.get("GPU", 0) // gpus))
    return fitting
