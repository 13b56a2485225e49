"""Where followers come from: this machine, or torchrun, on any number of machines."""

from __future__ import annotations

import functools
import json
from typing import Any, NoReturn, Protocol

from live_avatar.distributed.crew import Crew
from live_avatar.distributed.follower import follow
from live_avatar.distributed.launch import TorchrunPlace, address_towards, listen, new_token, torchrun_place
from live_avatar.distributed.stores import named_part, reach_store, serve_store
from live_avatar.errors import UserError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Gathering(Protocol):
    """A source of followers."""

    @property
    def loopback(self) -> bool:
        """Whether all of them are on this machine."""

    def gather(self, crew: Crew) -> None:
        """Have all followers of ``crew`` connected.

        Raises:
            UserError: ``RANK_LOST``; ``RANKS_INVALID``: no others can be had.
        """

    def open_store(self) -> tuple[Any, str, int]:
        """A store for torch.distributed, and the address and port where followers reach it."""


class HereGathering:
    """Followers are processes that this one starts, on free ports of the loopback interface."""

    loopback = True

    def gather(self, crew: Crew) -> None:
        """Start them."""
        crew.start_here()

    def open_store(self) -> tuple[Any, str, int]:
        """A store of our own."""
        store = serve_store("127.0.0.1")
        return store, "127.0.0.1", store.port


class TorchrunGathering:
    """Followers are the other processes that torchrun started, with the same command, on one machine or several.

    They wait in :func:`follow_torchrun` for the address that the lead puts into torchrun's store.
    """

    def __init__(self, place: TorchrunPlace) -> None:
        self._place = place
        self._store = _store_of(place)
        self._rounds = 0
        self._address = address_towards(place.address, place.port)
        self.loopback = self._address in _LOOPBACK or place.address in _LOOPBACK

    def gather(self, crew: Crew) -> None:
        """Let them in; they come once.

        Raises:
            UserError: ``RANKS_INVALID``, ``RANK_LOST``.
        """
        if self._rounds:
            raise UserError(
                "RANKS_INVALID",
                "The processes that torchrun started cannot form another team.",
                "They followed one plan and ended with it; another job, or a lost rank, needs another team.",
                "Run the command again, or leave torchrun out: --num_gpus_dit starts the ranks of one machine itself.",
                field="num_gpus_dit",
            )
        token = new_token()
        # On the address that the others see, not on all of them.
        with listen(self._address) as listener:
            port = listener.getsockname()[1]
            self._store.set(f"lead {self._rounds}", json.dumps([self._address, port, token]))
            self._rounds += 1
            crew.accept(listener, token)

    def open_store(self) -> tuple[Any, str, int]:
        """A store of our own: torchrun's may go away with the machine that keeps it, and is not for data."""
        store = serve_store(self._address)
        return store, self._address, store.port


def find_gathering() -> TorchrunGathering | HereGathering:
    """As this process was started."""
    place = torchrun_place()
    return HereGathering() if place is None else _of_torchrun(place)


@functools.cache
def _of_torchrun(place: TorchrunPlace) -> TorchrunGathering:
    """The only one of this process: it serves a store, and its followers come once."""
    return TorchrunGathering(place)


def follow_torchrun() -> NoReturn:
    """Be a follower of the lead that torchrun started beside this process, until the process ends with that."""
    place = torchrun_place()
    if place is None or place.rank == 0:
        raise ValueError("this process is no follower of torchrun's")
    address, port, token = json.loads(_store_of(place).get("lead 0"))
    follow(place.rank, address, port, token)


def _store_of(place: TorchrunPlace) -> Any:
    leads = place.rank == 0 and not place.agent_store
    store = (serve_store if leads else reach_store)(place.address, place.port)
    return named_part(store, f"live_avatar {place.run}")
