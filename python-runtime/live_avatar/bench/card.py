"""The published model on a card, with drawn weights: pace, latency, memory, kernels, power, in every mode that matters.

``python -m live_avatar.bench.card --json FILE`` or ``live-avatar bench --only card``. Needs no files of a model. Speed
does not depend on what the weights are, but for the power that random numbers cost, and random ones cost the most.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from live_avatar.bench.card_pipeline import CardPipeline
from live_avatar.bench.card_take import CardCase, measure_flatness, measure_take
from live_avatar.bench.figures import Figure
from live_avatar.bench.settings import Setup
from live_avatar.bench.slow_link import slow_link
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.card import apply_memory_limit, detect_card, link_rate
from live_avatar.fast.planner import card_lines, plan_for_card
from live_avatar.fast.task import Take, Wishes

LARGE, SMALL = (704, 384), (384, 256)
_GB = 10**9
_BLOCKS = {LARGE: 24, SMALL: 40}
_LONG_BLOCKS = 120
# A latent frame past 45,000 of a take: two hours of video.
_FAR_BLOCK = 15_200
_BASE = ComputePlan("flat", "float8", "bfloat16", "float8", keep_primed=True)


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to run the published model.

    Attributes:
        plan: how; ``None`` leaves it to the planner within the limit.
        limit: gigabytes of the card that may be taken; link: bytes a second between host and card.
        bar: frames a second with decoding and compressing that are hoped for; first: seconds to the first picture.
        long: measure that memory stays flat, far on in a take.
    """

    name: str
    size: tuple[int, int]
    plan: ComputePlan | None = _BASE
    steps: int = 4
    limit: float | None = None
    link: float | None = None
    bar: float | None = None
    first: float | None = None
    profiled: bool = False
    long: bool = False


# Those that share weights stand together: each change of place or form costs a load.
MODES: tuple[Mode, ...] = (
    Mode("704x384", LARGE, bar=20, first=0.8, profiled=True),
    Mode("704x384 packed", LARGE, replace(_BASE, steps="packed"), bar=20),
    Mode("704x384 3 steps", LARGE, steps=3, bar=25),
    Mode("704x384 last step skipped", LARGE, replace(_BASE, last_step="skip"), bar=25),
    Mode("704x384 bf16 attention", LARGE, replace(_BASE, cache="wide")),
    Mode("384x256", SMALL, profiled=True, bar=65),
    Mode("384x256 packed", SMALL, replace(_BASE, steps="packed"), bar=65),
    Mode("384x256 last step skipped", SMALL, replace(_BASE, last_step="skip")),
    Mode("384x256 far on", SMALL, long=True),
    Mode("384x256 in 24 GB", SMALL, None, limit=24, bar=45),
    Mode("704x384 in 24 GB", LARGE, None, limit=24, bar=8),
    Mode("384x256 in 16 GB", SMALL, None, limit=16, bar=20),
    Mode("384x256 in 24 GB, PCIe 4", SMALL, None, limit=24, link=25e9),
    Mode("704x384 in 24 GB, PCIe 4", LARGE, None, limit=24, link=25e9),
)


def run_modes(
    modes: Sequence[Mode], device: torch.device, *, preset: str = "14b", blocks: int | None = None
) -> Iterator[dict[str, Any]]:
    """Measure one mode after the other; a fault costs only its own."""
    with CardPipeline(device, preset) as pipeline:
        for mode in modes:
            started = time.monotonic()
            try:
                result = _run(mode, pipeline, blocks)
            except Exception as error:
                # A way that this card cannot go must not cost the figures of the others.
                text = (str(error).splitlines() or [""])[0]
                print(f"{mode.name}: failed: {type(error).__name__}: {text}", flush=True)
                result = {"error": text, "traceback": traceback.format_exc()}
                traceback.clear_frames(error.__traceback__)
                pipeline.release()
            finally:
                apply_memory_limit(device, None)
            yield {"name": mode.name, **result, "seconds": time.monotonic() - started}


