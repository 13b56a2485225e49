"""How patiently a server is asked: waits after failures, what a busy server wants, and the user's speed limit."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2

from live_avatar.errors import Cancelled, UserError
from live_avatar.store.speed_limit import SpeedLimit

Answer = TypeVar("Answer")

_LONGEST_WAIT = 60.0
# What a server asks for beyond this is told to the user instead of waited for.
_LONGEST_RETRY_AFTER = 900.0


class TransferFault(Exception):
    """A request went wrong in a way that may be over soon. ``retry_after``: seconds the server asked for."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on.

    Attributes:
        silence_seconds: a connection that says nothing for so long is given up.
        tries: failures in a row, without a byte between them, before the transfer gives up.
        first_wait_seconds: after the first failure; doubled with each further one.
    """

    silence_seconds: float = 30.0
    tries: int = 10
    first_wait_seconds: float = 0.5


class Pace:
    """Shared by all connections of a transfer.

    Args:
        patience: how long to go on.
        bytes_per_second: speed limit of all together, or ``None``.
        host: named when nothing comes.
        stop: set when the user stops the transfer.
        on_wait: told the seconds and the reason of a wait that the user should know of.
    """

    def __init__(
        self,
        patience: Patience,
        bytes_per_second: float | None,
        host: str,
        stop: threading.Event,
        on_wait: Callable[[float, str], None],
    ) -> None:
        self.patience = patience
        self._limit = None if bytes_per_second is None else SpeedLimit(bytes_per_second)
        self._host = host
        self._stop = stop
        self._on_wait = on_wait
        self._lock = threading.Lock()
        self._failures = 0
        self._open_at = 0.0

    def patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer.

        Raises:
            UserError: ``MODEL_SERVER_UNREACHABLE``, ``MODEL_SERVER_BUSY``, or what ``ask`` raises.
            Cancelled: the user stopped it.
        """
        while True:
            self.wait()
            try:
                answer = ask()
            except httpx2.TransportError as error:
                self.failed(TransferFault(words(error)))
            except TransferFault as fault:
                self.failed(fault)
            else:
                self.progressed()
                return answer

    def wait(self) -> None:
        """Until the server may be asked again.

        Raises:
            Cancelled: the user stopped it.
        """
        while (left := self._open_at - time.monotonic()) > 0:
            self._pause(left)
        if self._stop.is_set():
            raise Cancelled

    def stopped(self) -> bool:
        """Whether the user stopped the transfer."""
        return self._stop.is_set()

    def failed(self, fault: TransferFault) -> None:
        """A request went wrong: all wait a while, longer each time.

        Raises:
            UserError: ``MODEL_SERVER_UNREACHABLE`` or ``MODEL_SERVER_BUSY`` when it makes no sense to go on.
        """
        with self._lock:
            self._failures += 1
            failures = self._failures
            backoff = self.patience.first_wait_seconds * 2 ** min(failures - 1, 10) * random.uniform(0.75, 1.25)
            seconds = max(min(backoff, _LONGEST_WAIT), fault.retry_after or 0.0)
            self._open_at = max(self._open_at, time.monotonic() + seconds)
        if seconds > _LONGEST_RETRY_AFTER:
            raise self._busy_for(seconds)
        if failures >= self.patience.tries:
            raise self._unreachable(fault)
        if seconds >= 1:
            self._on_wait(seconds, fault.why)

    def progressed(self) -> None:
        """Something came."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def spend(self, count: int) -> None:
        """Bytes were received: wait as the speed limit wants."""
        if self._limit is not None and (seconds := self._limit.spend(count)) > 0:
            self._pause(seconds)

    def busy(self, response: httpx2.Response) -> TransferFault:
        """The fault of an answer such as 429 or 503, with the wait that it asks for."""
        return TransferFault(f"the server is busy (status {response.status_code})", _retry_after(response.headers))

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Cancelled

    def _unreachable(self, fault: TransferFault) -> UserError:
        return UserError(
            "MODEL_SERVER_UNREACHABLE",
            f"{self._host} does not answer as it should.",
            f"After {self.patience.tries} tries in a row: {fault.why}.",
            "Check the network connection, the proxy and the mirror; then go on. What was fetched is kept.",
        )

    def _busy_for(self, seconds: float) -> UserError:
        return UserError(
            "MODEL_SERVER_BUSY",
            f"{self._host} asks to come back later.",
            f"It wants {seconds / 60:.0f} minutes of rest between two requests.",
            "Go on later, or use a mirror. What was fetched is kept.",
        )


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds of ``Retry-After``, which has a number or a date."""
    text = headers.get("retry-after", "").strip()
    if text == "":
        return None
    try:
        return max(0.0, float(text)) if text.replace(".", "", 1).isdigit() else _until(text)
    except (TypeError, ValueError, OverflowError):
        return None


def _until(date: str) -> float:
    return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())


def words(error: httpx2.TransportError) -> str:
    """A failed connection in words."""
    if "certificate verify failed" in str(error):
        return "the certificate of the server is not trusted by this system (a proxy may open encrypted connections)"
    match error:
        case httpx2.ProxyError():
            return "the proxy does not let it through"
        case httpx2.ConnectTimeout() | httpx2.ConnectError():
            return "no connection can be made"
        case httpx2.TimeoutException():
            return "the connection fell silent"
        case _:
            return "the connection broke off"
