"""A hub of our own on this machine, as far as a download needs one: lists, links to a storage, ranges, faults on wish.

As a program: ``python hub_server.py --folder MODEL [--faults N --seed S]`` serves until its standard input ends, and
prints its address first. A line on standard input is a command: ``stats`` prints what was asked for so far.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

Fault = Literal["reset", "short", "stall", "shifted", "whole", "busy", "unavailable", "later", "changed"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# Prime, so that no stretch of a download looks like another.
_PERIOD = 3_999_971
_SMALL = 64 << 10


class Drawn:
    """Bytes that are not kept anywhere: the same for a seed, and other ones at every place."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        block = random.Random(seed).randbytes(_PERIOD)
        self._block = block + block[: 1 << 20]

    def read(self, start: int, end: int) -> bytes:
        start %= _PERIOD
        return self._block[start : min(start + (1 << 20), len(self._block))][: max(0, end)]

    def pieces(self, start: int, end: int) -> Any:
        """The bytes from ``start`` to ``end``, in pieces."""
        while start < end:
            piece = self.read(start, end - start)
            yield piece
            start += len(piece)


@dataclass
class Served:
    """A file of a repository and what was asked of it."""

    content: Drawn | Path
    version: int = 0
    requests: list[tuple[int, int]] = field(default_factory=list)
    sent: int = 0
    sha256: str = ""
    git: str = ""

    @property
    def size(self) -> int:
        return self.content.size if isinstance(self.content, Drawn) else self.content.stat().st_size

    def pieces(self, start: int, end: int) -> Any:
        if isinstance(self.content, Drawn):
            yield from self.content.pieces(start, end)
            return
        with self.content.open("rb") as file:
            file.seek(start)
            while start < end and (piece := file.read(min(1 << 20, end - start))):
                yield piece
                start += len(piece)

    def digest(self) -> None:
        sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % self.size)
        for piece in self.pieces(0, self.size):
            sha256.update(piece)
            git.update(piece)
        self.sha256, self.git = sha256.hexdigest(), git.hexdigest()

    @property
    def in_git(self) -> bool:
        return self.size < _SMALL


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is what these tests are about."""


class Hub:
    """Repositories at one address. ``faults``: what goes wrong at the next answers of the storage, in order."""

    def __init__(self, repositories: dict[str, dict[str, Drawn | Path]], faults: list[Fault] | None = None) -> None:
        self.repositories = {
            name: {path: Served(content) for path, content in files.items()} for name, files in repositories.items()
        }
        for files in self.repositories.values():
            for served in files.values():
                served.digest()
        self.faults = list(faults or [])
        self.done: Counter[str] = Counter()
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.stalled = threading.Event()
        self.accepts_ranges = True
        # Of the storage's answers every so many-th is a faulty one, as long as there are faults.
        self.every = 1
        self._answers = 0
        self.fits: Callable[[Fault, Served], bool] = lambda fault, served: True
        hub = self

        class Handler(_Handler):
            the_hub = hub

        self.server = _QuietServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Hub:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stalled.set()
        self.server.shutdown()
        self.server.server_close()

    def file(self, path: str) -> Served:
        return next(files[path] for files in self.repositories.values() if path in files)

    def take_fault(self, served: Served) -> Fault | None:
        """The next fault, if it is time for one and the file is one that it is for."""
        with self.lock:
            self._answers += 1
            if self._answers % self.every:
                return None
            fitting = next((fault for fault in self.faults if self.fits(fault, served)), None)
            if fitting is not None:
                self.faults.remove(fitting)
                self.done[fitting] += 1
            return fitting

    @property
    def sent(self) -> int:
        return sum(served.sent for files in self.repositories.values() for served in files.values())

    @property
    def size(self) -> int:
        return sum(served.size for files in self.repositories.values() for served in files.values())


class _Handler(BaseHTTPRequestHandler):
    the_hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        hub = self.the_hub
        path = unquote(urlsplit(self.path).path)
        with hub.lock:
            hub.asked.append(self.path)
            hub.headers.append({name.lower(): value for name, value in self.headers.items()})
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if path.startswith("/api/models/"):
                self._list(*path.removeprefix("/api/models/").split("/revision/"))
            elif path.startswith("/storage/"):
                self._store(path.removeprefix("/storage/"))
            elif "/resolve/" in path:
                self._resolve(*path[1:].split("/resolve/"))
            else:
                self._answer(404, {"error": "Not found"})

    def _list(self, name: str, revision: str = "main") -> None:
        files = self.the_hub.repositories.get(name)
        if files is None or revision not in ("main", COMMIT):
            self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return
        siblings = [
            {"rfilename": path, "size": served.size, "blobId": served.git}
            | ({} if served.in_git else {"lfs": {"sha256": served.sha256, "size": served.size, "pointerSize": 135}})
            for path, served in files.items()
        ]
        self._answer(200, {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings})

    def _resolve(self, name: str, rest: str) -> None:
        served = self.the_hub.repositories.get(name, {}).get(rest.partition("/")[2])
        if served is None:
            self._answer(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
        elif served.in_git:
            self._send(served, f'"{served.git}"', None)
        else:
            self.send_response(302)
            self.send_header("Location", f"/storage/{name}/{rest}?signature=1")
            self.send_header("X-Linked-ETag", f'"{served.sha256}"')
            self.send_header("X-Linked-Size", str(served.size))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _store(self, rest: str) -> None:
        owner, name, _, path = rest.split("/", 3)
        served = self.the_hub.repositories[f"{owner}/{name}"][path]
        self._send(served, f'"storage-{served.version}-{served.sha256[:8]}"', self.the_hub.take_fault(served))

    def _send(self, served: Served, tag: str, fault: Fault | None) -> None:
        start, end, status = 0, served.size, 200
        text = self.headers.get("Range", "")
        if text.startswith("bytes=") and self.the_hub.accepts_ranges:
            first, _, last = text.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last) + 1 if last else served.size, served.size), 206
        with self.the_hub.lock:
            served.requests.append((start, end))
        match fault:
            case "busy":
                self._answer(429, {"error": "slow down"}, {"Retry-After": "1"})
                return
            case "unavailable":
                self._answer(503, {"error": "restarting"})
                return
            case "later":
                self._answer(503, {"error": "later"}, {"Retry-After": formatdate(time.time() + 1, usegmt=True)})
                return
            case "changed":
                self._change(served)
                start, end, status = 0, served.size, 200
            case "whole":
                start, end, status = 0, served.size, 200
            case "shifted":
                shift = min(start, 4096) or -min(4096, served.size - end)
                start, end = start - shift, end - shift
            case _:
                pass
        if start >= served.size:
            self._answer(416, {"error": "range"})
            return
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(end - start))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{served.size}")
        self.end_headers()
        stop_at = start + int((end - start) * random.Random(len(served.requests)).uniform(0.05, 0.95))
        for piece in served.pieces(start, stop_at if fault in ("reset", "short", "stall") else end):
            self.wfile.write(piece)
            with self.the_hub.lock:
                served.sent += len(piece)
        if fault == "reset":
            # Closing with this option sends a reset instead of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        if fault == "stall":
            self.the_hub.stalled.wait(30)
        if fault in ("reset", "short", "stall"):
            self.close_connection = True

    def _change(self, served: Served) -> None:
        assert isinstance(served.content, Drawn)
        with self.the_hub.lock:
            served.version += 1
            served.content = Drawn(served.size, 1000 + served.version)
            served.digest()
            served.sent = 0
            served.requests.clear()

    def _answer(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


BASE, LORA = "Wan-AI/Wan2.2-S2V-14B", "Quark-Vision/Live-Avatar"


def repositories_of(model: Path) -> dict[str, dict[str, Drawn | Path]]:
    """A model folder in the form in which the model is published."""
    files: dict[str, Drawn | Path] = {
        path.relative_to(model).as_posix(): path
        for path in sorted(model.rglob("*"))
        if path.is_file() and not path.is_relative_to(model / ".model-store")
    }
    lora = files.pop("liveavatar.safetensors")
    return {BASE: files, LORA: {"README.md": model / "README.md", "liveavatar.safetensors": lora}}


TROUBLES: tuple[Fault, ...] = ("reset", "short", "stall", "shifted", "whole", "busy", "unavailable", "later")


def some_faults(count: int, seed: int, kinds: tuple[Fault, ...] = TROUBLES) -> list[Fault]:
    """So many faults, every kind about equally often, in an order that the seed decides."""
    faults = [kinds[index % len(kinds)] for index in range(count)]
    random.Random(seed).shuffle(faults)
    return faults


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--faults", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no_stalls", action="store_true", help="they take as long as a client is patient")
    options = parser.parse_args()
    kinds = tuple(kind for kind in TROUBLES if not (options.no_stalls and kind == "stall"))
    with Hub(repositories_of(options.folder), some_faults(options.faults, options.seed, kinds)) as hub:
        print(hub.url, flush=True)
        for line in sys.stdin:
            if line.strip() == "stats":
                print(json.dumps({"sent": hub.sent, "size": hub.size, "requests": len(hub.asked)}), flush=True)


if __name__ == "__main__":
    main()
