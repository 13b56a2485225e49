"""LoRA files: finding, reading and merging them into the transformer's weights while these are read (spec 1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.drawn import Draw
from live_avatar.checkpoint.source import TensorSource
from live_avatar.checkpoint.tensors import listed, open_weights
from live_avatar.errors import UserError

LORA_FILE_NAME = "liveavatar.safetensors"
PUBLISHED_LORA = "Quark-Vision/Live-Avatar"
_PUBLISHED_FOLDER = "LiveAvatar"
# The published file names no alpha; it was trained with rank 128 and alpha 64.
_DEFAULT_SCALE = 0.5
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_FACTOR = re.compile(
    r"(?:base_model\.model\.|diffusion_model\.)*(?P<module>.+?)\."
    r"(?:(?P<down>lora_A|lora_down)|(?P<up>lora_B|lora_up))(?:\.(?!weight$)\w+)?\.weight"
)
_ALPHA = re.compile(r"(?:base_model\.model\.|diffusion_model\.)*(?P<module>.+?)\.alpha")

Targets = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class LoraFactors:
    """The two factors of one module: ``down`` [rank, in] (A), ``up`` [out, rank] (B), and the factor of B A.

    Factors that are to be drawn have no contents (device ``meta``); ``draws`` makes them, down first.
    """

    down: Tensor
    up: Tensor
    scale: float
    draws: tuple[Draw, Draw] | None = None

    @property
    def rank(self) -> int:
        """Inner size of the product."""
        return self.down.shape[0]

    def wide(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """``down`` and ``up`` in float32 on ``device``."""
        down, up = (self.down, self.up) if self.draws is None else (draw(device) for draw in self.draws)
        return down.to(device=device, dtype=torch.float32), up.to(device=device, dtype=torch.float32)


class LoraFile:
    """A LoRA file, read and understood but not yet compared with a model.

    Attributes:
        path: the file.
        modules: factors by module path without prefix, for example ``blocks.0.self_attn.q``.
    """

    def __init__(self, path: Path, modules: Mapping[str, LoraFactors]) -> None:
        self.path = path
        self.modules = dict(modules)

    @property
    def ranks(self) -> tuple[int, ...]:
        """The different ranks in the file, rising; one number for the published file."""
        return tuple(sorted({factors.rank for factors in self.modules.values()}))

    @property
    def scales(self) -> tuple[float, ...]:
        """The different scales alpha / rank, rising; 0.5 for the published file."""
        return tuple(sorted({factors.scale for factors in self.modules.values()}))

    def check(self, targets: Targets) -> None:
        """Compare with the modules of a model (see :func:`lora_targets`); shapes are [out, in].

        Raises:
            UserError: ``LORA_MATCHES_NOTHING``, ``LORA_MISMATCH`` (some modules missing or unknown), ``LORA_SHAPE``.
        """
        unknown = [name for name in self.modules if name not in targets]
        missing = [name for name in targets if name not in self.modules]
        if len(unknown) == len(self.modules):
            raise _lora_error(
                "LORA_MATCHES_NOTHING",
                f"{self.path} matches no layer of this model.",
                f"It is for {listed(unknown)}; the model has {listed(list(targets))}.",
            )
        if unknown or missing:
            parts = []
            if missing:
                parts.append(f"{len(missing)} of the model's {len(targets)} layers are not in it: {listed(missing)}")
            if unknown:
                parts.append(f"{len(unknown)} of its layers are not in the model: {listed(unknown)}")
            raise _lora_error("LORA_MISMATCH", f"{self.path} does not fit this model.", f"{'; '.join(parts)}.")
        wrong = []
        for name, (outputs, inputs) in targets.items():
            factors = self.modules[name]
            found = (factors.up.shape[0], factors.down.shape[1])
            if found != (outputs, inputs):
                wrong.append(f"{name} is {list(found)} and should be {[outputs, inputs]}")
        if wrong:
            raise _lora_error(
                "LORA_SHAPE",
                f"{self.path} was made for a model of another size.",
                f"{len(wrong)} layers differ: {listed(wrong, '; ')}.",
            )

    def merge(self, key: str, weight: Tensor) -> Tensor:
        """``weight`` with its LoRA product added, or ``weight`` itself if ``key`` has none.

        W' = cast(fp32(W) + scale * (fp32(B) @ fp32(A))), on the weight's device, in the weight's precision; a
        ``transform`` for :func:`~live_avatar.checkpoint.tensors.load_strict`.
        """
        factors = self.modules.get(key.removesuffix(".weight")) if key.endswith(".weight") else None
        if factors is None:
            return weight
        down, up = factors.wide(weight.device)
        merged = (up @ down).mul_(factors.scale).add_(weight)
        return merged.to(weight.dtype)


def lora_targets(config: DitConfig) -> dict[str, tuple[int, int]]:
    """Every module the LoRA changes, with its weight's shape [out, in] (spec 1.2: q, k, v, o, ffn.0, ffn.2)."""
    square = (config.dim, config.dim)
    targets: dict[str, tuple[int, int]] = {}
    for block in range(config.num_layers):
        for attention in ("self_attn", "cross_attn"):
            targets.update({f"blocks.{block}.{attention}.{name}": square for name in "qkvo"})
        targets[f"blocks.{block}.ffn.0"] = (config.ffn_dim, config.dim)
        targets[f"blocks.{block}.ffn.2"] = (config.dim, config.ffn_dim)
    for injector in range(len(config.audio_inject_layers)):
        targets.update({f"audio_injector.injector.{injector}.{name}": square for name in "qkvo"})
    return targets


