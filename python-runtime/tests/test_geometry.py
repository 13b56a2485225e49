"""Time base and sizes. ``data/time_cases.json`` is shared with the other implementations of these rules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_avatar import geometry
from live_avatar.errors import UserError
from live_avatar.geometry import (
    LatentShape,
    block_of_frame,
    check_infer_frames,
    choose_output_size,
    clips_for_frames,
    frames_for_samples,
    parse_size,
)

TESTS = Path(__file__).parent
CASES: dict[str, Any] = json.loads((TESTS / "data" / "time_cases.json").read_text(encoding="utf-8"))


def cases(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", CASES[name], ids=lambda case: json.dumps(case, ensure_ascii=False))


def test_constants() -> None:
    assert CASES["constants"] == {
        "frames_per_second": geometry.FRAMES_PER_SECOND,
        "frames_per_block": geometry.BLOCK_FRAMES,
        "latent_frames_per_block": geometry.LATENT_FRAMES_PER_BLOCK,
        "samples_per_second": geometry.MODEL_SAMPLE_RATE,
        "samples_per_frame": geometry.SAMPLES_PER_FRAME,
    }


@cases("frames_of_samples")
def test_frames_of_samples(case: dict[str, int]) -> None:
    assert frames_for_samples(case["samples"], case["sample_rate"]) == case["frames"]


@cases("clips_of_frames")
def test_clips_of_frames(case: dict[str, int]) -> None:
    assert clips_for_frames(case["frames"], case["infer_frames"]) == case["clips"]


@cases("block_of_frame")
def test_block_of_frame(case: dict[str, int]) -> None:
    assert block_of_frame(case["frame"]) == case["block"]


@cases("infer_frames")
def test_infer_frames(case: int) -> None:
    assert check_infer_frames(case) == case


@cases("infer_frames_errors")
def test_infer_frames_errors(case: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        check_infer_frames(case["infer_frames"])
    error = caught.value
    assert (error.code, error.field, error.hint) == ("INFER_FRAMES_INVALID", "infer_frames", case["hint"])
    assert str(case["infer_frames"]) in error.what


@cases("sizes")
def test_sizes(case: dict[str, Any]) -> None:
    assert parse_size(case["text"]) == (case["width"], case["height"])


@cases("size_errors")
def test_size_errors(case: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_size(case)
    assert (caught.value.code, caught.value.field) == ("SIZE_INVALID", "size")
    assert f'"{case}"' in caught.value.what


@cases("output_sizes")
def test_output_sizes(case: dict[str, Any]) -> None:
    width, height = case["area"]
    assert list(choose_output_size(width * height, *case["image"])) == case["output"]


@cases("latent_shapes")
def test_latent_shapes(case: dict[str, Any]) -> None:
    width, height = case["picture"]
    shape = LatentShape.of_picture(width, height, case["infer_frames"])
    assert case == {
        "picture": case["picture"],
        "infer_frames": shape.infer_frames,
        "latent_height": shape.height,
        "latent_width": shape.width,
        "frame_tokens": shape.frame_tokens,
        "block_tokens": shape.block_tokens,
        "blocks_per_clip": shape.clip_blocks,
        "ring_tokens": shape.ring_tokens,
        "condition_tokens": shape.condition_tokens,
    }


@given(st.integers(1, 10**12), st.integers(1, 192_000))
def test_frames_cover_all_samples_and_no_more(samples: int, rate: int) -> None:
    frames = frames_for_samples(samples, rate)
    assert (frames - 1) * rate < samples * 25 <= frames * rate


@given(st.integers(0, 10**9), st.integers(1, 40))
def test_clips_cover_all_frames_and_no_more(frames: int, blocks: int) -> None:
    clips = clips_for_frames(frames, 12 * blocks)
    assert (clips - 1) * 12 * blocks < frames <= clips * 12 * blocks


@given(st.integers(-1000, 1000))
def test_infer_frames_hint_always_works(infer_frames: int) -> None:
    try:
        assert check_infer_frames(infer_frames) == infer_frames
    except UserError as error:
        for word in error.hint.removeprefix("Use ").removesuffix(".").split(" or "):
            assert check_infer_frames(int(word)) == int(word)


# Smaller pictures are refused before their size is chosen.
@given(st.integers(64 * 64, 2048 * 2048), st.integers(64, 50_000), st.integers(64, 50_000))
def test_output_sizes_are_multiples_of_64_within_the_area(area: int, width: int, height: int) -> None:
    output = choose_output_size(area, width, height)
    assert output[0] % 64 == output[1] % 64 == 0
    assert min(output) >= 64
    assert output[0] * output[1] <= area


@given(st.sampled_from([12, 24, 36, 48, 480]), st.integers(1, 30), st.integers(1, 30))
def test_latent_shapes_add_up(infer_frames: int, columns: int, rows: int) -> None:
    shape = LatentShape.of_picture(64 * columns, 64 * rows, infer_frames)
    assert shape.ring_tokens == shape.clip_blocks * shape.block_tokens
    # Newest frame in full, two at half, four token frames at quarter resolution (spec 2.7).
    assert 2 * shape.condition_tokens == 5 * shape.frame_tokens


def test_geometry_does_not_import_torch() -> None:
    code = "import sys, live_avatar.geometry; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=TESTS.parent, check=False).returncode == 0