def _run(mode: Mode, pipeline: CardPipeline, blocks: int | None) -> dict[str, Any]:
    case = CardCase(
        mode.name,
        mode.size,
        mode.steps,
        mode.plan or _BASE,
        blocks or (_LONG_BLOCKS if mode.long else _BLOCKS[mode.size]),
        _FAR_BLOCK if mode.long else 0,
        mode.profiled,
    )
    if mode.long:
        return measure_flatness(pipeline, case)
    planned: dict[str, Any] = {}
    link: AbstractContextManager[None] = nullcontext()
    if mode.plan is None:
        assert mode.limit is not None
        pipeline.release()
        case, planned, slower = _planned(mode, case, pipeline)
        link = slow_link(slower) if slower > 1 else nullcontext()
    with link:
        result = measure_take(pipeline, case, lambda text: print(f"{mode.name}: {text}", flush=True))
    if mode.plan is None:
        # Stores of a slowed link must not serve the next mode.
        pipeline.release()
    return {**result, "plan": case.plan.as_dict(), "load_seconds": pipeline.load_seconds, **planned}


def _planned(mode: Mode, case: CardCase, pipeline: CardPipeline) -> tuple[CardCase, dict[str, Any], float]:
    """The case with the planner's choice under the mode's limit, what it said, and how much slower copies are to be."""
    assert mode.limit is not None
    device, limit = pipeline.device, int(mode.limit * _GB)
    measured = link_rate(device)
    gc.collect()
    torch.cuda.empty_cache()
    card = detect_card(device, limit)
    card = replace(card, rates=card.rates.with_link(mode.link or measured))
    chosen = plan_for_card(Take(pipeline.sizes, case.shape, mode.steps), card, Wishes())
    if chosen is None:
        raise RuntimeError(f"nothing fits into {mode.limit:g} GB")
    print("\n".join(card_lines(chosen)), flush=True)
    apply_memory_limit(device, limit)
    facts = {"limit_gb": mode.limit, "link_gb_s": (mode.link or measured) / 1e9, "forecast": chosen.as_dict()}
    return replace(case, plan=chosen.plan), facts, 1.0 if mode.link is None else max(1.0, measured / mode.link)


def result_line(result: dict[str, Any]) -> str:
    """A line of the table."""
    if "error" in result:
        return f"{result['name']:28} {result['error'][:100]}"
    if "growth" in result:
        growth = ", ".join(f"{name} {value:+.2%}" for name, value in result["growth"].items())
        frames, ratio = result["latent_frames"], result["p99_over_p50"]
        return f"{result['name']:28} latent frames {frames}: {growth}; p99/p50 {ratio:.2f}"
    pace, encoded, memory = result["pace"], result["pace_encoded"], result["memory"]
    card = result["card"]
    return (
        f"{result['name']:28} {result['step_ms']:7.1f} {result['block_ms']:8.1f} {result['decode_ms']:7.1f} "
        f"{pace['fps']:7.1f} {_or_dash(encoded, 'fps', 7)} {pace['p50']:7.1f} {pace['p95']:7.1f} {pace['p99']:7.1f} "
        f"{result['first_picture_warm']:6.2f} {result['first_picture_cached']:6.2f} {memory['allocated_gb']:6.1f} "
        f"{memory['predicted_allocated_gb']:6.1f} {memory['reserved_gb']:6.1f} "
        f"{_or_dash(card, 'watts', 5, 0)} {_or_dash(card, 'sm_mhz', 6, 0)}"
    )


HEAD = (
    f"{'mode':28} {'step ms':>7} {'block ms':>8} {'VAE ms':>7} {'fps':>7} {'+H.264':>7} {'p50 ms':>7} {'p95':>7} "
    f"{'p99':>7} {'first':>6} {'cached':>6} {'GB':>6} {'plan':>6} {'held':>6} {'watts':>5} {'MHz':>6}"
)


def _or_dash(values: dict[str, Any] | None, name: str, width: int, digits: int = 1) -> str:
    return f"{'-':>{width}}" if not values or name not in values else f"{values[name]:{width}.{digits}f}"


