"""The lead's hold on its followers: their processes and connections, the watch over them, and their end.

Whatever happens to a rank, the team ends as a whole: every process this lead started is killed, every other is told to
end, and whoever waits for any of them is released with an error that names the rank.
"""

from __future__ import annotations

import atexit
import contextlib
import hmac
import logging
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from live_avatar.distributed.board import Board, Verdict
from live_avatar.distributed.channel import Channel, Disconnected, Message
from live_avatar.distributed.cut import LEAD, Cut
from live_avatar.distributed.faults import rank_fault
from live_avatar.distributed.hired import END_SECONDS, HiredFollower, RankStatus
from live_avatar.distributed.launch import listen, new_token, start_follower
from live_avatar.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)
_START_SECONDS = 120.0
_LOOK_SECONDS = 0.25
# How long the reason of a failure may take to be found, once its effect was felt.
_REASON_SECONDS = 30.0
# How long a rank that lost its neighbour is believed to be innocent.
_SUSPECT_SECONDS = 20.0
_LAST_WORD_SECONDS = 1.0


class Crew:
    """All followers of one lead. One thread uses it; :meth:`failed` may be asked from any.

    Args:
        cut: who does what.
        devices: in words, by rank.
    """

    def __init__(self, cut: Cut, devices: Mapping[int, str]) -> None:
        self.cut = cut
        self._followers = {rank: HiredFollower(rank, devices[rank]) for rank in range(1, cut.ranks)}
        self._lock = threading.Lock()
        self._board = Board(cut, time.monotonic())
        self._verdict: Verdict | None = None
        self._passed_on: UserError | None = None
        self._suspect: tuple[float, Verdict] | None = None
        self._failed = threading.Event()
        self._reason = threading.Event()
        self._ending = threading.Event()
        self._on_failure: list[Callable[[], None]] = []
        self._lead_done: Callable[[], int] = lambda: 0
        atexit.register(self.close)

    def start_here(self) -> None:
        """Start all followers as processes on this machine and wait until they are connected.

        Raises:
            UserError: ``RANK_LOST``: one of them did not come.
        """
        token = new_token()
        with listen("127.0.0.1") as listener:
            address, port = listener.getsockname()[:2]
            for rank, follower in self._followers.items():
                follower.hire(start_follower(rank, address, port, token))
            self.accept(listener, token)

    def accept(self, listener: socket.socket, token: str) -> None:
        """Let all followers in that connect to ``listener`` and show the token.

        Raises:
            UserError: ``RANK_LOST``: one of them did not come.
        """
        end = time.monotonic() + _START_SECONDS
        while missing := [rank for rank, follower in self._followers.items() if follower.channel is None]:
            dead = next((rank for rank in missing if self._has_ended(rank)), None)
            if dead is not None:
                self._fail(Verdict(dead, "lost", self._followers[dead].end_words()))
            elif time.monotonic() > end:
                self._fail(Verdict(missing[0], "lost", f"It did not come within {_START_SECONDS:.0f} s"))
            if self._failed.is_set():
                raise self.error()
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            self._let_in(connection, token)
        for follower in self._followers.values():
            threading.Thread(target=self._listen_to, args=(follower,), name="follower", daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def tell(self, kind: str, *, ranks: Mapping[int, dict[str, Any]] | None = None, **facts: Any) -> None:
        """Say something to all followers, or to those of ``ranks``, each with its own facts beside. Does not wait."""
        for rank, follower in self._followers.items():
            if ranks is None or rank in ranks:
                assert follower.channel is not None
                follower.channel.send(kind, **facts, **((ranks or {}).get(rank, {})))

    def send(self, rank: int, kind: str, tensors: Mapping[str, Tensor], **facts: Any) -> None:
        """Say something to one follower, with tensors on the processor. Does not wait."""
        channel = self._followers[rank].channel
        assert channel is not None
        channel.send(kind, tensors, **facts)

    def expect_answer(self, rank: int) -> None:
        """From now on the rank owes an answer; the watch minds how long it takes."""
        with self._lock:
            self._board.ask(rank, time.monotonic())

    def answer(self, rank: int) -> Message:
        """The next answer of a rank.

        Raises:
            UserError: the team failed while it was awaited.
        """
        follower = self._followers[rank]
        while True:
            try:
                message = follower.replies.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if self._failed.is_set():
                    raise self.error() from None
                continue
            with self._lock:
                self._board.answered(rank)
            return message

    def issue(self, step: int | None) -> None:
        """All ranks with a share of ``step`` (all, for ``None``) have been given it to do."""
        with self._lock:
            self._board.issue(step, time.monotonic())

    def watch_lead(self, done: Callable[[], int]) -> None:
        """The lead's own acts are counted by ``done``, asked from the watch's thread."""
        self._lead_done = done

    def on_failure(self, act: Callable[[], None]) -> None:
        """Called once, from another thread, when the team has failed and its processes are being ended."""
        self._on_failure.append(act)

    def failed(self) -> bool:
        """Whether the team has failed; it is of no use any more."""
        return self._failed.is_set()

    def error(self) -> UserError:
        """Why the team failed; waits a little until it is known. Ends the team if it did not fail."""
        if not self._reason.wait(_REASON_SECONDS):
            self._fail(Verdict(1, "lost", "Its connections broke"))
        if self._passed_on is not None:
            return self._passed_on
        verdict = self._verdict
        assert verdict is not None
        return rank_fault(verdict, self._followers[verdict.rank].device)

    def status(self) -> list[RankStatus]:
        """What each follower does now."""
        with self._lock:
            news = {rank: (self._board.news[rank].phase, self._board.news[rank].done) for rank in self._followers}
        return [RankStatus(rank, one.device, *news[rank], one.memory) for rank, one in self._followers.items()]

    def processes(self) -> list[int]:
        """Ids of the processes that this lead started."""
        return [follower.process.pid for follower in self._followers.values() if follower.process is not None]

    def close(self) -> None:
        """End all followers in order, and those by force that do not."""
        if self._ending.is_set():
            return
        self._ending.set()
        atexit.unregister(self.close)
        for follower in self._followers.values():
            if follower.channel is not None and not self._failed.is_set():
                # One that torchrun started is not waited for: it must have heard this before the connection ends.
                follower.channel.say_last("quit", _LAST_WORD_SECONDS)
        end = time.monotonic() + END_SECONDS
        for follower in self._followers.values():
            if follower.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    follower.process.wait(max(0.0, end - time.monotonic()))
        self._kill_all()
        self._reap_all()

    def _let_in(self, connection: socket.socket, token: str) -> None:
        connection.settimeout(END_SECONDS)
        channel = Channel(connection, patient=True)
        connection.settimeout(END_SECONDS)
        try:
            hello = channel.receive()
            rank, shown = int(hello.facts["rank"]), str(hello.facts["token"])
        except (Disconnected, KeyError, ValueError):
            channel.close()
            return
        follower = self._followers.get(rank)
        if hello.kind != "hello" or follower is None or not hmac.compare_digest(shown, token):
            channel.close()
            return
        connection.settimeout(None)
        follower.channel = channel

    def _listen_to(self, follower: HiredFollower) -> None:
        assert follower.channel is not None
        try:
            while True:
                self._hear(follower, follower.channel.receive())
        except Disconnected:
            if not self._ending.is_set():
                self._fail(Verdict(follower.rank, "lost", follower.end_words()))

    def _hear(self, follower: HiredFollower, message: Message) -> None:
        facts = message.facts
        if message.kind == "beat":
            follower.memory = None if facts["memory"] is None else tuple(facts["memory"])
            with self._lock:
                now = time.monotonic()
                self._board.hear(follower.rank, now, facts["phase"], facts["done"], facts["progress"])
        elif message.kind == "fault":
            if facts["fault"] == "neighbour":
                # Another rank is at fault, which we hear of by ourselves; unless only what connects them broke.
                self._suspect = (time.monotonic(), Verdict(follower.rank, "lost", facts["why"]))
                return
            if "error" in facts:
                self._passed_on = UserError(**facts["error"])
            self._fail(Verdict(follower.rank, facts["fault"], facts["why"]))
        else:
            follower.replies.put(message)

    def _watch(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS) and not self._failed.is_set():
            done = self._lead_done()
            with self._lock:
                now = time.monotonic()
                self._board.hear(LEAD, now, "ready", done, done)
                verdict = self._board.verdict(now)
            suspect = self._suspect
            if verdict is None and suspect is not None and now - suspect[0] > _SUSPECT_SECONDS:
                verdict = suspect[1]
            if verdict is not None:
                self._fail(verdict)

    def _fail(self, verdict: Verdict) -> None:
        with self._lock:
            if self._verdict is not None or self._ending.is_set():
                return
            self._verdict = verdict
        _log.error("rank %d: %s: %s", verdict.rank, verdict.fault, verdict.why)
        # Pictures that come from now on are not to be believed: this is set before anything is broken off.
        self._failed.set()
        self._kill_all()
        for act in self._on_failure:
            act()
        self._reap_all()
        self._reason.set()

    def _kill_all(self) -> None:
        for follower in self._followers.values():
            if follower.process is not None and follower.process.poll() is None:
                # Stopped processes obey this too.
                follower.process.kill()

    def _reap_all(self) -> None:
        for follower in self._followers.values():
            if follower.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    follower.process.wait(END_SECONDS)
            if follower.channel is not None:
                follower.channel.close()

    def _has_ended(self, rank: int) -> bool:
        process = self._followers[rank].process
        return process is not None and process.poll() is not None
