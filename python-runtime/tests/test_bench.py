"""The bench command on the miniature checkpoint, and its arithmetic."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_avatar.bench import main
from live_avatar.bench.command import Run, child_environment
from live_avatar.bench.figures import Figure, at_most, of_samples, table_line
from live_avatar.bench.main import PARTS, make_bench_parser, read_setup
from live_avatar.bench.memory import trend
from live_avatar.bench.settings import DEMO_MODEL, Setup
from live_avatar.bench.sound import write_looped
from live_avatar.bench.whole_render import _figures as render_figures
from live_avatar.cli import main as command_line
from live_avatar.threads import usable_cores
from tests.cli_material import CKPT, PORTRAIT, SPEECH
from tests.render_material import voice, write_wav

TINY = [
    *("--ckpt-dir", str(CKPT), "--image", str(PORTRAIT), "--audio", str(SPEECH), "--device", "cpu"),
    *("--size", "64*64", "--memory-size", "64*64", "--infer-frames", "12", "--sample-steps", "2"),
    *("--seconds", "0.6", "--minutes", "0.01", "--blocks", "2", "--repeats", "1"),
]


def bench(path: Path, *arguments: str) -> dict[str, dict[str, Figure]]:
    """Run the command; the figures of each part by name."""
    assert command_line(["bench", *TINY, "--json", str(path), *arguments]) == 0
    parts = json.loads(path.read_text("utf-8"))["parts"]
    return {part: {row["what"]: Figure(**row) for row in entry["figures"]} for part, entry in parts.items()}


def test_every_part_gives_figures_and_names_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = bench(tmp_path / "figures.json", "--profile")
    assert list(parts) == [part for part in PARTS if part != "card"]
    report = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    machine = report["machine"]
    assert machine["device"] == "cpu"
    assert {"processor", "cores", "processors", "threads", "torch"} <= set(machine)
    assert report["setup"]["seconds"] == 0.6
    printed = capsys.readouterr().out
    assert machine["processor"] in printed
    assert f"torch {machine['torch']}" in printed
    assert all(name in printed for figures in parts.values() for name in figures)

    assert parts["start"]["live-avatar --help"].bar == "<= 0.5 s"
    assert parts["start"]["import torch"].value > parts["start"]["python alone"].value / 10
    assert set(parts["load"]) == {
        "fingerprint of the weights",
        *("load denoiser", "load VAE", "load text encoder", "load speech encoder"),
    }
    step = parts["step"]
    assert all(figure.value > 0 for name, figure in step.items() if "share" not in name)
    assert sum(figure.value for name, figure in step.items() if "share" in name) == pytest.approx(100)
    assert step["denoise: share of linear"].value > 0
    assert step["denoise: one step"].value < step["denoise: a block, 2 steps"].value

    render = parts["render"]
    first, whole = render["first clip on disk after"], render["0.6 s of sound, start to end"]
    assert first.value < whole.value
    assert whole.note.startswith("15 frames of 64*64")
    assert 0.1 < render["most memory of the process"].value < 10
    assert all(figure.met is None for figure in render.values()), "the bars are about the demo model"

    memory = parts["memory"]
    assert math.isfinite(memory["most memory of the process"].value)
    assert (memory["disk left behind"].value, memory["disk left behind"].met) == (0, True)
    assert report["parts"]["memory"]["figures"][0]["value"] is None, "two clips have no slope"
    samples = report["parts"]["memory"]["samples"]
    assert [sample["minute"] for sample in samples] == pytest.approx([12 / 1500, 15 / 1500])
    assert all(sample["resident_bytes"] > 1e8 and sample["disk_bytes"] > 0 for sample in samples)


def test_a_fault_is_told_in_words_and_what_was_measured_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--json", str(tmp_path / "f.json"), "--image", str(tmp_path / "gone.png"), "--only", "load,render"]
    assert command_line(["bench", *TINY, *flags]) == 2
    assert "[IMAGE_NOT_FOUND]" in capsys.readouterr().err
    assert list(json.loads((tmp_path / "f.json").read_text("utf-8"))["parts"]) == ["load"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "load,lood"], 'no part "lood"'),
        (["--seconds", "0"], "--seconds is 0"),
        (["--minutes", "inf"], "--minutes is inf"),
        (["--blocks", "0"], "--blocks is 0"),
        (["--size", "abc"], "[SIZE_INVALID]"),
        (["--json", "/dev/null/x.json"], "[OUTPUT_NOT_WRITABLE]"),
    ],
)
def test_wrong_flags(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_bars_hold_for_the_demo_as_it_ships_only() -> None:
    def setup(*arguments: str) -> Setup:
        return read_setup(make_bench_parser().parse_args(arguments))

    assert setup().ckpt_dir == DEMO_MODEL
    assert setup().has_bars
    others = (["--size", "64*64"], ["--seconds", "4"], ["--ckpt_dir", str(CKPT)], ["--sample_steps", "1"])
    assert not any(setup(*arguments).has_bars for arguments in others)


def test_a_render_is_held_to_its_bars() -> None:
    plan = {"kind": "plan", "size": [384, 256], "memory": {"peak": 2e9}}
    result = {"kind": "result", "generated_frames": 125, "seconds": 80.0, "state_seconds": 0.4}
    records: list[tuple[float, dict[str, Any]]] = [
        (3.0, plan),
        (5.0, {"kind": "stage", "stage": "load", "done": 40, "total": 100}),
        (9.0, {"kind": "stage", "stage": "load", "done": 100, "total": 100}),
        (31.0, {"kind": "clip"}),
        (50.0, {"kind": "clip"}),
        (51.0, {"kind": "state", "bytes": 5_000_000}),
        (88.0, result),
    ]
    figures = list(render_figures(Setup(), Run(records, seconds=90.0, peak_bytes=3_100_000_000), 1_000_000))
    by_name = {figure.what: figure for figure in figures}
    assert by_name["5 s of sound, start to end"].met is True
    assert (by_name["first clip on disk after"].value, by_name["first clip on disk after"].met) == (31.0, False)
    assert by_name["first clip on disk after"].note == "the model is loaded after 9.0 s"
    assert by_name["most memory of the process"].met is False
    assert by_name["frames a second, model loaded"].value == 125 / 80
    assert by_name["saving states"].note == "1 saved, 5.0 MB each; 0.50% of the render"


def test_a_steady_process_is_flat_and_a_leak_is_not() -> None:
    minutes = [0.032 * clip for clip in range(1, 313)]
    noise = np.random.default_rng(3).normal(0, 2e6, len(minutes))
    steady = trend(minutes, list(8e8 + noise))
    assert steady is not None
    assert steady.is_flat
    assert abs(steady.slope) < 3 * steady.error
    # 2 MB a minute: the noise is as large, but not over ten minutes.
    leak = trend(minutes, [8e8 + noise[i] + 2e6 * minute for i, minute in enumerate(minutes)])
    assert leak is not None
    assert not leak.is_flat
    assert leak.slope == pytest.approx(2e6, abs=3 * leak.error)


def test_a_trend_agrees_with_the_textbook() -> None:
    x = [float(i) for i in range(100)]
    y = [5.0 + 0.25 * i + (0.5 if i % 2 else -0.5) for i in range(100)]
    line = trend(x, y)
    assert line is not None
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    assert line.slope == pytest.approx(slope)
    assert line.error == pytest.approx(math.sqrt(covariance[0, 0]))
    assert line.mean == pytest.approx(np.mean(y))
    assert trend(x[:7], y[:7]) is None


def test_a_sound_is_looped_to_the_sample(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", voice(0.25))
    write_looped(source, 0.6, tmp_path / "b.wav")
    with wave.open(str(source)) as short, wave.open(str(tmp_path / "b.wav")) as long:
        assert long.getnframes() == round(0.6 * 16_000)
        once = np.frombuffer(short.readframes(4000), "<i2").astype(int)
        heard = np.frombuffer(long.readframes(9600), "<i2").astype(int)
    expected = np.fromiter(itertools.islice(itertools.cycle(once), 9600), int)
    assert np.abs(heard - expected).max() <= 1


def test_figures_read_as_a_table() -> None:
    line = table_line(at_most("start", 0.712, "s", 0.5, "cold"))
    assert line.split() == ["start", "0.712", "s", "<=", "0.5", "s", "MISSED;", "cold"]
    assert at_most("start", 0.5, "s", 0.5).met is True
    assert table_line(of_samples("step", [1.0, 2.0, 1234.0], "ms")).split() == ["step", "2.00", "ms", "1,111"]
    assert of_samples("step", [7.0], "ms").p95 is None


def test_peak_memory_is_that_of_the_child_alone(tmp_path: Path) -> None:
    ballast = b"x" * (300 << 20)
    words = [sys.executable, "-m", "live_avatar.bench.child", str(tmp_path / "f.json")]
    assert subprocess.run(words, env=child_environment(), stdout=subprocess.DEVNULL).returncode == 2  # no command given
    peak = json.loads((tmp_path / "f.json").read_text("utf-8"))["peak_bytes"]
    assert 5 << 20 < peak < len(ballast)


def test_cores_are_counted_by_core_and_limited_by_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for cpu in range(8):
        topology = tmp_path / "cpus" / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    groups = tmp_path / "groups"
    groups.mkdir()
    assert usable_cores(tmp_path / "cpus", groups) == 4
    assert usable_cores(tmp_path / "none", groups) == 8
    (groups / "cpu.max").write_text("max 100000\n")
    assert usable_cores(tmp_path / "cpus", groups) == 4
    (groups / "cpu.max").write_text("150000 100000\n")
    assert usable_cores(tmp_path / "cpus", groups) == 2
    (groups / "cpu.max").write_text("10000 100000\n")
    assert usable_cores(tmp_path / "cpus", groups) == 1
    (groups / "cpu.max").unlink()
    (groups / "cpu").mkdir()
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (groups / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path / "cpus", groups) == 4
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    assert usable_cores(tmp_path / "cpus", groups) == 3
