"""A run of layers is the same function as before, wherever the network is cut: bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tests.triton_on_cpu  # isort: skip  # noqa: F401
from live_avatar.denoiser import Denoiser
from live_avatar.fast.assembly import FastSettings, fast_transformer, take_over_layers
from live_avatar.fast.row_operations import PlainRows
from live_avatar.fast.streamed_layers import StreamedLayers, host_layer
from live_avatar.fast.weights import layer_tensors
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.layer_span import HeldUnits, HiddenState, LayerSpan
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.speaker_regions import routing_weights
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.network_part import NetworkPart
from live_avatar.noise import SeededDraws
from live_avatar.sampler import make_schedule
from live_avatar.saved_session import SavedSession
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.take_passes import LocalPasses, PassSettings
from live_avatar.vae.block_decoder import PlainDecoder
from live_avatar.verify.golden import Golden
from tests.span_material import SplitDenoiser, spans_between

SIDE = 8
CPU = torch.device("cpu")
Maker = Callable[[CausalAvatarTransformer], Denoiser]


@pytest.fixture(scope="module")
def golden() -> Golden:
    torch.set_num_threads(1)
    return Golden(Path(__file__).parent / "golden")


def part_of(network: CausalAvatarTransformer, span: LayerSpan, *, lead: bool) -> CausalAvatarTransformer:
    """A copy that has only what a rank with these layers loads; the rest has no content."""
    part, copied = NetworkPart(span, lead), copy.deepcopy(network)
    copied.span = span
    for name, parameter in list(copied.named_parameters()):
        if not part.has(network.config, name):
            owner, _, leaf = name.rpartition(".")
            empty = torch.nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
            setattr(copied.get_submodule(owner), leaf, empty)
    return copied


def split(network: CausalAvatarTransformer, make: Maker, cuts: Sequence[int]) -> SplitDenoiser:
    """Ranks of ``network``, each with its own layers only."""
    spans = spans_between(cuts, network.config.num_layers)
    parts = [make(part_of(network, span, lead=index == 0)) for index, span in enumerate(spans)]
    return SplitDenoiser(parts, spans)


def session_of(golden: Golden, denoiser: Denoiser, *, packed: bool = False, **changes: Any) -> Session:
    """Clips of two blocks, three steps; the anchor is refreshed at block 2, the prompt changes at block 5."""
    inputs = golden.inputs
    context = inputs["in.ctx"]

    def audio(block: int) -> Tensor:
        features = inputs["in.audio"]
        return features[..., (torch.arange(BLOCK_FRAMES) + block * BLOCK_FRAMES) % features.shape[-1]]

    values: dict[str, Any] = {
        "reference": inputs["in.ref"][..., :SIDE, :SIDE],
        "motion": inputs["in.motion"][..., :SIDE, :SIDE],
        "prompt": lambda block: "two" if block >= 5 else "one",
        "context": lambda text: context if text == "one" else context.flip(0),
        "audio": audio,
    }
    settings = SessionSettings(LatentShape(SIDE, SIDE, 24), make_schedule(3), packed=packed)
    conditions = Conditions(**(values | changes))
    return Session(denoiser, PlainDecoder(golden.vae), settings, conditions, SeededDraws(7))


def latents_of(session: Session, blocks: int = 7) -> Tensor:
    return torch.cat([session.denoise_block() for _ in range(blocks)])


def plain(dtype: torch.dtype) -> Maker:
    return lambda network: network.to(dtype)


def flat(quantised_rows: bool = False, **settings: Any) -> Maker:
    """The flat pass on the processor; ``quantised_rows`` as a card forms them."""
    given: dict[str, Any] = {"attention": "sdpa", "kernels": "plain", "graphs": False} | settings
    asked = FastSettings(**given)

    def make(network: CausalAvatarTransformer) -> Denoiser:
        dtype = torch.float32 if asked.weights == "float32" else torch.bfloat16
        denoiser = fast_transformer(network.to(dtype), asked)
        if quantised_rows:
            denoiser.rows = PlainRows(denoiser.dtype, float8=True)
            denoiser.residual_dtype = torch.bfloat16
        return denoiser

    return make


FORMS = {
    "plain float32": plain(torch.float32),
    "plain bfloat16": plain(torch.bfloat16),
    "flat float32": flat(weights="float32"),
    "flat bfloat16": flat(weights="bfloat16"),
    "flat float8": flat(quantised_rows=True, weights="float8", attention="sdpa-float8-cache"),
    "flat, cache in host memory": flat(weights="float32", streamed_cache=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_anywhere_changes_no_bit(golden: Golden, form: str) -> None:
    """Over the first clip, a refreshed anchor, a full ring and a new prompt; injectors follow the layers 0 and 4."""
    make = FORMS[form]
    wanted = latents_of(session_of(golden, make(copy.deepcopy(golden.transformer))))
    assert bool(wanted.isfinite().all())
    for cuts in ([1], [2], [3], [4], [5], [1, 5], [1, 2, 3, 4, 5]):
        found = latents_of(session_of(golden, split(golden.transformer, make, cuts)))
        assert torch.equal(found, wanted), cuts


@pytest.mark.parametrize("form", ["plain float32", "flat float32", "flat float8", "flat, cache in host memory"])
def test_packed_steps_may_be_cut(golden: Golden, form: str) -> None:
    make = FORMS[form]
    wanted = latents_of(session_of(golden, make(copy.deepcopy(golden.transformer)), packed=True), 9)
    for cuts in ([1], [3], [5]):
        found = latents_of(session_of(golden, split(golden.transformer, make, cuts), packed=True), 9)
        assert torch.equal(found, wanted), cuts


@pytest.mark.parametrize("form", ["plain float32", "flat float8"])
def test_pose_and_several_speakers_may_be_cut(golden: Golden, form: str) -> None:
    make = FORMS[form]
    regions = torch.zeros(2, SIDE // 2, SIDE // 2, dtype=torch.bool)
    regions[0, :, :1] = True
    regions[1, :, 3:] = True
    both = torch.cat([golden.inputs["in.audio"][..., :BLOCK_FRAMES], golden.inputs["in.audio_actor2"]])
    pose = golden.inputs["in.pose"][..., :SIDE, :SIDE]
    changes: dict[str, Any] = {
        "audio": lambda block: both.roll(block, dims=-1),
        "routing": routing_weights(regions),
        "pose": lambda block: pose * (block + 1),
    }
    wanted = latents_of(session_of(golden, make(copy.deepcopy(golden.transformer)), **changes), 4)
    alone = latents_of(session_of(golden, make(copy.deepcopy(golden.transformer))), 4)
    assert not torch.equal(wanted, alone)
    for cuts in ([1], [4], [5]):
        found = latents_of(session_of(golden, split(golden.transformer, make, cuts), **changes), 4)
        assert torch.equal(found, wanted), cuts


def test_kernels_may_be_cut(golden: Golden) -> None:
    """One pass: the interpreter takes a second for a thousand rows."""
    make = flat(weights="float8", attention="sdpa-float8-cache", kernels="fused")
    noise = torch.randn(1, 16, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    wanted = session_of(golden, make(copy.deepcopy(golden.transformer))).predict(noise, 0)
    assert torch.equal(session_of(golden, split(golden.transformer, make, [1])).predict(noise, 0), wanted)


def test_a_changed_hidden_state_shows(golden: Golden) -> None:
    """The comparisons above would see a hidden state that is rounded on its way."""
    make = FORMS["flat float8"]
    wanted = latents_of(session_of(golden, make(copy.deepcopy(golden.transformer))), 1)
    rounded = split(golden.transformer, make, [3])
    tiny = 1 + 2.0**-7
    rounded.between = lambda hidden: HiddenState((hidden.tensors[0] * tiny, hidden.tensors[1]))
    assert not torch.equal(latents_of(session_of(golden, rounded), 1), wanted)


def test_a_part_streams_its_own_layers(golden: Golden) -> None:
    settings = FastSettings(weights="float32", attention="sdpa", kernels="plain", graphs=False)

    def streaming(network: CausalAvatarTransformer) -> Denoiser:
        layers = take_over_layers(network, "float32")
        hosted = [
            host_layer(layer_tensors(layer), CPU) if index % 2 else layer for index, layer in enumerate(layers.walk())
        ]
        return fast_transformer(network, settings, StreamedLayers(hosted, CPU, layers.span.first))

    wanted = latents_of(session_of(golden, FORMS["flat float32"](copy.deepcopy(golden.transformer))))
    assert torch.equal(latents_of(session_of(golden, split(golden.transformer, streaming, [2, 4]))), wanted)


@pytest.mark.parametrize("form", ["plain float32", "flat float8", "flat, cache in host memory"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_state_of_one_cut_goes_on_in_another(golden: Golden, form: str, packed: bool) -> None:
    make = FORMS[form]
    saving = session_of(golden, split(golden.transformer, make, [1, 4]), packed=packed)
    saving.decode_block(latents_of(saving, 4)[-1:])
    saved = saving.save()
    kept = replace(saved, tensors={name: tensor.clone() for name, tensor in saved.tensors.items()})
    assert isinstance(kept, SavedSession)
    wanted = latents_of(saving, 4)
    whole = make(copy.deepcopy(golden.transformer))
    for denoiser in (whole, split(golden.transformer, make, [3])):
        restored = session_of(golden, denoiser, packed=packed)
        restored.restore(kept)
        assert torch.equal(latents_of(restored, 4), wanted)
    # And the other way round: the state of one process on several.
    alone = session_of(golden, make(copy.deepcopy(golden.transformer)), packed=packed)
    alone.decode_block(latents_of(alone, 4)[-1:])
    saved = alone.save()
    for name, tensor in saved.tensors.items():
        # Keys of the reference are placed anew in every pass; a cache in host memory keeps none.
        rows = slice(alone.shape.frame_tokens, None) if name == "cache.key" else slice(None)
        ours, theirs = (part[:, :, rows] if name == "cache.key" else part for part in (tensor, kept.tensors[name]))
        assert torch.equal(ours.float(), theirs.float()), name


# Several blocks in flight, each pass with one of them


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_blocks_in_flight_changes_no_bit(golden: Golden, form: str) -> None:
    make = FORMS[form]
    denoiser = make(copy.deepcopy(golden.transformer))
    wanted = latents_of(session_of(golden, denoiser))
    for room, ahead in ((2, 0), (3, 1), (5, 2)):
        assert torch.equal(latents_of(in_flight(session_of(golden, denoiser), room, ahead)), wanted)


@pytest.mark.parametrize("form", ["plain float32", "flat float8", "flat, cache in host memory"])
@pytest.mark.parametrize("blocks", [1, 2, 3, 5])
def test_blocks_in_flight_are_saved(golden: Golden, form: str, blocks: int) -> None:
    """A state with blocks at any steps, some of them done, goes on with more in flight, with one, and packed."""
    denoiser = FORMS[form](copy.deepcopy(golden.transformer))
    wanted = latents_of(session_of(golden, denoiser), blocks + 4)[blocks:]
    saving = in_flight(session_of(golden, denoiser), 4, 2)
    saving.decode_block(latents_of(saving, blocks)[-1:])
    saved = saving.save()
    # The first block of a start goes alone.
    assert (len(saved.flight_steps) > 0) == (blocks > 1)
    kept = replace(saved, tensors={name: tensor.clone() for name, tensor in saved.tensors.items()})
    restored = [session_of(golden, denoiser), in_flight(session_of(golden, denoiser), 3, 1)]
    for session in restored:
        session.restore(kept)
        assert torch.equal(latents_of(session, 4), wanted)
    packed = session_of(golden, denoiser, packed=True)
    packed.restore(kept)
    assert float((latents_of(packed, 4) - wanted).norm() / wanted.norm()) < (0.2 if "float8" in form else 2e-5)


def in_flight(session: Session, room: int, ahead: int) -> Session:
    """The same take with ``room`` blocks in flight, ``ahead`` of them asked for beyond the one that is awaited."""
    passes = LocalPasses(session.transformer, PassSettings(session.shape, session.schedule), packed=False)
    passes.room, passes.ahead = room, ahead
    settings = SessionSettings(session.shape, session.schedule)
    return Session(session.transformer, session.decoder, settings, session.conditions, session.draws, passes)


# Cuts of the row of (step, layer) units


@pytest.mark.parametrize("form", ["plain float32", "flat float32", "flat float8"])
def test_a_rank_may_hold_some_units_of_a_step(golden: Golden, form: str) -> None:
    """Three steps over two ranks: the first has step 0 and the layers 0 to 4 of step 1, the second the rest."""
    make, layers = FORMS[form], golden.config.num_layers
    nothing, all_layers = LayerSpan(0, 0), LayerSpan(0, layers)
    held = [
        HeldUnits((all_layers, LayerSpan(0, 4), nothing)),
        HeldUnits((nothing, LayerSpan(4, layers), all_layers)),
    ]
    assert [units.count for units in held] == [layers + 4, 2 + layers]
    wanted = latents_of(session_of(golden, make(copy.deepcopy(golden.transformer))), 6)
    denoiser = _ByUnits([make(part_of(golden.transformer, all_layers, lead=True)) for _ in range(2)], held)
    assert torch.equal(latents_of(session_of(golden, denoiser), 6), wanted)


class _ByUnits(SplitDenoiser):
    """Two ranks that hold all layers and the caches of some units."""

    def __init__(self, parts: Sequence[Denoiser], held: Sequence[HeldUnits]) -> None:
        layers = parts[0].config.num_layers
        super().__init__(parts, [LayerSpan(0, layers)] * 2)
        self.held = held

    def new_cache(
        self, shape: LatentShape, steps: int, dtype: torch.dtype | None = None, *, units: HeldUnits | None = None
    ) -> KvCache:
        from tests.span_material import SplitCache

        pairs = zip(self.parts, self.held, strict=True)
        return SplitCache([part.new_cache(shape, steps, dtype, units=own) for part, own in pairs])

    def prefill_span(self, *given: Any) -> HiddenState | None:
        """The first rank's run fills both caches."""
        return self.parts[0].prefill_span(*given)

    def denoise_span(
        self,
        given: Tensor | HiddenState,
        span: LayerSpan,
        time: Any,
        positions: Any,
        cache: Any,
        steps: slice,
        *rest: Any,
    ) -> Tensor | HiddenState:
        for part, units, own in zip(self.parts, self.held, cache.caches, strict=True):
            share = units.spans[steps.start]
            if len(share):
                given = part.denoise_span(given, share, time, positions, own, steps, *rest)
        return given


