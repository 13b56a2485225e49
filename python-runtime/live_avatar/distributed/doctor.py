"""What of this machine a render depends on, looked at and tried, each in a sentence."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from live_avatar.distributed.selftest import Selftest, run_selftest

State = Literal["ok", "warning", "error"]
_GIB = 1 << 30
_GB = 1e9
_SMI_SECONDS = 20
# Below this a hand-over at 704 x 384 takes over 10 ms.
_SLOW_RATE = 3e9


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``subject`` groups it; ``text`` is a sentence."""

    subject: str
    state: State
    text: str


def examine(*, try_links: bool = True, progress: Callable[[str], None] = lambda text: None) -> Iterator[Check]:
    """Look at one thing after the other.

    Args:
        try_links: run the self-test, which takes seconds and some memory of every card.
        progress: told what is about to be tried.
    """
    yield Check("system", "ok", f"{platform.system()} {platform.release()}, Python {platform.python_version()}.")
    yield from _driver()
    try:
        import torch
    except ImportError as error:
        yield Check("torch", "error", f"PyTorch cannot be imported: {error}.")
        return
    built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
    yield Check("torch", "ok", f"PyTorch {torch.__version__}, built {built}.")
    yield from _runtime()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    yield from _cards(count)
    devices = [f"cuda:{index}" for index in range(count)] if count > 1 else ["cpu", "cpu"]
    yield from _transports(count)
    if try_links:
        progress("Trying the ways between the cards" if count > 1 else "Trying the way between processes")
        yield from link_checks(run_selftest(devices), devices)


def link_checks(selftest: Selftest, devices: list[str]) -> Iterator[Check]:
    """The self-test in sentences."""
    for note in selftest.notes:
        yield Check("links", "warning", note)
    if selftest.way is None:
        yield Check("links", "error", "Ranks on this machine cannot exchange data, so only one card can be used.")
        return
    yield Check("links", "ok", f"{len(devices)} ranks exchange data {selftest.way.words}; what arrives is right.")
    for (source, target), rate in sorted(selftest.rates.items()):
        peers = selftest.peers.get((source, target))
        reach = "" if peers is None else ", peer access" if peers else ", no peer access"
        state: State = "warning" if rate < _SLOW_RATE and devices[source] != "cpu" else "ok"
        text = f"{devices[source]} to {devices[target]} (rank {source} to {target}): {rate / _GB:.1f} GB/s{reach}."
        yield Check("links", state, text)


def _driver() -> Iterator[Check]:
    program = shutil.which("nvidia-smi")
    if program is None:
        version = Path("/proc/driver/nvidia/version")
        if version.exists():
            yield Check("driver", "ok", version.read_text("utf-8", "replace").splitlines()[0].strip() + ".")
        else:
            yield Check("driver", "ok", "There is no NVIDIA driver; the processor computes.")
        return
    fields = "index,name,driver_version,pcie.link.gen.current,pcie.link.width.current,temperature.gpu,power.limit"
    command = [program, f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_SMI_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        yield Check("driver", "error", f"The driver does not answer: {error}.")
        return
    for line in answer.stdout.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == len(fields.split(",")):
            index, name, driver, generation, width, heat, power = parts
            text = f"{name} (card {index}): driver {driver}, PCIe {generation} x{width}, {heat} C, limit {power}."
            yield Check("driver", "ok", text)


def _runtime() -> Iterator[Check]:
    for name, need in (
        ("triton", "without it the pass for cards computes in more, slower steps"),
        ("av", "videos cannot be written"),
        ("safetensors", "models cannot be read"),
        ("transformers", "prompts and speech cannot be read"),
    ):
        there = importlib.util.find_spec(name) is not None
        missing: State = "warning" if name == "triton" else "error"
        yield Check(
            "runtime", "ok" if there else missing, f"{name} is there." if there else f"{name} is missing: {need}."
        )


def _cards(count: int) -> Iterator[Check]:
    import torch

    if count == 0:
        yield Check("cards", "ok", "PyTorch sees no card; the processor computes.")
    for index in range(count):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        text = (
            f"cuda:{index} is {properties.name}, compute capability {properties.major}.{properties.minor}, "
            f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free."
        )
        yield Check("cards", "ok", text)


def _transports(count: int) -> Iterator[Check]:
    import torch
    import torch.distributed

    if not torch.distributed.is_available():
        yield Check("links", "warning", "This PyTorch has no torch.distributed, so only one card can be used.")
        return
    names = [name for name, there in (
        ("NCCL", torch.distributed.is_nccl_available()), ("gloo", torch.distributed.is_gloo_available())
    ) if there]  # fmt: skip
    version = ""
    if "NCCL" in names and count:
        version = f" (NCCL {'.'.join(map(str, torch.cuda.nccl.version()))})"
    yield Check("links", "ok", f"torch.distributed has {' and '.join(names) or 'no transport'}{version}.")
