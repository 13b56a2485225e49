"""Contexts kept on disk, and the text encoder in 8 bits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from live_avatar import prompt_cache
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.fast.weight_only import SmallForm, WeightOnlyLinear
from live_avatar.models import load_text
from live_avatar.prompt_cache import PromptCache, text_encoder_identity

DEMO = Path(__file__).resolve().parents[2] / "resources" / "models" / "demo"
CPU = torch.device("cpu")
PROMPTS = ("A young woman with glasses talks to the camera in evening light.", "A happy man.")


@pytest.fixture
def cache(tmp_path: Path) -> PromptCache:
    return PromptCache("encoder", tmp_path / "prompts")


def context(seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.randn(5, 8, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_context_comes_back_bit_for_bit(cache: PromptCache, dtype: torch.dtype) -> None:
    cache.write("a prompt", context(dtype=dtype))
    found = cache.read("a prompt")
    assert found is not None
    assert found.dtype == dtype
    assert torch.equal(found, context(dtype=dtype))


def test_prompts_and_encoders_are_kept_apart(cache: PromptCache) -> None:
    cache.write("a prompt", context())
    assert cache.read("a prompt.") is None
    assert PromptCache("other", cache.folder).read("a prompt") is None


def test_no_file_tells_the_prompt(cache: PromptCache) -> None:
    cache.write("secret words", context())
    (path,) = cache.folder.iterdir()
    assert b"secret" not in path.read_bytes()
    assert "secret" not in path.name


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "foreign"])
def test_damage_is_as_if_it_were_not_there(cache: PromptCache, damage: str) -> None:
    cache.write("a prompt", context())
    (path,) = cache.folder.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[-3] ^= 1
    path.write_bytes({"bit": bytes(content), "cut": bytes(content[:-1]), "empty": b"", "foreign": b"x" * 99}[damage])
    assert cache.read("a prompt") is None
    cache.write("a prompt", context())
    assert cache.read("a prompt") is not None


def test_those_not_read_for_longest_go(cache: PromptCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_cache, "_MOST_FILES", 2)
    for index, prompt in enumerate("abc"):
        if prompt == "c":
            assert cache.read("a") is not None
        cache.write(prompt, context(index))
        for path in cache.folder.iterdir():
            # A minute passes.
            os.utime(path, (path.stat().st_mtime - 60,) * 2)
    assert [cache.read(prompt) is not None for prompt in "abc"] == [True, False, True]


def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = PromptCache("encoder", tmp_path / "file")
    cache.write("a prompt", context())
    assert cache.read("a prompt") is None


def test_the_identity_tells_files_and_precision_apart() -> None:
    demo = CheckpointLayout.find(DEMO)
    golden = CheckpointLayout.find(Path(__file__).parent / "golden" / "ckpt")
    identities = {
        text_encoder_identity(demo, torch.float32, CPU),
        text_encoder_identity(demo, torch.bfloat16, CPU),
        text_encoder_identity(demo, torch.float32, CPU, "int8"),
        text_encoder_identity(golden, torch.float32, CPU),
        text_encoder_identity(demo, torch.float32, torch.device("cuda", 0)),
    }
    assert len(identities) == 5


@pytest.mark.parametrize(("form", "limit"), [("int8", 0.02), ("float8", 0.05)])
def test_the_encoder_in_8_bits_is_close(form: SmallForm, limit: float) -> None:
    layout = CheckpointLayout.find(DEMO)
    wide, small = load_text(layout, torch.float32, CPU), load_text(layout, torch.float32, CPU, form)
    linears = [part for part in small.model.modules() if isinstance(part, WeightOnlyLinear)]
    assert linears
    assert all(part.weight.dtype == torch.int8 for part in linears)
    for prompt in PROMPTS:
        expected = wide.encode(prompt)
        error = float((small.encode(prompt) - expected).norm() / expected.norm())
        assert 0 < error < limit
