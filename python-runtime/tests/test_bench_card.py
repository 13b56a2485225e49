"""The measurements of a card, driven on a processor with a stand-in for CUDA, and their arithmetic."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from live_avatar.bench import card, card_sinks
from live_avatar.bench.card_pipeline import CardPipeline, schedule_of
from live_avatar.bench.card_sensors import CardSensors, read_sample
from live_avatar.bench.card_take import percentiles
from live_avatar.bench.slow_link import slow_link
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.placement import Placement
from live_avatar.fast.streamed_layers import StreamedLayers
from live_avatar.fast.transfers import Slot, Transfers

CPU = torch.device("cpu")
PLAN = ComputePlan("flat", "float8", "bfloat16", "float8", graphs=False)


class Event:
    """A moment on a card that does everything at once."""

    def __init__(self, **options: Any) -> None:
        self.at = 0.0

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, later: Event) -> float:
        return (later.at - self.at) * 1000


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Event)
    for name in ("synchronize", "empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    for name in ("memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: 10**9)


@pytest.fixture(scope="module")
def pipeline() -> Iterator[CardPipeline]:
    torch.set_num_threads(1)
    with CardPipeline(CPU, "small") as made:
        yield made


def mode(**changes: Any) -> card.Mode:
    return replace(card.Mode("a mode", (64, 64), PLAN), **changes)


@pytest.mark.usefixtures("no_card")
def test_a_mode_gives_every_figure(pipeline: CardPipeline) -> None:
    result = card._run(mode(), pipeline, 8)
    json.dumps(result, allow_nan=False)
    assert result["step_ms"] == pytest.approx(result["block_ms"] / 4)
    assert result["pace"]["p50"] <= result["pace"]["p95"] <= result["pace"]["p99"]
    assert result["pace_encoded"]["encoder"] == "libx264"
    assert result["first_picture_warm"] > 0
    assert len(card.result_line(result)) == len(card.HEAD)
    figures = {figure.what: figure for figure in card.figures_of(result, mode(bar=1e9, first=1e9))}
    assert figures["a mode: pace"].met is False
    assert figures["a mode: first picture, warm"].met is True


@pytest.mark.usefixtures("no_card")
def test_a_long_take_is_watched_far_on(pipeline: CardPipeline) -> None:
    result = card._run(mode(name="far", long=True), pipeline, 9)
    assert result["latent_frames"][0] == 45_600
    assert result["finite"]
    assert "p99/p50" in card.result_line(result)
    assert [figure.what for figure in card.figures_of(result, mode())] == ["far: growth", "far: p99 / p50"]


@pytest.mark.usefixtures("no_card")
def test_streamed_weights_and_a_skipped_step(pipeline: CardPipeline) -> None:
    plan = replace(PLAN, placement=Placement(resident_layers=2), streamed_cache=True, last_step="skip", steps="packed")
    assert schedule_of(plan, 4).steps == 3
    with slow_link(2.2):
        result = card._run(mode(plan=plan), pipeline, 4)
    assert result["step_ms"] == pytest.approx(result["block_ms"] / 3)


@pytest.mark.usefixtures("no_card")
def test_a_fault_costs_only_its_own_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(mode: card.Mode, pipeline: CardPipeline, blocks: int | None) -> dict[str, Any]:
        if mode.name == "bad":
            raise RuntimeError("the card does not want to")
        return {"growth": {"host": 0.0}, "p99_over_p50": 1.0, "latent_frames": [0, 3]}

    monkeypatch.setattr(card, "_run", run)
    modes = [mode(name="bad"), mode(name="good")]
    results = list(card.run_modes(modes, CPU, preset="small"))
    assert [result["name"] for result in results] == ["bad", "good"]
    assert results[0]["error"] == "the card does not want to"
    assert "does not want" in card.result_line(results[0])
    assert next(card.figures_of(results[0], mode())).met is False
    assert "error" not in results[1]


def test_without_a_card_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert card.main([]) == 2
    assert "PyTorch sees none" in capsys.readouterr().err


def test_names_are_told_apart() -> None:
    names = [each.name for each in card.MODES]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 28 for name in names)


def test_periods() -> None:
    found = percentiles([0.0, 0.5, 1.0, 1.5, 3.5])
    assert found["p50"] == 500
    assert found["p99"] > 1900
    assert found["fps"] == pytest.approx(4 * 12 / 3.5)


def test_samples_of_the_sensors() -> None:
    assert read_sample("612.34, 1650, 3201, 58\n") == (612.34, 1650, 3201, 58)
    assert read_sample("[N/A], 1650, 3201, 58") is None
    assert read_sample("1, 2") is None
    sensors = CardSensors()
    assert sensors.summary() == {}
    sensors.samples = [(600.0, 1600.0, 3200.0, 50.0), (700.0, 1500.0, 3200.0, 60.0), (690.0, 1400.0, 3200.0, 61.0)]
    assert sensors.summary() == {
        "watts": 690, "sm_mhz": 1500, "memory_mhz": 3200, "celsius": 60, "highest_watts": 700,
    }  # fmt: skip


def test_a_slow_link_copies_so_much_more(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[tuple[int, bool]] = []

    def fill(self: Transfers, slot: Slot, content: object, parts: Any, after: object = None) -> None:
        for target, source in parts:
            target.copy_(source)
            copied.append((source.nbytes, target is not slot.data))

    monkeypatch.setattr(Transfers, "fill", fill)
    slot, source = Slot(torch.zeros(1000, dtype=torch.uint8)), torch.arange(1000).to(torch.uint8)
    with slow_link(2.5):
        StreamedLayers([], CPU)._transfers.fill(slot, "it", [(slot.data, source)])
    assert torch.equal(slot.data, source)
    assert copied[0] == (1000, False)
    assert sum(size for size, idle in copied if idle) == 1500
    assert type(StreamedLayers([], CPU)._transfers) is Transfers
    with pytest.raises(ValueError, match="faster"), slow_link(0.5):
        pass


def test_frames_are_noted_when_they_are_taken() -> None:
    times: list[float] = []
    frames: Any = type("Frames", (), {"take": lambda self: [1]})()
    assert card_sinks._Noted(frames, times).take() == [1]
    assert len(times) == 1
