"""Weights and caches that take turns on the device: always the right content, copied no more often than needed."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.cache import CacheBuffers, FastCache
from live_avatar.fast.placement import streamed_indices
from live_avatar.fast.products import Linear
from live_avatar.fast.row_operations import PlainRows
from live_avatar.fast.streamed_cache import StreamedCache
from live_avatar.fast.streamed_fast_cache import StreamedFastCache
from live_avatar.fast.streamed_layers import HostLayer, StreamedLayers, host_layer
from live_avatar.fast.transfers import Transfers
from live_avatar.fast.weights import InjectorWeights, LayerWeights, layer_tensors
from live_avatar.geometry import LatentShape
from live_avatar.layer_span import HeldUnits, LayerSpan
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.transformer import BlockPositions

CPU = torch.device("cpu")
WIDTH = 8


def make_layer(index: int, injector: bool) -> LayerWeights:
    """A layer whose every value tells which one it is."""

    def linear(rows: int) -> Linear:
        weight = torch.full((rows, WIDTH), float(index + 1)).to(torch.float8_e4m3fn)
        return Linear(weight, torch.full((1, rows), index + 0.5), torch.full((rows,), index, dtype=torch.bfloat16))

    vector = torch.full((WIDTH,), index + 0.25)
    extra = InjectorWeights(linear(WIDTH), linear(WIDTH), vector) if injector else None
    return LayerWeights(
        linear(3 * WIDTH), linear(WIDTH), linear(WIDTH), linear(WIDTH), linear(WIDTH), linear(WIDTH),
        vector, vector, vector, vector.unsqueeze(0), vector.unsqueeze(0), extra,
    )  # fmt: skip


def store_of(layers: int, resident: int) -> StreamedLayers:
    streamed = streamed_indices(layers, resident)
    parts: list[LayerWeights | HostLayer] = []
    for index in range(layers):
        layer = make_layer(index, index % 2 == 0)
        parts.append(host_layer(layer_tensors(layer), CPU) if index in streamed else layer)
    return StreamedLayers(parts, CPU)


def assert_is_layer(weights: LayerWeights, index: int) -> None:
    expected = layer_tensors(make_layer(index, index % 2 == 0))
    found = layer_tensors(weights)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name].float(), tensor.float()) for name, tensor in expected.items())


class CountedCopies:
    """Counts what is copied into slots."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.contents: list[object] = []
        fill = Transfers.fill

        def counted(transfers: Transfers, slot: object, content: object, *rest: object) -> None:
            self.contents.append(content)
            fill(transfers, slot, content, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(Transfers, "fill", counted)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> CountedCopies:
    return CountedCopies(monkeypatch)


class TestPlacement:
    @pytest.mark.parametrize("count", [1, 2, 7, 40])
    def test_as_many_stay_as_asked_for(self, count: int) -> None:
        assert streamed_indices(count, None) == []
        for resident in range(count + 3):
            assert len(streamed_indices(count, resident)) == max(0, count - resident)

    def test_the_streamed_ones_are_spread_evenly(self) -> None:
        for resident in range(40):
            streamed = streamed_indices(40, resident)
            around = [*streamed, streamed[0] + 40]
            gaps = {second - first for first, second in itertools.pairwise(around)}
            assert max(gaps) - min(gaps) <= 1


class TestStreamedLayers:
    @pytest.mark.parametrize("layers", [1, 2, 3, 5])
    def test_every_pass_gives_every_layer(self, layers: int) -> None:
        for resident in range(layers):
            store = store_of(layers, resident)
            for _ in range(4):
                for index, weights in enumerate(store.walk()):
                    assert_is_layer(weights, index)
                assert index == layers - 1

    def test_a_pass_copies_each_streamed_layer_once(self, copies: CountedCopies) -> None:
        store = store_of(7, 2)
        for _ in store.walk():
            pass
        copies.contents.clear()
        for _ in range(3):
            for _ in store.walk():
                pass
        assert sorted(copies.contents) == sorted(streamed_indices(7, 2) * 3)  # type: ignore[type-var]

    def test_the_next_layer_is_on_its_way_before_it_is_asked_for(self, copies: CountedCopies) -> None:
        store = store_of(5, 0)
        for _ in store.walk():
            pass
        walk = store.walk()
        for index in range(5):
            copies.contents.clear()
            assert_is_layer(next(walk), index)
            # Whatever was copied by asking was for a layer after this one.
            assert index not in copies.contents

    def test_two_streamed_layers_are_copied_once_for_ever(self, copies: CountedCopies) -> None:
        store = store_of(6, 4)
        for _ in range(3):
            for index, weights in enumerate(store.walk()):
                assert_is_layer(weights, index)
        assert len(copies.contents) == 2

    @pytest.mark.parametrize("stop", [1, 2, 3, 4])
    def test_a_pass_that_was_broken_off_spoils_nothing(self, stop: int) -> None:
        store = store_of(5, 1)
        for _ in range(2):
            walk = store.walk()
            for _ in range(stop):
                next(walk)
            walk.close()  # type: ignore[attr-defined]
            for index, weights in enumerate(store.walk()):
                assert_is_layer(weights, index)

    def test_what_is_streamed_is_told(self) -> None:
        store = store_of(4, 2)
        sizes = [host_layer(layer_tensors(make_layer(index, index % 2 == 0)), CPU).layout.bytes for index in (1, 3)]
        assert store.streamed_bytes == sum(sizes)
        assert not store.capturable


STEPS, LAYERS, ROWS, HEADS, HEAD_DIM, BLOCK, ROLLED = 4, 5, 12, 2, 4, 3, 2


class Model:
    """What a pass does to a cache, on plain tensors (``None``) and on a streamed one, in step."""

    def __init__(self, resident: int, dtype: torch.dtype, layers: int = LAYERS) -> None:
        size = (STEPS, layers, ROWS, HEADS, HEAD_DIM)
        self.layers = layers
        self.key, self.value = torch.zeros(size, dtype=dtype), torch.zeros(size, dtype=dtype)
        self.cache = StreamedCache(
            STEPS, layers, ROWS, HEADS, HEAD_DIM, dtype, CPU, rolled_rows=ROLLED, resident=resident
        )
        self.generator = torch.Generator().manual_seed(9)

    def random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, HEADS, HEAD_DIM, generator=self.generator).to(self.key.dtype)

    def conditions(self) -> None:
        for layer in range(self.layers):
            key, value = self.random(3), self.random(5)
            self.key[:, layer, ROLLED : ROLLED + 3], self.value[:, layer, :5] = key, value
            self.cache.write(layer, ROLLED, key, None)
            self.cache.write(layer, 0, None, value)

    def run_pass(self, steps: slice, rows: list[int], visible: int) -> None:
        self.cache.begin(steps, visible)
        for layer in range(self.layers):
            key, value = self.cache.window(layer)
            rolled = self.random(ROLLED)
            key[:, :ROLLED], self.key[steps, layer, :ROLLED] = rolled, rolled
            for index, row in enumerate(rows):
                fresh = self.random(2, BLOCK)
                key[index, row : row + BLOCK], value[index, row : row + BLOCK] = fresh[0], fresh[1]
                step = steps.start + index
                self.key[step, layer, row : row + BLOCK] = fresh[0]
                self.value[step, layer, row : row + BLOCK] = fresh[1]
            assert torch.equal(key.float(), self.key[steps, layer, :visible].float())
            assert torch.equal(value.float(), self.value[steps, layer, :visible].float())
            self.cache.written(layer, rows, BLOCK)

    def assert_settled(self) -> None:
        self.cache.settle()
        assert torch.equal(self.cache.key[:, :, ROLLED:].float(), self.key[:, :, ROLLED:].float())
        assert torch.equal(self.cache.value.float(), self.value.float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn])
