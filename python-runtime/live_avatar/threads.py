"""How many processor threads torch's loops use, and how they wait for each other. No torch."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


def prepare_threads() -> None:
    """Set up OpenMP for this process and its children, before torch is imported; what the user has set stays.

    One thread per core that this process may use: two threads on the two halves of a core only take turns.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def usable_cores(cpus: Path = _CPUS, control_groups: Path = _CONTROL_GROUPS) -> int:
    """Cores that this process may compute on: of its affinity, and of its container's share; at least 1."""
    cores = _cores_of_affinity(cpus)
    share = _container_share(control_groups)
    return max(1, cores if share is None else min(cores, math.ceil(share)))


def _cores_of_affinity(cpus: Path) -> int:
    if not hasattr(os, "sched_getaffinity"):
        import psutil

        return psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    try:
        # Processors on one core name the same siblings.
        return len({(cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text() for cpu in allowed})
    except OSError:
        return len(allowed)


def _container_share(groups: Path) -> float | None:
    """Processors' worth of time that a Linux control group (version 2, or 1) grants, or ``None`` for no limit."""
    try:
        quota, period = (groups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (groups / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (groups / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not (quota.isdecimal() and period.isdecimal() and int(period) > 0):
        return None  # "max" in version 2, -1 in version 1
    return int(quota) / int(period)
