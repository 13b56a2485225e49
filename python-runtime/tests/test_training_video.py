"""The training form of the denoiser gives the numbers of the streaming form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from live_avatar.geometry import LatentShape
from live_avatar.model.rope import RotaryPositions
from live_avatar.noise import reference_frame
from live_avatar.verify.cases_model import PassRecorder, golden_session
from live_avatar.verify.golden import Golden
from training.cropped_rope import CroppedRotary
from training.video_forward import WindowConditions, prepare_window, window_velocity

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden(GOLDEN)


@torch.no_grad()
def test_window_equals_streaming_passes(golden: Golden) -> None:
    session = golden_session(golden)
    blocks = 4
    recorder = PassRecorder(session)
    recorder.run(blocks)
    inputs = golden.inputs
    context = torch.zeros(1, golden.config.text_len, golden.config.text_dim)
    context[0, : inputs["in.ctx"].shape[0]] = inputs["in.ctx"]
    ahead = [[reference_frame(block, int(inputs["in.rd"][block, 0])) for block in range(blocks)]]
    conditions = WindowConditions(
        inputs["in.ref"],
        inputs["in.motion"],
        context,
        torch.zeros(1, blocks, dtype=torch.long),
        torch.zeros(1, dtype=torch.long),
        inputs["in.audio"][..., : 12 * blocks],
        torch.zeros(1, dtype=torch.long),
        torch.tensor(ahead),
    )
    rotary = golden.rotary()
    window = prepare_window(golden.transformer, conditions, rotary)
    clips = blocks // golden.shape.clip_blocks
    noise = torch.cat([inputs[f"in.noise.{clip}"] for clip in range(clips)], 1)[None]
    velocity = window_velocity(golden.transformer, noise, torch.tensor([1000.0]), window, golden.shape)
    for block in range(blocks):
        wanted = recorder.velocity[block, 0]
        assert torch.allclose(velocity[0, :, 3 * block : 3 * block + 3], wanted, atol=2e-5)


def test_cropped_tables_are_parts_of_the_full_ones() -> None:
    full_shape = LatentShape(32, 48, 48)
    full = RotaryPositions(32, full_shape, "float16", torch.device("cpu"))
    whole = CroppedRotary(32, full_shape, (0, 0, 32, 48), torch.device("cpu"))
    frames = torch.tensor([[3, 4, 5]])
    assert torch.equal(whole.frames(frames), full.frames(frames))
    assert torch.equal(whole.motion, full.motion)
    part = CroppedRotary(32, full_shape, (8, 16, 24, 16), torch.device("cpu"))
    grid = full.frames(frames)[0].unflatten(0, (3, 16, 24))[:, 4:16, 8:16].flatten(0, 2)
    assert torch.equal(part.frames(frames)[0], grid)
    assert part.motion.shape[0] == part.shape.motion_tokens
