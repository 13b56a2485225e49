"""Figures of parts of the fast path: printed as they come, kept for a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import torch

GB = 10**9


@dataclass
class Report:
    """The figures so far."""

    device: torch.device
    figures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, section: str, what: str, **values: float | str | bool | None) -> None:
        """Print and keep one row."""
        shown = ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
        )
        print(f"{section:10} {what:44} {shown}", flush=True)
        self.figures.append({"section": section, "what": what, **values})

    @contextmanager
    def timed(self, section: str, what: str, size: int | None = None) -> Iterator[dict[str, Any]]:
        """Time a section of work on card and host; the body may add values to what is yielded."""
        values: dict[str, Any] = {}
        self.synchronize()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        started = time.perf_counter()
        yield values
        self.synchronize()
        seconds = time.perf_counter() - started
        rate = {} if size is None else {"GB/s": size / seconds / GB}
        if self.device.type == "cuda":
            values["peak GB"] = torch.cuda.max_memory_allocated(self.device) / GB
            values["held GB"] = torch.cuda.memory_allocated(self.device) / GB
        values["host GB"] = psutil.Process().memory_info().rss / GB
        self.add(section, what, seconds=seconds, **rate, **values)

    def synchronize(self) -> None:
        """Wait for the card."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
