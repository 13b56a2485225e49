"""Sizes of the diffusion transformer, from ``config.json`` and the shapes of its tensors (spec 1.1, 2.1). No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live_avatar.errors import UserError

Shapes = Mapping[str, tuple[int, ...]]

# Flags with one legal value: the streaming model is defined only for these (spec 1.1).
_FIXED: dict[str, Any] = {
    "model_type": "s2v",
    "patch_size": [1, 2, 2],
    "qk_norm": True,
    "cross_attn_norm": True,
    "window_size": [-1, -1],
    "local_attn_size": -1,
    "enable_adain": True,
    "adain_mode": "attn_norm",
    "zero_timestep": True,
    "enable_motioner": False,
    "add_last_motion": True,
    "enable_tsm": False,
    "trainable_token_pos_emb": False,
    "enable_framepack": True,
    "framepack_drop_mode": "padd",
    "slide_motion_frames": False,
}
# What the published constructor assumes for a flag that config.json does not name.
_FLAG_DEFAULTS: dict[str, Any] = {
    **_FIXED,
    "enable_adain": False,
    "zero_timestep": False,
    "enable_motioner": True,
    "enable_framepack": False,
    "framepack_drop_mode": "drop",
}
_NO_EFFECT = {"zero_init", "motion_token_num", "cross_attn_type"}
_DEFAULT_INJECT_LAYERS = (0, 4, 8, 12, 16, 20, 24, 27)
_POSITIVE = (
    "dim", "num_heads", "ffn_dim", "num_layers", "audio_dim", "audio_layers", "num_audio_token",
    "text_dim", "text_len", "freq_dim",
)  # fmt: skip
_LATENT_CHANNELS = 16
_SINUSOID_WIDTH = 256


@dataclass(frozen=True, slots=True)
class DitConfig:
    """Sizes of the diffusion transformer.

    Attributes:
        dim: width of the hidden states (D).
        num_heads: attention heads.
        ffn_dim: inner width of the feed-forward layers.
        num_layers: transformer blocks.
        audio_dim: width of one audio feature vector (A).
        audio_layers: hidden states of the speech model that are mixed (25 in the published weights).
        num_audio_token: audio tokens per latent frame, without the learned padding token.
        audio_inject_layers: block ids followed by an audio injector; injector j belongs to the j-th entry.
        text_dim: width of the text encoder's output.
        text_len: rows the text is padded to.
        freq_dim: width of the sinusoidal time embedding.
        in_dim, out_dim, cond_dim: latent channels in, out, and of the pose condition.
        eps: epsilon of the transformer's norms.
        unknown_keys: keys of config.json that nothing here reads.
    """

    dim: int
    num_heads: int
    ffn_dim: int
    num_layers: int
    audio_dim: int
    audio_inject_layers: tuple[int, ...]
    text_dim: int
    audio_layers: int = 25
    num_audio_token: int = 4
    text_len: int = 512
    freq_dim: int = _SINUSOID_WIDTH
    in_dim: int = _LATENT_CHANNELS
    out_dim: int = _LATENT_CHANNELS
    cond_dim: int = _LATENT_CHANNELS
    eps: float = 1e-6
    unknown_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise _invalid(problem)

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.dim // self.num_heads

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], shapes: Shapes | None = None) -> DitConfig:
        """Build from the content of config.json.

        Args:
            values: the JSON object.
            shapes: tensor shapes by name; give ``text_dim`` and ``audio_layers``, which upstream's config may lack.

        Raises:
            UserError: ``CHECKPOINT_CONFIG_INVALID`` for a size that does not fit or a flag this model does not have.
        """
        for key, legal in _FIXED.items():
            found = values.get(key, _FLAG_DEFAULTS[key])
            if (list(found) if isinstance(found, tuple) else found) != legal:
                raise _invalid(f'"{key}" is {json.dumps(found)}; only {json.dumps(legal)} is supported.')
        shapes = shapes or {}
        inject = values.get("audio_inject_layers", _DEFAULT_INJECT_LAYERS)
        if not isinstance(inject, (list, tuple)) or not all(isinstance(layer, int) for layer in inject):
            raise _invalid(f'"audio_inject_layers" is {json.dumps(inject)}; a list of block numbers is needed.')
        text_shape = shapes.get("text_embedding.0.weight", (0, 4096))
        audio_shape = shapes.get("casual_audio_encoder.weights", (1, 25, 1, 1))
        sizes = {
            key: _integer(values, key, default)
            for key, default in (
                ("dim", 2048),
                ("num_heads", 16),
                ("ffn_dim", 8192),
                ("num_layers", 32),
                ("audio_dim", 5120),
                ("num_audio_token", 4),
                ("text_dim", text_shape[-1]),
                ("text_len", 512),
                ("freq_dim", _SINUSOID_WIDTH),
                ("in_dim", _LATENT_CHANNELS),
                ("out_dim", _LATENT_CHANNELS),
                ("cond_dim", 0),
            )
        }
        eps = values.get("eps", 1e-6)
        if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 < eps < 1:
            raise _invalid(f'"eps" is {json.dumps(eps)}; a small positive number is needed.')
        read = {*_FIXED, *_NO_EFFECT, *sizes, "audio_inject_layers", "eps"}
        unknown = tuple(sorted(key for key in values if key not in read and not key.startswith("_")))
        return cls(
            **sizes,
            audio_inject_layers=tuple(inject),
            audio_layers=audio_shape[1],
            eps=float(eps),
            unknown_keys=unknown,
        )

    @classmethod
    def read(cls, path: Path, shapes: Shapes | None = None) -> DitConfig:
        """Read ``config.json``; see :meth:`from_dict`.

        Raises:
            UserError: ``CHECKPOINT_INCOMPLETE`` (no such file), ``CHECKPOINT_CONFIG_INVALID``.
        """
        return cls.from_dict(read_json_object(path), shapes)

    def _problems(self) -> list[str]:
        """Every rule this configuration breaks, one sentence each."""
        problems = [
            f'"{name}" is {getattr(self, name)}; a positive number is needed.'
            for name in _POSITIVE
            if getattr(self, name) < 1
        ]
        if problems:
            return problems
        if self.dim % self.num_heads or self.head_dim % 2:
            problems.append(f'"dim" {self.dim} must be an even multiple of "num_heads" {self.num_heads}.')
        if self.head_dim < 6:
            problems.append(f"A head of {self.head_dim} values is too narrow for three rotary axes; 6 is the least.")
        if self.dim % 4:
            problems.append(f'"dim" {self.dim} must be a multiple of 4 (the audio encoder works on quarters of it).')
        for name, legal in (("in_dim", _LATENT_CHANNELS), ("out_dim", _LATENT_CHANNELS)):
            if getattr(self, name) != legal:
                problems.append(f'"{name}" is {getattr(self, name)}; the video codec has {legal} channels.')
        if self.cond_dim != _LATENT_CHANNELS:
            problems.append(f'"cond_dim" is {self.cond_dim}; the pose condition has {_LATENT_CHANNELS} channels.')
        if self.freq_dim % 2:
            problems.append(f'"freq_dim" {self.freq_dim} must be even.')
        layers = self.audio_inject_layers
        if not layers or len(set(layers)) != len(layers) or any(not 0 <= i < self.num_layers for i in layers):
            problems.append(
                f'"audio_inject_layers" is {list(layers)}; '
                f"different block numbers from 0 to {self.num_layers - 1} are needed."
            )
        if list(layers) != sorted(layers):
            problems.append(f'"audio_inject_layers" is {list(layers)}; it must be in rising order.')
        return problems


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        UserError: ``CHECKPOINT_INCOMPLETE`` (no such file), ``CHECKPOINT_CONFIG_INVALID`` (not a JSON object).
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            "CHECKPOINT_INCOMPLETE",
            f"{path} is missing.",
            "The model cannot be built without it.",
            "Download this file again, or choose another model folder.",
            field="ckpt_dir",
        ) from error
    except ValueError as error:
        raise _invalid(f"{path} is not JSON ({error}).") from error
    if not isinstance(values, dict):
        raise _invalid(f"{path} does not hold a JSON object.")
    return values


def _integer(values: Mapping[str, Any], key: str, default: int) -> int:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid(f'"{key}" is {json.dumps(value)}; a whole number is needed.')
    return value


def _invalid(why: str) -> UserError:
    return UserError(
        "CHECKPOINT_CONFIG_INVALID",
        "The model's configuration cannot be used.",
        why,
        "Restore the published config.json, or choose another model folder.",
        field="ckpt_dir",
    )
