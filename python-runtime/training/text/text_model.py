"""The demo model's text encoder: a small UMT5 encoder with label heads, and its export under the published names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import UMT5Config, UMT5EncoderModel

from training.avatars.labels import EXPRESSIONS, LIGHTS

WIDTH = 128


def make_encoder(vocabulary: int) -> UMT5EncoderModel:
    """A UMT5 encoder of 2 layers, width 128, 4 heads, gated tanh-GELU: 0.85 M parameters, mostly embedding."""
    config = UMT5Config(
        vocab_size=vocabulary,
        d_model=WIDTH,
        d_kv=32,
        d_ff=256,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        pad_token_id=0,
        eos_token_id=1,
    )
    model = UMT5EncoderModel(config)
    # Untied random order-1 embeddings drown what a small model learns; start small.
    nn.init.normal_(model.shared.weight, std=0.3)
    return model


class LabelHeads(nn.Module):
    """Linear readers of one encoder state: expression and light."""

    def __init__(self) -> None:
        super().__init__()
        self.expression = nn.Linear(WIDTH, len(EXPRESSIONS))
        self.light = nn.Linear(WIDTH, len(LIGHTS))

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """states: [..., 128] -> logits [..., 5] and [..., 4]."""
        return self.expression(states), self.light(states)


_BLOCK_KEYS = {
    "norm1.weight": "layer.0.layer_norm.weight",
    "attn.q.weight": "layer.0.SelfAttention.q.weight",
    "attn.k.weight": "layer.0.SelfAttention.k.weight",
    "attn.v.weight": "layer.0.SelfAttention.v.weight",
    "attn.o.weight": "layer.0.SelfAttention.o.weight",
    "pos_embedding.embedding.weight": "layer.0.SelfAttention.relative_attention_bias.weight",
    "norm2.weight": "layer.1.layer_norm.weight",
    "ffn.gate.0.weight": "layer.1.DenseReluDense.wi_0.weight",
    "ffn.fc1.weight": "layer.1.DenseReluDense.wi_1.weight",
    "ffn.fc2.weight": "layer.1.DenseReluDense.wo.weight",
}


def published_names(layers: int) -> dict[str, str]:
    """Published key -> key of ``UMT5EncoderModel`` (specification 6.2)."""
    names = {"token_embedding.weight": "shared.weight", "norm.weight": "encoder.final_layer_norm.weight"}
    for layer in range(layers):
        for published, ours in _BLOCK_KEYS.items():
            names[f"blocks.{layer}.{published}"] = f"encoder.block.{layer}.{ours}"
    return names


def export_encoder(model: UMT5EncoderModel, path: Path) -> None:
    """Write the weights in bf16 under the published names, as ``torch.save`` of a plain state dict."""
    state = model.state_dict()
    names = published_names(model.config.num_layers)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: state[key].to(torch.bfloat16).clone() for name, key in names.items()}, path)


def import_encoder(state: Mapping[str, Tensor]) -> UMT5EncoderModel:
    """An encoder in evaluation mode from a state dict with published names; every key must match.

    Raises:
        KeyError: a weight is missing. RuntimeError: a shape does not fit.
    """
    model = make_encoder(state["token_embedding.weight"].shape[0])
    names = published_names(model.config.num_layers)
    if set(names) != set(state):
        raise KeyError(f"missing {sorted(set(names) - set(state))}, unexpected {sorted(set(state) - set(names))}")
    renamed = {key: state[name].float() for name, key in names.items()}
    renamed["encoder.embed_tokens.weight"] = renamed["shared.weight"]
    model.load_state_dict(renamed, strict=True)
    return model.eval()