@pytest.mark.parametrize("resident", [0, 1, 3, 4, 5])
class TestStreamedCache:
    def test_steps_in_sequence(self, resident: int, dtype: torch.dtype) -> None:
        model = Model(resident, dtype)
        model.conditions()
        for block in range(4):
            if block == 2:
                model.conditions()
            for step in range(STEPS):
                row = 6 + block % 2 * BLOCK
                model.run_pass(slice(step, step + 1), [row], ROWS if block else 9)
        model.assert_settled()

    def test_packed_steps(self, resident: int, dtype: torch.dtype) -> None:
        model = Model(resident, dtype)
        model.conditions()
        for block in range(5):
            if block == 3:
                model.conditions()
            model.run_pass(slice(0, STEPS), [6 + (block + step) % 2 * BLOCK for step in range(STEPS)], ROWS)
        model.assert_settled()

    def test_what_was_saved_comes_back(self, resident: int, dtype: torch.dtype) -> None:
        model, other = Model(resident, dtype), Model(2, dtype)
        model.conditions()
        model.run_pass(slice(0, STEPS), [6] * STEPS, ROWS)
        model.assert_settled()
        other.run_pass(slice(0, STEPS), [6] * STEPS, ROWS)
        other.cache.settle()
        other.cache.key.copy_(model.cache.key)
        other.cache.value.copy_(model.cache.value)
        other.key.copy_(model.key)
        other.value.copy_(model.value)
        other.cache.reload()
        other.run_pass(slice(0, STEPS), [9] * STEPS, ROWS)
        other.assert_settled()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_each_window_comes_once_a_pass(copies: CountedCopies, packed: bool, layers: int) -> None:
    model = Model(0, torch.float32, layers)
    passes = [slice(0, STEPS)] * 6 if packed else [slice(step % STEPS, step % STEPS + 1) for step in range(8)]
    for steps in passes:
        copies.contents.clear()
        model.run_pass(steps, [6] * (steps.stop - steps.start), ROWS)
    # Packed, up to two layers simply stay.
    assert len(copies.contents) == (0 if packed and layers <= 2 else layers)


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_steps_in_any_order_are_fetched_once_if_they_are_told(copies: CountedCopies, layers: int) -> None:
    order = [3, 1, 0, 2, 1, 3, 0, 2]
    model = Model(0, torch.float32, layers)
    model.conditions()
    counts = []
    for index, step in enumerate(order):
        copies.contents.clear()
        if index + 1 < len(order):
            # Windows grow while the ring fills.
            model.cache.expect(slice(order[index + 1], order[index + 1] + 1), 9 if index < 2 else ROWS)
        model.run_pass(slice(step, step + 1), [6], 9 if index < 3 else ROWS)
        counts.append(len(copies.contents))
    # Some of the first come in the first pass itself; in the last one those of a guess.
    assert counts[1:-1] == [layers] * (len(order) - 2)
    model.assert_settled()


