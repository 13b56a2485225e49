"""What this process runs on, for the first message: versions, and the devices that torch sees."""

from __future__ import annotations

import os
import platform
from typing import Any

import psutil
import torch

from live_avatar import __version__
from live_avatar.machine import Machine
from live_avatar.protocol import HEARTBEAT_SECONDS, MAX_LINE_BYTES, PROTOCOL_VERSION
from live_avatar.protocol.messages import CudaDevice, Hello, Processor


def hello() -> Hello:
    """The first message."""
    return {
        "type": "hello",
        "protocol": PROTOCOL_VERSION,
        "engine_version": __version__,
        "python_version": platform.python_version(),
        "process": {"id": os.getpid(), "started": psutil.Process().create_time()},
        "torch": {
            "version": torch.__version__,
            "cuda_version": torch.version.cuda,
            "devices": [_device(index) for index in range(_device_count())],
        },
        "processor": _processor(),
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "max_line_bytes": MAX_LINE_BYTES,
    }


def memory_bytes() -> int:
    """Resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def _device_count() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _device(index: int) -> CudaDevice:
    properties = torch.cuda.get_device_properties(index)
    return {
        "index": index,
        "name": properties.name,
        "uuid": driver_uuid(properties),
        "capability": f"{properties.major}.{properties.minor}",
        "memory_total": properties.total_memory,
        "memory_free": _free_memory(index),
    }


def driver_uuid(properties: Any) -> str | None:
    """A card's UUID as the driver's tools write it; torch leaves the prefix out, and old versions have none."""
    uuid = getattr(properties, "uuid", None)
    if uuid is None:
        return None
    text = str(uuid)
    return text if text.startswith(("GPU-", "MIG-")) else f"GPU-{text}"


def _free_memory(index: int) -> int | None:
    try:
        return int(torch.cuda.mem_get_info(index)[0])
    except RuntimeError:  # a card that another program holds exclusively
        return None


def _processor() -> Processor:
    machine = Machine.detect("cpu")
    return {
        "name": machine.name,
        "threads": torch.get_num_threads(),
        "memory_total": machine.memory_total,
        "memory_available": machine.memory_available,
    }
