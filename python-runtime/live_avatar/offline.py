"""A promise kept by force: with ``LIVE_AVATAR_OFFLINE=1`` this process cannot reach any other machine.

Nothing in the engine fetches anything unless a command was asked to; this makes sure of it, libraries included. Sockets
of Python are refused everywhere but on this machine; what compiled libraries open themselves (NCCL, gloo) is not seen.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys

from live_avatar.errors import UserError

_installed = False
_ADDRESSED = ("socket.connect", "socket.sendto", "socket.sendmsg")
_NAMED = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


class NetworkRefused(OSError):
    """Something tried to reach another machine."""


def is_offline() -> bool:
    """Whether the environment forbids the network, in our words or in those of the hub's libraries."""
    return _is_on(os.environ.get("LIVE_AVATAR_OFFLINE")) or _is_on(os.environ.get("HF_HUB_OFFLINE"))


def require_network() -> None:
    """Refuse an act that needs the network.

    Raises:
        UserError: ``NETWORK_OFF``.
    """
    if is_offline():
        raise UserError(
            "NETWORK_OFF",
            "Nothing is fetched: the network is switched off.",
            "The program was started with --offline, or LIVE_AVATAR_OFFLINE or HF_HUB_OFFLINE is set.",
            "Start it without; or copy the model from another computer and import the folder.",
        )


def forbid_network_if_asked() -> None:
    """From now on refuse every connection that leaves this machine, if the environment says so. It cannot be undone."""
    global _installed
    if _installed or not _is_on(os.environ.get("LIVE_AVATAR_OFFLINE")):
        return
    _installed = True
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    sys.addaudithook(_refuse)


def _is_on(value: str | None) -> bool:
    return (value or "").strip().lower() in ("1", "true", "yes", "on")


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if not event.startswith("socket."):
        return
    if event in _ADDRESSED and len(arguments) > 1 and not _is_here(arguments[1]):
        raise NetworkRefused(f"The network is switched off; {event} to {arguments[1]!r} was refused.")
    if event in _NAMED and not _is_here((arguments[0], 0)):
        raise NetworkRefused(f"The network is switched off; {event} of {arguments[0]!r} was refused.")


def _is_here(address: object) -> bool:
    """Whether an address is on this machine. Paths of local sockets are; names are only those of the machine itself."""
    if not isinstance(address, tuple) or not address:
        return True
    host = address[0]
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if host is None or not isinstance(host, str) or host in ("", "localhost", socket.gethostname()):
        return True
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback or (mapped or found).is_unspecified
