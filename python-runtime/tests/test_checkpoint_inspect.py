"""Inspecting checkpoint folders, and the identity of their weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from live_avatar.checkpoint import fingerprint
from live_avatar.checkpoint.fingerprint import weights_fingerprint
from live_avatar.checkpoint.inspect import inspect_checkpoint
from live_avatar.checkpoint.layout import CheckpointLayout

GOLDEN = Path(__file__).parent / "golden"
CKPT = GOLDEN / "ckpt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CKPT, tmp_path / "ckpt"))


class TestInspect:
    def test_complete_folder(self) -> None:
        calls: list[tuple[str, int, int]] = []
        report = inspect_checkpoint(
            CKPT, hashes=True, lora=GOLDEN / "lora/liveavatar.safetensors", progress=lambda *call: calls.append(call)
        )
        parts = {part.name: part for part in report.parts}
        assert report.usable
        assert calls[-1][1:] == (report.bytes, report.bytes)
        assert parts["transformer"].tensors == 222
        assert parts["transformer"].dtypes == {"bfloat16": 222}
        assert parts["transformer"].sizes["dim"] == 96
        assert parts["lora"].sizes == {"modules": 68, "ranks": [4], "scales": [0.5]}
        assert all(len(file.sha256 or "") == 64 for part in report.parts for file in part.files)
        assert json.loads(json.dumps(report.as_dict()))["usable"] is True

    def test_every_fault_is_reported_in_one_pass(self, folder: Path) -> None:
        (folder / "Wan2.1_VAE.safetensors").unlink()
        text_encoder = folder / "models_t5_umt5-xxl-enc-bf16.safetensors"
        text_encoder.write_bytes(text_encoder.read_bytes()[:-10])
        (folder / "google/umt5-xxl/tokenizer.json").write_text("{}")
        config = folder / "config.json"
        config.write_text(config.read_text().replace('"num_layers": 6', '"num_layers": 7'))
        report = inspect_checkpoint(folder)
        codes = {part.name: (part.state, (part.problem or {}).get("code")) for part in report.parts}
        assert not report.usable
        assert codes == {
            "config": ("ok", None),
            "transformer": ("damaged", "CHECKPOINT_KEYS_MISMATCH"),
            "text_encoder": ("damaged", "CHECKPOINT_FILE_TRUNCATED"),
            "tokenizer": ("damaged", "CHECKPOINT_FILE_DAMAGED"),
            "vae": ("missing", None),
            "speech": ("ok", None),
        }
        assert all(file.sha256 is None for part in report.parts for file in part.files)

    def test_parts_of_different_models(self, folder: Path) -> None:
        path = folder / "wav2vec2-large-xlsr-53-english/config.json"
        path.write_text(path.read_text().replace('"hidden_size": 32', '"hidden_size": 64'))
        part = inspect_checkpoint(folder).parts[-1]
        assert part.problem is not None
        assert part.problem["code"] == "CHECKPOINT_PARTS_DISAGREE"


class TestFingerprint:
    def test_survives_copying_and_sees_one_byte(self, folder: Path) -> None:
        files = CheckpointLayout.find(folder).files
        same = weights_fingerprint(files)
        assert same == weights_fingerprint(CheckpointLayout.find(CKPT).files)
        assert same == weights_fingerprint(files[::-1])
        flip(folder / "Wan2.1_VAE.safetensors", -1)
        assert weights_fingerprint(files) != same

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_large_files_are_sampled_in_every_tensor(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        for name, value in (("_WHOLE_FILE_LIMIT", 1000), ("_EDGE", 16), ("_EVEN_SAMPLES", 2)):
            monkeypatch.setattr(fingerprint, name, value)
        monkeypatch.setattr(fingerprint, "_EVEN_SAMPLE_BYTES", 16)
        monkeypatch.setattr(fingerprint, "_TENSOR_SAMPLE_BYTES", 16)
        prints = set()
        for changed in range(-1, 9):
            tensors = {f"layer.{i}": torch.full((300,), float(i == changed)) for i in range(9)}
            path = tmp_path / f"net{suffix}"
            save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
            prints.add(weights_fingerprint([path]))
        assert len(prints) == 10


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
