"""The demo model's speech encoder: a small Wav2Vec2 of the published topology, with linear mouth heads for training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Model

from training.speech.visemes import VISEMES

FOLDER = "wav2vec2-large-xlsr-53-english"
STEP_SAMPLES = 320
STEPS_PER_SECOND = 50
MOUTH_OFFSETS = (-2, 0, 2)
"""What one state tells: the mouth of the video frame that starts with it, of the one before and of the one after."""

_LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", "'", "-", *"abcdefghijklmnopqrstuvwxy")
_SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def make_config() -> Wav2Vec2Config:
    """7 convolutions of 64 channels and 4 stable-layer-norm transformer layers of width 128; 0.9 M parameters."""
    return Wav2Vec2Config(
        conv_dim=[64] * 7,
        conv_kernel=[10, 3, 3, 3, 3, 2, 2],
        conv_stride=[5, 2, 2, 2, 2, 2, 2],
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        # The published 128 steps would smear 2.5 s; 32 steps are enough to tell neighbours apart.
        num_conv_pos_embeddings=32,
        num_conv_pos_embedding_groups=8,
        hidden_dropout=0.1,
        activation_dropout=0.1,
        attention_dropout=0.1,
        feat_proj_dropout=0.1,
        layerdrop=0.0,
        apply_spec_augment=False,
        vocab_size=len(_LETTERS),
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


class MouthHead(nn.Module):
    """Linear readers of one state: mouth parameters at ``MOUTH_OFFSETS`` and the viseme."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mouth = nn.Linear(width, 3 * len(MOUTH_OFFSETS))
        self.viseme = nn.Linear(width, len(VISEMES))

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """states [B,T,A] -> mouth [B,T,offsets,3], viseme logits [B,T,classes]."""
        return self.mouth(states).unflatten(-1, (len(MOUTH_OFFSETS), 3)), self.viseme(states)


class SpeechTrainee(nn.Module):
    """Encoder with one head on the last hidden state and one on a middle one; only the encoder is kept."""

    def __init__(self) -> None:
        super().__init__()
        config = make_config()
        self.encoder = Wav2Vec2Model(config)
        self.middle = config.num_hidden_layers // 2
        self.last_head = MouthHead(config.hidden_size)
        self.middle_head = MouthHead(config.hidden_size)

    def forward(self, waves: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """waves [B,n], each of zero mean and unit variance -> what the last and the middle head read."""
        states = self.encoder(waves, output_hidden_states=True).hidden_states
        return self.last_head(states[-1]), self.middle_head(states[self.middle])


def normalise(waves: Tensor) -> Tensor:
    """Zero mean and unit variance along the last axis, as ``Wav2Vec2FeatureExtractor`` with ``do_normalize`` does."""
    centred = waves - waves.mean(-1, keepdim=True)
    return centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + 1e-7)


def save_encoder(encoder: Wav2Vec2Model, folder: Path) -> None:
    """Write the published folder layout, weights in bf16.

    The layout has a transcription head; this encoder was never taught to transcribe, so its head is zero.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = Wav2Vec2ForCTC(encoder.config)
    model.wav2vec2.load_state_dict(encoder.state_dict())
    nn.init.zeros_(model.lm_head.weight)
    nn.init.zeros_(model.lm_head.bias)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    preprocessor = {
        "do_normalize": True,
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "padding_side": "right",
        "padding_value": 0,
        "return_attention_mask": True,
        "sampling_rate": 16000,
    }
    tokenizer = {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "do_lower_case": False,
        "word_delimiter_token": "|",
        **_SPECIAL,
    }
    files = {
        "preprocessor_config.json": preprocessor,
        "tokenizer_config.json": tokenizer,
        "special_tokens_map.json": _SPECIAL,
        "vocab.json": {letter: index for index, letter in enumerate(_LETTERS)},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_encoder(folder: Path) -> Wav2Vec2Model:
    """The saved encoder in evaluation mode, 32 bit."""
    return cast(Wav2Vec2Model, Wav2Vec2ForCTC.from_pretrained(folder, dtype=torch.float32).wav2vec2.eval())
