"""Where a piece of work spends its time, by kind of operation, as torch's profiler sees it."""

from __future__ import annotations

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

# Parts of operator names, first match wins; on a card the names are those of kernels.
_KINDS = (
    ("attention", ("attention", "flash", "fmha", "sdpa")),
    ("convolution", ("conv", "cudnn")),
    ("linear", ("addmm", "::mm", "::bmm", "::linear", "matmul", "gemm", "cutlass", "nvjet", "mkldnn")),
)


def shares(act: Callable[[], object], on_cuda: bool) -> dict[str, float]:
    """Share of each kind of operation in the time of all operations that ``act`` runs; they add up to 1."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_cuda else [])
    with profile(activities=activities, acc_events=True) as profiler:
        act()
    times = {name: 0.0 for name, _ in _KINDS} | {"other": 0.0}
    for event in profiler.key_averages():
        spent = event.self_device_time_total if on_cuda else event.self_cpu_time_total
        times[kind_of(event.key)] += spent
    total = sum(times.values())
    return {name: spent / total for name, spent in times.items()}


def kind_of(operation: str) -> str:
    """What an operator or kernel of that name does."""
    lowered = operation.lower()
    for name, parts in _KINDS:
        if any(part in lowered for part in parts):
            return name
    return "other"
