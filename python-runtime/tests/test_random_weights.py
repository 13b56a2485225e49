"""Model folders whose weights are drawn: the published layout on disk, sane networks in memory."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.headers import read_safetensors_header
from live_avatar.checkpoint.inspect import inspect_checkpoint
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.lora import lora_targets, read_lora
from live_avatar.checkpoint.random_weights import PRESETS, text_encoder_shapes, write_random_model
from live_avatar.checkpoint.tensors import open_safetensors_set, open_weights
from live_avatar.cli import main
from live_avatar.errors import UserError
from live_avatar.fast.loading import load_fast_transformer
from live_avatar.fast.weight_cache import CacheSettings
from live_avatar.model.layers import attention
from live_avatar.models import load_audio, load_text, load_transformer, load_vae, read_transformer_config
from live_avatar.text import PromptTokenizer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, seed 1."""
    path = tmp_path_factory.mktemp("random") / "model"
    write_random_model(path, "small", Drawing(1))
    return path


@pytest.fixture(scope="module")
def layout(folder: Path) -> CheckpointLayout:
    return CheckpointLayout.find(folder)


def is_sane(tensor: torch.Tensor, low: float, high: float) -> bool:
    return bool(tensor.isfinite().all()) and low < float(tensor.float().std()) < high


class TestFolder:
    def test_the_inspection_finds_a_whole_model(self, folder: Path) -> None:
        report = inspect_checkpoint(folder, lora=folder / "liveavatar.safetensors")
        assert report.usable, [part.problem for part in report.parts]

    def test_published_sizes_make_the_published_files(self, tmp_path: Path) -> None:
        write_random_model(tmp_path / "m", "14b", Drawing(0))
        shards = CheckpointLayout.find(tmp_path / "m").transformer_files
        assert [path.name for path in shards] == [
            f"diffusion_pytorch_model-0000{number}-of-00004.safetensors" for number in (1, 2, 3, 4)
        ]
        headers = [read_safetensors_header(path) for path in shards]
        assert sum(entry.elements for header in headers for entry in header.tensors.values()) == 16_295_755_609
        index = json.loads((tmp_path / "m" / "diffusion_pytorch_model.safetensors.index.json").read_text())
        assert index["metadata"]["total_size"] == 2 * 16_295_755_609
        assert len(index["weight_map"]) == 1260
        text = open_weights(CheckpointLayout.find(tmp_path / "m").text_encoder)
        assert len(text) == 242
        assert sum(torch.Size(shape).numel() for shape in text.shapes().values()) == 5_680_910_336
        vae = open_weights(tmp_path / "m" / "Wan2.1_VAE.pth").shapes()
        assert sum(torch.Size(shape).numel() for shape in vae.values()) == 126_892_531
        lora = read_lora(tmp_path / "m" / "liveavatar.safetensors")
        lora.check(lora_targets(read_transformer_config(CheckpointLayout.find(tmp_path / "m"))))
        taken = sum(path.stat().st_blocks * 512 for path in (tmp_path / "m").rglob("*") if path.is_file())
        assert taken < 20e6

    def test_torch_files_are_whole_zip_archives_for_others(self, layout: CheckpointLayout) -> None:
        with zipfile.ZipFile(layout.vae) as archive:
            assert any(name.endswith("/random_weights.json") for name in archive.namelist())
        table = torch.load(layout.text_encoder, weights_only=True)
        assert {name: tuple(tensor.shape) for name, tensor in table.items()} == text_encoder_shapes(
            PRESETS["small"].text
        )

    def test_a_folder_with_files_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "mine").touch()
        with pytest.raises(UserError) as caught:
            write_random_model(tmp_path, "small", Drawing(0))
        assert caught.value.code == "RANDOM_WEIGHTS_NOT_EMPTY"

    def test_the_command_says_what_it_made(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["random-weights", str(tmp_path / "m"), "--preset", "small", "--seed", "5", "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["kind"] == "random_weights"
        assert main(["inspect", str(tmp_path / "m"), "--quiet"]) == 0

    def test_the_command_refuses_unknown_models(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["random-weights", str(tmp_path / "m"), "--preset", "huge"]) == 2
        assert "RANDOM_WEIGHTS_UNKNOWN" in capsys.readouterr().err


class TestDrawing:
    def test_every_read_draws_the_same(self, layout: CheckpointLayout) -> None:
        first, second = (open_safetensors_set(layout.transformer_files) for _ in range(2))
        for name in ("blocks.0.self_attn.q.weight", "patch_embedding.weight", "blocks.0.modulation"):
            assert torch.equal(first.get(name), second.get_on(name, CPU))

    def test_names_and_seeds_draw_differently(self) -> None:
        def draw(seed: int, name: str) -> torch.Tensor:
            return Drawing(seed).of(name, (64, 64), torch.float32)(CPU)

        assert torch.equal(draw(0, "a.weight"), draw(0, "a.weight"))
        assert not torch.equal(draw(0, "a.weight"), draw(0, "b.weight"))
        assert not torch.equal(draw(0, "a.weight"), draw(1, "a.weight"))

    def test_another_seed_is_another_model(self, layout: CheckpointLayout, tmp_path: Path) -> None:
        from live_avatar.checkpoint.fingerprint import weights_fingerprint

        write_random_model(tmp_path / "m", "small", Drawing(2))
        other = CheckpointLayout.find(tmp_path / "m")
        for ours, theirs in ((layout.transformer_files[0], other.transformer_files[0]), (layout.vae, other.vae)):
            assert ours.stat().st_size == theirs.stat().st_size
            assert weights_fingerprint([ours]) != weights_fingerprint([theirs])

    def test_outliers_stand_behind_the_norms(self) -> None:
        modulation = Drawing(0, 30.0).of("blocks.3.modulation", (1, 6, 512), torch.float32)(CPU)
        assert (modulation[0, 1] > 10).sum() == (modulation[0, 4] > 10).sum() == 2
        assert (modulation[0, [0, 2, 3, 5]].abs() < 10).all()
        plain = Drawing(0).of("blocks.3.modulation", (1, 6, 512), torch.float32)(CPU)
        assert plain.abs().max() < 1


class TestNetworks:
    def test_activations_neither_die_nor_overflow(self, layout: CheckpointLayout) -> None:
        network = load_transformer(
            layout, torch.float32, CPU, transform=read_lora(layout.root / "liveavatar.safetensors").merge
        )
        config = network.config
        tokens = torch.randn(1, 40, config.dim)
        text = network.text_memory(network.embed_text(torch.randn(9, config.text_dim)))
        time = network.time_conditions(torch.tensor([857.69]))
        assert all(is_sane(layer.key, 0.5, 2) and is_sane(layer.value[:, :9], 0.1, 3) for layer in text.values())
        audio = network.audio_memory(torch.randn(1, config.audio_layers, config.audio_dim, 12)).values()
        assert all(is_sane(one.memory.key, 0.5, 2) and is_sane(one.scale, 0.1, 3) for one in audio)
        hidden = tokens
        for layer, block in enumerate(network.layers()):
            hidden = block(
                hidden, time.block, lambda query, states: attention(query, states.key, states.value), text[layer]
            )
        assert is_sane(hidden, 0.5, 20)
        assert is_sane(network.head(hidden, time.head), 0.2, 5)

    def test_the_other_networks_load_and_answer(self, layout: CheckpointLayout) -> None:
        assert is_sane(load_text(layout, torch.float32, CPU).encode("a calm person"), 0.3, 3)
        sound = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
        assert is_sane(load_audio(layout, torch.float32, CPU).features(sound), 0.1, 30)
        vae = load_vae(layout, torch.float32, CPU)
        state = vae.state_dict()
        assert all(tensor.float().abs().sum() > 0 for tensor in state.values())

    def test_the_tokenizer_reads_letters(self, layout: CheckpointLayout) -> None:
        tokenizer = PromptTokenizer(layout.tokenizer)
        ids = tokenizer.ids("A man, 42!")
        assert ids[-1] == 1
        assert 2 not in ids
        assert max(ids) < PRESETS["small"].text.vocabulary

    def test_prepared_weights_can_be_kept(self, layout: CheckpointLayout, tmp_path: Path) -> None:
        lora = read_lora(layout.root / "liveavatar.safetensors")
        cache = CacheSettings(folder=tmp_path / "weights")
        first = load_fast_transformer(layout, lora, "float8", CPU, cache=cache)[1]
        second = load_fast_transformer(layout, lora, "float8", CPU, cache=cache)[1]
        for ours, theirs in zip(first.walk(), second.walk(), strict=True):
            assert torch.equal(ours.qkv.wide(torch.float32), theirs.qkv.wide(torch.float32))

    def test_a_drawn_lora_changes_the_weights_a_little(self, layout: CheckpointLayout) -> None:
        lora = read_lora(layout.root / "liveavatar.safetensors")
        assert all(factors.down.is_meta for factors in lora.modules.values())
        name = "blocks.0.ffn.0.weight"
        weight = open_safetensors_set(layout.transformer_files).get(name).float()
        change = (lora.merge(name, weight) - weight).norm() / weight.norm()
        assert 0.02 < change < 0.5
