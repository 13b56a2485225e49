"""The fast decoder on a card: kernels, pictures, graph, states, streams. Random weights of the published widths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from live_avatar.numerics import repeatable
from live_avatar.vae.block_decoder import PlainDecoder, make_decoder, to_bytes
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.fast_decoder import FastDecoder, make_rows
from live_avatar.vae.fast_memory import decoder_bytes
from live_avatar.vae.fast_rows import ConvolutionInput, PlainRows, Step, Unfinished
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.model import VideoVae

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")

# cuDNN's choice by rule is the same with and without a graph; a measured one need not be.
BY_RULE = FastSettings(measured_convolutions=False)
SIZE = (7, 10)

WAYS = {
    "default": BY_RULE,
    "conv3d": replace(BY_RULE, folded_channels=0),
    "nearest": replace(BY_RULE, upsampling="nearest"),
    "padded head": replace(BY_RULE, head="padded"),
    "all frames at once": replace(BY_RULE, frames_per_pass=None),
    "no triton": replace(BY_RULE, kernels="torch"),
    "measured": FastSettings(),
}


@pytest.fixture(scope="module")
def card() -> torch.device:
    return torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def exact(card: torch.device) -> Iterator[None]:
    """As the engine runs a take: repeatable convolutions with all float32 digits."""
    with repeatable(card), torch.no_grad():
        yield


@pytest.fixture(scope="module")
def vae(card: torch.device) -> VideoVae:
    torch.manual_seed(0)
    vae = VideoVae(VaeConfig()).to(card)
    # Gains that differ, and biases that matter.
    for name, parameter in vae.named_parameters():
        if name.endswith("gamma"):
            parameter.data.normal_(1.0, 0.2)
        elif name.endswith("bias"):
            parameter.data.normal_(0.0, 0.1)
    vae.use_channels_last()
    return vae.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def half(vae: VideoVae, card: torch.device) -> VideoVae:
    return VideoVae.from_state_dict(vae.state_dict(), device=card, dtype=torch.bfloat16)


def latents(count: int, seed: int, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.randn(1, 16, count, *size, generator=torch.Generator().manual_seed(seed)).to("cuda")


def difference(got: Tensor, truth: Tensor) -> float:
    assert got.shape == truth.shape
    return float((got.float() - truth.float()).norm() / truth.float().norm())


@pytest.mark.parametrize("channels", [16, 96, 192, 384])
@pytest.mark.parametrize("target", [None, "rows", "stacked", "folded"])
@pytest.mark.parametrize("frames", [1, 2, 12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows(channels: int, target: ConvolutionInput | None, frames: int, dtype: torch.dtype) -> None:
    random = torch.Generator("cuda").manual_seed(0)

    def values(*shape: int, kind: torch.dtype = dtype) -> Tensor:
        return torch.randn(*shape, generator=random, device="cuda").to(kind)

    fused = make_rows(FastSettings(), torch.device("cuda"), pytest.fail)
    tolerance = 1e-5 if dtype == torch.float32 else 1.6e-2
    for height, width in ((3, 5), (16, 90)):
        for arrangement in ("plain", "phases") if frames % 2 else ("plain", "phases", "pairs"):
            if arrangement == "phases":
                height, width = height & ~1, width & ~1
            shape = {
                "plain": (frames, height, width, channels),
                "phases": (frames, height // 2 + 1, width // 2 + 1, 4 * channels),
                "pairs": (frames // 2, height, width, 2 * channels),
            }[arrangement]
            source = values(*shape)
            bias = values(2 * channels if arrangement == "pairs" else channels, kind=torch.float32)
            residual = values(frames, height, width, channels)
            gamma, cache = values(channels, kind=torch.float32), values(2, height, width, channels)
            results = []
            for rows in (PlainRows(), fused):
                kept = cache.clone()
                step = Step(True, gamma, True, target, kept)
                results.append([*rows.finish(Unfinished(source, bias, residual.clone(), arrangement), step), kept])
            for expected, got in zip(*results, strict=True):
                if expected is None or got is None:
                    assert expected is got
                else:
                    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)


def test_pictures() -> None:
    partial, bias = torch.randn(14, 33, 47, 16, device="cuda"), torch.randn(3, device="cuda")
    results = []
    for rows in (PlainRows(), make_rows(FastSettings(), torch.device("cuda"), pytest.fail)):
        frames = torch.empty(12, 33, 47, 3, dtype=torch.uint8, device="cuda")
        values = torch.zeros(3, 13, 33, 47, device="cuda")
        rows.pictures(partial, bias, 3, frames, values[:, 1:])
        assert torch.equal(frames, to_bytes(values[:, 1:].transpose(0, 1)))
        results.append(values)
    torch.testing.assert_close(results[1], results[0], rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("way", WAYS)
def test_float32_is_the_plain_path(vae: VideoVae, way: str) -> None:
    fast, plain = make_decoder(vae, "fast", WAYS[way], pytest.fail), vae.new_decoder_state()
    state = fast.new_decoder_state()
    for block, count in enumerate([7, 3, 3, 2]):
        z = latents(count, block)
        expected = vae.stream_decode(z, plain, clamp=False)
        assert difference(fast.stream_decode(z, state, clamp=False), expected) < 1e-4
    for (key, one), other in zip(state.tensors().items(), plain.tensors().values(), strict=True):
        assert one.norm() == other.norm() == 0 or difference(one, other) < 1e-4, key


@pytest.mark.parametrize("way", WAYS)
def test_bfloat16_is_as_near_to_the_truth_as_the_plain_path(vae: VideoVae, half: VideoVae, way: str) -> None:
    fast = FastDecoder(half, WAYS[way], pytest.fail)
    state, plain, exact = fast.new_decoder_state(), half.new_decoder_state(), vae.new_decoder_state()
    errors = np.zeros(2)
    for block, count in enumerate([4, 3, 3]):
        z = latents(count, block)
        truth = vae.stream_decode(z, exact, clamp=False)
        errors += [
            difference(fast.stream_decode(z, state, clamp=False), truth),
            difference(half.stream_decode(z, plain, clamp=False), truth),
        ]
    print(f"\n{way}: relative error of bfloat16 fast {errors[0] / 3:.4f}, plain {errors[1] / 3:.4f}")
    assert 0 < errors[0] < 1.3 * errors[1]


def stream(decoder: FastDecoder, blocks: int = 3) -> list[Tensor]:
    state = decoder.new_decoder_state()
    first = decoder.stream_decode(latents(1, 99), state)
    return [first] + [decoder.stream_decode(latents(3, block), state) for block in range(blocks)]


@pytest.mark.parametrize("way", ["default", "conv3d", "nearest", "padded head"])
def test_graph_gives_the_bits_of_the_pass_without_one(half: VideoVae, way: str) -> None:
    with_graph = FastDecoder(half, WAYS[way], pytest.fail)
    without = FastDecoder(half, replace(WAYS[way], graph=False), pytest.fail)
    pairs = list(zip(stream(with_graph), stream(without), strict=True))
    assert with_graph.graph_bytes
    assert without.graph_bytes is None
    assert all(torch.equal(one, other) for one, other in pairs)


def test_runs_repeat_to_the_bit(half: VideoVae) -> None:
    decoder = FastDecoder(half, None, pytest.fail)
    first = stream(decoder)
    for _ in range(3):
        assert all(torch.equal(one, other) for one, other in zip(stream(decoder), first, strict=True))


def test_streams_take_turns_and_states_move(half: VideoVae) -> None:
    decoder = FastDecoder(half, BY_RULE, pytest.fail)
    alone = stream(decoder)
    states = [decoder.new_decoder_state() for _ in range(2)]
    for state in states:
        decoder.stream_decode(latents(1, 99), state)
    for block in range(3):
        states[0] = states[0].clone()
        for state in states:
            assert torch.equal(decoder.stream_decode(latents(3, block), state), alone[block + 1])


def test_a_take_changes_paths(half: VideoVae) -> None:
    decoder, plain = FastDecoder(half, BY_RULE, pytest.fail), half.new_decoder_state()
    state = decoder.new_decoder_state()
    decoder.prime_decoder(latents(7, 50), state)
    half.prime_decoder(latents(7, 50), plain)
    for block in range(4):
        z = latents(3, block)
        path = half if block % 2 else decoder
        got, expected = path.stream_decode(z, state), half.stream_decode(z, plain)
        assert difference(got, expected) < 0.05


def test_frames_are_the_pictures_as_bytes(half: VideoVae) -> None:
    decoder = FastDecoder(half, None, pytest.fail)
    state, again = decoder.new_decoder_state(), decoder.new_decoder_state()
    pending, expected = [], []
    # More blocks under way than there are buffers at first.
    for block, count in enumerate([1, 3, 3, 3, 3]):
        z = latents(count, block) * 3
        expected.append(to_bytes(decoder.stream_decode(z, again)[0].transpose(0, 1)).cpu().numpy())
        pending.append(decoder.stream_frames(z, state))
    for waiting, frames in zip(pending, expected, strict=True):
        assert np.array_equal(np.stack(waiting.take()), frames)
    plain = PlainDecoder(half)
    taken = plain.stream_frames(latents(4, 0), plain.new_decoder_state()).take()
    assert np.array_equal(np.stack(taken), to_bytes(half.decode(latents(4, 0))[0].transpose(0, 1)).cpu().numpy())


def test_on_a_side_stream_without_waiting(half: VideoVae) -> None:
    decoder = FastDecoder(half, BY_RULE, pytest.fail)
    expected = stream(decoder)
    inputs = [latents(3, block) for block in range(3)]
    state = decoder.new_decoder_state()
    decoder.stream_decode(latents(1, 99), state)
    side = torch.cuda.Stream()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.cuda.stream(side):
            got = [decoder.stream_decode(z, state) for z in inputs]
            pending = decoder.stream_frames(inputs[0], state)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(pending.take()) == 12
    torch.cuda.synchronize()
    assert all(torch.equal(one, other) for one, other in zip(got, expected[1:], strict=True))


def test_in_inference_mode_and_outside(half: VideoVae) -> None:
    decoder = FastDecoder(half, BY_RULE, pytest.fail)
    expected = stream(decoder)
    with torch.inference_mode():
        decoder = FastDecoder(half, BY_RULE, pytest.fail)
        inside = stream(decoder)
    assert all(torch.equal(one, other) for one, other in zip(inside, expected, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(stream(decoder), expected, strict=True))


def test_sizes_follow_each_other_and_memory_comes_back(half: VideoVae) -> None:
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    decoder = FastDecoder(half, BY_RULE, pytest.fail)
    weights = torch.cuda.memory_allocated()
    first = stream(decoder)
    state = decoder.new_decoder_state()
    decoder.stream_decode(latents(4, 3, (9, 4)), state)
    assert all(torch.equal(one, other) for one, other in zip(stream(decoder), first, strict=True))
    decoder.release()
    del first, state
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() <= weights + 50e6
    assert weights >= before


@pytest.mark.parametrize("settings", [FastSettings(), FastSettings(folded_channels=0, frames_per_pass=6)])
def test_memory_is_as_planned(half: VideoVae, settings: FastSettings) -> None:
    decoder = FastDecoder(half, settings, pytest.fail)
    decoder.prepare(256 // 8, 384 // 8)
    planned = decoder_bytes(half.config, 384, 256, settings)
    assert decoder.cache_bytes == planned.caches
    assert decoder.graph_bytes is not None
    print(f"\nactivations planned {planned.activations / 1e6:.0f} MB, graph holds {decoder.graph_bytes / 1e6:.0f} MB")
    # What comes on top is scratch of cuDNN and cuBLAS.
    assert 0.9 * planned.activations < decoder.graph_bytes < 1.3 * planned.activations + 300e6
