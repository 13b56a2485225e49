"""One process, first on one card and then on another, as a worker whose device is changed: the same file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from live_avatar.compute_wishes import ComputeWishes
from live_avatar.machine import Machine
from live_avatar.pipeline import PipelineOptions
from live_avatar.warm_model import WarmModel
from tests.render_material import CHECKPOINT, make_job, never, video

pytestmark = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two cards")


def test_the_second_card_makes_the_file_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
    # Captured graphs, whose stream must lie on the card they run on.
    wishes = ComputeWishes(steps="sequential")
    files = []
    for device in ("cuda:0", "cuda:1"):
        model = WarmModel(PipelineOptions(CHECKPOINT, None, device, "bf16"))
        job = make_job(tmp_path / f"{device[-1]}.mp4", sample_steps=2)
        plan = model.plan(job, wishes, Machine.detect(device))
        assert plan.compute is not None
        assert plan.compute.graphs
        model.render(job, plan, wishes, lambda event: None, never)
        assert torch.cuda.memory_allocated(device) > 0
        model.drop()
        files.append(video(job).read_bytes())
    assert files[0] == files[1]
