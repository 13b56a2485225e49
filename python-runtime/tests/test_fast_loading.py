"""Loading for the flat pass: the same weights as the plain way, wherever they live, from files or from the cache."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from live_avatar.bench.random_network import PUBLISHED
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.lora import LoraFile, read_lora
from live_avatar.checkpoint.tensors import open_safetensors_set
from live_avatar.fast import loading
from live_avatar.fast.flat_layer import FlatLayout
from live_avatar.fast.loading import load_fast_transformer
from live_avatar.fast.placement import Placement
from live_avatar.fast.streamed_layers import StreamedLayers
from live_avatar.fast.weight_cache import CacheEntry, CacheSettings
from live_avatar.fast.weight_cache_file import write_flat_file
from live_avatar.fast.weights import LayerStore, LayerWeights, layer_tensors, make_layer, step_tensor_names
from live_avatar.layer_span import LayerSpan
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.models import load_transformer
from live_avatar.network_part import NetworkPart

GOLDEN = Path(__file__).parent / "golden"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def layout() -> CheckpointLayout:
    return CheckpointLayout.find(GOLDEN / "ckpt")


@pytest.fixture(scope="module")
def lora() -> LoraFile:
    return read_lora(GOLDEN / "lora" / "liveavatar.safetensors")


@pytest.fixture(scope="module")
def plain(layout: CheckpointLayout, lora: LoraFile) -> CausalAvatarTransformer:
    """The golden network with its LoRA, loaded the plain way in bfloat16."""
    return load_transformer(layout, torch.bfloat16, CPU, transform=lora.merge)


@pytest.fixture
def cache(tmp_path: Path) -> CacheSettings:
    return CacheSettings(folder=tmp_path / "weights")


class Warnings(list[str]):
    """Codes of warnings, in order."""

    def __call__(self, code: str, text: str) -> None:
        assert text.endswith(".")
        self.append(code)


def layers_of(store: LayerStore) -> list[dict[str, Tensor]]:
    return [{name: tensor.clone() for name, tensor in layer_tensors(layer).items()} for layer in store.walk()]


def expected_layer(network: CausalAvatarTransformer, index: int) -> LayerWeights:
    return make_layer(network.config, index, lambda name: network.get_parameter(name).detach(), "float8")


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.dtype == second[name].dtype
        assert torch.equal(tensor.view(torch.uint8), second[name].view(torch.uint8)), name


def assert_is_golden(module: CausalAvatarTransformer, store: LayerStore, plain: CausalAvatarTransformer) -> None:
    """Layers made of the plainly loaded weights; everything else of the network bit for bit."""
    for index, tensors in enumerate(layers_of(store)):
        assert_same(tensors, layer_tensors(expected_layer(plain, index)))
    step = {name for index in range(plain.config.num_layers) for name in step_tensor_names(plain.config, index)}
    for name, parameter in module.named_parameters():
        if name in step:
            assert parameter.is_meta
        else:
            assert torch.equal(parameter, plain.get_parameter(name)), name


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing may be prepared from the published files."""

    def refuse(*_: object) -> Iterator[None]:
        raise AssertionError("the cache was not used")

    monkeypatch.setattr(loading, "prepared_groups", refuse)


def test_weights_are_those_of_the_plain_way(
    layout: CheckpointLayout, lora: LoraFile, plain: CausalAvatarTransformer
) -> None:
    module, store = load_fast_transformer(layout, lora, "float8", CPU)
    assert_is_golden(module, store, plain)


def test_float32_keeps_every_bit_of_a_merge_in_float32(layout: CheckpointLayout, lora: LoraFile) -> None:
    plain = load_transformer(layout, torch.float32, CPU, transform=lora.merge)
    module, store = load_fast_transformer(layout, lora, "float32", CPU)
    name = "text_embedding.0.weight"
    assert torch.equal(module.get_parameter(name), plain.get_parameter(name))
    layer = next(iter(store.walk()))
    assert torch.equal(layer.ffn_up.weight, plain.get_parameter("blocks.0.ffn.0.weight"))


def test_the_lora_makes_a_difference(layout: CheckpointLayout, plain: CausalAvatarTransformer) -> None:
    _, store = load_fast_transformer(layout, None, "float8", CPU)
    expected = layer_tensors(expected_layer(plain, 0))["qkv.weight"]
    assert not torch.equal(layers_of(store)[0]["qkv.weight"].view(torch.uint8), expected.view(torch.uint8))


@pytest.mark.parametrize("resident", [0, 1, 3])
def test_streamed_layers_are_the_same_weights_pass_after_pass(
    layout: CheckpointLayout, lora: LoraFile, plain: CausalAvatarTransformer, resident: int
) -> None:
    module, store = load_fast_transformer(layout, lora, "float8", CPU, Placement(resident_layers=resident))
    assert isinstance(store, StreamedLayers)
    for _ in range(3):
        assert_is_golden(module, store, plain)


