"""From a prompt to the text encoder's output (spec section 6)."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from live_avatar.checkpoint.headers import damaged
from live_avatar.checkpoint.layout import CheckpointLayout

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from live_avatar.fast.weight_only import SmallForm

MAX_TOKENS = 512
_MAX_DISTANCE = 128
_TOP_LEVEL = {"token_embedding.weight": "shared.weight", "norm.weight": "encoder.final_layer_norm.weight"}
_IN_BLOCK = {
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
_BLOCK_KEY = re.compile(r"blocks\.(\d+)\.(.+)")


def clean_prompt(text: str) -> str:
    """The prompt as the model saw prompts in training: mended encoding, no HTML entities, single spaces."""
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return re.sub(r"\s+", " ", text).strip()


class PromptTokenizer:
    """The tokenizer of a checkpoint, read from its ``tokenizer.json``; never looks at the network.

    The file alone defines the token ids, so the tokenizers library reads it, not a class picked by a name in a config.

    Raises:
        UserError: ``CHECKPOINT_FILE_DAMAGED``.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise damaged(path, f"It is not a tokenizer ({error}).") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    @property
    def vocabulary(self) -> int:
        """Number of different tokens."""
        return int(self._tokenizer.get_vocab_size())

    def count(self, text: str) -> int:
        """Tokens of a cleaned prompt, with the end mark, before any cut; above ``MAX_TOKENS`` the rest is not used."""
        return len(self._tokenizer.encode(text).ids)

    def ids(self, text: str) -> list[int]:
        """Token ids of a cleaned prompt, end mark included, at most ``MAX_TOKENS`` (the end mark is kept)."""
        self._tokenizer.enable_truncation(MAX_TOKENS)
        try:
            return list(self._tokenizer.encode(text).ids)
        finally:
            self._tokenizer.no_truncation()


@dataclass(frozen=True, slots=True)
class TextEncoderSizes:
    """Sizes of the UMT5 encoder, from the shapes of its tensors."""

    vocabulary: int
    dim: int
    head_dim: int
    ffn_dim: int
    layers: int
    heads: int
    buckets: int

    @classmethod
    def from_shapes(cls, shapes: dict[str, tuple[int, ...]], path: Path) -> TextEncoderSizes:
        """Infer from tensor shapes under their published names; ``path`` is named in errors.

        Raises:
            UserError: ``CHECKPOINT_FILE_DAMAGED`` if these are not the tensors of such an encoder.
        """
        try:
            vocabulary, dim = shapes["token_embedding.weight"]
            buckets, heads = shapes["blocks.0.pos_embedding.embedding.weight"]
            inner, _ = shapes["blocks.0.attn.q.weight"]
            ffn_dim, _ = shapes["blocks.0.ffn.fc1.weight"]
        except (KeyError, ValueError) as error:
            raise damaged(path, f"It does not hold the tensors of the text encoder ({error}).") from error
        blocks = {int(match[1]) for key in shapes if (match := _BLOCK_KEY.fullmatch(key)) is not None}
        if heads < 1 or inner % heads:
            raise damaged(path, f"Its attention width {inner} is not a multiple of its {heads} heads.")
        return cls(vocabulary, dim, inner // heads, ffn_dim, max(blocks) + 1, heads, buckets)


class TextEncoder:
    """UMT5 encoder with its tokenizer. Make it with :meth:`load`."""

    def __init__(self, model: Any, tokenizer: PromptTokenizer, device: torch.device) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.device = device

    @classmethod
    def load(
        cls,
        layout: CheckpointLayout,
        dtype: torch.dtype,
        device: torch.device | str,
        form: SmallForm | None = None,
    ) -> TextEncoder:
        """Load the weights, all of them or none.

        With a ``form`` the linear layers keep one byte a weight, quantised while they are read: 6.8 GB of the published
        encoder instead of 11.4, and outputs that differ: on the demo model by
        0.3 to 1.2 % (``int8``) and 1.5 to 3.3 % (``float8``) in float32.

        Raises:
            UserError: any ``CHECKPOINT_…`` code of :mod:`live_avatar.checkpoint.tensors`.
        """
        import torch
        from transformers import UMT5Config, UMT5EncoderModel

        from live_avatar.checkpoint.tensors import load_strict, open_weights

        source = open_weights(layout.text_encoder)
        sizes = TextEncoderSizes.from_shapes(source.shapes(), layout.text_encoder)
        config = UMT5Config(
            vocab_size=sizes.vocabulary,
            d_model=sizes.dim,
            d_kv=sizes.head_dim,
            d_ff=sizes.ffn_dim,
            num_layers=sizes.layers,
            num_heads=sizes.heads,
            relative_attention_num_buckets=sizes.buckets,
            relative_attention_max_distance=_MAX_DISTANCE,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            layer_norm_epsilon=1e-6,
        )
        with torch.device("meta"):
            model = UMT5EncoderModel(config)
        model.set_input_embeddings(model.shared)
        transform = None
        if form is not None:
            from live_avatar.fast.weight_only import quantising, replace_linears

            linears = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
            replace_linears(model, linears, form)
            transform = quantising(model, linears, form)
        load_strict(model, source.renamed(_transformers_name), dtype=dtype, device=device, transform=transform)
        model.requires_grad_(False)
        return cls(model.eval(), PromptTokenizer(layout.tokenizer), torch.device(device))

    def encode(self, text: str) -> Tensor:
        """Encode a prompt: [tokens, text_dim] in the encoder's precision, end mark included, at most 512 tokens.

        The prompt is cleaned here. It is not padded: padded keys are masked, so the rows are the same without them.
        """
        import torch

        ids = torch.tensor([self.tokenizer.ids(clean_prompt(text))], device=self.device)
        return self.encode_ids(ids, torch.ones_like(ids))[0]

    def encode_ids(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Encode token ids [batch, tokens] with a mask (1 = real, 0 = padding) to [batch, tokens, text_dim]."""
        import torch

        with torch.no_grad():
            output: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return output


def _transformers_name(key: str) -> str:
    """The transformers name of a published tensor name; an unknown one is kept, so that strict loading reports it."""
    match = _BLOCK_KEY.fullmatch(key)
    if match is not None and match[2] in _IN_BLOCK:
        return f"encoder.block.{match[1]}.{_IN_BLOCK[match[2]]}"
    return _TOP_LEVEL.get(key, key)
