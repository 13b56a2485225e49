"""Whether the cards of this machine can exchange data, how fast, and what to fall back to if they cannot.

Every way is tried in processes of its own, because one that hangs or crashes takes its process along.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from live_avatar.distributed.edges import Transport
from live_avatar.distributed.launch import python_path
from live_avatar.distributed.stores import serve_store

_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Way:
    """A way that data may take between cards.

    Attributes:
        transport: see :class:`live_avatar.distributed.team.Formation`.
        peer_access: whether NCCL may let a card read another's memory.
        words: for people.
    """

    transport: Transport
    peer_access: bool
    words: str


DIRECT = Way("card", True, "directly from card to card (NCCL)")
THROUGH_HOST = Way("card", False, "from card to card through host memory (NCCL without peer access)")
HOST = Way("host", True, "through host memory (gloo)")


@dataclass(frozen=True, slots=True)
class Selftest:
    """What was found.

    Attributes:
        way: the first that works; ``None`` if none does.
        failed: ways tried before it, each with why it does not work.
        rates: bytes a second of each edge (source, target) on that way.
        peers: pairs of devices where one can reach the other's memory.
    """

    way: Way | None
    failed: tuple[tuple[Way, str], ...] = ()
    rates: Mapping[tuple[int, int], float] = field(default_factory=dict)
    peers: Mapping[tuple[int, int], bool] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """Sentences about what does not work as it should."""
        sentences = [f"Data does not travel {way.words}: {why}." for way, why in self.failed]
        if self.way is not None and self.failed:
            sentences.append(f"It travels {self.way.words} instead.")
        return sentences

    def apply(self) -> None:
        """Set up this process, and those it will start, for the way that works."""
        if self.way is not None and not self.way.peer_access:
            os.environ["NCCL_P2P_DISABLE"] = "1"


def run_selftest(devices: Sequence[str], seconds: float = _SECONDS) -> Selftest:
    """Try the ways from the fastest to the surest.

    Args:
        devices: of the ranks; two on one card cannot use NCCL.
        seconds: after which a way is taken to hang.
    """
    failed: list[tuple[Way, str]] = []
    for way in _ways(devices):
        rates, why = _try(way, devices, seconds)
        if why is None:
            return Selftest(way, tuple(failed), rates, _peers(devices))
        failed.append((way, why))
    return Selftest(None, tuple(failed), {}, _peers(devices))


def _ways(devices: Sequence[str]) -> tuple[Way, ...]:
    import torch.distributed

    cards = [device for device in devices if device.startswith("cuda")]
    if len(set(cards)) == len(devices) and torch.distributed.is_nccl_available():
        return (DIRECT, THROUGH_HOST, HOST)
    return (HOST,)


def _try(way: Way, devices: Sequence[str], seconds: float) -> tuple[dict[tuple[int, int], float], str | None]:
    """Rates of all edges, or why the way does not work."""
    store = serve_store("127.0.0.1")
    environ = dict(os.environ)
    environ["PYTHONPATH"] = python_path()
    if not way.peer_access:
        environ["NCCL_P2P_DISABLE"] = "1"
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "live_avatar.distributed.probe",
                *(str(rank), str(len(devices)), "127.0.0.1", str(store.port), way.transport, device),
            ],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        for rank, device in enumerate(devices)
    ]
    hung = threading.Event()

    def end_all() -> None:
        hung.set()
        for process in processes:
            process.kill()

    clock = threading.Timer(seconds, end_all)
    clock.start()
    try:
        said = _in_parallel([process.communicate for process in processes], processes)
    finally:
        clock.cancel()
        for process in processes:
            process.kill()
            process.wait()
    if hung.is_set():
        return {}, f"it hangs (waited {seconds:.0f} s)"
    return _judge(processes, said)


def _in_parallel(
    acts: Sequence[Callable[[], tuple[str, str]]], processes: Sequence[subprocess.Popen[str]]
) -> list[tuple[str, str]]:
    """What all processes said. One that fails ends the others, which would wait for it."""
    said: list[tuple[str, str]] = [("", "")] * len(acts)

    def run(index: int) -> None:
        said[index] = acts[index]()
        if processes[index].returncode != 0:
            for process in processes:
                process.kill()

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def _judge(
    processes: Sequence[subprocess.Popen[str]], said: Sequence[tuple[str, str]]
) -> tuple[dict[tuple[int, int], float], str | None]:
    rates: dict[tuple[int, int], float] = {}
    # Those that were ended because another failed have nothing to say.
    first = next((index for index, process in enumerate(processes) if process.returncode > 0), None)
    if first is not None:
        lines = [line for line in said[first][1].splitlines() if line.strip()]
        return {}, (lines[-1] if lines else f"status {processes[first].returncode}").strip().rstrip(".")
    if any(process.returncode != 0 for process in processes):
        return {}, "a process was killed"
    for output, _ in said:
        answer: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        if answer["wrong"]:
            source, target = answer["wrong"][0]
            return {}, f"what rank {source} sent to rank {target} came out wrong"
        rates |= {(int(source), int(target)): rate for source, target, rate in answer["edges"]}
    return rates, None


def _peers(devices: Sequence[str]) -> dict[tuple[int, int], bool]:
    import torch

    if any(not device.startswith("cuda:") for device in devices):
        return {}
    numbers = [int(device.partition(":")[2]) for device in devices]
    return {
        (left, right): torch.cuda.can_device_access_peer(numbers[left], numbers[right])
        for left in range(len(numbers))
        for right in range(len(numbers))
        if numbers[left] != numbers[right]
    }