def test_a_pass_says_what_it_copies() -> None:
    cache = Model(2, torch.bfloat16).cache
    assert cache.pass_bytes(STEPS, ROWS) == 3 * STEPS * (2 * ROWS - ROLLED) * HEADS * HEAD_DIM * 2


def positions_of(cache: FastCache, blocks: list[int], visible: int) -> BlockPositions:
    """Where blocks stand; this cache needs no rotations for it."""
    nothing = torch.empty(0)
    return BlockPositions(nothing, nothing, cache.ring_index(torch.tensor(blocks)), visible, tuple(blocks))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float8_e4m3fn])
@pytest.mark.parametrize("resident", [0, 1])
@pytest.mark.parametrize("packed", [False, True])
def test_the_flat_pass_finds_in_it_what_it_finds_in_its_own(dtype: torch.dtype, resident: int, packed: bool) -> None:
    config = DitConfig(96, 2, 128, 3, 32, (0,), 32)
    shape = LatentShape(8, 8, 24)
    steps, frame_tokens = 2, shape.frame_tokens
    units, span = HeldUnits.whole(steps, config.num_layers), LayerSpan(0, config.num_layers)
    plain = FastCache(shape, CacheBuffers.allocate(config, shape, units, dtype, torch.float32, CPU))
    streamed = StreamedFastCache(config, shape, units, dtype, torch.float32, CPU, resident)
    rotary = RotaryPositions(config.head_dim, shape, "float16", CPU)
    rows = PlainRows(torch.float32, float8=False)
    generator = torch.Generator().manual_seed(4)

    def random(*size: int) -> Tensor:
        return torch.randn(*size, config.num_heads, config.head_dim, generator=generator)

    for block in range(5):
        if block in (0, 2):
            for layer in range(config.num_layers):
                condition = KeyValue(random(1, shape.condition_tokens), random(1, shape.condition_tokens))
                plain.write_conditions(layer, condition, rotary)
                streamed.write_conditions(layer, condition, rotary)
            assert torch.equal(plain.reference_key, streamed.reference_key)
        visible = plain.visible_tokens(block)
        for step in [slice(0, steps)] if packed else [slice(0, 1), slice(1, 2)]:
            blocks = [block] * (step.stop - step.start)
            index = streamed.ring_index(torch.tensor(blocks))
            streamed.begin_pass(step, span, positions_of(streamed, blocks, visible), rows)
            for layer in range(config.num_layers):
                ours, theirs = streamed.window(step, layer, index), plain.window(step, layer, index)
                assert torch.equal(ours.value_scale, theirs.value_scale)
                for row in range(len(blocks)):
                    key, value = random(2, shape.block_tokens).to(dtype)
                    places = slice(int(index[row, 0]), int(index[row, -1]) + 1)
                    for window in (ours, theirs):
                        window.key[row, places], window.value[row, places] = key, value
                assert torch.equal(ours.value.float(), theirs.value[:, :visible].float())
                assert torch.equal(ours.key[:, frame_tokens:].float(), theirs.key[:, frame_tokens:visible].float())
                streamed.finish_layer(layer)
    restored = FastCache(shape, CacheBuffers.allocate(config, shape, units, dtype, torch.float32, CPU))
    restored.load_tensors({name: tensor.clone() for name, tensor in streamed.tensors().items()})
    for name, tensor in plain.tensors().items():
        kept = slice(frame_tokens, None) if name == "key" else slice(None)
        found = restored.tensors()[name]
        if name in ("key", "value"):
            assert torch.equal(found[:, :, kept].float(), tensor[:, :, kept].float())
        else:
            assert torch.equal(found, tensor)
    again = StreamedFastCache(config, shape, units, dtype, torch.float32, CPU, 1 - resident)
    again.load_tensors(plain.tensors())
    again.begin_pass(slice(0, steps), span, positions_of(again, [5] * steps, visible), rows)
    for layer in range(config.num_layers):
        window = again.window(slice(0, steps), layer, index)
        assert torch.equal(window.value.float(), plain.tensors()["value"][:, layer, :visible].float())
        again.finish_layer(layer)
