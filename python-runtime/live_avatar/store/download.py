"""Downloading a model: listed by the hub's own library, fetched here in parallel stretches, checked file by file."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import httpx2

from live_avatar.errors import Cancelled, UserError
from live_avatar.offline import require_network
from live_avatar.store import published
from live_avatar.store.byte_ranges import Range
from live_avatar.store.digests import digest_file
from live_avatar.store.fetch import ContentChanged, RemoteFile, fetch
from live_avatar.store.hub import HubListing, check_repository, list_repository
from live_avatar.store.pace import Pace, Patience, TransferFault, words
from live_avatar.store.part_file import PartFile
from live_avatar.store.record import FileEntry, ModelRecord
from live_avatar.store.reports import Listener, ProgressMeter
from live_avatar.store.space import check_room, target_fault

_STRETCH = 64 << 20
_MOST_RESTARTS = 3
_STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """What is fetched, and how.

    Attributes:
        to: the model's folder.
        repository, lora_repository: on the hub, ``owner/name``; no LoRA with ``None``.
        revision: branch, tag or commit of the first.
        endpoint: the hub or a mirror.
        proxy: address of an HTTP proxy, or ``None`` for what the system's environment says.
        bytes_per_second: speed limit, or ``None``.
        parts: connections at a time.
        check: read every byte of files that were found right before, too.
        patience: how long to go on when the server does not answer.
        stretch_bytes: fetched with one request.
    """

    to: Path
    repository: str = published.BASE_REPOSITORY
    lora_repository: str | None = published.LORA_REPOSITORY
    revision: str = "main"
    endpoint: str = published.DEFAULT_ENDPOINT
    proxy: str | None = None
    bytes_per_second: float | None = None
    parts: int = 4
    check: bool = False
    patience: Patience = field(default_factory=Patience)
    stretch_bytes: int = _STRETCH


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """What came of it: bytes of the model, and bytes that crossed the network for it."""

    bytes: int
    fetched_bytes: int
    files: int
    fetched_files: tuple[str, ...]


@dataclass(slots=True)
class _Fetching:
    """A file on its way."""

    path: str
    remote: RemoteFile
    part: PartFile
    entry: FileEntry
    revision: str
    state: Literal["fetching", "changed", "finishing", "done"] = "fetching"
    workers: int = 0
    restarts: int = 0


def make_client(options: DownloadOptions) -> httpx2.Client:
    """An HTTP client of our own: no cookies, no sign-in, nothing about this machine in its requests.

    Raises:
        UserError: ``MODEL_ADDRESS_INVALID``.
    """
    silence = options.patience.silence_seconds
    try:
        return httpx2.Client(
            proxy=options.proxy,
            timeout=httpx2.Timeout(silence, pool=None),
            follow_redirects=True,
            headers={"User-Agent": "avatar-studio"},
        )
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        raise _address_invalid("proxy", options.proxy or "", "http://host:port") from error


def check_endpoint(address: str) -> str:
    """An address of a hub, without a slash at its end.

    Raises:
        UserError: ``MODEL_ADDRESS_INVALID``.
    """
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, TypeError) as error:
        raise _address_invalid("endpoint", address, "https://host") from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise _address_invalid("endpoint", address, "https://host")
    return address.rstrip("/")


def download_model(options: DownloadOptions, listener: Listener, stop: threading.Event) -> DownloadResult:
    """Make the folder a whole, checked model; goes on where an earlier run ended. The caller holds the folder's lock.

    Raises:
        UserError: what the user can mend; everything fetched so far is kept.
        Cancelled: ``stop`` was set; likewise.
    """
    require_network()
    endpoint = check_endpoint(options.endpoint)
    halt = threading.Event()
    pace = Pace(options.patience, options.bytes_per_second, endpoint, halt, listener.waiting)
    threading.Thread(target=_pass_on, args=(stop, halt), daemon=True, name="stop").start()
    try:
        return _Download(options, endpoint, pace, halt, listener).run(stop)
    except OSError as error:
        raise target_fault(error, options.to) from error


def _pass_on(stop: threading.Event, halt: threading.Event) -> None:
    stop.wait()
    halt.set()


class _Download:
    def __init__(
        self, options: DownloadOptions, endpoint: str, pace: Pace, halt: threading.Event, listener: Listener
    ) -> None:
        self._options, self._endpoint, self._pace, self._halt, self._listener = options, endpoint, pace, halt, listener
        self._folder = options.to
        self._record = ModelRecord.read(options.to) or ModelRecord()
        self._changed = threading.Condition()
        self._files: list[_Fetching] = []
        self._error: BaseException | None = None
        self._fetched: list[str] = []

    def run(self, stop: threading.Event) -> DownloadResult:
        listings = self._listings()
        self._folder.mkdir(parents=True, exist_ok=True)
        remotes = self._choose(listings)
        self._look_at_what_is_there()
        self._files = [self._begin(path, *remotes[path]) for path in remotes if not self._is_done(path)]
        check_room(self._folder, sum(file.part.size - file.part.received for file in self._files))
        if self._files:
            self._record.complete = False
        self._record.write(self._folder)
        done = sum(entry.bytes for path, entry in self._record.files.items() if self._is_done(path))
        received = sum(file.part.received for file in self._files)
        total = sum(entry.bytes for entry in self._record.files.values())
        self._meter = ProgressMeter(done + received, total, self._listener.progress)
        self._fetch_all()
        if self._error is not None:
            raise self._error
        if stop.is_set() or any(file.state != "done" for file in self._files):
            raise Cancelled
        self._record.finish(self._folder)
        return DownloadResult(total, self._meter.fetched, len(self._record.files), tuple(sorted(self._fetched)))

    def _listings(self) -> list[tuple[HubListing, str]]:
        """Of both repositories, with the revision each was asked for; at the commit that an earlier run began with."""
        options = self._options
        wanted = [(check_repository(options.repository), options.revision)]
        if options.lora_repository is not None:
            wanted.append((check_repository(options.lora_repository), "main"))
        begun = {
            (source["repository"], source["revision"]): source["commit"]
            for source in self._record.origin.get("sources", [])
            if isinstance(source, dict) and {"repository", "revision", "commit"} <= source.keys()
        }
        listings = []
        for repository, revision in wanted:
            commit = begun.get((repository, revision), revision)
            try:
                listings.append((self._list(repository, commit), revision))
            except UserError as error:
                # A mirror may know only the newest state.
                if error.code != "MODEL_NOT_ON_HUB" or commit == revision:
                    raise
                listings.append((self._list(repository, revision), revision))
        return listings

    def _list(self, repository: str, revision: str) -> HubListing:
        return list_repository(self._endpoint, repository, revision, lambda: make_client(self._options), self._pace)

    def _choose(self, listings: list[tuple[HubListing, str]]) -> dict[str, tuple[HubListing, str]]:
        """Which file comes from where; the record is told what each must be."""
        base, revision = listings[0]
        chosen = dict.fromkeys(published.needed_files(base.files), (base, revision))
        if "config.json" not in chosen or not any(path.startswith("diffusion_pytorch_model") for path in chosen):
            raise _no_model(base.repository, "config.json or the weights of the video model are not in its list")
        for listing, asked in listings[1:]:
            if published.LORA_FILE not in listing.files:
                raise _no_model(listing.repository, f"{published.LORA_FILE} is not in its list")
            chosen[published.LORA_FILE] = (listing, asked)
        for path, (listing, _) in chosen.items():
            found, before = listing.files[path], self._record.files.get(path)
            if before is None or (before.bytes, before.digest) != (found.bytes, found.digest):
                self._record.files[path] = FileEntry(found.bytes, found.digest)
        for path in set(self._record.files) - set(chosen):
            del self._record.files[path]
        self._record.adopt(self._folder)
        self._record.origin = {
            "kind": "hub",
            "endpoint": self._endpoint,
            "sources": [
                {"repository": listing.repository, "revision": asked, "commit": listing.commit}
                for listing, asked in listings
            ],
        }
        return chosen

    def _look_at_what_is_there(self) -> None:
        """Files of the right size that nobody has read yet, or all of them, are checked; the others come anew."""
        for path, entry in self._record.files.items():
            target = self._folder / path
            if not target.is_file() or (self._is_done(path) and not self._options.check):
                continue
            meter = ProgressMeter(0, entry.bytes, self._listener.progress)
            right = target.stat().st_size == entry.bytes
            if right:
                try:
                    found = digest_file(target, self._halt.is_set, partial(meter.add, "check", path))
                except OSError:
                    right = False
                else:
                    right = found.match(entry.digest)
            self._record.files[path] = FileEntry(entry.bytes, entry.digest, found.sha256 if right else None)
            if not right:
                text = f"{path} is not as it was published; it is fetched again."
                self._listener.note("MODEL_FILE_DAMAGED", path, text)

    def _is_done(self, path: str) -> bool:
        return self._record.is_done(self._folder, path)

    def _begin(self, path: str, listing: HubListing, revision: str) -> _Fetching:
        entry = self._record.files[path]
        remote = RemoteFile(self._endpoint, listing.repository, listing.commit, path)
        part = PartFile(self._folder, path, entry.bytes, entry.digest or listing.commit)
        return _Fetching(path, remote, part, entry, revision)

    def _fetch_all(self) -> None:
        workers = [
            threading.Thread(target=self._guarded, daemon=True, name=f"fetch {number}")
            for number in range(min(self._options.parts, 32))
        ]
        for worker in workers:
            worker.start()
        with self._changed:
            self._changed.wait_for(lambda: self._halt.is_set() or self._error is not None or self._all_done())
        self._halt.set()
        for worker in workers:
            # One that waits for a silent server must not hold up the end.
            worker.join(_STOP_SECONDS)
        for file in self._files:
            file.part.note()

    def _all_done(self) -> bool:
        return all(file.state == "done" for file in self._files)

    def _guarded(self) -> None:
        try:
            with make_client(self._options) as client:
                self._work(client)
        except Cancelled:
            pass
        except BaseException as error:
            self._error = self._error or error
            self._halt.set()
        with self._changed:
            self._changed.notify_all()

    def _work(self, client: httpx2.Client) -> None:
        while True:
            self._pace.wait()
            task = self._next()
            if task is None:
                return
            file, stretch = task
            try:
                if stretch[0] < stretch[1]:
                    fetch(client, file.remote, file.part, stretch, self._pace, partial(self._received, file))
            except ContentChanged:
                file.state = "changed"
            except TransferFault as fault:
                self._pace.failed(fault)
            except httpx2.TransportError as error:
                self._pace.failed(TransferFault(words(error)))
            finally:
                self._put_down(file, stretch)

    def _next(self) -> tuple[_Fetching, Range] | None:
        """A stretch to fetch; waits while others have all of them. ``None`` at the end."""
        with self._changed:
            while not self._halt.is_set():
                for file in self._files:
                    claimed = file.part.claim(self._options.stretch_bytes) if file.state == "fetching" else None
                    if claimed is not None:
                        file.workers += 1
                        return file, claimed
                    if file.state == "fetching" and file.workers == 0 and file.part.is_whole:
                        # Whole since an earlier run, or empty.
                        file.workers += 1
                        return file, (0, 0)
                if self._all_done():
                    return None
                # Also to see the stop, which does not notify.
                self._changed.wait(0.5)
        return None

    def _received(self, file: _Fetching, count: int) -> None:
        self._meter.add("download", file.path, count)
        if file.state == "changed":
            raise ContentChanged

    def _put_down(self, file: _Fetching, stretch: Range) -> None:
        """Done with a stretch; the last one at a file that is whole, or another now, sees to that."""
        with self._changed:
            file.part.give_back(stretch)
            file.workers -= 1
            last = file.workers == 0 and not self._halt.is_set()
            finish = last and file.state == "fetching" and file.part.is_whole
            if finish:
                file.state = "finishing"
        if finish:
            self._finish(file)
        elif last and file.state == "changed":
            self._begin_again(file)
        with self._changed:
            self._changed.notify_all()

    def _finish(self, file: _Fetching) -> None:
        """Check what came, and give it its name."""
        file.part.flush()
        meter = self._meter
        found = digest_file(file.part.data, self._halt.is_set, lambda _: meter.busy("check", file.path), from_disk=True)
        if not found.match(file.entry.digest):
            self._listener.note("MODEL_FILE_DAMAGED", file.path, f"{file.path} arrived damaged; it is fetched again.")
            self._restart(file, file.entry)
            return
        file.part.finish()
        with self._changed:
            self._record.files[file.path] = FileEntry(file.entry.bytes, file.entry.digest, found.sha256)
            self._record.write(self._folder)
            self._fetched.append(file.path)
            file.state = "done"

    def _begin_again(self, file: _Fetching) -> None:
        """The server has another content than at the beginning: ask what it should be now, and start this file anew."""
        listing = self._list(file.remote.repository, file.revision)
        now = listing.files.get(file.path)
        if now is None:
            raise _no_model(listing.repository, f"{file.path} is not in its list any more")
        text = f"{file.path} was changed on the server; it is fetched from the beginning."
        self._listener.note("MODEL_FILE_CHANGED_ON_HUB", file.path, text)
        file.remote = RemoteFile(self._endpoint, listing.repository, listing.commit, file.path)
        for source in self._record.origin["sources"]:
            if source["repository"] == listing.repository:
                source["commit"] = listing.commit
        self._restart(file, FileEntry(now.bytes, now.digest))

    def _restart(self, file: _Fetching, entry: FileEntry) -> None:
        file.restarts += 1
        if file.restarts > _MOST_RESTARTS:
            raise UserError(
                "MODEL_FILE_DAMAGED",
                f"{file.path} does not arrive as it was published.",
                f"It came {file.restarts} times and never had the published checksum.",
                "Try again later, or with another mirror or without the proxy.",
            )
        self._meter.add("download", file.path, -file.part.received)
        file.part.start_anew(entry.bytes, entry.digest or file.remote.url)
        with self._changed:
            file.entry = entry
            self._record.files[file.path] = entry
            self._record.write(self._folder)
            file.state = "fetching"


def _no_model(repository: str, why: str) -> UserError:
    return UserError(
        "MODEL_LIST_UNUSABLE",
        f"{repository} does not hold the model that is wanted.",
        f"{why[:1].upper()}{why[1:]}.",
        "Check the name of the repository, or try without a mirror.",
        field="repo",
    )


def _address_invalid(field: str, address: str, form: str) -> UserError:
    return UserError(
        "MODEL_ADDRESS_INVALID",
        f'"{address}" cannot be used as an address.',
        f"It must look like {form}.",
        "Correct it, or leave it out.",
        field=field,
    )
