"""How fast the streaming VAE decoder is on a card, way by way, with random weights of the published sizes.

``python -m live_avatar.bench.vae --size 704x384``. Needs no files; speed does not depend on what the weights are.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from live_avatar.bench.vae_operations import Operation, TimedProgram
from live_avatar.vae.block_decoder import BlockDecoder, PlainDecoder, make_decoder
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.fast_decoder import FastDecoder, make_rows
from live_avatar.vae.fast_graph import convolutions_chosen
from live_avatar.vae.fast_memory import decoder_bytes
from live_avatar.vae.fast_program import Pictures
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.frame_copies import PendingFrames
from live_avatar.vae.model import VideoVae

_BASE = FastSettings()
# ``None`` is the network's own decoder. Names say what differs from the default.
VARIANTS: dict[str, FastSettings | None] = {
    "plain": None,
    "fast": _BASE,
    "conv3d": replace(_BASE, folded_channels=0),
    "conv3d-6": replace(_BASE, folded_channels=0, frames_per_pass=6),
    "conv3d-12": replace(_BASE, folded_channels=0, frames_per_pass=None),
    "folded-6": replace(_BASE, frames_per_pass=6),
    "folded-12": replace(_BASE, frames_per_pass=None),
    "folded-192": replace(_BASE, folded_channels=192),
    "nearest": replace(_BASE, upsampling="nearest"),
    "padded-head": replace(_BASE, head="padded"),
    "measured": replace(_BASE, measured_convolutions=True),
    "no-graph": replace(_BASE, graph=False),
    "torch-rows": replace(_BASE, kernels="torch"),
    "tile-2048": replace(_BASE, row_tile=2048),
    "tile-8192": replace(_BASE, row_tile=8192, row_warps=8),
    "warps-8": replace(_BASE, row_warps=8),
}
_ITEMISED = ("fast", "conv3d")
_SETTLING_BLOCKS = 3
_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
_MB = 1e6


@dataclass(frozen=True, slots=True)
class _Case:
    vae: VideoVae
    width: int
    height: int
    blocks: int

    def latents(self, block: int, count: int = _BASE.block_latents) -> Tensor:
        """Random latents of a block, the same for every way."""
        config, device = self.vae.config, self.vae.conv2.weight.device
        stride = config.spatial_stride
        shape = (1, config.latent_channels, count, self.height // stride, self.width // stride)
        return torch.randn(shape, generator=torch.Generator().manual_seed(block)).to(device)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write a JSON file if asked to; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m live_avatar.bench.vae", description=__doc__)
    parser.add_argument("--size", action="append", help="width x height, may be repeated (704x384)")
    parser.add_argument("--variant", action="append", choices=["all", *VARIANTS], help="may be repeated (all)")
    parser.add_argument("--dtype", choices=list(_DTYPES), default="bf16")
    parser.add_argument("--base-width", type=int, default=96, help="channels at full resolution (96)")
    parser.add_argument("--blocks", type=int, default=20, help="blocks to measure (20)")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("This measures a card, and PyTorch sees none here.", file=sys.stderr)
        return 2
    names = options.variant or ["all"]
    vae = _random_vae(options.base_width, _DTYPES[options.dtype])
    report: dict[str, Any] = {"machine": _machine(), "dtype": options.dtype, "width": options.base_width, "sizes": {}}
    print(report["machine"])
    for size in options.size or ["704x384"]:
        width, height = map(int, size.lower().replace("*", "x").split("x"))
        case = _Case(vae, width, height, options.blocks)
        report["sizes"][size] = _measure_size(case, list(VARIANTS) if "all" in names else names)
        if options.json is not None:
            options.json.write_text(json.dumps(report, indent=1))
    return 0


def _measure_size(case: _Case, names: list[str]) -> dict[str, Any]:
    print(f"\n{case.width}x{case.height}, {case.blocks} blocks; memory in MB beside the weights")
    print(
        f"{'way':12} {'ms':>7} {'p95':>7} {'host ms':>8} {'start s':>8} {'peak':>7} {'steady':>7} "
        f"{'graph':>7} {'planned':>8} {'differs':>9}"
    )
    results: dict[str, Any] = {}
    reference: Tensor | None = None
    for name in names:
        try:
            result, pictures = _measure(case, VARIANTS[name])
        except (RuntimeError, torch.OutOfMemoryError) as error:
            # One way that a card cannot go must not cost the figures of the others.
            results[name] = {"error": str(error).splitlines()[0]}
            print(f"{name:12} failed: {results[name]['error']}", flush=True)
            continue
        if reference is None:
            reference = pictures
        result["differs"] = float((pictures - reference).norm() / reference.norm())
        results[name] = result
        print(
            f"{name:12} {result['ms']:7.2f} {result['p95_ms']:7.2f} {result['host_ms']:8.2f} "
            f"{result['start_s']:8.2f} {result['peak_mb']:7.0f} {result['steady_mb']:7.0f} {result['graph_mb']:7.0f} "
            f"{result['planned_mb']:8.0f} {result['differs']:9.1e}",
            flush=True,
        )
        for text in result["notes"]:
            print(f"  note: {text}")
    for name in _ITEMISED:
        if name in results and "ms" in results[name]:
            results[name]["operations"] = _itemise(case, VARIANTS[name] or _BASE, name, results[name]["ms"])
    return results


def _measure(case: _Case, settings: FastSettings | None) -> tuple[dict[str, Any], Tensor]:
    """Figures of one way, and the pictures of its first measured block."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    started = time.perf_counter()
    notes: list[str] = []
    decoder: BlockDecoder = make_decoder(case.vae, "plain" if settings is None else "fast", settings, notes.append)
    # The plain way and the one without a graph get cuDNN's measured choice, too: that is what they are at best.
    with torch.inference_mode(), convolutions_chosen(measured=settings is None or settings.measured_convolutions):
        state = decoder.new_decoder_state()
        decoder.stream_decode(case.latents(0, 1), state)
        decoder.stream_decode(case.latents(1), state)
        torch.cuda.synchronize()
        start = time.perf_counter() - started
        pictures = decoder.stream_decode(case.latents(2), state)
        for block in range(_SETTLING_BLOCKS):
            decoder.stream_frames(case.latents(3 + block), state).take()
        times, host = _times(case, lambda latents: decoder.stream_frames(latents, state))
        peak = torch.cuda.max_memory_reserved() - before
        torch.cuda.empty_cache()
        steady = torch.cuda.memory_reserved() - before
    graph = decoder.graph_bytes if isinstance(decoder, FastDecoder) else None
    item = case.vae.conv2.weight.element_size()
    planned = 0 if settings is None else decoder_bytes(case.vae.config, case.width, case.height, settings, item).total
    assert isinstance(decoder, PlainDecoder | FastDecoder)
    return {
        "ms": statistics.median(times),
        "p95_ms": sorted(times)[int(0.95 * (len(times) - 1))],
        "host_ms": host,
        "start_s": start,
        "peak_mb": peak / _MB,
        "steady_mb": steady / _MB,
        "graph_mb": (graph or 0) / _MB,
        "planned_mb": planned / _MB,
        "notes": notes,
    }, pictures.float()


