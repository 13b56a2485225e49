"""A model folder in the exact published layout (spec section 1) whose weights are drawn when they are loaded.

It takes a few hundred kilobytes on disk and seconds to make, and stands in for the published 49 GB where only sizes,
speed and memory matter. Pictures made with it are noise.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.lora import LORA_FILE_NAME, lora_targets
from live_avatar.checkpoint.sparse_files import write_sparse_safetensors, write_sparse_torch
from live_avatar.errors import UserError
from live_avatar.media.atomic import atomic_write_json
from live_avatar.text import TextEncoderSizes

_SHARD_BYTES = 10 * 10**9
_TRANSFORMER = "diffusion_pytorch_model"
_TEXT_ENCODER = "models_t5_umt5-xxl-enc-bf16.pth"
_VAE = "Wan2.1_VAE.pth"
_TOKENIZER = "google/umt5-xxl"
_SPEECH = "wav2vec2-large-xlsr-53-english"

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class RandomModel:
    """Sizes of a model to write.

    Attributes:
        transformer: what differs from the flags common to all, in ``config.json``.
        text: sizes of the text encoder.
        vae_width: channels of the VAE at full resolution.
        speech: what differs from the published speech model, in its ``config.json``.
        lora_rank: inner size of the LoRA's factors.
    """

    transformer: Mapping[str, Any]
    text: TextEncoderSizes
    vae_width: int = 96
    speech: Mapping[str, Any] = field(default_factory=dict)
    lora_rank: int = 128


_WIDE = {"dim": 5120, "ffn_dim": 13824, "num_heads": 40, "audio_dim": 1024}
PRESETS: dict[str, RandomModel] = {
    "14b": RandomModel(
        {**_WIDE, "num_layers": 40, "audio_inject_layers": [0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39]},
        TextEncoderSizes(256_384, 4096, 64, 10_240, 24, 64, 32),
    ),
    # The published widths, four layers: what a test on a card can afford.
    "slice": RandomModel(
        {**_WIDE, "num_layers": 4, "audio_inject_layers": [0, 2]},
        TextEncoderSizes(256_384, 4096, 64, 10_240, 1, 64, 32),
    ),
    "small": RandomModel(
        {
            "dim": 128, "ffn_dim": 256, "num_heads": 2, "num_layers": 6, "audio_dim": 32,
            "audio_inject_layers": [0, 2, 4], "text_dim": 64,
        },
        TextEncoderSizes(512, 64, 16, 128, 2, 4, 32),
        vae_width=8,
        speech={
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
            "conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
            "output_hidden_size": 32,
        },
        lora_rank=8,
    ),
}  # fmt: skip
# On a processor, a denoiser that outweighs the decoder at small sizes, as the published one does.
PRESETS["medium"] = replace(
    PRESETS["small"],
    transformer={
        **PRESETS["small"].transformer,
        "dim": 768, "ffn_dim": 3072, "num_heads": 12, "num_layers": 12, "audio_inject_layers": [0, 4, 8],
    },
)  # fmt: skip
# As little work for a block as a network of this kind can be: for takes of hours on a processor.
PRESETS["tiny"] = replace(
    PRESETS["small"],
    transformer={
        **PRESETS["small"].transformer,
        "dim": 16, "ffn_dim": 32, "num_heads": 1, "num_layers": 2, "audio_inject_layers": [0], "text_len": 64,
    },
    lora_rank=2,
)  # fmt: skip

# config.json of the published folder, without the sizes.
_TRANSFORMER_FLAGS: dict[str, Any] = {
    "_class_name": "WanModel_S2V",
    "adain_mode": "attn_norm",
    "add_last_motion": True,
    "cond_dim": 16,
    "enable_adain": True,
    "enable_framepack": True,
    "enable_motioner": False,
    "enable_tsm": False,
    "eps": 1e-6,
    "framepack_drop_mode": "padd",
    "freq_dim": 256,
    "in_dim": 16,
    "model_type": "s2v",
    "motion_token_num": 1024,
    "num_audio_token": 4,
    "out_dim": 16,
    "text_len": 512,
    "trainable_token_pos_emb": False,
    "zero_init": True,
    "zero_timestep": True,
}
_SPEECH_CONFIG: dict[str, Any] = {
    "architectures": ["Wav2Vec2ForCTC"],
    "conv_bias": True,
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "layer_norm_eps": 1e-5,
    "model_type": "wav2vec2",
    "num_attention_heads": 16,
    "num_conv_pos_embedding_groups": 16,
    "num_conv_pos_embeddings": 128,
    "num_feat_extract_layers": 7,
    "num_hidden_layers": 24,
    "output_hidden_size": 1024,
    "vocab_size": 33,
}
_PREPROCESSOR = {
    "do_normalize": True,
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": True,
    "sampling_rate": 16_000,
}


def write_random_model(folder: Path, preset: str, drawing: Drawing) -> None:
    """Make ``folder`` and write every file of a model into it; the LoRA lies in it as ``liveavatar.safetensors``.

    Raises:
        UserError: ``RANDOM_WEIGHTS_UNKNOWN``, ``RANDOM_WEIGHTS_NOT_EMPTY``, ``DISK_FULL``.
    """
    model = PRESETS.get(preset)
    if model is None:
        raise UserError(
            "RANDOM_WEIGHTS_UNKNOWN",
            f'There is no model "{preset}" to write.',
            f"The models are {', '.join(PRESETS)}.",
            "Use one of these.",
            field="preset",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            "RANDOM_WEIGHTS_NOT_EMPTY",
            f'"{folder}" is not an empty folder.',
            "Random weights are never written over other files.",
            "Choose a new folder.",
            field="folder",
        )
    for part in ("", _TOKENIZER, _SPEECH):
        (folder / part).mkdir(parents=True, exist_ok=True)
    config = _write_transformer(folder, model, drawing)
    write_sparse_torch(folder / _TEXT_ENCODER, text_encoder_shapes(model.text), torch.bfloat16, drawing)
    atomic_write_json(folder / _TOKENIZER / "tokenizer.json", _tokenizer())
    write_sparse_torch(folder / _VAE, _vae_shapes(model.vae_width), torch.float32, drawing)
    _write_speech(folder / _SPEECH, model, drawing)
    lora = _lora_shapes(config, model.lora_rank)
    write_sparse_safetensors(folder / LORA_FILE_NAME, lora, torch.bfloat16, drawing)


def text_encoder_shapes(sizes: TextEncoderSizes) -> Shapes:
    """Shape of every tensor of the text encoder under its published name (spec section 6.2)."""
    dim, inner = sizes.dim, sizes.heads * sizes.head_dim
    shapes: Shapes = {"token_embedding.weight": (sizes.vocabulary, dim)}
    for block in range(sizes.layers):
        name = f"blocks.{block}"
        shapes |= {f"{name}.attn.{side}.weight": (inner, dim) for side in "qkv"}
        shapes |= {
            f"{name}.norm1.weight": (dim,),
            f"{name}.attn.o.weight": (dim, inner),
            f"{name}.norm2.weight": (dim,),
            f"{name}.ffn.gate.0.weight": (sizes.ffn_dim, dim),
            f"{name}.ffn.fc1.weight": (sizes.ffn_dim, dim),
            f"{name}.ffn.fc2.weight": (dim, sizes.ffn_dim),
            f"{name}.pos_embedding.embedding.weight": (sizes.buckets, sizes.heads),
        }
    return shapes | {"norm.weight": (dim,)}


def _write_transformer(folder: Path, model: RandomModel, drawing: Drawing) -> DitConfig:
    values = {**_TRANSFORMER_FLAGS, **model.transformer}
    atomic_write_json(folder / "config.json", values)
    layers = {**_SPEECH_CONFIG, **model.speech}["num_hidden_layers"] + 1
    audio = {"casual_audio_encoder.weights": (1, layers, 1, 1), "text_embedding.0.weight": (0, model.text.dim)}
    config = DitConfig.from_dict(values, audio)
    shapes = dit_shapes(config)
    shards = _shards(shapes)
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"{_TRANSFORMER}-{number:05d}-of-{len(shards):05d}.safetensors"
        write_sparse_safetensors(folder / name, shard, torch.bfloat16, drawing)
        weight_map |= dict.fromkeys(shard, name)
    total = sum(_bytes(shape) for shape in shapes.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    atomic_write_json(folder / f"{_TRANSFORMER}.safetensors.index.json", index)
    return config


def _shards(shapes: Shapes) -> list[Shapes]:
    """Tensors in order, a new file whenever the next would make one larger than 10 GB."""
    shards: list[Shapes] = [{}]
    filled = 0
    for name, shape in shapes.items():
        size = _bytes(shape)
        if filled + size > _SHARD_BYTES:
            shards.append({})
            filled = 0
        shards[-1][name] = shape
        filled += size
    return shards


def _bytes(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel() * torch.bfloat16.itemsize


def _lora_shapes(config: DitConfig, rank: int) -> Shapes:
    shapes: Shapes = {}
    for name, (outputs, inputs) in lora_targets(config).items():
        shapes[f"{name}.lora_A.default.weight"] = (rank, inputs)
        shapes[f"{name}.lora_B.default.weight"] = (outputs, rank)
    return shapes


def _vae_shapes(width: int) -> Shapes:
    from live_avatar.vae.config import VaeConfig
    from live_avatar.vae.model import VideoVae

    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in VideoVae(VaeConfig.of_width(width)).state_dict().items()}


def _write_speech(folder: Path, model: RandomModel, drawing: Drawing) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    config = {**_SPEECH_CONFIG, **model.speech}
    with torch.device("meta"):
        network = Wav2Vec2ForCTC(Wav2Vec2Config.from_dict(config))
    shapes = {_published_speech_name(name): tuple(value.shape) for name, value in network.state_dict().items()}
    write_sparse_safetensors(folder / "model.safetensors", shapes, torch.float32, drawing)
    atomic_write_json(folder / "config.json", config)
    atomic_write_json(folder / "preprocessor_config.json", _PREPROCESSOR)


def _published_speech_name(name: str) -> str:
    """The published file is older than torch's parametrisations."""
    return name.replace("parametrizations.weight.original0", "weight_g").replace(
        "parametrizations.weight.original1", "weight_v"
    )


def _tokenizer() -> dict[str, Any]:
    """A tokenizer of single letters in the published file's format: what it lacks is its vocabulary."""
    special = ["<pad>", "</s>", "<unk>"]
    letters = ["▁", *string.ascii_letters, *string.digits, *string.punctuation]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    end = {"id": "</s>", "ids": [1], "tokens": ["</s>"]}
    first, last = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": text, **flags, "special": True} for i, text in enumerate(special)],
        "normalizer": None,
        "pre_tokenizer": space,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, last],
            "pair": [first, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"</s>": end},
        },
        "decoder": space,
        "model": {
            "type": "Unigram",
            "unk_id": 2,
            "vocab": [[text, 0.0] for text in special] + [[letter, -4.0] for letter in letters],
            "byte_fallback": False,
        },
    }


def apparent_bytes(folder: Path) -> tuple[int, int]:
    """Bytes that the files below ``folder`` seem to have, and that they take on disk (the same where unknown)."""
    stats = [path.stat() for path in folder.rglob("*") if path.is_file()]
    seeming = sum(stat.st_size for stat in stats)
    return seeming, sum(getattr(stat, "st_blocks", -(-stat.st_size // 512)) * 512 for stat in stats)
