"""How far each precision of the flat pass is from float32: pictures of the demo model, and drawn weights with outliers.

``python -m live_avatar.bench.precision --output ../docs/precision.md`` measures on a card, or with less on a processor,
and writes the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from live_avatar.bench.demo_takes import conditions_of, demo_takes, load_demo_model, pictures, whole_blocks
from live_avatar.bench.picture_measures import Comparison, compare, mean_of
from live_avatar.bench.precision_forms import FORMS, PrecisionForm, build_form, drawn_network
from live_avatar.bench.precision_page import page
from live_avatar.bench.random_network import PUBLISHED, random_session
from live_avatar.checkpoint.config import DitConfig
from live_avatar.denoiser import Denoiser
from live_avatar.geometry import LatentShape
from live_avatar.machine import Machine
from live_avatar.sampler import make_schedule
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.model import VideoVae

STEPS = 4
OUTLIERS = (1.0, 30.0)
_BLOCKS = 6
# The published widths, as many layers as fit beside a float32 copy; a processor gets a network of a tenth the width.
_CARD_LAYERS, _CARD_SIZE = 12, (384, 256)
_PROCESSOR = replace(
    PUBLISHED, dim=512, num_heads=4, ffn_dim=1408, num_layers=8, audio_inject_layers=(0, 4), audio_dim=64, text_dim=128
)
_PROCESSOR_SIZE = (128, 128)


@dataclass(frozen=True, slots=True)
class DrawnError:
    """Relative error (L2) of the first pass's velocity, and of the latents of a short take."""

    velocity: float
    take: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the page; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m live_avatar.bench.precision", description=__doc__)
    parser.add_argument("--takes", type=int, help="takes of the demo model (3 on a card, 1 on a processor; 0 for none)")
    parser.add_argument("--seconds", type=float, help="of each take (4 on a card, 2 on a processor)")
    parser.add_argument("--layers", type=int, help="layers of the drawn network (12 on a card, 8 on a processor)")
    parser.add_argument("--form", action="append", choices=[form.name for form in FORMS], help="may be repeated (all)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args(argv)
    device = torch.device(options.device)
    on_card = device.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    forms = [form for form in FORMS if options.form is None or form.name in options.form]
    takes = options.takes if options.takes is not None else (3 if on_card else 1)
    seconds = options.seconds or (4.0 if on_card else 2.0)
    config, size = _drawn_config(on_card, options.layers)
    report: dict[str, Any] = {
        "device": Machine.detect(options.device).name,
        "torch": torch.__version__,
        "takes": takes,
        "seconds": seconds,
        "drawn": {"layers": config.num_layers, "dim": config.dim, "size": list(size), "blocks": _BLOCKS},
        "forms": {form.name: {} for form in forms},
    }
    rows = report["forms"]
    for outliers in OUTLIERS:
        for name, error in drawn_errors(config, size, outliers, forms, device):
            rows[name][f"outliers {outliers:g}"] = None if error is None else [error.velocity, error.take]
        _write(options, report)
    if takes:
        for name, comparison in demo_errors(forms, takes, seconds, device):
            rows.setdefault(name, {})["demo"] = None if comparison is None else comparison.as_dict()
            _write(options, report)
    print("\n" + page(report))
    return 0


def _drawn_config(on_card: bool, layers: int | None) -> tuple[DitConfig, tuple[int, int]]:
    config = PUBLISHED if on_card else _PROCESSOR
    count = layers or (_CARD_LAYERS if on_card else config.num_layers)
    inject = tuple(layer for layer in config.audio_inject_layers if layer < count)
    changed = replace(config, num_layers=count, audio_inject_layers=inject)
    return changed, _CARD_SIZE if on_card else _PROCESSOR_SIZE


def drawn_errors(
    config: DitConfig, size: tuple[int, int], outliers: float, forms: Sequence[PrecisionForm], device: torch.device
) -> Iterator[tuple[str, DrawnError | None]]:
    """Error of each form on drawn weights; ``None`` where it does not run."""
    shape = LatentShape.of_picture(*size, 48)
    vae = VideoVae(VaeConfig.of_width(8)).to(device)
    network = drawn_network(config, outliers, device)
    time_conditions = network.time_conditions(torch.tensor(make_schedule(STEPS).timesteps))
    wanted = _latents(network, shape, vae)
    for form in forms:
        started = time.monotonic()
        try:
            found = _latents(build_form(network, form, time_conditions), shape, vae)
        except (RuntimeError, ImportError) as error:
            print(f"outliers {outliers:g}  {form.name:32} does not run here: {_first_line(error)}", flush=True)
            yield form.name, None
            continue
        result = DrawnError(_distance(found[0], wanted[0]), _distance(found[1], wanted[1]))
        print(
            f"outliers {outliers:g}  {form.name:32} velocity {result.velocity:.4f}  take {result.take:.4f}  "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
        yield form.name, result


@torch.inference_mode()
def _latents(denoiser: Denoiser, shape: LatentShape, vae: VideoVae) -> tuple[Tensor, Tensor]:
    """The velocity of the first pass over noise, and the latents of a few blocks."""
    session = random_session(denoiser, shape, vae, packed=False, steps=STEPS)
    noise = torch.randn(1, 16, 3, shape.height, shape.width, generator=torch.Generator().manual_seed(4))
    velocity = session.predict(noise, 0).float()
    session = random_session(denoiser, shape, vae, packed=False, steps=STEPS)
    return velocity, torch.cat([session.denoise_block() for _ in range(_BLOCKS)]).float()


def demo_errors(
    forms: Sequence[PrecisionForm], takes: int, seconds: float, device: torch.device
) -> Iterator[tuple[str, Comparison | None]]:
    """Pictures of the demo model in each form against those of the plain network in float32."""
    model = load_demo_model(device)
    schedule = make_schedule(STEPS)
    time_conditions = model.denoiser.time_conditions(torch.tensor(schedule.timesteps))
    prepared = []
    for take in demo_takes(takes):
        conditions = conditions_of(take, model)
        blocks = whole_blocks(take, seconds)
        prepared.append(
            (take, conditions, blocks, pictures(take, conditions, model.denoiser, model.vae, schedule, blocks))
        )
    exact = [compare(reference, reference, take.mouth) for take, _, _, reference in prepared]
    yield "fp32", mean_of(exact)
    for form in forms:
        try:
            denoiser = build_form(model.denoiser, form, time_conditions)
            found = [
                compare(pictures(take, conditions, denoiser, model.vae, schedule, blocks), reference, take.mouth)
                for take, conditions, blocks, reference in prepared
            ]
        except (RuntimeError, ImportError) as error:
            print(f"demo  {form.name:32} does not run here: {_first_line(error)}", flush=True)
            yield form.name, None
            continue
        print(f"demo  {form.name:32} {mean_of(found)}", flush=True)
        yield form.name, mean_of(found)


def _distance(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _write(options: argparse.Namespace, report: dict[str, Any]) -> None:
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1), "utf-8")
    if options.output is not None:
        options.output.write_text(page(report), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
