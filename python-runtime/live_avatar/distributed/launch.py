"""How ranks come to be: started here by the lead, or there already because torchrun started them. No torch."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class TorchrunPlace:
    """This process's place among those that torchrun started.

    Attributes:
        rank, ranks: of all; local_rank: on this machine.
        address, port: where torchrun's store answers; agent_store: torchrun keeps it, not rank 0.
        run: tells this run from an earlier one with the same store.
    """

    rank: int
    ranks: int
    local_rank: int
    address: str
    port: int
    agent_store: bool
    run: str


def torchrun_place(environ: Mapping[str, str] = os.environ) -> TorchrunPlace | None:
    """The place that torchrun gave, or ``None`` if it did not start this process, or only this one."""
    try:
        place = TorchrunPlace(
            int(environ["RANK"]),
            int(environ["WORLD_SIZE"]),
            int(environ["LOCAL_RANK"]),
            environ["MASTER_ADDR"],
            int(environ["MASTER_PORT"]),
            environ.get("TORCHELASTIC_USE_AGENT_STORE", "False") == "True",
            environ.get("TORCHELASTIC_RUN_ID", "none") + "." + environ.get("TORCHELASTIC_RESTART_COUNT", "0"),
        )
    except (KeyError, ValueError):
        return None
    return place if place.ranks > 1 else None


def is_torchrun_follower(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is to follow rank 0, whatever command it was given."""
    place = torchrun_place(environ)
    return place is not None and place.rank > 0


def new_token() -> str:
    """What a follower shows to be let in."""
    return secrets.token_hex(16)


def listen(address: str) -> socket.socket:
    """A listening socket on a free port of ``address``."""
    listener = socket.create_server((address, 0), backlog=128)
    listener.settimeout(0.5)
    return listener


def address_towards(host: str, port: int) -> str:
    """The address of this machine that ``host`` would see. Nothing is sent."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        address: str = probe.getsockname()[0]
    return address


def start_follower(
    rank: int, address: str, port: int, token: str, module: str = "live_avatar.distributed.follower"
) -> subprocess.Popen[str]:
    """Start a follower on this machine. It ends with its standard input, which only this process holds open.

    It is in a process group of its own, so that a Ctrl+C reaches the lead alone, which then ends it in order.

    Args:
        module: what it runs.
    """
    environ = dict(os.environ)
    # A process that finds these would take itself for one of torchrun's.
    environ.pop("RANK", None)
    environ.pop("WORLD_SIZE", None)
    environ["LIVE_AVATAR_LEAD"], environ["LIVE_AVATAR_RANK"] = f"{address} {port}", str(rank)
    environ["LIVE_AVATAR_TOKEN"] = token
    environ["PYTHONPATH"] = python_path()
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    return subprocess.Popen(
        _command(module),
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=os.name == "posix",
        creationflags=flags,
    )


def called_by_lead() -> tuple[int, str, int, str]:
    """Rank, address and port of the lead, and token, in a process that :func:`start_follower` started."""
    address, port = os.environ["LIVE_AVATAR_LEAD"].rsplit(" ", 1)
    return int(os.environ["LIVE_AVATAR_RANK"]), address, int(port), os.environ.pop("LIVE_AVATAR_TOKEN")


def python_path() -> str:
    """Where a process started from here finds this package."""
    return os.pathsep.join([str(_PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def _command(module: str) -> Sequence[str]:
    return [sys.executable, "-m", module]