def conditions(module: CausalAvatarTransformer) -> list[Tensor]:
    """What is made once a prompt and once a block."""
    generator = torch.Generator().manual_seed(3)
    config = module.config
    context = torch.randn(7, config.text_dim, generator=generator)
    features = torch.randn(1, config.audio_layers, config.audio_dim, 12, generator=generator)
    text = [
        part for layer in module.text_memory(module.embed_text(context)).values() for part in (layer.key, layer.value)
    ]
    audio = module.audio_memory(features).values()
    return [*text, *(part for one in audio for part in (one.memory.key, one.memory.value, one.shift, one.scale))]


@pytest.mark.parametrize("host", [False, True])
def test_conditions_in_host_memory_are_the_same(
    layout: CheckpointLayout, lora: LoraFile, plain: CausalAvatarTransformer, host: bool
) -> None:
    module, _ = load_fast_transformer(layout, lora, "float8", CPU, Placement(host_text=host, host_audio=host))
    for made, expected in zip(conditions(module), conditions(plain), strict=True):
        assert torch.equal(made, expected)


@pytest.mark.parametrize(("form", "limit"), [("float8", 0.04), ("int8", 0.015)])
@pytest.mark.parametrize("host", [False, True])
def test_conditions_from_small_weights_are_close(
    layout: CheckpointLayout, lora: LoraFile, form: str, limit: float, host: bool
) -> None:
    plain = load_transformer(layout, torch.float32, CPU, transform=lora.merge)
    placement = Placement(conditions="int8" if form == "int8" else "float8", host_text=host, host_audio=host)
    module, _ = load_fast_transformer(layout, lora, "float32", CPU, placement)
    for made, expected in zip(conditions(module), conditions(plain), strict=True):
        assert 0 < (made - expected).norm() <= limit * expected.norm()