def read_lora(path: Path) -> LoraFile:
    """Read a LoRA file, ``.safetensors`` or a torch dictionary.

    Understood key forms: with or without ``base_model.model.`` or ``diffusion_model.`` in front, with or without an
    adapter name such as ``.default``, ``lora_A``/``lora_B`` or ``lora_down``/``lora_up``, a scalar ``<module>.alpha``.
    Without ``.alpha`` tensors, alpha comes from the file's metadata ``lora_alpha``; without that, scale is 0.5.

    Raises:
        UserError: ``LORA_MISMATCH`` for tensors that are no complete pair of factors, and as
            :func:`~live_avatar.checkpoint.tensors.open_weights`.
    """
    source = open_weights(path)
    down: dict[str, Tensor] = {}
    up: dict[str, Tensor] = {}
    draws: dict[str, Draw] = {}
    alphas: dict[str, float] = {}
    strange: list[str] = []
    for key in source:
        factor, alpha = _FACTOR.fullmatch(key), _ALPHA.fullmatch(key)
        if factor is not None:
            side = down if factor["down"] else up
            draw = source.draw(key)
            if draw is None:
                tensor = source.get(key)
            else:
                tensor = torch.empty(source.shape(key), dtype=source.dtype(key), device="meta")
                draws[f"{factor['module']} {'down' if factor['down'] else 'up'}"] = draw
            if tensor.ndim != 2 or factor["module"] in side:
                strange.append(key)
            side[factor["module"]] = tensor
        elif alpha is not None and source.shape(key) in ((), (1,)):
            alphas[alpha["module"]] = float(source.get(key).item())
        else:
            strange.append(key)
    strange += [name for name in {**down, **up} if name not in down or name not in up]
    strange += [name for name in down if name in up and down[name].shape[0] != up[name].shape[1]]
    strange += [name for name in alphas if name not in down]
    if strange or not down:
        why = f"{len(strange)} tensors are not complete pairs of factors: {listed(strange)}." if strange else None
        raise _lora_error("LORA_MISMATCH", f"{path} is not a LoRA file.", why or "It holds no LoRA factors.")
    common_alpha = _metadata_alpha(path, source)
    modules: dict[str, LoraFactors] = {}
    for name, factor_down in down.items():
        module_alpha = alphas.get(name, common_alpha)
        scale = _DEFAULT_SCALE if module_alpha is None else module_alpha / factor_down.shape[0]
        drawn = (draws[f"{name} down"], draws[f"{name} up"]) if draws else None
        modules[name] = LoraFactors(factor_down, up[name], scale, drawn)
    return LoraFile(path, modules)


def resolve_lora(name: str, models_dir: Path) -> Path:
    """The LoRA file meant by ``name``: a file, a folder with ``liveavatar.safetensors``, or a hub id.

    A hub id (``owner/name``) is looked up among the models already on this computer, never downloaded here: in
    ``<models_dir>/<name>``, ``<models_dir>/<owner>/<name>`` and, for the published LoRA, ``<models_dir>/LiveAvatar``.

    Raises:
        UserError: ``LORA_NOT_FOUND``, naming every place looked at.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    looked = [path / LORA_FILE_NAME] if path.is_dir() else [path]
    if _HUB_ID.fullmatch(name) is not None:
        folders = [models_dir / name.rpartition("/")[2], models_dir / name]
        if name == PUBLISHED_LORA:
            folders.insert(0, models_dir / _PUBLISHED_FOLDER)
        looked += [folder / LORA_FILE_NAME for folder in folders]
    for candidate in looked:
        if candidate.is_file():
            return candidate
    raise UserError(
        "LORA_NOT_FOUND",
        f'No LoRA file was found for "{name}".',
        f"Looked at {', '.join(str(candidate) for candidate in looked)}.",
        "Give the path of the .safetensors file, or put it in one of these places.",
        field="lora_path_dmd",
    )


def _metadata_alpha(path: Path, source: TensorSource) -> float | None:
    text = source.metadata.get("lora_alpha")
    if text is None:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise _lora_error("LORA_MISMATCH", f"{path} cannot be used.", f'Its "lora_alpha" is "{text}".') from error


def _lora_error(code: str, what: str, why: str) -> UserError:
    return UserError(code, what, why, "Use the LoRA file published for this model.", field="lora_path_dmd")
