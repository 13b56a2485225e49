"""The fast decoder, with its plain row operations, against the network's own: pictures, states, memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from live_avatar.vae import fast_decoder
from live_avatar.vae.block_decoder import PlainDecoder, make_decoder, to_bytes
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.fast_decoder import FastDecoder
from live_avatar.vae.fast_memory import decoder_bytes
from live_avatar.vae.fast_program import Caches, FastProgram, Pictures
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.model import VideoVae
from live_avatar.vae.timeline import DecoderState

GOLDEN = Path(__file__).parent / "golden"
# Of float32 sums in another order; the states' range is up to 30.
TOLERANCE = 3e-5
STATE_TOLERANCE = 1e-4

WAYS = {
    "default": FastSettings(),
    "conv3d": FastSettings(folded_channels=0),
    "folded below 8 channels": FastSettings(folded_channels=8),
    "nearest": FastSettings(upsampling="nearest"),
    "padded head": FastSettings(head="padded"),
    "all frames at once": FastSettings(frames_per_pass=None),
    "uneven passes": FastSettings(frames_per_pass=5),
    "one frame a pass": FastSettings(frames_per_pass=1),
    "two latents a block": FastSettings(block_latents=2),
}


@pytest.fixture(scope="module")
def vae() -> VideoVae:
    weights = load_file(GOLDEN / "ckpt" / "Wan2.1_VAE.safetensors")
    return VideoVae.from_state_dict({name: tensor.float() for name, tensor in weights.items()})


@pytest.fixture(autouse=True)
def outside_autograd() -> Iterator[None]:
    with torch.no_grad():
        yield


def latents(frames: int, seed: int = 0, size: tuple[int, int] = (2, 3)) -> Tensor:
    return torch.randn(1, 16, frames, *size, generator=torch.Generator().manual_seed(seed))


def worst(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    return float((a - b).abs().max())


def assert_states_equal(a: DecoderState, b: DecoderState, tolerance: float = STATE_TOLERANCE) -> None:
    one, other = a.tensors(), b.tensors()
    assert list(one) == list(other)
    assert one
    for key in one:
        assert worst(one[key], other[key]) <= tolerance, key


@pytest.mark.parametrize("way", WAYS)
def test_stream_is_that_of_the_network(vae: VideoVae, way: str) -> None:
    fast, plain = FastDecoder(vae, WAYS[way]), vae.new_decoder_state()
    state = fast.new_decoder_state()
    for block, count in enumerate([4, 3, 3, 1, 2, 5]):
        z = latents(count, block)
        expected = vae.stream_decode(z, plain, clamp=False)
        assert float(expected.std()) > 0.01
        assert worst(fast.stream_decode(z, state, clamp=False), expected) < TOLERANCE
        assert_states_equal(state, plain)


def test_reference_numbers(vae: VideoVae) -> None:
    case = {name: tensor.float() for name, tensor in load_file(GOLDEN / "cases" / "vae.safetensors").items()}
    fast = FastDecoder(vae)
    state = fast.new_decoder_state()
    assert worst(fast.stream_decode(case["in.z"][None], state)[0], case["out.decoded"]) < TOLERANCE
    assert worst(fast.stream_decode(case["in.z2"][None], state)[0], case["out.stream_next12"]) < TOLERANCE


def test_priming(vae: VideoVae) -> None:
    fast, plain = FastDecoder(vae), vae.new_decoder_state()
    state = fast.new_decoder_state()
    fast.prime_decoder(latents(7), state)
    vae.prime_decoder(latents(7), plain)
    assert_states_equal(state, plain)
    z = latents(3, 1)
    assert worst(fast.stream_decode(z, state), vae.stream_decode(z, plain)) < TOLERANCE
    with pytest.raises(ValueError, match="only a fresh"):
        fast.prime_decoder(latents(7), state)


def test_clamped_unless_told_otherwise(vae: VideoVae) -> None:
    z = latents(4) * 20
    fast = FastDecoder(vae)
    free = fast.stream_decode(z, fast.new_decoder_state(), clamp=False)
    assert float(free.abs().max()) > 1
    assert torch.equal(fast.stream_decode(z, fast.new_decoder_state()), free.clamp(-1, 1))


def test_a_take_goes_on_from_one_path_to_the_other_and_back(vae: VideoVae) -> None:
    fast, plain = FastDecoder(vae), vae.new_decoder_state()
    state = fast.new_decoder_state()
    for block in range(6):
        z = latents(3, block)
        expected = vae.stream_decode(z, plain)
        decoder = vae if block % 2 else fast
        assert worst(decoder.stream_decode(z, state), expected) < TOLERANCE
        assert_states_equal(state, plain)


def test_two_streams_take_turns(vae: VideoVae) -> None:
    fast = FastDecoder(vae)
    alone: list[list[Tensor]] = [[], []]
    for stream in range(2):
        state = fast.new_decoder_state()
        alone[stream] = [fast.stream_decode(latents(3, 10 * stream + block), state) for block in range(3)]
    states = [fast.new_decoder_state(), fast.new_decoder_state()]
    for block in range(3):
        for stream, state in enumerate(states):
            got = fast.stream_decode(latents(3, 10 * stream + block), state)
            assert torch.equal(got, alone[stream][block])


def test_saved_and_restored_to_the_bit(vae: VideoVae) -> None:
    fast = FastDecoder(vae)
    state = fast.new_decoder_state()
    fast.stream_decode(latents(4), state)
    saved = {key: tensor.clone() for key, tensor in state.tensors().items()}
    copy = state.clone()
    first = [fast.stream_decode(latents(3, block), state) for block in (1, 2)]

    restored = FastDecoder(vae).new_decoder_state()
    restored.load_tensors(saved)
    for again in (restored, copy):
        assert all(torch.equal(fast.stream_decode(latents(3, b), again), first[b - 1]) for b in (1, 2))
    # The same state object, put back in the middle of its stream.
    state.load_tensors(saved)
    assert torch.equal(fast.stream_decode(latents(3, 1), state), first[0])


def test_a_state_that_was_pushed_out_keeps_its_values(vae: VideoVae) -> None:
    fast = FastDecoder(vae)
    state = fast.new_decoder_state()
    fast.stream_decode(latents(4), state)
    before = {key: tensor.clone() for key, tensor in state.tensors().items()}
    fast.stream_decode(latents(4, 5), fast.new_decoder_state())
    assert all(torch.equal(tensor, before[key]) for key, tensor in state.tensors().items())
    fast.stream_decode(latents(4, 5, size=(3, 4)), fast.new_decoder_state())
    assert all(torch.equal(tensor, before[key]) for key, tensor in state.tensors().items())
    fast.release()
    assert fast.cache_bytes == 0
    assert worst(fast.stream_decode(latents(3, 1), state), vae.stream_decode(latents(3, 1), _of(vae, before))) < 1e-4


def _of(vae: VideoVae, tensors: dict[str, Tensor]) -> DecoderState:
    state = vae.new_decoder_state()
    state.load_tensors(tensors)
    return state


def test_within_inference_mode_and_outside_it(vae: VideoVae) -> None:
    fast = FastDecoder(vae)
    state = fast.new_decoder_state()
    with torch.inference_mode():
        fast.stream_decode(latents(4), state)
    fast.stream_decode(latents(3, 1), state)
    with torch.inference_mode():
        copy = state.clone()
    assert worst(fast.stream_decode(latents(3, 2), state), fast.stream_decode(latents(3, 2), copy)) == 0


@pytest.mark.parametrize("path", ["plain", "fast"])
def test_frames_are_the_pictures_as_bytes(vae: VideoVae, path: str) -> None:
    decoder = PlainDecoder(vae) if path == "plain" else FastDecoder(vae)
    z = latents(4) * 5
    pictures = decoder.stream_decode(z, decoder.new_decoder_state())[0].transpose(0, 1)
    pending = decoder.stream_frames(z, decoder.new_decoder_state())
    decoder.stream_frames(z + 1, decoder.new_decoder_state())
    frames = pending.take()
    assert len(frames) == 13
    assert np.array_equal(np.stack(frames), to_bytes(pictures).numpy())
    assert {int(frames[0].min()), int(frames[0].max())} <= set(range(256))
    with pytest.raises(ValueError, match="taken already"):
        pending.take()


def test_the_switch(vae: VideoVae) -> None:
    assert isinstance(make_decoder(vae), PlainDecoder)
    assert isinstance(make_decoder(vae, "plain"), PlainDecoder)
    assert isinstance(make_decoder(vae, "fast"), FastDecoder)


class ReplayedPass:
    """A captured block without a card: writes into the same memory every time, as a graph does."""

    def __init__(self, program: FastProgram, latents: Tensor, caches: Caches, pictures: Pictures) -> None:
        program.run(latents, caches, pictures)
        for cache in caches.values():
            cache.zero_()
        self.parts = (program, latents, caches, pictures)
        self.pool_bytes = 1
        self.replays = 0

    def replay(self, latents: Tensor) -> Pictures:
        program, static, caches, pictures = self.parts
        static.copy_(latents)
        program.run(static, caches, pictures)
        self.replays += 1
        return pictures


def captured(vae: VideoVae, monkeypatch: pytest.MonkeyPatch, capture: object) -> tuple[FastDecoder, list[str]]:
    notes: list[str] = []
    monkeypatch.setattr(fast_decoder, "capture_pass", capture)
    fast = FastDecoder(vae, None, notes.append)
    fast._graph_wanted = True
    return fast, notes


def test_results_of_a_captured_block_outlive_the_next(vae: VideoVae, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ReplayedPass] = []

    def capture(*arguments: Any) -> ReplayedPass:
        made.append(ReplayedPass(*arguments))
        return made[-1]

    fast, notes = captured(vae, monkeypatch, capture)
    state, plain = fast.new_decoder_state(), vae.new_decoder_state()
    inputs = [latents(count, block) for block, count in enumerate([4, 3, 2, 3])]
    # Not cut off: cutting off makes a copy anyway.
    got = [fast.stream_decode(z, state, clamp=False) for z in inputs]
    for z, pictures in zip(inputs, got, strict=True):
        assert worst(pictures, vae.stream_decode(z, plain, clamp=False)) < TOLERANCE
    # The first latent and a short block go without the graph.
    assert [one.replays for one in made] == [3]
    frames = [fast.stream_frames(z, state) for z in inputs[1:]]
    again = [to_bytes(vae.stream_decode(z, plain)[0].transpose(0, 1)).int() for z in inputs[1:]]
    for pending, expected in zip(frames, again, strict=True):
        assert np.abs(np.stack(pending.take()).astype(int) - expected.numpy()).max() <= 1
    # Another size, and the first one again, are captured anew.
    fast.stream_decode(latents(3, 7, size=(3, 4)), fast.new_decoder_state())
    assert worst(fast.stream_decode(inputs[1], state), vae.stream_decode(inputs[1], plain)) < TOLERANCE
    assert len(made) == 3
    assert notes == []


def test_a_card_that_captures_nothing_still_decodes(vae: VideoVae, monkeypatch: pytest.MonkeyPatch) -> None:
    def capture(*arguments: Any) -> ReplayedPass:
        ReplayedPass(*arguments)
        raise RuntimeError("CUDA error: operation not permitted\nmore")

    fast, notes = captured(vae, monkeypatch, capture)
    state, plain = fast.new_decoder_state(), vae.new_decoder_state()
    for block in range(2):
        z = latents(4 if block == 0 else 3, block)
        assert worst(fast.stream_decode(z, state), vae.stream_decode(z, plain)) < TOLERANCE
    fast.stream_decode(latents(3, size=(3, 4)), fast.new_decoder_state())
    assert len(notes) == 1
    assert notes[0].endswith("slower at small sizes: CUDA error: operation not permitted")


def test_no_memory_for_a_size_is_told_and_leaves_nothing(vae: VideoVae, monkeypatch: pytest.MonkeyPatch) -> None:
    def capture(*arguments: Any) -> ReplayedPass:
        raise torch.OutOfMemoryError("out of memory")

    fast, _ = captured(vae, monkeypatch, capture)
    state = fast.new_decoder_state()
    with pytest.raises(torch.OutOfMemoryError):
        fast.stream_decode(latents(4), state)
    assert not state.started
    assert fast.cache_bytes == 0
    monkeypatch.setattr(fast_decoder, "capture_pass", ReplayedPass)
    expected = vae.decode(latents(4))
    assert worst(fast.stream_decode(latents(4), state), expected) < TOLERANCE


def test_several_videos_at_once_are_refused(vae: VideoVae) -> None:
    fast = FastDecoder(vae)
    with pytest.raises(ValueError, match="one video at a time"):
        fast.stream_decode(latents(3).expand(2, -1, -1, -1, -1), fast.new_decoder_state())


def test_half_precision_stays_near(vae: VideoVae) -> None:
    half = VideoVae.from_state_dict(vae.state_dict(), dtype=torch.bfloat16)
    fast = FastDecoder(half)
    errors = torch.zeros(2)
    for seed in range(4):
        z = latents(4, seed)
        truth = vae.decode(z, clamp=False)
        state = fast.new_decoder_state()
        for path, got in enumerate([half.decode(z, clamp=False), fast.stream_decode(z, state, clamp=False)]):
            errors[path] += (got - truth).norm() / truth.norm()
        assert {tensor.dtype for tensor in state.tensors().values()} == {torch.bfloat16}
    assert 0 < errors[1] < 1.3 * errors[0]


@pytest.mark.parametrize(
    "config",
    [
        VaeConfig((4, 8, 16, 16)),
        VaeConfig((6, 12, 12), 1, (False, True), 4),
        VaeConfig((96, 192, 384, 384)),
    ],
)
@pytest.mark.parametrize("settings", [FastSettings(), FastSettings(folded_channels=0, frames_per_pass=6)])
def test_predicted_memory_of_the_state(config: VaeConfig, settings: FastSettings) -> None:
    with torch.device("meta"):
        vae = VideoVae(config).bfloat16()
        fast = FastDecoder(vae, settings)
        caches = fast.program.new_caches(3, 5)
    side = config.spatial_stride
    predicted = decoder_bytes(config, 5 * side, 3 * side, settings)
    assert predicted.caches == sum(cache.numel() * 2 for cache in caches.values())


def test_predicted_memory_at_the_usual_size() -> None:
    predicted = decoder_bytes(VaeConfig(), 704, 384, FastSettings())
    assert predicted.total < 3.0e9
    everything = decoder_bytes(VaeConfig(), 704, 384, FastSettings(frames_per_pass=None))
    assert everything.activations > 1.7 * predicted.activations
