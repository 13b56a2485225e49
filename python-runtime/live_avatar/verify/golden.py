"""A folder of golden data: manifest, tensors and the miniature checkpoint (format: README.md beside the data)."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.lora import LoraFile, lora_targets, read_lora
from live_avatar.checkpoint.tensors import Transform
from live_avatar.errors import UserError
from live_avatar.geometry import LatentShape
from live_avatar.model.rope import RotaryPositions, RotaryRounding
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.models import load_audio, load_text, load_transformer, load_vae
from live_avatar.vae.model import VideoVae

if TYPE_CHECKING:
    from live_avatar.audio_features import AudioFeatureExtractor
    from live_avatar.text import TextEncoder


class Golden:
    """Lazy access to one golden folder; every model is loaded in float32.

    Args:
        device: where models and tensors of the cases are.

    Raises:
        UserError: ``GOLDEN_UNREADABLE`` when the folder has no usable manifest.
    """

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        self.folder = folder
        self.device = device or torch.device("cpu")
        try:
            self.manifest: dict[str, Any] = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
            self.settings: dict[str, Any] = self.manifest["config"]
            self.files: dict[str, Any] = self.manifest["files"]
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                "GOLDEN_UNREADABLE",
                f"{folder} is not a folder of golden data.",
                f"Its golden.json cannot be used: {error}.",
                "Give a folder that holds golden.json, cases/ and ckpt/.",
            ) from error

    def case_names(self) -> list[str]:
        """Names of all cases, in the manifest or on disk, without the shared inputs."""
        listed = [Path(name).stem for name in self.files if name.startswith("cases/")]
        found = sorted(path.stem for path in (self.folder / "cases").glob("*.safetensors"))
        return [name for name in dict.fromkeys([*listed, *found]) if name != "inputs"]

    def case(self, name: str) -> dict[str, Tensor]:
        """All tensors of one case, by name."""
        return load_file(self.folder / "cases" / f"{name}.safetensors", device=str(self.device))

    def outputs(self, name: str) -> set[str]:
        """Names of the expected tensors that the manifest promises for a case."""
        tensors: dict[str, Any] = self.files.get(f"cases/{name}.safetensors", {}).get("tensors", {})
        return {tensor for tensor, facts in tensors.items() if facts.get("role") == "output"}

    def meta(self, name: str) -> dict[str, Any]:
        """Facts recorded with a case."""
        meta: dict[str, Any] = self.files[f"cases/{name}.safetensors"].get("meta", {})
        return meta

    def meaning(self, name: str, tensor: str) -> str:
        """The manifest's description of a tensor."""
        return str(self.files[f"cases/{name}.safetensors"]["tensors"][tensor]["what"])

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """Inputs shared by several cases, widened to float32."""
        tensors = self.case("inputs")
        return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}

    @cached_property
    def layout(self) -> CheckpointLayout:
        """The miniature checkpoint folder."""
        return CheckpointLayout.find(self.folder / "ckpt")

    @cached_property
    def lora(self) -> LoraFile:
        """The miniature LoRA file."""
        return read_lora(self.folder / "lora" / "liveavatar.safetensors")

    @property
    def lora_targets(self) -> dict[str, tuple[int, int]]:
        """Modules a LoRA file must match."""
        return lora_targets(self.config)

    @cached_property
    def transformer(self) -> CausalAvatarTransformer:
        """The denoiser in float32."""
        return self.load_transformer(None)

    def load_transformer(self, transform: Transform | None) -> CausalAvatarTransformer:
        """The denoiser in float32, its weights passed through ``transform`` while loading."""
        return load_transformer(self.layout, torch.float32, self.device, transform)

    @cached_property
    def vae(self) -> VideoVae:
        """The VAE in float32."""
        return load_vae(self.layout, torch.float32, self.device)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The text encoder in float32."""
        return load_text(self.layout, torch.float32, self.device)

    @cached_property
    def audio_extractor(self) -> AudioFeatureExtractor:
        """The speech feature extractor in float32."""
        return load_audio(self.layout, torch.float32, self.device)

    @property
    def config(self) -> DitConfig:
        """Sizes of the denoiser."""
        return self.transformer.config

    @property
    def shape(self) -> LatentShape:
        """Latent sizes of all cases but the end-to-end ones."""
        return LatentShape(self.settings["h8"], self.settings["w8"], self.settings["infer_frames"])

    def rotary(self, rounding: RotaryRounding = "float16") -> RotaryPositions:
        """Rotary positions at the golden sizes."""
        return RotaryPositions(self.config.head_dim, self.shape, rounding, self.device)
