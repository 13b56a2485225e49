"""Prompt cleaning, tokens, and the text encoder against the golden case ``t5``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.source import TensorSource
from live_avatar.checkpoint.tensors import open_weights
from live_avatar.errors import UserError
from live_avatar.text import MAX_TOKENS, PromptTokenizer, TextEncoder, clean_prompt

GOLDEN = Path(__file__).parent / "golden"
CKPT = GOLDEN / "ckpt"
TOLERANCE = 2e-5
TEXTS: list[str] = json.loads((GOLDEN / "golden.json").read_text())["files"]["cases/t5.safetensors"]["meta"]["texts"]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.load(CheckpointLayout.find(CKPT), torch.float32, "cpu")


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer(CKPT / "google/umt5-xxl")


@pytest.fixture(scope="module")
def case() -> TensorSource:
    return open_weights(GOLDEN / "cases/t5.safetensors")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  A calm\n\tperson   talks ", "A calm person talks"),
        ("a &amp; b", "a & b"),
        ("a &amp;amp; b", "a & b"),
        ("She said “yes”", 'She said "yes"'),
        ("schÃ¶n", "schön"),
        ("一个女人在说话", "一个女人在说话"),
        ("   ", ""),
    ],
)
def test_clean_prompt(raw: str, clean: str) -> None:
    assert clean_prompt(raw) == clean


class TestTokenizer:
    @pytest.mark.parametrize("number", range(3))
    def test_golden_ids(self, tokenizer: PromptTokenizer, case: TensorSource, number: int) -> None:
        length = int(case.get("in.mask")[number].sum())
        assert tokenizer.ids(clean_prompt(TEXTS[number])) == case.get("in.ids")[number, :length].tolist()

    def test_long_prompt_is_cut_and_keeps_its_end_mark(self, tokenizer: PromptTokenizer) -> None:
        text = " ".join(["a happy man"] * 400)
        ids = tokenizer.ids(text)
        assert len(ids) == MAX_TOKENS
        assert ids[-1] == tokenizer.ids("")[-1]
        assert tokenizer.count(text) == 1201

    def test_damaged_file(self, tmp_path: Path) -> None:
        (tmp_path / "tokenizer.json").write_text("{}")
        with pytest.raises(UserError) as caught:
            PromptTokenizer(tmp_path)
        assert caught.value.code == "CHECKPOINT_FILE_DAMAGED"


class TestEncoder:
    @pytest.mark.parametrize("number", range(3))
    def test_trimmed_output(self, encoder: TextEncoder, case: TensorSource, number: int) -> None:
        expected = case.get(f"out.context_{number}")
        torch.testing.assert_close(encoder.encode(TEXTS[number]), expected, atol=TOLERANCE, rtol=0)

    def test_padded_batch(self, encoder: TextEncoder, case: TensorSource) -> None:
        output = encoder.encode_ids(case.get("in.ids"), case.get("in.mask"))
        torch.testing.assert_close(output[0, 500:504], case.get("out.padded_tail"), atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(output[2, :28], case.get("out.context_2"), atol=TOLERANCE, rtol=0)

    def test_distances_beyond_128(self, encoder: TextEncoder, case: TensorSource) -> None:
        ids = case.get("in.long_ids")
        output = encoder.encode_ids(ids, torch.ones_like(ids))
        torch.testing.assert_close(output[0, ::20], case.get("out.long"), atol=TOLERANCE, rtol=0)

    def test_relative_bias_of_a_block(self, encoder: TextEncoder, case: TensorSource) -> None:
        bias = encoder.model.encoder.block[0].layer[0].SelfAttention.compute_bias(40, 40)[0]
        assert torch.equal(bias, case.get("out.bias_0"))

    def test_empty_prompt_is_the_end_mark_alone(self, encoder: TextEncoder) -> None:
        assert encoder.encode("  ").shape == (1, 64)

    def test_half_precision_from_a_torch_dictionary(self, tmp_path: Path, case: TensorSource) -> None:
        root = Path(shutil.copytree(CKPT, tmp_path / "ckpt"))
        stored = root / "models_t5_umt5-xxl-enc-bf16.safetensors"
        source = open_weights(stored)
        torch.save({key: source.get(key) for key in source}, stored.with_suffix(".pth"))
        stored.unlink()
        encoder = TextEncoder.load(CheckpointLayout.find(root), torch.bfloat16, "cpu")
        output = encoder.encode(TEXTS[1])
        assert output.dtype == torch.bfloat16
        torch.testing.assert_close(output.float(), case.get("out.context_1"), atol=0.1, rtol=0)

    def test_one_embedding_table_in_memory(self, encoder: TextEncoder) -> None:
        assert encoder.model.encoder.embed_tokens.weight is encoder.model.shared.weight

    @pytest.mark.parametrize(
        ("lost", "code"),
        [("norm.weight", "CHECKPOINT_KEYS_MISMATCH"), ("token_embedding.weight", "CHECKPOINT_FILE_DAMAGED")],
    )
    def test_missing_tensor(self, tmp_path: Path, lost: str, code: str) -> None:
        root = Path(shutil.copytree(CKPT, tmp_path / "ckpt"))
        stored = root / "models_t5_umt5-xxl-enc-bf16.safetensors"
        source = open_weights(stored)
        torch.save({key: source.get(key) for key in source if key != lost}, stored.with_suffix(".pth"))
        stored.unlink()
        with pytest.raises(UserError) as caught:
            TextEncoder.load(CheckpointLayout.find(root), torch.float32, "cpu")
        assert caught.value.code == code
