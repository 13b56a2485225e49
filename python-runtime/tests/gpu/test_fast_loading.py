"""Loading, streaming and pinned memory on a card, against the CPU, with computation and copies out of step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.lora import read_lora
from live_avatar.checkpoint.random_weights import write_random_model
from live_avatar.fast.flat_layer import content_sum
from live_avatar.fast.loading import load_fast_transformer
from live_avatar.fast.pinned_memory import HostBuffer
from live_avatar.fast.placement import Placement, streamed_indices
from live_avatar.fast.products import Linear
from live_avatar.fast.read_ahead import ReadAhead, ReadRequest
from live_avatar.fast.streamed_cache import StreamedCache
from live_avatar.fast.streamed_layers import HostLayer, StreamedLayers, host_layer
from live_avatar.fast.weight_cache import CacheSettings
from live_avatar.fast.weights import LayerStore, LayerWeights, layer_tensors

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card")

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
# About a millisecond on any card of the last years; copies of the tests take less, or more.
CYCLES = (0, 2_000_000)
WIDTH = 2048


def layers_of(store: LayerStore) -> list[dict[str, Tensor]]:
    return [{name: tensor.clone() for name, tensor in layer_tensors(layer).items()} for layer in store.walk()]


def share_equal(first: Tensor, second: Tensor) -> float:
    """Share of equal values."""
    return float((first.float().cpu() == second.float().cpu()).float().mean())


def rounding_apart(ours: Tensor, theirs: Tensor) -> str | None:
    """How two tensors differ by more than sums in another order explain; ``None`` if they do not.

    A merge that rounds the other way moves a value by a step of its form, and where it is the largest of its row, the
    row's scale by a step of bfloat16 and some of its codes by one. Cards divide by multiplying, so scales differ
    in their last bit.
    """
    assert ours.dtype == theirs.dtype
    step = max(torch.finfo(theirs.dtype).eps, 2.0**-8)
    smallest = 2.0**-9 if theirs.dtype == torch.float8_e4m3fn else 1e-6
    near = torch.isclose(ours.float().cpu(), theirs.float(), rtol=step * 1.01, atol=smallest)
    equal = share_equal(ours, theirs)
    if torch.allclose(ours.float().cpu(), theirs.float(), rtol=1e-6) or (bool(near.all()) and equal > 0.9):
        return None
    worst = float((ours.float().cpu() - theirs.float()).abs().max())
    return f"{tuple(theirs.shape)} {theirs.dtype}: {equal:.4f} equal, {int((~near).sum())} far apart, worst {worst:.4g}"


class TestHostBuffer:
    def test_it_is_pinned_in_its_own_size_and_given_back(self) -> None:
        for _ in range(3):
            buffer = HostBuffer(5_000_001, CUDA)
            assert buffer.pinned
            assert buffer.data.is_pinned()
            address = buffer.data.data_ptr()
            del buffer
        # The same place can be pinned again, so it was given back.
        assert address

    def test_copies_from_it_arrive(self) -> None:
        buffer = HostBuffer(1 << 20, CUDA)
        buffer.data.copy_(torch.randint(0, 256, (1 << 20,), dtype=torch.uint8))
        assert torch.equal(buffer.data.to(CUDA, non_blocking=True).cpu(), buffer.data)


def test_check_sums_are_the_same_on_both_devices() -> None:
    data = torch.randint(0, 256, (256 * 4099,), dtype=torch.uint8)
    assert int(content_sum(data.to(CUDA))) == int(content_sum(data))


def test_files_arrive_whole_through_staging(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = torch.randint(0, 256, (150_000_001,), dtype=torch.uint8)
    path.write_bytes(data.numpy().tobytes())
    host = HostBuffer(1000, CUDA)
    requests = [
        ReadRequest(path, 0, len(data)),
        ReadRequest(path, 5, 1000, host.data),
        ReadRequest(path, 7, 40_000_000),
    ]
    with ReadAhead(CUDA, threads=2) as reader:
        whole, target, part = reader.read(requests)
    assert torch.equal(whole.cpu(), data)
    assert torch.equal(target, data[5:1005])
    assert torch.equal(part.cpu(), data[7:40_000_007])


def layer_of(index: int) -> LayerWeights:
    """A layer of 4 MB parts whose every value tells which one it is."""

    def linear(rows: int) -> Linear:
        return Linear(torch.full((rows, WIDTH), index + 1.0).to(torch.float8_e4m3fn), torch.full((1, rows), 1.0), None)

    vector = torch.full((WIDTH,), index + 1.0)
    return LayerWeights(
        linear(WIDTH), linear(WIDTH), linear(WIDTH), linear(WIDTH), linear(WIDTH), linear(WIDTH),
        vector, vector, vector, vector.unsqueeze(0), vector.unsqueeze(0), None,
    )  # fmt: skip


@pytest.mark.parametrize("resident", [0, 1, 3, 5])
@pytest.mark.parametrize("cycles", CYCLES)
def test_streamed_layers_are_right_at_any_pace(resident: int, cycles: int) -> None:
    layers, passes = 6, 8
    streamed = streamed_indices(layers, resident)
    parts: list[LayerWeights | HostLayer] = []
    for index in range(layers):
        weights = layer_of(index)
        if index in streamed:
            parts.append(host_layer(layer_tensors(weights), CUDA))
        else:
            for linear in (weights.qkv, weights.ffn_down):
                linear.weight = linear.weight.to(CUDA)
            parts.append(weights)
    store = StreamedLayers(parts, CUDA)
    found = torch.zeros(passes, layers, 4, device=CUDA)
    with torch.cuda.stream(torch.cuda.Stream()):
        for number in range(passes):
            for index, weights in enumerate(store.walk()):
                for column, linear in enumerate((weights.qkv, weights.ffn_down)):
                    codes = linear.weight.float()
                    found[number, index, 2 * column], found[number, index, 2 * column + 1] = codes.min(), codes.max()
                    if cycles:
                        torch.cuda._sleep(cycles)
        torch.cuda.synchronize()
    expected = torch.arange(1.0, layers + 1, device=CUDA).view(1, -1, 1).expand_as(found)
    assert torch.equal(found, expected)


def test_streamed_layers_refuse_to_be_captured() -> None:
    store = StreamedLayers([host_layer(layer_tensors(layer_of(0)), CUDA)], CUDA)
    graph = torch.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="captured"), torch.cuda.graph(graph):
        next(store.walk())
    torch.cuda.synchronize()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
@pytest.mark.parametrize("resident", [0, 2])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cycles", CYCLES)
def test_a_streamed_cache_is_as_one_on_the_card(dtype: torch.dtype, resident: int, packed: bool, cycles: int) -> None:
    steps, layers, rows, heads, head_dim, block, rolled = 4, 5, 960, 8, 64, 160, 64
    size = (steps, layers, rows, heads, head_dim)
    plain = [torch.zeros(size, dtype=dtype, device=CUDA) for _ in range(2)]
    cache = StreamedCache(*size, dtype, CUDA, rolled_rows=rolled, resident=resident)
    generator = torch.Generator(CUDA).manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, heads, head_dim, generator=generator, device=CUDA).to(dtype)

    wrong = torch.zeros((), dtype=torch.int64, device=CUDA)
    for number in range(6):
        if number in (0, 3):
            for layer in range(layers):
                key, value = random(100), random(164)
                plain[0][:, layer, rolled : rolled + 100], plain[1][:, layer, :164] = key, value
                cache.write(layer, rolled, key, None)
                cache.write(layer, 0, None, value)
        row = 480 + number % 3 * block
        for window in [slice(0, steps)] if packed else [slice(step, step + 1) for step in range(steps)]:
            count = window.stop - window.start
            cache.begin(window, rows)
            for layer in range(layers):
                key, value = cache.window(layer)
                fresh = random(3, count, block)
                for index, states in enumerate((key, value)):
                    states[:, row : row + block] = fresh[index]
                    plain[index][window, layer, row : row + block] = fresh[index]
                key[:, :rolled] = plain[0][window, layer, :rolled] = fresh[2][:, :rolled]
                if cycles:
                    torch.cuda._sleep(cycles)
                for index, states in enumerate((key, value)):
                    wrong += (states.float() != plain[index][window, layer].float()).sum()
                cache.written(layer, [row] * count, block)
    assert int(wrong) == 0
    cache.settle()
    assert torch.equal(cache.value.float(), plain[1].float().cpu())
    assert torch.equal(cache.key[:, :, rolled:].float(), plain[0][:, :, rolled:].float().cpu())


@pytest.mark.parametrize("placement", [Placement(), Placement(resident_layers=1, host_text=True, host_audio=True)])
def test_the_golden_weights_are_those_of_the_cpu(placement: Placement, tmp_path: Path) -> None:
    layout = CheckpointLayout.find(GOLDEN / "ckpt")
    lora = read_lora(GOLDEN / "lora" / "liveavatar.safetensors")
    expected, wanted = load_fast_transformer(layout, lora, "float8", CPU)
    cache = CacheSettings(folder=tmp_path / "weights")
    for _ in range(2):  # prepared, then from the cache
        module, store = load_fast_transformer(layout, lora, "float8", CUDA, placement, cache=cache)
        for ours, theirs in zip(layers_of(store), layers_of(wanted), strict=True):
            assert ours.keys() == theirs.keys()
            apart = {name: rounding_apart(ours[name], tensor) for name, tensor in theirs.items()}
            assert not {name: found for name, found in apart.items() if found}
        for name, parameter in module.named_parameters():
            if not parameter.is_meta:
                assert rounding_apart(parameter, expected.get_parameter(name)) is None, name


@pytest.fixture(scope="module")
def slice_model(tmp_path_factory: pytest.TempPathFactory) -> CheckpointLayout:
    """Four layers of the published widths."""
    folder = tmp_path_factory.mktemp("slice") / "model"
    write_random_model(folder, "slice", Drawing(0))
    return CheckpointLayout.find(folder)


def test_a_load_needs_what_stays_and_one_layer(slice_model: CheckpointLayout, tmp_path: Path) -> None:
    lora = read_lora(slice_model.root / "liveavatar.safetensors")
    cache = CacheSettings(folder=tmp_path / "weights")
    stores = []
    for over in (2.5e9, 0.6e9):  # a layer in bfloat16 with its temporaries; from the cache a check sum's
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(CUDA)
        before = torch.cuda.memory_allocated(CUDA)
        module, store = load_fast_transformer(slice_model, lora, "float8", CUDA, cache=cache)
        held, peak = torch.cuda.memory_allocated(CUDA), torch.cuda.max_memory_allocated(CUDA)
        assert held - before < 4e9
        assert peak - held < over
        stores.append(layers_of(store))
        del module, store
    for ours, theirs in zip(*stores, strict=True):
        assert all(torch.equal(ours[name].view(torch.uint8), theirs[name].view(torch.uint8)) for name in ours)


@pytest.mark.parametrize("conditions", ["wide", "int8", "float8"])
def test_conditions_from_host_memory_are_the_same(slice_model: CheckpointLayout, conditions: str) -> None:
    results = []
    for host in (False, True):
        placement = Placement(conditions=conditions, host_text=host, host_audio=host)  # type: ignore[arg-type]
        module, _ = load_fast_transformer(slice_model, None, "float8", CUDA, placement)
        generator = torch.Generator(CUDA).manual_seed(2)
        context = torch.randn(40, 4096, generator=generator, device=CUDA)
        features = torch.randn(1, 25, 1024, 12, generator=generator, device=CUDA)
        text = module.text_memory(module.embed_text(context)).values()
        audio = module.audio_memory(features).values()
        results.append([*(part.key for part in text), *(part.value for part in text), *(one.shift for one in audio)])
        del module
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*results, strict=True))
