"""Reading checkpoint folders: layout, configuration, strict loading, every kind of damage."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.source import TensorSource
from live_avatar.checkpoint.tensors import load_strict, open_safetensors_set, open_weights
from live_avatar.errors import UserError

GOLDEN = Path(__file__).parent / "golden"
CKPT = GOLDEN / "ckpt"
PUBLISHED = {
    "dim": 5120,
    "num_heads": 40,
    "ffn_dim": 13824,
    "num_layers": 40,
    "audio_dim": 1024,
    "audio_inject_layers": [0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39],
    "cond_dim": 16,
    "enable_adain": True,
    "enable_motioner": False,
    "enable_framepack": True,
    "framepack_drop_mode": "padd",
    "zero_timestep": True,
    "zero_init": True,
}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.second = nn.Linear(3, 2, bias=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(self.first(values))
        return result


def net_tensors(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {key: torch.randn(value.shape, generator=generator).to(dtype) for key, value in Net().state_dict().items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CKPT, tmp_path / "ckpt"))


def refused(code: str, action: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        action()
    assert caught.value.code == code
    return str(caught.value)


class TestConfig:
    def test_published_sizes_give_the_published_parameter_count(self) -> None:
        shapes = dit_shapes(DitConfig.from_dict(PUBLISHED))
        assert len(shapes) == 1260
        assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 16_295_755_609

    def test_golden_sizes_and_shapes(self) -> None:
        source = open_safetensors_set([CKPT / "diffusion_pytorch_model.safetensors"])
        config = DitConfig.read(CKPT / "config.json", source.shapes())
        assert (config.dim, config.head_dim, config.text_dim, config.audio_layers) == (96, 48, 64, 25)
        assert config.audio_inject_layers == (0, 4)
        assert dit_shapes(config) == source.shapes()

    def test_text_width_and_audio_layers_come_from_the_weights_when_config_is_silent(self) -> None:
        shapes = {"text_embedding.0.weight": (5120, 77), "casual_audio_encoder.weights": (1, 5, 1, 1)}
        config = DitConfig.from_dict(PUBLISHED, shapes)
        assert (config.text_dim, config.audio_layers) == (77, 5)

    def test_unknown_keys_are_noted(self) -> None:
        values = {**PUBLISHED, "_class_name": "WanModel_S2V", "surprise": 1}
        assert DitConfig.from_dict(values).unknown_keys == ("surprise",)

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"zero_timestep": False}, "zero_timestep"),
            ({"enable_motioner": True}, "enable_motioner"),
            ({"framepack_drop_mode": "drop"}, "framepack_drop_mode"),
            ({"model_type": "t2v"}, "model_type"),
            ({"num_heads": 7}, "num_heads"),
            ({"num_heads": 1280}, "rotary"),
            ({"dim": "5120"}, "dim"),
            ({"ffn_dim": 0}, "ffn_dim"),
            ({"cond_dim": 0}, "cond_dim"),
            ({"in_dim": 36}, "in_dim"),
            ({"eps": 0}, "eps"),
            ({"audio_inject_layers": [0, 40]}, "audio_inject_layers"),
            ({"audio_inject_layers": [4, 0]}, "audio_inject_layers"),
            ({"audio_inject_layers": 3}, "audio_inject_layers"),
        ],
    )
    def test_illegal_values_are_named(self, change: dict[str, Any], named: str) -> None:
        text = refused("CHECKPOINT_CONFIG_INVALID", lambda: DitConfig.from_dict({**PUBLISHED, **change}))
        assert named in text

    def test_flags_left_out_take_the_upstream_default_and_are_refused(self) -> None:
        values = {key: value for key, value in PUBLISHED.items() if key != "zero_timestep"}
        assert "zero_timestep" in refused("CHECKPOINT_CONFIG_INVALID", lambda: DitConfig.from_dict(values))

    def test_file_that_is_not_json(self, tmp_path: Path) -> None:
        path = tmp_path / "config.json"
        path.write_text("{")
        refused("CHECKPOINT_CONFIG_INVALID", lambda: DitConfig.read(path))


class TestLayout:
    def test_golden_folder(self) -> None:
        layout = CheckpointLayout.find(CKPT)
        assert [path.name for path in layout.transformer_files] == ["diffusion_pytorch_model.safetensors"]
        assert layout.tokenizer == CKPT / "google/umt5-xxl"
        assert len(layout.files) == 8
        assert all(path.is_file() for path in layout.files)

    def test_published_names(self, folder: Path) -> None:
        for stem in ("models_t5_umt5-xxl-enc-bf16", "Wan2.1_VAE"):
            (folder / f"{stem}.safetensors").rename(folder / f"{stem}.pth")
        speech = folder / "wav2vec2-large-xlsr-53-english"
        (speech / "model.safetensors").rename(speech / "pytorch_model.bin")
        layout = CheckpointLayout.find(folder)
        assert layout.vae.name == "Wan2.1_VAE.pth"
        assert layout.text_encoder.name == "models_t5_umt5-xxl-enc-bf16.pth"
        assert layout.wav2vec_weights.name == "pytorch_model.bin"

    def test_every_missing_part_is_named(self, folder: Path) -> None:
        (folder / "config.json").unlink()
        (folder / "Wan2.1_VAE.safetensors").unlink()
        shutil.rmtree(folder / "google")
        text = refused("CHECKPOINT_INCOMPLETE", lambda: CheckpointLayout.find(folder))
        for name in ("config.json", "Wan2.1_VAE.pth", "google/umt5-xxl/tokenizer.json"):
            assert name in text
        assert "diffusion_pytorch_model" not in text

    def test_no_folder(self, tmp_path: Path) -> None:
        refused("CHECKPOINT_NOT_FOUND", lambda: CheckpointLayout.find(tmp_path / "no"))

    def test_shards_with_index(self, folder: Path) -> None:
        split_transformer(folder, index=True)
        layout = CheckpointLayout.find(folder)
        source = open_safetensors_set(layout.transformer_files)
        assert source.shapes() == open_weights(CKPT / "diffusion_pytorch_model.safetensors").shapes()

    @pytest.mark.parametrize("index", [True, False])
    def test_missing_shard_is_named(self, folder: Path, index: bool) -> None:
        split_transformer(folder, index)
        (folder / "diffusion_pytorch_model-00002-of-00003.safetensors").unlink()
        text = refused("CHECKPOINT_SHARD_MISSING", lambda: CheckpointLayout.find(folder))
        assert "00002-of-00003" in text
        assert "00001-of-00003" not in text

    def test_index_may_not_leave_the_folder(self, folder: Path) -> None:
        (folder / "diffusion_pytorch_model.safetensors").unlink()
        index = folder / "diffusion_pytorch_model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
        refused("CHECKPOINT_FILE_DAMAGED", lambda: CheckpointLayout.find(folder))


def split_transformer(folder: Path, index: bool) -> None:
    whole = folder / "diffusion_pytorch_model.safetensors"
    source = open_weights(whole)
    weight_map = {}
    for number in range(3):
        keys = source.keys()[number::3]
        name = f"diffusion_pytorch_model-0000{number + 1}-of-00003.safetensors"
        save_file({key: source.get(key).clone() for key in keys}, folder / name)
        weight_map.update(dict.fromkeys(keys, name))
    whole.unlink()
    if index:
        path = folder / "diffusion_pytorch_model.safetensors.index.json"
        path.write_text(json.dumps({"weight_map": weight_map}))


class TestLoadStrict:
    @pytest.mark.parametrize("meta", [True, False])
    def test_fills_every_tensor(self, tmp_path: Path, meta: bool) -> None:
        tensors = net_tensors()
        save_file(tensors, tmp_path / "net.safetensors")
        with torch.device("meta" if meta else "cpu"):
            net = Net()
        load_strict(net, open_weights(tmp_path / "net.safetensors"), dtype=None, device="cpu")
        assert all(torch.equal(value, tensors[key]) for key, value in net.state_dict().items())
        assert net(torch.ones(1, 4)).shape == (1, 2)

    def test_precision_per_tensor(self) -> None:
        net = Net()

        def dtype(key: str) -> torch.dtype:
            return torch.bfloat16 if key.startswith("first") else torch.float64

        load_strict(net, TensorSource.of_tensors(net_tensors()), dtype=dtype, device="cpu")
        assert net.first.bias.dtype == torch.bfloat16
        assert net.second.weight.dtype == torch.float64

    def test_stored_precision_stays_a_view_and_writing_to_it_leaves_the_file_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "net.safetensors"
        save_file(net_tensors(), path)
        before = path.read_bytes()
        net = Net()
        load_strict(net, open_weights(path), dtype=torch.float32, device="cpu")
        with torch.no_grad():
            net.first.weight.zero_()
        assert path.read_bytes() == before

    def test_transform_sees_the_wanted_precision_and_progress_reaches_the_end(self) -> None:
        seen: dict[str, torch.dtype] = {}
        steps: list[tuple[int, int]] = []

        def transform(key: str, tensor: torch.Tensor) -> torch.Tensor:
            seen[key] = tensor.dtype
            return tensor + 1

        net, tensors = Net(), net_tensors()
        load_strict(
            net,
            TensorSource.of_tensors(tensors),
            dtype=torch.float64,
            device="cpu",
            transform=transform,
            progress=lambda done, total: steps.append((done, total)),
        )
        assert seen == dict.fromkeys(tensors, torch.float64)
        assert torch.equal(net.first.bias, tensors["first.bias"].double() + 1)
        assert steps[-1] == (84, 84)
        assert len(steps) == 3

    def test_tied_parameters_need_one_name_and_stay_tied(self) -> None:
        net = Net()
        net.third = nn.Linear(3, 2, bias=False)
        net.third.weight = net.second.weight
        load_strict(net, TensorSource.of_tensors(net_tensors()), dtype=None, device="cpu")
        assert net.third.weight is net.second.weight
        assert torch.equal(net.third.weight, net_tensors()["second.weight"])

    def test_wrong_names_are_all_counted_and_nothing_is_loaded(self) -> None:
        net, tensors = Net(), net_tensors()
        before = {key: value.clone() for key, value in net.state_dict().items()}
        del tensors["first.bias"]
        tensors.update({f"extra.{i}": torch.zeros(1) for i in range(7)})
        source = TensorSource.of_tensors(tensors)
        text = refused("CHECKPOINT_KEYS_MISMATCH", lambda: load_strict(net, source, dtype=None, device="cpu"))
        assert "1 missing: first.bias" in text
        assert "7 unexpected: extra.0, extra.1, extra.2, extra.3, extra.4 and 2 more" in text
        assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())

    def test_wrong_shape_names_key_found_and_expected(self) -> None:
        source = TensorSource.of_tensors({**net_tensors(), "first.weight": torch.zeros(4, 3)})
        text = refused("CHECKPOINT_SHAPE_MISMATCH", lambda: load_strict(Net(), source, dtype=None, device="cpu"))
        assert "first.weight is [4, 3] and should be [3, 4]" in text

    def test_computed_buffer_on_meta_is_a_programming_error(self) -> None:
        with torch.device("meta"):
            net = Net()
            net.register_buffer("table", torch.zeros(3), persistent=False)
        with pytest.raises(ValueError, match="table"):
            load_strict(net, TensorSource.of_tensors(net_tensors()), dtype=None, device="cpu")

    def test_renaming_two_tensors_to_one_name(self) -> None:
        source = TensorSource.of_tensors(net_tensors(), [Path("net.safetensors")])
        refused("CHECKPOINT_FILE_DAMAGED", lambda: source.renamed(lambda key: "same"))


class TestDamagedFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "net.safetensors"
        save_file(net_tensors(), path)
        return path

    @pytest.mark.parametrize("kept", [0, 7, 40, -1])
    def test_truncated(self, path: Path, kept: int) -> None:
        data = path.read_bytes()
        path.write_bytes(data[:kept])
        text = refused("CHECKPOINT_FILE_TRUNCATED", lambda: open_safetensors_set([path]))
        assert "net.safetensors" in text
        assert f"{len(data[:kept])} bytes" in text

    def test_bytes_at_the_end(self, path: Path) -> None:
        path.write_bytes(path.read_bytes() + b"x")
        refused("CHECKPOINT_FILE_DAMAGED", lambda: open_safetensors_set([path]))

    def test_header_is_not_json(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[8:12] = b"oops"
        path.write_bytes(data)
        refused("CHECKPOINT_FILE_DAMAGED", lambda: open_safetensors_set([path]))

    def test_not_a_safetensors_file(self, path: Path) -> None:
        path.write_text("<!DOCTYPE html><html>Sign in to download</html>")
        refused("CHECKPOINT_FILE_DAMAGED", lambda: open_safetensors_set([path]))

    def test_git_lfs_pointer_is_recognised(self, path: Path) -> None:
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        assert "LFS" in refused("CHECKPOINT_FILE_DAMAGED", lambda: open_safetensors_set([path]))

    @pytest.mark.parametrize(
        "entry",
        [
            {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
            {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
            {"dtype": "F32", "shape": [1]},
            {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
            {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
            [1, 2],
        ],
    )
    def test_header_that_contradicts_itself(self, path: Path, entry: object) -> None:
        header = json.dumps({"a": entry}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
        with path.open("r+b") as file:
            file.truncate(8 + len(header) + (8 if isinstance(entry, dict) and "[4, 8]" in json.dumps(entry) else 4))
        refused("CHECKPOINT_FILE_DAMAGED", lambda: open_safetensors_set([path]))

    def test_missing_files_are_named(self, path: Path) -> None:
        absent = path.with_name("other.safetensors")
        assert "other" in refused("CHECKPOINT_SHARD_MISSING", lambda: open_safetensors_set([path, absent]))

    def test_tensor_in_two_files(self, path: Path) -> None:
        copy = path.with_name("copy.safetensors")
        shutil.copy(path, copy)
        refused("CHECKPOINT_FILE_DAMAGED", lambda: open_safetensors_set([path, copy]))


class TestTorchDictionaries:
    @pytest.mark.parametrize("zipped", [True, False])
    def test_read(self, tmp_path: Path, zipped: bool) -> None:
        path, tensors = tmp_path / "net.pth", net_tensors(torch.bfloat16)
        torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
        net = Net()
        load_strict(net, open_weights(path), dtype=torch.float32, device="cpu")
        assert all(torch.equal(value, tensors[key].float()) for key, value in net.state_dict().items())

    @pytest.mark.parametrize("zipped", [True, False])
    def test_program_code_is_refused_and_not_run(self, tmp_path: Path, zipped: bool) -> None:
        class Evil:
            def __reduce__(self) -> tuple[object, ...]:
                return os.mkdir, (str(tmp_path / "ran"),)

        path = tmp_path / "net.pth"
        torch.save({"a": torch.zeros(1), "b": Evil()}, path, _use_new_zipfile_serialization=zipped)
        assert "mkdir" in refused("CHECKPOINT_UNSAFE_PICKLE", lambda: open_weights(path))
        assert not (tmp_path / "ran").exists()

    def test_bare_pickle_with_code(self, tmp_path: Path) -> None:
        path = tmp_path / "net.pth"
        path.write_bytes(pickle.dumps(os.mkdir))
        refused("CHECKPOINT_UNSAFE_PICKLE", lambda: open_weights(path))

    @pytest.mark.parametrize("zipped", [True, False])
    @pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
    def test_cut_short(self, tmp_path: Path, zipped: bool, part: float) -> None:
        path = tmp_path / "net.pth"
        torch.save({"a": torch.arange(1000.0)}, path, _use_new_zipfile_serialization=zipped)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])
        refused("CHECKPOINT_FILE_DAMAGED", lambda: open_weights(path))

    def test_text_file(self, tmp_path: Path) -> None:
        path = tmp_path / "net.pth"
        path.write_text("<!DOCTYPE html>")
        refused("CHECKPOINT_FILE_DAMAGED", lambda: open_weights(path))

    @pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": {"b": torch.zeros(1)}}, {1: torch.zeros(1)}])
    def test_not_a_flat_table(self, tmp_path: Path, content: object) -> None:
        torch.save(content, tmp_path / "net.pth")
        refused("CHECKPOINT_FILE_DAMAGED", lambda: open_weights(tmp_path / "net.pth"))

    def test_missing(self, tmp_path: Path) -> None:
        refused("CHECKPOINT_SHARD_MISSING", lambda: open_weights(tmp_path / "net.pth"))


def test_modules_the_command_line_needs_do_not_import_torch() -> None:
    names = ["config", "headers", "layout", "dit_shapes", "fingerprint"]
    imports = ", ".join(f"live_avatar.checkpoint.{name}" for name in names)
    script = f"import sys; import {imports}, live_avatar.text; print('torch' in sys.modules)"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
