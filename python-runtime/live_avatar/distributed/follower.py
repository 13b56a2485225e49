"""A follower: does what the lead says, until it says no more. ``python -m live_avatar.distributed.follower``

It lives no longer than its lead: the end of the connection ends it, whatever it is doing.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from live_avatar.distributed.channel import Channel, Disconnected, Message
from live_avatar.distributed.launch import called_by_lead

if TYPE_CHECKING:
    from live_avatar.distributed.duties import Duties

_BEAT_SECONDS = 1.0
_CONNECT_SECONDS = 60.0
_LEAD_GONE = 3


class Follower:
    """The process's connection with its lead.

    Args:
        rank: of this process; channel: to the lead.
    """

    def __init__(self, rank: int, channel: Channel) -> None:
        self.rank = rank
        self.channel = channel
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._peeked: Message | None = None
        self._duties: Duties | None = None

    def serve(self) -> int:
        """Carry out commands until ``quit``; returns the exit status."""
        threading.Thread(target=self._listen, name="lead", daemon=True).start()
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        try:
            # This imports torch, which takes seconds; the lead sees us beat meanwhile.
            self._duties = self.new_duties()
            while (message := self.next_message()).kind != "quit":
                self._duties.carry_out(message)
        except Exception as error:
            logging.exception("rank %d cannot go on", self.rank)
            self._tell(error)
            return 1
        return 0

    def new_duties(self) -> Duties:
        """What carries out the commands."""
        from live_avatar.distributed.duties import Duties

        return Duties(self.rank, self.channel, self.next_message, self.peek)

    def next_message(self) -> Message:
        """The next command; waits for it."""
        message, self._peeked = self._peeked, None
        return self._inbox.get() if message is None else message

    def peek(self) -> Message | None:
        """The next command, if it is here already; it stays the next."""
        if self._peeked is None:
            try:
                self._peeked = self._inbox.get_nowait()
            except queue.Empty:
                return None
        return self._peeked

    def _listen(self) -> None:
        try:
            while True:
                message = self.channel.receive()
                self._inbox.put(message)
                if message.kind == "quit":
                    # The lead may go at once; the main thread ends this process in order.
                    return
        except Disconnected:
            # The main thread may be waiting for a card or for another rank; nobody is left to care.
            os._exit(_LEAD_GONE)

    def _beat(self) -> None:
        while True:
            duties = self._duties
            phase, done, progress, memory = ("starting", 0, 0, None) if duties is None else duties.news()
            try:
                self.channel.send("beat", phase=phase, done=done, progress=progress, memory=memory)
            except Disconnected:
                return
            time.sleep(_BEAT_SECONDS)

    def _tell(self, error: Exception) -> None:
        from live_avatar.distributed.own_faults import fault_message

        try:
            self.channel.send("fault", **fault_message(error))
        except Disconnected:
            return
        # The lead ends us once it has read that.
        time.sleep(_CONNECT_SECONDS)


def follow(rank: int, address: str, port: int, token: str, kind: type[Follower] = Follower) -> NoReturn:
    """Connect to the lead and serve it until the process ends with that."""
    channel = Channel(socket.create_connection((address, port), timeout=_CONNECT_SECONDS))
    channel.send("hello", rank=rank, token=token, process=os.getpid(), host=socket.gethostname())
    status = kind(rank, channel).serve()
    logging.shutdown()
    # Threads may still wait for ranks that are gone; there is nothing here that an orderly end would save.
    os._exit(status)


def main(kind: type[Follower] = Follower) -> NoReturn:
    """Entry of a process that a lead on this machine started."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # So that cuda:N is the same card here as for the lead.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    threading.Thread(target=_end_with_input, name="input", daemon=True).start()
    follow(*called_by_lead(), kind)


def _end_with_input() -> None:
    """The lead holds our standard input open; before there is a connection, its end is all that tells of the lead's."""
    sys.stdin.read()
    os._exit(_LEAD_GONE)


if __name__ == "__main__":
    main()
