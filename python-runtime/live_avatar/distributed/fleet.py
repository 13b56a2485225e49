"""The cards of a team as its planner wants them. No torch here: it is a process of its own that looks at other cards.

To look at a card costs a CUDA context there, half a gigabyte that would stay for as long as the lead lives.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

from live_avatar.distributed.launch import python_path
from live_avatar.distributed.multi_planner import Fleet
from live_avatar.distributed.transfer_model import LINKS, NETWORKS, Wiring
from live_avatar.errors import UserError
from live_avatar.fast.card_rates import rates_of
from live_avatar.fast.task import Card

_SECONDS = 120.0
# A look takes seconds, and a page that tells what a video would cost plans after every edit.
_FRESH_SECONDS = 20.0
# When what was seen is too old, and what it was or why nothing was, by devices and limit.
_looks: dict[tuple[tuple[str, ...], int | None], tuple[float, dict[str, Card] | UserError]] = {}


def find_fleet(lead: Card, devices: tuple[str, ...], hosts: tuple[int, ...], limit: int | None) -> Fleet:
    """The cards of all ranks with what is free there; those of other machines are taken to be like those here.

    Args:
        lead: the first of them; devices, hosts: of each rank; limit: see :func:`live_avatar.fast.card.detect_card`.

    Raises:
        UserError: ``DEVICE_UNAVAILABLE``.
    """
    others = tuple(dict.fromkeys(device for device in devices if device != devices[0]))
    cards = {devices[0]: lead} | _look_at(others, limit, lead.host_free)
    # What the ways between them really do is measured later, by the self-test; the choice hardly depends on it.
    return Fleet(tuple(cards[device] for device in devices), Wiring(hosts, LINKS["pcie5"], NETWORKS["infiniband"]))


def fleet_of_described(card: Card, ranks: int) -> Fleet:
    """So many cards like one that is not here."""
    return Fleet((card,) * ranks, Wiring.of(ranks))


def _look_at(devices: tuple[str, ...], limit: int | None, host_free: int) -> dict[str, Card]:
    if not devices:
        return {}
    until, seen = _looks.get((devices, limit), (0.0, {}))
    if time.monotonic() >= until:
        try:
            seen = _asked(devices, limit)
        except UserError as error:
            seen = error
        _looks[devices, limit] = (time.monotonic() + _FRESH_SECONDS, seen)
    if isinstance(seen, UserError):
        raise seen
    return {device: replace(card, host_free=host_free) for device, card in seen.items()}


def _asked(devices: tuple[str, ...], limit: int | None) -> dict[str, Card]:
    command = [sys.executable, "-m", "live_avatar.distributed.card_probe", "none" if limit is None else str(limit)]
    environ = {**os.environ, "PYTHONPATH": python_path()}
    try:
        done = subprocess.run(
            [*command, *devices], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise _unavailable(devices, f"They did not answer within {_SECONDS:.0f} s") from None
    except (IndexError, ValueError):
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise _unavailable(devices, lines[-1].rstrip(".") if lines else f"status {done.returncode}") from None
    return {device: read_card(facts) for device, facts in zip(devices, found, strict=True)}


def read_card(facts: dict[str, object]) -> Card:
    """From what :mod:`live_avatar.distributed.card_probe` says."""
    name, capability = str(facts["name"]), facts["capability"]
    assert isinstance(capability, list)
    free, count = facts["free"], facts["multiprocessors"]
    assert isinstance(free, int)
    assert isinstance(count, int)
    major, minor = (int(part) for part in capability)
    return Card(name, (major, minor), free, 0, rates_of(name, (major, minor), count), bool(facts["float8_attention"]))


def _unavailable(devices: tuple[str, ...], why: str) -> UserError:
    return UserError(
        "DEVICE_UNAVAILABLE",
        f"Not all of {', '.join(devices)} can be used.",
        f"{why}.",
        "See what live-avatar doctor says, or ask for fewer cards.",
        field="num_gpus_dit",
    )