def _times(case: _Case, decode: Callable[[Tensor], PendingFrames]) -> tuple[list[float], float]:
    """Milliseconds on the card of each block, and of a block in a running stream until its frames are in memory."""
    inputs = [case.latents(block) for block in range(case.blocks)]
    times = []
    for latents in inputs:
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        pending = decode(latents)
        end.record()
        pending.take()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    started = time.perf_counter()
    waiting: PendingFrames | None = None
    for latents in inputs:
        pending = decode(latents)
        if waiting is not None:
            waiting.take()
        waiting = pending
    if waiting is not None:
        waiting.take()
    return times, (time.perf_counter() - started) * 1000 / case.blocks


def _itemise(case: _Case, settings: FastSettings, name: str, block_ms: float) -> list[dict[str, Any]]:
    """Time every operation of a block alone; print and return them."""
    rows = make_rows(settings, case.vae.conv2.weight.device, print)
    with torch.inference_mode(), convolutions_chosen(measured=settings.measured_convolutions):
        program = TimedProgram(case.vae, rows, settings)
        latents = case.latents(0)
        caches = program.new_caches(*latents.shape[-2:])
        count = program.frames_of(latents.shape[2], first=False)
        pictures = Pictures.empty(count, case.height, case.width, program.device)
        # Kernels are compiled and chosen in the first pass; what is timed is the second.
        program.run(latents, caches, pictures)
        program.operations.clear()
        program.run(latents, caches, pictures)
    operations = sorted(program.operations.values(), key=lambda each: -each.ms * each.calls)
    sums = {kind: sum(o.ms * o.calls for o in operations if o.kind == kind) for kind in ("convolution", "rows")}
    shares = ", ".join(f"{kind} {total:.2f} ms ({100 * total / block_ms:.0f} %)" for kind, total in sums.items())
    print(f"\n{name}: {shares} of {block_ms:.2f} ms; {sum(o.calls for o in operations)} calls")
    for operation in operations:
        print(_line(operation))
    return [operation.as_dict() for operation in operations]


def _line(operation: Operation) -> str:
    unit = "TF/s" if operation.kind == "convolution" else "GB/s"
    total = operation.ms * operation.calls
    return (
        f"{total:8.3f} ms = {operation.calls:2d} x {operation.ms:7.3f}  {operation.rate:7.0f} {unit}  {operation.what}"
    )


def _random_vae(base_width: int, dtype: torch.dtype) -> VideoVae:
    torch.manual_seed(0)
    with torch.device("cuda"):
        vae = VideoVae(VaeConfig.of_width(base_width))
    vae.to(device="cuda", dtype=dtype)
    vae.use_channels_last()
    return vae.eval().requires_grad_(False)


def _machine() -> dict[str, Any]:
    try:
        import triton

        triton_version = str(triton.__version__)
    except ImportError:
        triton_version = "none"
    return {
        "card": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "triton": triton_version,
    }


if __name__ == "__main__":
    sys.exit(main())