def kernel_line(result: dict[str, Any]) -> str:
    """Where the time of a block's denoising goes."""
    kernels = result["kernels"]
    shares = ", ".join(
        f"{name.removeprefix('share_')} {value:.1%}" for name, value in kernels.items() if name.startswith("share_")
    )
    return f"{'':28} {kernels['count']} kernels, {kernels['ms']:.1f} ms: {shares}"


def measure_card(setup: Setup) -> Iterator[Figure]:
    """The part ``card`` of ``live-avatar bench``.

    Raises:
        UserError: ``DEVICE_UNAVAILABLE``.
    """
    from live_avatar.numerics import choose_device

    device = choose_device("cuda" if setup.device == "auto" else setup.device)
    bars = {mode.name: mode for mode in MODES}
    for result in run_modes(MODES, device):
        yield from figures_of(result, bars[result["name"]])


def figures_of(result: dict[str, Any], mode: Mode) -> Iterator[Figure]:
    """The rows of one mode."""
    name = result["name"]
    if "error" in result:
        yield Figure(name, float("nan"), "frames/s", met=False, note=result["error"])
        return
    if "growth" in result:
        worst = max(result["growth"].values())
        yield Figure(f"{name}: growth", worst * 100, "%", bar="<= 1 %", met=worst <= 0.01)
        ratio = result["p99_over_p50"]
        yield Figure(f"{name}: p99 / p50", ratio, "", bar="<= 1.2", met=ratio <= 1.2)
        return
    encoded = result["pace_encoded"]
    pace = encoded or result["pace"]
    what = "with VAE and H.264" if encoded else "with VAE"
    met = None if mode.bar is None else pace["fps"] >= mode.bar
    bar = "" if mode.bar is None else f">= {mode.bar:g}"
    yield Figure(f"{name}: pace", pace["fps"], "frames/s", bar=bar, met=met, note=what)
    yield Figure(f"{name}: block period", pace["p50"], "ms", p95=pace["p95"], note=f"p99 {pace['p99']:.1f} ms")
    yield Figure(f"{name}: one step", result["step_ms"], "ms", note=f"block {result['block_ms']:.1f} ms")
    first = result["first_picture_warm"]
    met = None if mode.first is None else first <= mode.first
    bar = "" if mode.first is None else f"<= {mode.first:g} s"
    cached = f"{result['first_picture_cached']:.2f} s with the portrait encoded"
    yield Figure(f"{name}: first picture, warm", first, "s", bar=bar, met=met, note=cached)
    memory = result["memory"]
    note = f"planned {memory['predicted_allocated_gb']:.1f}, held by the process {memory['reserved_gb']:.1f}"
    yield Figure(f"{name}: peak memory", memory["allocated_gb"], "GB", note=note)
    if "kernels" in result:
        yield Figure(f"{name}: kernels", result["kernels"]["count"], "", note=kernel_line(result).strip())


def main(argv: Sequence[str] | None = None, run: Callable[..., Iterator[dict[str, Any]]] = run_modes) -> int:
    """Measure, print a table, and write a JSON file if asked to; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m live_avatar.bench.card", description=__doc__)
    names = [mode.name for mode in MODES]
    parser.add_argument("--mode", action="append", choices=names, help="may be repeated (all)")
    parser.add_argument("--blocks", type=int, help="blocks to measure (24 or 40, by size)")
    parser.add_argument("--preset", default="14b", help="sizes of the network, as random-weights has them (14b)")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print("This measures a card, and PyTorch sees none here.", file=sys.stderr)
        return 2
    device = torch.device("cuda", 0)
    machine: dict[str, Any] = {
        "card": torch.cuda.get_device_name(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }
    machine["link_gb_s"] = link_rate(device) / 1e9
    report: dict[str, Any] = {"machine": machine, "results": []}
    print(f"{machine}\n{HEAD}", flush=True)
    modes = [mode for mode in MODES if options.mode is None or mode.name in options.mode]
    for result in run(modes, device, preset=options.preset, blocks=options.blocks):
        report["results"].append(result)
        print(result_line(result), flush=True)
        if "kernels" in result:
            print(kernel_line(result), flush=True)
        if options.json is not None:
            options.json.write_text(json.dumps(report, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
