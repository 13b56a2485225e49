"""What this computer offers a render: device, free memory, processor. torch is imported only for a CUDA device."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from live_avatar.errors import UserError

# Dense bfloat16 operations per clock and multiprocessor, by compute capability; for a first guess at speed only.
_CUDA_OPERATIONS_PER_CLOCK = {(8, 0): 2048, (8, 6): 512, (8, 7): 512, (8, 9): 1024, (9, 0): 4096, (10, 0): 8192}
_CUDA_CLOCK = 1.5e9


@dataclass(frozen=True, slots=True)
class Machine:
    """A device with its free memory.

    Attributes:
        device: ``cpu`` or ``cuda:N``.
        name: processor or card, for people.
        memory_total, memory_available: bytes of the memory the model would live in.
        threads: processor threads this process may use.
        native_bf16: whether the device multiplies bfloat16 natively.
        peak_operations: bfloat16 operations a second of a card at full load, or ``None`` when not known.
    """

    device: str
    name: str
    memory_total: int
    memory_available: int
    threads: int
    native_bf16: bool
    peak_operations: float | None = None

    @property
    def on_cuda(self) -> bool:
        """Whether the device is an NVIDIA card."""
        return self.device.startswith("cuda")

    @classmethod
    def detect(cls, device: str = "auto") -> Machine:
        """Look at this computer.

        Args:
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Raises:
            UserError: ``DEVICE_UNAVAILABLE`` when there is no such device or torch cannot use it.
        """
        kind, _, number = device.partition(":")
        if kind not in ("auto", "cpu", "cuda") or (number and (kind != "cuda" or not number.isdecimal())):
            raise UserError(
                "DEVICE_UNAVAILABLE",
                f'"{device}" is not a device.',
                "A device is auto, cpu, cuda or cuda:N.",
                "Leave --device out to let the program choose.",
                field="device",
            )
        if kind == "cpu" or (kind == "auto" and not _nvidia_driver_present()):
            return cls._of_processor()
        return cls._of_card(int(number or 0), required=kind == "cuda")

    @classmethod
    def _of_processor(cls) -> Machine:
        import psutil

        memory = psutil.virtual_memory()
        total, available = _within_container(memory.total, memory.available)
        return cls(
            device="cpu",
            name=_processor_name(),
            memory_total=total,
            memory_available=available,
            threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            native_bf16=bool({"avx512_bf16", "amx_bf16"} & _processor_flags()),
        )

    @classmethod
    def _of_card(cls, index: int, *, required: bool) -> Machine:
        import torch

        if not torch.cuda.is_available() or index >= torch.cuda.device_count():
            if not required:
                return cls._of_processor()
            raise UserError(
                "DEVICE_UNAVAILABLE",
                f"The card cuda:{index} cannot be used.",
                f"torch {torch.__version__} sees {torch.cuda.device_count()} CUDA cards.",
                "Choose another card, or --device cpu.",
                field="device",
            )
        free, total = torch.cuda.mem_get_info(index)
        properties = torch.cuda.get_device_properties(index)
        per_clock = _CUDA_OPERATIONS_PER_CLOCK.get((properties.major, properties.minor))
        return cls(
            device=f"cuda:{index}",
            name=properties.name,
            memory_total=total,
            memory_available=free,
            threads=os.cpu_count() or 1,
            native_bf16=properties.major >= 8,
            peak_operations=per_clock and float(per_clock * properties.multi_processor_count * _CUDA_CLOCK),
        )


def _nvidia_driver_present() -> bool:
    """Whether it is worth a second of importing torch to ask for cards."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "unset") in ("", "-1"):
        return False
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _processor_flags() -> frozenset[str]:
    """Feature flags as Linux names them; empty elsewhere."""
    for line in _processor_lines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _processor_name() -> str:
    for line in _processor_lines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    import platform

    return platform.processor() or platform.machine()


def _processor_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _within_container(total: int, available: int) -> tuple[int, int]:
    """Lower both figures to the limit of a Linux control group, which psutil does not see."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return total, available
    # Cached file pages count as used but are given back on demand.
    free = limit - used + int(statistics.get("inactive_file", 0))
    return min(total, limit), max(0, min(available, free))
