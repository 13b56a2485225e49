"""How fast the flat pass is on a card, form by form, with random weights of the published sizes.

``python -m live_avatar.bench.denoiser --size 704x384``. Needs no files. Speed does not depend on what the weights are,
but for the power that random numbers cost, and random ones cost the most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from live_avatar.bench.random_network import PUBLISHED, Network, random_network, random_session
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.fast.assembly import FastSettings, fast_transformer
from live_avatar.fast.attention import available_attention
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.session import Session
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.model import VideoVae

# Names say what differs from e4m3 weights, the best attention, fused kernels, graphs, one step after the other.
VARIANTS: dict[str, tuple[FastSettings, bool]] = {
    "default": (FastSettings(), False),
    "packed": (FastSettings(), True),
    "no-graph": (FastSettings(graphs=False), False),
    "cudnn-float8": (FastSettings(attention="cudnn-float8"), False),
    "sdpa": (FastSettings(attention="sdpa"), False),
    "sdpa-float8-cache": (FastSettings(attention="sdpa-float8-cache"), False),
    "plain-kernels": (FastSettings(kernels="plain"), False),
    "bfloat16": (FastSettings(weights="bfloat16", attention="sdpa"), False),
}
_SHOWN_KERNELS = 14
_GB = 1e9


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write a JSON file if asked to; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m live_avatar.bench.denoiser", description=__doc__)
    parser.add_argument("--size", action="append", help="width x height, may be repeated (704x384)")
    parser.add_argument("--variant", action="append", choices=["all", *VARIANTS], help="may be repeated (default)")
    parser.add_argument("--layers", type=int, help="use fewer layers than the published 40")
    parser.add_argument("--steps", type=int, default=4, help="denoising steps (4)")
    parser.add_argument("--blocks", type=int, default=12, help="blocks to measure (12)")
    parser.add_argument("--profile", action="store_true", help="show where the time of a block goes")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("This measures a card, and PyTorch sees none here.", file=sys.stderr)
        return 2
    device = torch.device("cuda", 0)
    config = PUBLISHED
    if options.layers is not None:
        inject = tuple(layer for layer in config.audio_inject_layers if layer < options.layers)
        config = replace(config, num_layers=options.layers, audio_inject_layers=inject)
    names = options.variant or ["default"]
    names = list(VARIANTS) if "all" in names else names
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; attention: {available_attention(device)}")
    report: dict[str, Any] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "results": []}
    by_form: dict[str, list[str]] = {}
    for name in names:
        by_form.setdefault(VARIANTS[name][0].weights, []).append(name)
    print(f"{'size':>9} {'way':18} {'attention':18} {'ms/block':>9} {'spread':>7} {'fps':>6} {'host ms':>8} {'GB':>6}")
    for form, group in by_form.items():
        started = time.monotonic()
        weights = random_network(config, VARIANTS[group[0]][0].weights, device, Drawing(1))
        torch.cuda.synchronize()
        print(f"{form} weights drawn in {time.monotonic() - started:.1f} s, {_allocated():.1f} GB", flush=True)
        vae = VideoVae(VaeConfig.of_width(8)).to(device, torch.bfloat16)
        for size in options.size or ["704x384"]:
            for name in group:
                result = _measure(weights, vae, size, name, options.blocks, options.steps, options.profile)
                report["results"].append({"size": size, "variant": name, **result})
                if options.json is not None:
                    options.json.write_text(json.dumps(report, indent=1))
        del weights
        torch.cuda.empty_cache()
    return 0


@torch.inference_mode()
def _measure(
    weights: Network, vae: VideoVae, size: str, name: str, blocks: int, steps: int, profiled: bool
) -> dict[str, Any]:
    settings, packed = VARIANTS[name]
    width, height = map(int, size.lower().replace("*", "x").split("x"))
    shape = LatentShape.of_picture(width, height, 48)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        denoiser = fast_transformer(weights.network, settings, weights.layers)
        session = random_session(denoiser, shape, vae, packed=packed, steps=steps)
        latents = torch.cat([session.denoise_block() for _ in range(shape.clip_blocks + 3)])
        torch.cuda.synchronize()
        times, host = [], []
        for _ in range(blocks):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            started = time.monotonic()
            begin.record()
            session.denoise_block()
            end.record()
            host.append((time.monotonic() - started) * 1000)
            end.synchronize()
            times.append(begin.elapsed_time(end))
    except (RuntimeError, ImportError) as error:
        # A way this card cannot go must not cost the figures of the others.
        text = (str(error).splitlines() or [type(error).__name__])[0]
        print(f"{size:>9} {name:18} failed: {type(error).__name__}: {text}", flush=True)
        return {"error": text}
    median = statistics.median(times)
    spread = (max(times) - min(times)) / median
    result = {
        "attention": denoiser.attention.name,
        "ms_per_block": median,
        "frames_per_second": BLOCK_FRAMES * 1000 / median,
        "host_ms": statistics.median(host),
        "peak_gb": torch.cuda.max_memory_allocated() / _GB,
        "finite": bool(latents.isfinite().all()),
        "deviation": float(latents.float().std()),
    }
    print(
        f"{size:>9} {name:18} {denoiser.attention.name:18} {median:9.1f} {spread:7.1%} "
        f"{result['frames_per_second']:6.1f} {result['host_ms']:8.1f} {result['peak_gb']:6.1f}"
        f"{'' if result['finite'] else '  NOT FINITE'}",
        flush=True,
    )
    if profiled:
        result["kernels"] = _kernels(session)
    return result


def _kernels(session: Session) -> dict[str, float]:
    """Milliseconds of one block by kernel, the longest first."""
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        session.denoise_block()
        torch.cuda.synchronize()
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_device_time_total)
    for event in events[:_SHOWN_KERNELS]:
        print(f"    {event.self_device_time_total / 1000:8.2f} ms {event.count:6d} x  {event.key[:110]}")
    return {event.key: event.self_device_time_total / 1000 for event in events}


def _allocated() -> float:
    return torch.cuda.memory_allocated() / _GB


if __name__ == "__main__":
    sys.exit(main())
