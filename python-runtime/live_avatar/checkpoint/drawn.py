"""Weights whose files say only how to draw them: for measuring and testing a model whose weights are not at hand.

Such a file has the published names, shapes and size, and holes instead of contents. Reading the holes as zeros would
flatter speed and power, so every tensor is drawn from a generator that its name seeds, scaled as trained weights are:
activations neither die nor overflow.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

Draw = Callable[[torch.device], Tensor]

SEED_KEY = "random_weights_seed"
OUTLIERS_KEY = "random_weights_outliers"
# Name of the record in a torch file, below its top folder.
TORCH_RECORD = "random_weights.json"
_SMALL = 0.02
_NORM_SPREAD = 0.05
_LORA_SHARE = 0.2
# Every so many channels one is an outlier, where those are wanted.
_OUTLIER_CHANNELS = slice(7, None, 256)
# Rows of a block's modulation that scale a norm's output (spec section 2.4).
_SCALE_ROWS = (1, 4)


@dataclass(frozen=True, slots=True)
class Drawing:
    """How the contents of a file are drawn.

    Attributes:
        seed: any integer; together with a tensor's name it seeds the generator. Kinds of devices draw differently.
        outliers: factor of a few channels behind the norms of the transformer; 1 for none.
    """

    seed: int
    outliers: float = 1.0

    def of(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Draw:
        """What draws the tensor ``name`` on a given device."""
        return partial(self._draw, name, shape, dtype)

    def metadata(self) -> dict[str, str]:
        """The pairs of a file's metadata that say this."""
        return {SEED_KEY: str(self.seed), OUTLIERS_KEY: str(self.outliers)}

    def _draw(self, name: str, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        if not dtype.is_floating_point:
            return torch.zeros(shape, dtype=dtype, device=device)
        digest = hashlib.sha256(f"{self.seed}\0{name}".encode()).digest()
        generator = torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "little"))
        mean, spread = _distribution(name, shape)
        values = torch.empty(shape, dtype=dtype, device=device).normal_(mean, spread, generator=generator)
        if self.outliers != 1:
            self._raise_outliers(name, values)
        return values

    def _raise_outliers(self, name: str, values: Tensor) -> None:
        if name.startswith("blocks.") and name.endswith(".modulation"):
            for row in _SCALE_ROWS:
                values[:, row, _OUTLIER_CHANNELS] = self.outliers - 1
        elif name.endswith(".norm3.weight"):
            values[_OUTLIER_CHANNELS] = self.outliers


def drawing_of_metadata(metadata: Mapping[str, str]) -> Drawing | None:
    """The drawing that a file's metadata asks for; ``None`` for a file with contents."""
    if SEED_KEY not in metadata:
        return None
    return Drawing(int(metadata[SEED_KEY]), float(metadata.get(OUTLIERS_KEY, "1")))


def drawing_of_torch_file(path: Path) -> Drawing | None:
    """The drawing that a torch file asks for; ``None`` for one with contents."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        record = next((name for name in archive.namelist() if name.endswith(f"/{TORCH_RECORD}")), None)
        return None if record is None else drawing_of_metadata(json.loads(archive.read(record)))


def _distribution(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Mean and standard deviation of the tensor ``name``; published names of all networks and of LoRA factors."""
    kind = name.rpartition(".")[2]
    fan_in = max(1, math.prod(shape[1:]))
    if kind == "bias" or kind == "masked_spec_embed" or name == "trainable_cond_mask.weight":
        return 0.0, _SMALL
    # The weights of the audio layers' mean are normalised by their sum, which must not come near zero.
    if kind in ("gamma", "weight_g") or name == "casual_audio_encoder.weights" or ("norm" in name and len(shape) == 1):
        return 1.0, _NORM_SPREAD
    if kind == "modulation":
        return 0.0, 1 / math.sqrt(shape[-1])
    if kind == "padding_tokens" or name == "token_embedding.weight":
        return 0.0, 1.0
    spread = 1 / math.sqrt(fan_in)
    if "lora_B" in name:
        return 0.0, _LORA_SHARE * spread
    if name.startswith("time_projection."):
        return 0.0, spread / 2
    if ".attn.q." in name:
        # The text encoder's attention has no scale of its own; trained queries are small instead.
        return 0.0, spread / 8
    return 0.0, spread
