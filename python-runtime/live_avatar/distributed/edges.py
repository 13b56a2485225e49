"""Opens a rank's ends of all edges of a cut: between cards, or through host memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import torch

from live_avatar.distributed.cut import Cut, Edge
from live_avatar.distributed.links import EdgeSetting, ReceivingEnd, SendingEnd
from live_avatar.distributed.stage import Ends
from live_avatar.distributed.stores import named_part

_log = logging.getLogger(__name__)
_CLOSE_SECONDS = 20.0
Transport = Literal["card", "host"]
# Small messages may wait for their turn; of the large ones one is on its way while the next is made.
_PLACES = {"conditions": 4, "latents": 4, "hidden": 2}


def open_edges(
    cut: Cut,
    rank: int,
    store: Any,
    device: torch.device,
    transport: Transport,
    failed: Callable[[], bool],
    *,
    loopback: bool,
) -> Ends:
    """This rank's ends; returns when all ranks at the other ends have opened theirs.

    Args:
        store: of torch.distributed, the same for all ranks.
        failed: whether the team has failed, asked while something is waited for.
        loopback: all ranks are on this machine.
    """
    sending: dict[Edge, SendingEnd] = {}
    receiving: dict[Edge, ReceivingEnd] = {}
    # In one order on all ranks: of the edges not open yet, the first always has both its ends at hand.
    for edge in cut.edges:
        if rank not in (edge.source, edge.target):
            continue
        near = 0 if rank == edge.source else 1
        named = named_part(store, f"{transport}/{edge.source}/{edge.target}/{edge.cargo}")
        setting = EdgeSetting(_PLACES[edge.cargo], failed)
        if transport == "card":
            from live_avatar.distributed.card_links import CardReceiver, CardSender, card_group, greet

            group = card_group(named, near)
            greet(group, near, device)
            if near == 0:
                sending[edge] = CardSender(group, device, setting)
            else:
                receiving[edge] = CardReceiver(group, device)
        else:
            from live_avatar.distributed.host_links import HostReceiver, HostSender, host_group

            group = host_group(named, near, loopback=loopback)
            if near == 0:
                sending[edge] = HostSender(group, device, setting)
            else:
                receiving[edge] = HostReceiver(group, device, setting)
    return Ends(sending, receiving)


def close_edges(ends: Ends) -> None:
    """Let all ends go, after a failure too.

    All at once: the end of an NCCL communicator waits for its card, and that is busy for as long as another of its
    communicators waits for a rank that is gone. One that does not end is left to itself.
    """
    both: list[SendingEnd | ReceivingEnd] = [*ends.sending.values(), *ends.receiving.values()]
    closings = [threading.Thread(target=end.close, name="closing", daemon=True) for end in both]
    for closing in closings:
        closing.start()
    last = time.monotonic() + _CLOSE_SECONDS
    for closing in closings:
        closing.join(max(0.0, last - time.monotonic()))
    if stuck := sum(closing.is_alive() for closing in closings):
        _log.error("%d of %d connections to other ranks do not end", stuck, len(closings))
