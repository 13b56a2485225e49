"""LoRA files: key forms, finding, strict matching, merging bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.lora import LoraFile, lora_targets, read_lora, resolve_lora
from live_avatar.checkpoint.tensors import open_weights
from live_avatar.errors import UserError

GOLDEN = Path(__file__).parent / "golden"
LORA = GOLDEN / "lora/liveavatar.safetensors"
Factors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def targets() -> dict[str, tuple[int, int]]:
    return lora_targets(DitConfig.read(GOLDEN / "ckpt/config.json"))


@pytest.fixture
def factors() -> Factors:
    source = open_weights(LORA)
    return {key: source.get(key).clone() for key in source}


def written(path: Path, factors: Factors, metadata: dict[str, str] | None = None) -> LoraFile:
    save_file(factors, path, metadata)
    return read_lora(path)


def refused(code: str, action: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        action()
    assert caught.value.code == code
    return str(caught.value)


def test_published_model_has_448_targets_and_its_file_676_million_values() -> None:
    config = DitConfig(
        dim=5120,
        num_heads=40,
        ffn_dim=13824,
        num_layers=40,
        audio_dim=1024,
        audio_inject_layers=(0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39),
        text_dim=4096,
    )
    shapes = lora_targets(config).values()
    assert len(shapes) == 448
    assert sum(128 * (outputs + inputs) for outputs, inputs in shapes) == 676_331_520


def test_golden_file(targets: dict[str, tuple[int, int]]) -> None:
    lora = read_lora(LORA)
    lora.check(targets)
    assert (len(lora.modules), lora.ranks, lora.scales) == (68, (4,), (0.5,))


def test_merge_is_bit_equal_to_the_golden_weights() -> None:
    lora, base = read_lora(LORA), open_weights(GOLDEN / "ckpt/diffusion_pytorch_model.safetensors")
    expected = open_weights(GOLDEN / "cases/lora.safetensors")
    compared = 0
    for name in expected:
        prefix, _, key = name.removeprefix("out.").partition(".")
        if prefix not in ("merged", "merged_bf16"):
            continue
        weight = base.get(key) if prefix == "merged_bf16" else base.get(key).float()
        assert torch.equal(lora.merge(key, weight), expected.get(name)), name
        compared += 1
    assert compared == 6


def test_merge_changes_exactly_the_target_weights_and_not_its_input(targets: dict[str, tuple[int, int]]) -> None:
    lora, base = read_lora(LORA), open_weights(GOLDEN / "ckpt/diffusion_pytorch_model.safetensors")
    changed = set()
    for key in base:
        weight = base.get(key)
        before = weight.clone()
        merged = lora.merge(key, weight)
        assert torch.equal(weight, before)
        assert merged.dtype == weight.dtype
        if not torch.equal(merged, weight):
            changed.add(key)
    assert changed == {f"{name}.weight" for name in targets}


@pytest.mark.parametrize("prefix", ["", "base_model.model.", "diffusion_model."])
@pytest.mark.parametrize("infix", [".default", "", ".other_adapter"])
@pytest.mark.parametrize("names", [("lora_A", "lora_B"), ("lora_down", "lora_up")])
def test_all_key_forms_mean_the_same(
    tmp_path: Path,
    factors: Factors,
    targets: dict[str, tuple[int, int]],
    prefix: str,
    infix: str,
    names: tuple[str, str],
) -> None:
    renamed = {
        prefix + key.replace(".default", infix).replace("lora_A", names[0]).replace("lora_B", names[1]): tensor
        for key, tensor in factors.items()
    }
    lora, reference = written(tmp_path / "x.safetensors", renamed), read_lora(LORA)
    lora.check(targets)
    weight = torch.zeros(96, 96)
    key = "audio_injector.injector.1.k.weight"
    assert torch.equal(lora.merge(key, weight), reference.merge(key, weight))


def test_torch_dictionary(tmp_path: Path, factors: Factors, targets: dict[str, tuple[int, int]]) -> None:
    torch.save(factors, tmp_path / "lora.pt")
    read_lora(tmp_path / "lora.pt").check(targets)


def test_alpha_from_metadata_and_from_tensors(tmp_path: Path, factors: Factors) -> None:
    assert written(tmp_path / "a.safetensors", factors, {"lora_alpha": "8"}).scales == (2.0,)
    with_tensor = {**factors, "blocks.0.ffn.0.alpha": torch.tensor(1.0)}
    lora = written(tmp_path / "b.safetensors", with_tensor, {"lora_alpha": "8"})
    assert lora.modules["blocks.0.ffn.0"].scale == 0.25
    assert lora.modules["blocks.0.ffn.2"].scale == 2.0
    refused("LORA_MISMATCH", lambda: written(tmp_path / "c.safetensors", factors, {"lora_alpha": "big"}))


def test_file_for_another_model_matches_nothing(tmp_path: Path, targets: dict[str, tuple[int, int]]) -> None:
    lora = written(
        tmp_path / "x.safetensors",
        {"unet.q.lora_A.weight": torch.zeros(2, 4), "unet.q.lora_B.weight": torch.zeros(4, 2)},
    )
    assert "unet.q" in refused("LORA_MATCHES_NOTHING", lambda: lora.check(targets))


def test_missing_and_unknown_modules_are_named(
    tmp_path: Path, factors: Factors, targets: dict[str, tuple[int, int]]
) -> None:
    for side in "AB":
        factors[f"blocks.9.ffn.0.lora_{side}.weight"] = factors.pop(f"blocks.3.ffn.0.lora_{side}.default.weight")
    lora = written(tmp_path / "x.safetensors", factors)
    text = refused("LORA_MISMATCH", lambda: lora.check(targets))
    assert "1 of the model's 68 layers are not in it: blocks.3.ffn.0" in text
    assert "1 of its layers are not in the model: blocks.9.ffn.0" in text


def test_wrong_size_is_named(tmp_path: Path, factors: Factors, targets: dict[str, tuple[int, int]]) -> None:
    factors["blocks.0.ffn.0.lora_B.default.weight"] = torch.zeros(64, 4)
    lora = written(tmp_path / "x.safetensors", factors)
    text = refused("LORA_SHAPE", lambda: lora.check(targets))
    assert "blocks.0.ffn.0 is [64, 96] and should be [128, 96]" in text


@pytest.mark.parametrize(
    "change",
    [
        {"blocks.0.norm3.weight": torch.zeros(96)},
        {"blocks.0.ffn.0.lora_A.default.weight": None},
        {"blocks.0.ffn.0.lora_A.default.weight": torch.zeros(5, 96)},
        {"blocks.0.ffn.0.lora_A.default.weight": torch.zeros(4, 96, 1)},
        {"base_model.model.blocks.0.ffn.0.lora_A.weight": torch.zeros(4, 96)},
        {"blocks.77.ffn.0.alpha": torch.tensor(1.0)},
    ],
)
def test_anything_but_complete_pairs_is_refused(
    tmp_path: Path, factors: Factors, change: dict[str, torch.Tensor | None]
) -> None:
    changed = {key: tensor for key, tensor in {**factors, **change}.items() if tensor is not None}
    text = refused("LORA_MISMATCH", lambda: written(tmp_path / "x.safetensors", changed))
    assert "blocks." in text


def test_file_without_factors(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({}, path)
    refused("LORA_MISMATCH", lambda: read_lora(path))


class TestResolve:
    def test_file_and_folder(self, tmp_path: Path) -> None:
        assert resolve_lora(str(LORA), tmp_path) == LORA
        assert resolve_lora(str(LORA.parent), tmp_path) == LORA

    @pytest.mark.parametrize("place", ["LiveAvatar", "Live-Avatar", "Quark-Vision/Live-Avatar"])
    def test_published_id_in_the_models_folder(self, tmp_path: Path, place: str) -> None:
        path = tmp_path / place / "liveavatar.safetensors"
        path.parent.mkdir(parents=True)
        path.touch()
        assert resolve_lora("Quark-Vision/Live-Avatar", tmp_path) == path

    def test_another_id_never_means_the_published_file(self, tmp_path: Path) -> None:
        (tmp_path / "LiveAvatar").mkdir()
        (tmp_path / "LiveAvatar/liveavatar.safetensors").touch()
        refused("LORA_NOT_FOUND", lambda: resolve_lora("someone/else", tmp_path))

    @pytest.mark.parametrize("name", ["Quark-Vision/Live-Avatar", "./no/where.safetensors", "/no/where"])
    def test_not_found_says_where_it_looked(self, tmp_path: Path, name: str) -> None:
        text = refused("LORA_NOT_FOUND", lambda: resolve_lora(name, tmp_path))
        assert str(Path(name)) in text
        assert ("LiveAvatar" in text) == name.startswith("Quark")

    def test_folder_without_the_file(self, tmp_path: Path) -> None:
        text = refused("LORA_NOT_FOUND", lambda: resolve_lora(str(tmp_path), tmp_path))
        assert str(tmp_path / "liveavatar.safetensors") in text