def test_progress_counts_every_byte_once(layout: CheckpointLayout) -> None:
    seen: list[tuple[int, int]] = []
    load_fast_transformer(layout, None, "float8", CPU, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1


PARTS = [
    NetworkPart(LayerSpan(0, 2)),
    NetworkPart(LayerSpan(2, 5), lead=False),
    NetworkPart(LayerSpan(5, 6), lead=False),
    NetworkPart(LayerSpan(0, 0)),
    NetworkPart(LayerSpan(0, 6), lead=False),
]


def assert_is_part(
    module: CausalAvatarTransformer, store: LayerStore, plain: CausalAvatarTransformer, part: NetworkPart
) -> None:
    """What a part has is as in the whole network, and nothing else is there."""
    assert (module.span, store.span) == (part.span, part.span)
    for index, tensors in zip(part.span.layers, layers_of(store), strict=True):
        assert_same(tensors, layer_tensors(expected_layer(plain, index)))
    step = {name for index in range(plain.config.num_layers) for name in step_tensor_names(plain.config, index)}
    for name, parameter in module.named_parameters():
        assert parameter.is_meta == (name in step or not part.has(plain.config, name)), name
        assert parameter.is_meta or torch.equal(parameter, plain.get_parameter(name)), name


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("resident", [None, 1])
def test_a_rank_loads_its_own_weights_only(
    layout: CheckpointLayout, lora: LoraFile, plain: CausalAvatarTransformer, part: NetworkPart, resident: int | None
) -> None:
    seen: list[tuple[int, int]] = []
    placement = Placement(resident_layers=resident)
    module, store = load_fast_transformer(
        layout, lora, "float8", CPU, placement, lambda *bytes: seen.append(bytes), part
    )
    assert_is_part(module, store, plain, part)
    streamed = 0 if resident is None else max(0, len(part.span) - resident)
    assert (len(store._order) if isinstance(store, StreamedLayers) else 0) == streamed
    source = open_safetensors_set(layout.transformer_files)
    size = sum(source.bytes(name) for name in part.names(plain.config, source))
    assert seen[-1] == (size, size)


@pytest.mark.parametrize("part", PARTS)
def test_the_plain_network_of_a_rank(
    layout: CheckpointLayout, lora: LoraFile, plain: CausalAvatarTransformer, part: NetworkPart
) -> None:
    module = load_transformer(layout, torch.bfloat16, CPU, transform=lora.merge, part=part)
    assert module.span == part.span
    for name, parameter in module.named_parameters():
        assert parameter.is_meta != part.has(plain.config, name), name
        assert parameter.is_meta or torch.equal(parameter, plain.get_parameter(name)), name


def test_parts_share_the_network_evenly() -> None:
    """Of the published sizes: a rank has its share of all weights, give or take a tenth."""
    names = {name: math.prod(shape) for name, shape in dit_shapes(PUBLISHED).items()}
    for ranks in (2, 4):
        size = PUBLISHED.num_layers // ranks
        for rank in range(ranks):
            part = NetworkPart(LayerSpan(rank * size, (rank + 1) * size), lead=rank == 0)
            own = sum(names[name] for name in part.names(PUBLISHED, names))
            assert own == pytest.approx(sum(names.values()) / ranks, rel=0.1)


PLACEMENTS = [
    Placement(),
    Placement(resident_layers=1),
    Placement(conditions="float8"),
    Placement(resident_layers=2, conditions="int8", host_text=True, host_audio=True),
]


class TestCache:
    @pytest.mark.parametrize("placement", PLACEMENTS)
    def test_second_load_reads_what_the_first_prepared(
        self,
        layout: CheckpointLayout,
        lora: LoraFile,
        cache: CacheSettings,
        placement: Placement,
        request: pytest.FixtureRequest,
    ) -> None:
        warnings = Warnings()
        first = load_fast_transformer(layout, lora, "float8", CPU, placement, cache=cache, warn=warnings)
        request.getfixturevalue("no_files")
        seen: list[tuple[int, int]] = []
        second = load_fast_transformer(
            layout, lora, "float8", CPU, placement, lambda *bytes: seen.append(bytes), cache=cache, warn=warnings
        )
        assert warnings == []
        assert seen[-1][0] == seen[-1][1] > 0
        for ours, theirs in zip(layers_of(first[1]), layers_of(second[1]), strict=True):
            assert_same(ours, theirs)
        parameters = dict(second[0].named_parameters()) | dict(second[0].named_buffers())
        for name, tensor in [*first[0].named_parameters(), *first[0].named_buffers()]:
            assert tensor.is_meta == parameters[name].is_meta
            assert tensor.is_meta or torch.equal(tensor, parameters[name]), name

    @pytest.mark.parametrize("part", PARTS)
    def test_a_part_is_read_from_what_was_prepared_whole_or_for_its_like(
        self,
        layout: CheckpointLayout,
        lora: LoraFile,
        plain: CausalAvatarTransformer,
        cache: CacheSettings,
        part: NetworkPart,
        tmp_path: Path,
        request: pytest.FixtureRequest,
    ) -> None:
        own, warnings = CacheSettings(folder=tmp_path / "own"), Warnings()
        load_fast_transformer(layout, lora, "float8", CPU, cache=cache)
        load_fast_transformer(layout, lora, "float8", CPU, part=part, cache=own)
        assert len(list(own.root.iterdir())) == 1
        request.getfixturevalue("no_files")
        for folder in (cache, own):
            read = load_fast_transformer(layout, lora, "float8", CPU, part=part, cache=folder, warn=warnings)
            assert_is_part(*read, plain, part)
        assert warnings == []
        with pytest.raises(AssertionError, match="not used"):
            load_fast_transformer(layout, lora, "float8", CPU, cache=own)

    def test_streaming_reads_what_resident_layers_wrote(
        self,
        layout: CheckpointLayout,
        lora: LoraFile,
        plain: CausalAvatarTransformer,
        cache: CacheSettings,
        request: pytest.FixtureRequest,
    ) -> None:
        load_fast_transformer(layout, lora, "float8", CPU, cache=cache)
        request.getfixturevalue("no_files")
        placement = Placement(resident_layers=1, host_text=True)
        module, store = load_fast_transformer(layout, lora, "float8", CPU, placement, cache=cache)
        assert_is_golden(module, store, plain)

    @pytest.mark.parametrize("threads", [1, 3])
    def test_any_number_of_threads_reads_the_same(
        self,
        layout: CheckpointLayout,
        lora: LoraFile,
        plain: CausalAvatarTransformer,
        cache: CacheSettings,
        threads: int,
    ) -> None:
        load_fast_transformer(layout, lora, "float8", CPU, cache=cache)
        module, store = load_fast_transformer(layout, lora, "float8", CPU, cache=cache, threads=threads)
        assert_is_golden(module, store, plain)

    def test_files_lora_and_conditions_have_entries_of_their_own(
        self, layout: CheckpointLayout, lora: LoraFile, cache: CacheSettings, tmp_path: Path
    ) -> None:
        changed = CheckpointLayout.find(Path(shutil.copytree(layout.root, tmp_path / "changed")))
        shard = bytearray(changed.transformer_files[0].read_bytes())
        shard[-1] ^= 1
        changed.transformer_files[0].write_bytes(shard)
        load_fast_transformer(layout, lora, "float8", CPU, cache=cache)
        load_fast_transformer(layout, None, "float8", CPU, cache=cache)
        load_fast_transformer(changed, None, "float8", CPU, cache=cache)
        load_fast_transformer(layout, lora, "float8", CPU, Placement(conditions="float8"), cache=cache)
        load_fast_transformer(layout, lora, "float8", CPU, Placement(resident_layers=0), cache=cache)
        assert len(list(cache.root.iterdir())) == 4

    @pytest.mark.parametrize("form", ["bfloat16", "float32"])
    def test_wide_weights_are_not_kept(self, layout: CheckpointLayout, cache: CacheSettings, form: str) -> None:
        load_fast_transformer(layout, None, "float32" if form == "float32" else "bfloat16", CPU, cache=cache)
        assert not cache.root.exists()

    def test_nothing_is_kept_when_switched_off(self, layout: CheckpointLayout, cache: CacheSettings) -> None:
        off = CacheSettings(enabled=False, folder=cache.folder)
        load_fast_transformer(layout, None, "float8", CPU, cache=off)
        assert not cache.root.exists()

    @pytest.mark.parametrize("damage", ["bit", "cut", "header", "other tensors", "manifest", "missing"])
    def test_a_damaged_entry_is_made_anew(
        self,
        layout: CheckpointLayout,
        lora: LoraFile,
        plain: CausalAvatarTransformer,
        cache: CacheSettings,
        damage: str,
        request: pytest.FixtureRequest,
    ) -> None:
        load_fast_transformer(layout, lora, "float8", CPU, cache=cache)
        (entry,) = cache.root.iterdir()
        victim = entry / "layer_02.safetensors"
        content = bytearray(victim.read_bytes())
        if damage == "bit":
            content[len(content) // 2] ^= 16
        elif damage == "cut":
            del content[-100:]
        elif damage == "header":
            content[20] ^= 255
        elif damage == "other tensors":
            content = bytearray((entry / "layer_01.safetensors").read_bytes().ljust(len(content), b"\0"))[
                : len(content)
            ]
        victim.write_bytes(content)
        if damage == "manifest":
            (entry / "manifest.json").write_text("{")
        elif damage == "missing":
            victim.unlink()
        warnings = Warnings()
        module, store = load_fast_transformer(layout, lora, "float8", CPU, cache=cache, warn=warnings)
        assert_is_golden(module, store, plain)
        # What shows in names and sizes is an entry that is not there; damage inside is told.
        assert warnings == (["WEIGHT_CACHE_DAMAGED"] if damage in ("bit", "header", "other tensors") else [])
        request.getfixturevalue("no_files")
        assert_is_golden(*load_fast_transformer(layout, lora, "float8", CPU, cache=cache), plain)

    def test_no_room_on_the_disk_is_a_warning(
        self, layout: CheckpointLayout, cache: CacheSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage(GOLDEN)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
        warnings = Warnings()
        load_fast_transformer(layout, None, "float8", CPU, cache=cache, warn=warnings)
        assert warnings == ["WEIGHT_CACHE_NOT_WRITTEN"]
        assert not list(cache.root.rglob("*.safetensors"))

    def test_a_disk_that_fails_on_the_way_is_a_warning(
        self,
        layout: CheckpointLayout,
        lora: LoraFile,
        plain: CausalAvatarTransformer,
        cache: CacheSettings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(path: Path, flat: FlatLayout, buffer: Tensor) -> None:
            if path.name == "layer_01.safetensors":
                raise OSError(5, "Input/output error")
            write_flat_file(path, flat, buffer)

        monkeypatch.setattr("live_avatar.fast.weight_cache_writer.write_flat_file", fail)
        warnings = Warnings()
        module, store = load_fast_transformer(layout, lora, "float8", CPU, cache=cache, warn=warnings)
        assert_is_golden(module, store, plain)
        assert warnings == ["WEIGHT_CACHE_NOT_WRITTEN"]
        assert list(cache.root.iterdir()) == []

    def test_a_stopped_load_leaves_no_entry(self, layout: CheckpointLayout, cache: CacheSettings) -> None:
        def stop(done: int, total: int) -> None:
            if done > total // 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            load_fast_transformer(layout, None, "float8", CPU, progress=stop, cache=cache)
        assert list(cache.root.iterdir()) == []

    def test_who_comes_second_does_not_write(self, layout: CheckpointLayout, cache: CacheSettings) -> None:
        warnings = Warnings()
        load_fast_transformer(layout, None, "float8", CPU, cache=cache)
        (folder,) = cache.root.iterdir()
        (folder / "manifest.json").unlink()
        entry = CacheEntry(cache, {})
        entry.folder = folder
        with entry.writing() as mine:
            assert mine
            load_fast_transformer(layout, None, "float8", CPU, cache=cache, warn=warnings)
        assert warnings == ["WEIGHT_CACHE_NOT_WRITTEN"]
