"""The measures of precision: what they measure, and that each form is the network it says it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from live_avatar.bench import picture_measures as measures
from live_avatar.bench import precision
from live_avatar.bench.last_step import schedules
from live_avatar.bench.precision_forms import FORMS, PrecisionForm
from live_avatar.bench.precision_page import page
from live_avatar.last_step import without_last_step
from live_avatar.sampler import make_schedule

CPU = torch.device("cpu")
CONFIG = replace(precision._PROCESSOR, dim=256, num_heads=2, ffn_dim=512, num_layers=4, audio_inject_layers=(0, 2))
BY_NAME = {form.name: form for form in FORMS}


def errors(forms: list[PrecisionForm], outliers: float) -> dict[str, precision.DrawnError]:
    torch.set_num_threads(1)
    found = dict(precision.drawn_errors(CONFIG, (64, 64), outliers, forms, CPU))
    return {name: error for name, error in found.items() if error is not None}


@pytest.fixture(scope="module")
def with_outliers() -> dict[str, precision.DrawnError]:
    return errors([form for form in FORMS if form.attention == "wide"], 30.0)


def test_every_form_is_the_same_network(with_outliers: dict[str, precision.DrawnError]) -> None:
    """A channel folded the wrong way, or a layer in another's place, would be an error of the size of one."""
    assert all(1e-4 < error.velocity < 0.06 for error in with_outliers.values())


def test_errors_have_the_order_of_the_precisions(with_outliers: dict[str, precision.DrawnError]) -> None:
    found = {name: error.velocity for name, error in with_outliers.items()}
    assert found["bf16"] < found["bf16, bf16 residual"] < found["fp8 weights"]
    assert found["bf16"] < 0.4 * found["fp8 weights and cache"]
    assert found["fp8, 2+2 layers bf16"] < found["fp8, 1+1 layers bf16"] < found["fp8 weights and cache"]


def test_what_does_not_run_here_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert errors([BY_NAME["fp8 weights, cache, attention"]], 1.0) == {}
    assert "does not run here" in capsys.readouterr().out


def test_the_page_is_written(tmp_path: Path) -> None:
    path, figures = tmp_path / "precision.md", tmp_path / "figures.json"
    words = ["--takes", "0", "--layers", "2", "--device", "cpu", "--output", str(path), "--json", str(figures)]
    assert precision.main([*words, "--form", "fp8 weights and cache", "--form", "fp8 smoothed"]) == 0
    text = path.read_text("utf-8")
    assert "| fp8 smoothed | 0.0" in text
    assert "**fp8 smoothed** changes the error" in text
    report = json.loads(figures.read_text("utf-8"))
    report["forms"]["fp8 weights and cache"]["demo"] = measures.Comparison(40, 38, 0.99, 1.0, None).as_dict()
    report["forms"]["fp8 smoothed"]["demo"] = measures.Comparison(46.02, 44, 0.995, 1.0, 0.9).as_dict()
    assert "| 40.0 dB (38.0) | 0.9900 | 100.0% | - |" in page(report)
    assert "on the demo model by -50%" in page(report)


def noisy(frames: NDArray[np.uint8], amount: float) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    return np.clip(frames + random.normal(0, amount, frames.shape), 0, 255).astype(np.uint8)


def test_picture_measures() -> None:
    random = np.random.default_rng(1)
    coarse = random.integers(40, 215, (40, 8, 12, 3))
    frames = np.repeat(np.repeat(coarse, 8, 1), 8, 2).astype(np.uint8)
    same = measures.compare(frames, frames)
    assert [same.psnr, same.ssim, same.sharpness] == pytest.approx([100, 1, 1])
    near, far = (measures.compare(noisy(frames, amount), frames) for amount in (3, 20))
    assert near.psnr > far.psnr
    assert near.psnr == pytest.approx(20 * np.log10(255 / 3), abs=1)
    assert near.ssim > far.ssim
    assert far.sharpness > 1.01
    assert near.worst_psnr <= near.psnr
    with pytest.raises(ValueError, match="videos of"):
        measures.compare(frames, frames[1:])
    mean = measures.mean_of([replace(near, lip_sync=None), replace(far, lip_sync=0.5)])
    assert mean.psnr == pytest.approx((near.psnr + far.psnr) / 2)
    assert (mean.worst_psnr, mean.lip_sync) == (far.worst_psnr, 0.5)


def test_a_schedule_without_its_last_step() -> None:
    whole = make_schedule(4)
    going_on, stopping = without_last_step(whole), without_last_step(whole, "stop")
    for short in (going_on, stopping):
        assert short.steps == 3
        assert short.timesteps == whole.timesteps[:3]
        assert short.sigmas[:3] == whole.sigmas[:3]
    assert stopping.delta(2) == whole.delta(2)
    # All noise is taken away along the third velocity.
    assert going_on.sigmas[-1] == 0
    assert sum(going_on.delta(step) for step in range(3)) == pytest.approx(-1)
    assert without_last_step(make_schedule(1)) == make_schedule(1)
    assert next(iter(schedules(4).values())) == whole
