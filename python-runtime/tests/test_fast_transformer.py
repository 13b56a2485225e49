"""The flat pass against the plain network: the same function, in every form of its parts that a processor can run."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import tests.triton_on_cpu  # isort: skip  # noqa: F401
from live_avatar.denoiser import Denoiser
from live_avatar.fast.assembly import FastSettings, fast_transformer, take_over_layers
from live_avatar.fast.row_operations import PlainRows
from live_avatar.fast.streamed_layers import StreamedLayers, host_layer
from live_avatar.fast.transformer import FastTransformer
from live_avatar.fast.weights import layer_tensors
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.layer_span import HiddenState
from live_avatar.model.speaker_regions import routing_weights
from live_avatar.noise import SeededDraws
from live_avatar.sampler import make_schedule
from live_avatar.saved_session import SavedSession
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.vae.block_decoder import PlainDecoder
from live_avatar.verify.golden import Golden

SIDE = 16
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def golden() -> Golden:
    torch.set_num_threads(1)
    return Golden(Path(__file__).parent / "golden")


def make_session(
    golden: Golden, denoiser: Denoiser, *, packed: bool = False, prompt_change: int | None = None
) -> Session:
    """Clips of four blocks, three steps."""
    context = golden.inputs["in.ctx"]

    def audio(block: int) -> Tensor:
        features = golden.inputs["in.audio"]
        return features[..., (torch.arange(BLOCK_FRAMES) + block * BLOCK_FRAMES) % features.shape[-1]]

    conditions = Conditions(
        reference=golden.inputs["in.ref"][..., :SIDE, :SIDE],
        motion=golden.inputs["in.motion"][..., :SIDE, :SIDE],
        prompt=lambda block: "two" if prompt_change is not None and block >= prompt_change else "one",
        context=lambda text: context if text == "one" else context.flip(0),
        audio=audio,
    )
    return Session(denoiser, PlainDecoder(golden.vae), settings_of(packed=packed), conditions, SeededDraws(7))


def settings_of(*, packed: bool) -> SessionSettings:
    return SessionSettings(LatentShape(SIDE, SIDE, 48), make_schedule(3), packed=packed)


def latents_of(session: Session, blocks: int) -> Tensor:
    return torch.cat([session.denoise_block() for _ in range(blocks)])


def distance(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def fast(golden: Golden, settings: FastSettings) -> FastTransformer:
    return fast_transformer(copy.deepcopy(golden.transformer), settings)


PLAIN = FastSettings(weights="float32", attention="sdpa", kernels="plain", graphs=False)


def test_the_flat_pass_is_the_same_function(golden: Golden) -> None:
    """Over the first prefill, a full ring, the refresh of the anchor and a new prompt."""
    wanted = latents_of(make_session(golden, golden.transformer, prompt_change=7), 9)
    found = latents_of(make_session(golden, fast(golden, PLAIN), prompt_change=7), 9)
    assert distance(found, wanted) < 2e-5


def test_packed_steps_give_the_same_numbers(golden: Golden) -> None:
    """The refresh of the anchor and a new prompt let the blocks in flight land first."""
    wanted = latents_of(make_session(golden, golden.transformer, prompt_change=10), 14)
    for denoiser in (golden.transformer, fast(golden, PLAIN)):
        found = latents_of(make_session(golden, denoiser, packed=True, prompt_change=10), 14)
        assert distance(found, wanted) < 2e-5


def test_packed_passes_take_several_blocks(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    denoise = type(golden.transformer).denoise_span

    def watch(self: object, latents: Tensor, *rest: object) -> Tensor | HiddenState:
        sizes.append(len(latents))
        return denoise(self, latents, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(type(golden.transformer), "denoise_span", watch)
    latents_of(make_session(golden, golden.transformer, packed=True), 12)
    # Three blocks alone until the ring is full, the fourth lands before the anchor; then one more each pass.
    assert sizes[:15] == [1] * 12 + [1, 2, 3]
    assert set(sizes[14:]) == {3}


@pytest.mark.parametrize("block", [2, 4, 6, 8])
def test_a_packed_session_is_restored_with_its_blocks_in_flight(golden: Golden, block: int) -> None:
    denoiser = fast(golden, PLAIN)
    session = make_session(golden, denoiser, packed=True)
    session.decode_block(latents_of(session, block)[-1:])
    saved = session.save()
    kept = SavedSession(
        {name: tensor.clone() for name, tensor in saved.tensors.items()},
        saved.block,
        saved.prefilled_prompt,
        saved.anchored,
        saved.flight_steps,
    )
    wanted = latents_of(session, 5)
    for packed in (True, False):
        restored = make_session(golden, denoiser, packed=packed)
        restored.restore(kept)
        assert distance(latents_of(restored, 5), wanted) < 2e-5


def test_several_speakers_are_told_apart(golden: Golden) -> None:
    """Each with a region of its own; packing is not for them."""
    regions = torch.zeros(2, SIDE // 2, SIDE // 2, dtype=torch.bool)
    regions[0, :, :3] = True
    regions[1, :, 5:] = True
    results = []
    for denoiser in (golden.transformer, fast(golden, PLAIN)):
        session = make_session(golden, denoiser, packed=True)
        one = session.conditions.audio
        session.conditions.audio = lambda block, one=one: torch.cat([one(block), one(block + 1)])  # type: ignore[misc]
        session.conditions.routing = routing_weights(regions)
        results.append(
            latents_of(
                Session(
                    denoiser, PlainDecoder(golden.vae), settings_of(packed=True), session.conditions, SeededDraws(7)
                ),
                5,
            )
        )
    assert distance(results[1], results[0]) < 2e-5


@pytest.mark.parametrize(
    ("settings", "quantised_rows", "limit"),
    [
        (FastSettings(weights="float8", attention="sdpa", kernels="plain"), False, 0.05),
        (FastSettings(weights="float8", attention="sdpa", kernels="plain"), True, 0.1),
        (FastSettings(weights="float8", attention="sdpa-float8-cache", kernels="plain"), True, 0.15),
    ],
)
def test_lower_precision_stays_near(golden: Golden, settings: FastSettings, quantised_rows: bool, limit: float) -> None:
    wanted = latents_of(make_session(golden, golden.transformer), 6)
    denoiser = fast(golden, settings)
    denoiser.rows = PlainRows(denoiser.dtype, float8=quantised_rows)
    error = distance(latents_of(make_session(golden, denoiser), 6), wanted)
    assert 1e-4 < error < limit


def test_kernels_make_the_same_pass(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    # The smallest picture and one pass: the interpreter takes a second for a thousand rows.
    monkeypatch.setattr("tests.test_fast_transformer.SIDE", 8)
    settings = FastSettings(weights="float32", attention="sdpa", kernels="fused", graphs=False)
    noise = torch.randn(1, 16, 3, 8, 8)
    wanted = make_session(golden, fast(golden, PLAIN)).predict(noise, 0)
    found = make_session(golden, fast(golden, settings)).predict(noise, 0)
    assert distance(found, wanted) < 2e-5


@pytest.mark.parametrize("packed", [False, True])
def test_keys_and_values_in_host_memory_change_nothing(golden: Golden, packed: bool) -> None:
    wanted = latents_of(make_session(golden, fast(golden, PLAIN), packed=packed, prompt_change=7), 9)
    streamed = fast(golden, replace(PLAIN, streamed_cache=True))
    found = latents_of(make_session(golden, streamed, packed=packed, prompt_change=7), 9)
    assert torch.equal(found, wanted)


def test_layers_in_host_memory_change_nothing(golden: Golden) -> None:
    network = copy.deepcopy(golden.transformer)
    layers = take_over_layers(network, "float32").walk()
    hosted = [host_layer(layer_tensors(layer), CPU) if index % 2 else layer for index, layer in enumerate(layers)]
    streamed = fast_transformer(network, PLAIN, StreamedLayers(hosted, CPU))
    wanted = latents_of(make_session(golden, fast(golden, PLAIN)), 5)
    assert torch.equal(latents_of(make_session(golden, streamed), 5), wanted)


@pytest.mark.parametrize(("cache_float8", "dtype"), [(True, torch.float8_e4m3fn), (False, torch.float32)])
def test_the_cache_is_kept_as_asked(golden: Golden, cache_float8: bool, dtype: torch.dtype) -> None:
    """Also where nothing attends in e4m3: memory was planned for it."""
    denoiser = fast(golden, replace(PLAIN, attention="auto", cache_float8=cache_float8))
    assert make_session(golden, denoiser).cache_dtype == dtype
