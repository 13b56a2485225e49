"""What a figure was measured on: processor, cores, threads, versions. No torch."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

from live_avatar import __version__
from live_avatar.machine import Machine


def describe_machine(device: str) -> dict[str, Any]:
    """The machine as plain values.

    Raises:
        UserError: ``DEVICE_UNAVAILABLE``.
    """
    import psutil

    machine, processor = Machine.detect(device), Machine.detect("cpu")
    return {
        "processor": processor.name,
        "cores": psutil.cpu_count(logical=False),
        "processors": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS") or processor.threads),
        "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "memory_bytes": processor.memory_total,
        "native_bf16": processor.native_bf16,
        "device": machine.device,
        "card": machine.name if machine.on_cuda else None,
        "torch": version("torch"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "engine": __version__,
    }


def machine_lines(facts: dict[str, Any]) -> list[str]:
    """The machine for people."""
    bf16 = "with" if facts["native_bf16"] else "without"
    return [
        f"{facts['processor']}, {facts['cores']} cores, {facts['processors']} processors, {bf16} bfloat16; "
        f"{facts['memory_bytes'] / 1e9:.0f} GB of memory",
        f"{facts['card'] or 'computing on the processor'}; {facts['threads']} threads, "
        f"wait policy {facts['wait_policy'].lower()}",
        f"torch {facts['torch']}, Python {facts['python']}, live-avatar {facts['engine']}, {facts['system']}",
    ]
