"""What leaving out the last denoising step changes, on the demo model.

``python -m live_avatar.bench.last_step`` renders the beginnings of takes with all steps, without the last one in both
ways of finishing, and with a schedule of one step less, and compares the pictures with those of all steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from live_avatar.bench.demo_takes import conditions_of, demo_takes, load_demo_model, pictures, whole_blocks
from live_avatar.bench.picture_measures import Comparison, compare, mean_of
from live_avatar.last_step import without_last_step
from live_avatar.sampler import Schedule, make_schedule


def schedules(steps: int) -> dict[str, Schedule]:
    """What is compared, by name; the first is the reference."""
    whole = make_schedule(steps)
    return {
        f"{steps} steps": whole,
        f"{steps} without the last, extrapolated": without_last_step(whole, "extrapolate"),
        f"{steps} without the last, stopped": without_last_step(whole, "stop"),
        f"{steps - 1} steps": make_schedule(steps - 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Render, compare, print a table; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m live_avatar.bench.last_step", description=__doc__)
    parser.add_argument("--takes", type=int, default=3, help="takes to render (3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each take (4)")
    parser.add_argument("--steps", type=int, default=4, help="denoising steps (4)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args(argv)
    model = load_demo_model(torch.device(options.device))
    ways = schedules(options.steps)
    found: dict[str, list[Comparison]] = {name: [] for name in ways}
    for take in demo_takes(options.takes):
        conditions = conditions_of(take, model)
        reference = None
        for name, schedule in ways.items():
            started = time.monotonic()
            frames = pictures(
                take, conditions, model.denoiser, model.vae, schedule, whole_blocks(take, options.seconds)
            )
            reference = frames if reference is None else reference
            found[name].append(compare(frames, reference, take.mouth))
            print(f"{take.name}: {_line(name, found[name][-1])}   {time.monotonic() - started:.0f} s", flush=True)
    print(f"\nmean of {options.takes} takes")
    report: dict[str, Any] = {"seconds": options.seconds, "ways": {}}
    for name, comparisons in found.items():
        print(_line(name, mean_of(comparisons)))
        report["ways"][name] = {
            "mean": mean_of(comparisons).as_dict(),
            "takes": [comparison.as_dict() for comparison in comparisons],
        }
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1), "utf-8")
    return 0


def _line(name: str, comparison: Comparison) -> str:
    sync = "-" if comparison.lip_sync is None else f"{comparison.lip_sync:.4f}"
    return (
        f"{name:36} PSNR {comparison.psnr:6.2f} dB (worst {comparison.worst_psnr:6.2f})  SSIM {comparison.ssim:.4f}  "
        f"sharpness {comparison.sharpness:6.1%}  lip sync {sync}"
    )


if __name__ == "__main__":
    sys.exit(main())
