"""Fetching a stretch of a file by HTTP: every answer is checked before a byte of it is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import httpx2

from live_avatar.errors import Cancelled
from live_avatar.store.byte_ranges import Range
from live_avatar.store.hub import access_refused, not_on_hub
from live_avatar.store.pace import Pace, TransferFault
from live_avatar.store.part_file import PartFile

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_CHUNK = 256 * 1024
# The whole file instead of a stretch: skipping over what is there is worth it only if nothing else is to be had.
_WHOLE_ANSWERS_REFUSED = 3


class ContentChanged(Exception):
    """The server has another content under this name than before."""


class RemoteFile:
    """Where a file of a repository is fetched from, and what the server said of it so far.

    Args:
        endpoint: address of the hub or mirror.
        repository: ``owner/name``.
        commit: the state of the repository.
        path: of the file in it.
    """

    def __init__(self, endpoint: str, repository: str, commit: str, path: str) -> None:
        self.endpoint, self.repository, self.path = endpoint, repository, path
        self.url = f"{endpoint}/{repository}/resolve/{commit}/{quote(path)}"
        self._identity: str | None = None
        self._whole_answers = 0

    def check_identity(self, response: httpx2.Response) -> None:
        """Compare the content's tag with that of earlier answers.

        Raises:
            ContentChanged: it is another one.
        """
        identity = _identity(response)
        if identity is None:
            return
        if self._identity is not None and identity != self._identity:
            raise ContentChanged
        self._identity = identity

    def takes_whole(self) -> bool:
        """Whether a server that sends the whole file again and again is put up with by now."""
        self._whole_answers += 1
        return self._whole_answers > _WHOLE_ANSWERS_REFUSED


def fetch(
    client: httpx2.Client,
    remote: RemoteFile,
    part: PartFile,
    wanted: Range,
    pace: Pace,
    on_bytes: Callable[[int], None],
) -> None:
    """Fetch a stretch into ``part``; what came before a failure is kept.

    Raises:
        TransferFault, httpx2.TransportError: it did not come whole; try again.
        ContentChanged: what was fetched so far is of another content.
        UserError: the server will not give it.
        Cancelled: the user stopped it.
    """
    start, end = wanted
    # Compressed bytes would have other positions.
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    with client.stream("GET", remote.url, headers=headers) as response:
        _check_status(response, remote, pace)
        remote.check_identity(response)
        skip = _bytes_to_skip(response, remote, part.size, wanted)
        position = start
        for chunk in response.iter_raw(_CHUNK):
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            content = chunk[skip : skip + end - position]
            skip = 0
            part.write(position, content)
            position += len(content)
            on_bytes(len(content))
            pace.progressed()
            pace.spend(len(content))
            if position >= end:
                return
            if pace.stopped():
                raise Cancelled
    raise TransferFault("the connection ended early")


def _check_status(response: httpx2.Response, remote: RemoteFile, pace: Pace) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    if status == 416:
        raise ContentChanged
    if status == 404:
        raise not_on_hub(remote.endpoint, remote.repository, remote.path)
    # A link of the hub to its storage expires: then a new one is asked for.
    if status in (401, 403) and not response.history:
        raise access_refused(remote.endpoint, remote.repository)
    if status == 429 or status >= 500:
        raise pace.busy(response)
    raise TransferFault(f"the server answers with status {status}")


def _bytes_to_skip(response: httpx2.Response, remote: RemoteFile, size: int, wanted: Range) -> int:
    """How many bytes of the answer come before the wanted ones."""
    start, end = wanted
    if "content-encoding" in response.headers and response.headers["content-encoding"] != "identity":
        raise TransferFault("the server sends it compressed")
    if response.status_code == 206:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or int(found[1]) != start or not start < int(found[2]) + 1 <= end:
            raise TransferFault("the server sends another stretch than asked for")
        if found[3] not in ("*", str(size)):
            raise ContentChanged
        return 0
    length = response.headers.get("content-length")
    if length is not None and length != str(size):
        raise ContentChanged
    if start > 0 and not remote.takes_whole():
        raise TransferFault("the server sends the whole file instead of a stretch")
    return start


def _identity(response: httpx2.Response) -> str | None:
    """The tag of the content: the hub's own where there is one, since storages behind it have each their own."""
    for answer in [*response.history, response]:
        tag = answer.headers.get("x-linked-etag")
        if tag is not None:
            return _tag(tag)
    tag = response.headers.get("etag")
    return None if tag is None else _tag(tag)


def _tag(text: str) -> str:
    return text.removeprefix("W/").strip('"')