def test_the_scale_of_values_is_chosen_once_for_every_part(golden: Golden) -> None:
    """Also where the last layer of the network is another rank's."""
    denoiser = FORMS["flat float8"](copy.deepcopy(golden.transformer))
    shape = LatentShape(SIDE, SIDE, 24)
    rotary = RotaryPositions(golden.config.head_dim, shape, "float16", CPU)
    whole = denoiser.new_cache(shape, 3)
    parts = [denoiser.new_cache(shape, 3, units=HeldUnits((span,) * 3)) for span in spans_between([2], 6)]
    for size in (1.0, 100.0):
        for layer in range(golden.config.num_layers):
            torch.manual_seed(layer)
            states = torch.randn(2, 1, shape.condition_tokens, golden.config.num_heads, golden.config.head_dim) * size
            for cache in (whole, *parts):
                cache.write_conditions(layer, KeyValue(states[0], states[1]), rotary)
    wanted = whole.tensors()
    for cache in parts:
        for piece in cache.pieces():
            assert torch.equal(piece.tensor.float(), wanted[piece.name][piece.place].float()), piece.name


def test_units_lie_one_after_the_other() -> None:
    units = HeldUnits((LayerSpan(0, 0), LayerSpan(3, 5), LayerSpan(0, 5)))
    assert (units.count, units.hull, units.held_steps) == (7, LayerSpan(0, 5), range(1, 3))
    assert not units.rectangular
    assert units.run(1, LayerSpan(3, 5)) == slice(0, 2)
    assert units.run(2, LayerSpan(1, 3)) == slice(3, 5)
    assert units.of_layer(4) == [1, 6]
    assert units.of_layer(1) == [3]
    assert units.column(2, 3, 4) == slice(6, 7, 1)
    assert units.column(1, 3, 4) == slice(1, 7, 5)
    with pytest.raises(ValueError, match="held"):
        units.run(1, LayerSpan(2, 4))
    with pytest.raises(ValueError, match="held"):
        units.column(1, 3, 1)
    whole = HeldUnits.whole(3, 4)
    assert whole.rectangular
    assert whole == HeldUnits((LayerSpan(0, 4),) * 3)
    rows = torch.arange(12)
    assert torch.equal(whole.block(rows, 1, 3, LayerSpan(1, 3)), rows.view(3, 4)[1:3, 1:3])
    assert torch.equal(rows[whole.column(0, 3, 2)], rows.view(3, 4)[:, 2])
    with pytest.raises(ValueError, match="same layers"):
        HeldUnits((LayerSpan(0, 4), LayerSpan(1, 4), LayerSpan(0, 4))).column(0, 3, 2)


def test_an_uneven_cache_cannot_wait_in_host_memory(golden: Golden) -> None:
    denoiser = FORMS["flat, cache in host memory"](copy.deepcopy(golden.transformer))
    units = HeldUnits((LayerSpan(0, 6), LayerSpan(0, 4), LayerSpan(0, 0)))
    with pytest.raises(ValueError, match="same layers in every step"):
        denoiser.new_cache(LatentShape(SIDE, SIDE, 24), 3, units=units)
