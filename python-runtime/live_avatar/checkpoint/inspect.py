"""What is in a checkpoint folder and whether it can be used, without building a network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from live_avatar.checkpoint.config import DitConfig, read_json_object
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.checkpoint.fingerprint import file_sha256
from live_avatar.checkpoint.layout import Part, locate_parts
from live_avatar.checkpoint.lora import lora_targets, read_lora
from live_avatar.checkpoint.source import TensorSource
from live_avatar.checkpoint.tensors import check_source, open_safetensors_set, open_weights
from live_avatar.errors import UserError
from live_avatar.text import PromptTokenizer, TextEncoderSizes
from live_avatar.vae.config import VaeConfig

Problem = dict[str, str | None]
HashProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: path relative to the checkpoint folder (or as given), bytes, SHA-256 if asked for."""

    path: str
    bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class PartReport:
    """One part of the model.

    Attributes:
        name: as in :class:`~live_avatar.checkpoint.layout.Part`, or ``lora``.
        state: ``ok``, ``missing`` (a file is not there) or ``damaged`` (there, but not usable).
        missing: files that are not there.
        problem: the error a render would end with, or ``None``.
        files: files that are there.
        tensors: number of tensors; 0 for parts without weights.
        parameters: number of values in them.
        dtypes: number of tensors by stored precision.
        sizes: what was inferred from shapes and configuration.
    """

    name: str
    state: Literal["ok", "missing", "damaged"]
    missing: tuple[str, ...]
    problem: Problem | None
    files: tuple[FileReport, ...]
    tensors: int
    parameters: int
    dtypes: dict[str, int]
    sizes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckpointReport:
    """All parts of a checkpoint folder; ``usable`` when every one is in order."""

    root: str
    usable: bool
    bytes: int
    parts: tuple[PartReport, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)


def inspect_checkpoint(
    root: Path, hashes: bool = False, lora: Path | None = None, progress: HashProgress | None = None
) -> CheckpointReport:
    """Look at every part of the folder; nothing that is wrong with a part stops the inspection.

    Args:
        root: checkpoint folder.
        hashes: read every byte for SHA-256 (minutes for the published 50 GB).
        lora: also look at this LoRA file, and whether it fits the transformer.
        progress: while hashing, called with (file, bytes done of all files, bytes of all files); may raise to stop.

    Raises:
        UserError: ``CHECKPOINT_NOT_FOUND``.
    """
    parts = locate_parts(root)
    if lora is not None:
        found = lora.is_file()
        parts.append(Part("lora", (lora,) if found else (), () if found else (str(lora),)))
    files = [path for part in parts for path in part.files]
    sums = _hash_all(files, progress) if hashes else {}
    shapes = _TransformerFacts()
    reports = tuple(_report(root, part, sums, shapes) for part in parts)
    return CheckpointReport(
        root=str(root),
        usable=all(report.state == "ok" for report in reports),
        bytes=sum(path.stat().st_size for path in files),
        parts=reports,
    )


def _hash_all(files: list[Path], progress: HashProgress | None) -> dict[Path, str]:
    total, done = sum(path.stat().st_size for path in files), 0
    sums: dict[Path, str] = {}
    for path in files:

        def advance(count: int, name: str = path.name) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(name, done, total)

        sums[path] = file_sha256(path, advance)
    return sums


@dataclass
class _TransformerFacts:
    """What later parts must agree with, as far as it could be read."""

    config_found: bool = False
    config: DitConfig | None = None

    def agree(self, part: str, sizes: dict[str, Any], wanted: Callable[[DitConfig], dict[str, int]]) -> None:
        """Compare a part's sizes with those the transformer was trained for."""
        expected = wanted(self.config) if self.config is not None else {}
        wrong = [
            f"{name} is {sizes[name]} and should be {size}" for name, size in expected.items() if sizes[name] != size
        ]
        if wrong:
            raise UserError(
                "CHECKPOINT_PARTS_DISAGREE",
                f"The {part} does not belong to this transformer.",
                f"Its {'; '.join(wrong)}.",
                "Take all parts from one download of one model.",
                field="ckpt_dir",
            )


def _report(root: Path, part: Part, sums: dict[Path, str], facts: _TransformerFacts) -> PartReport:
    problem: Problem | None = None
    source = TensorSource({})
    sizes: dict[str, Any] = {}
    if not part.missing:
        try:
            source = _open(part)
            sizes = _check(root, part, source, facts)
        except UserError as error:
            problem = error.as_dict()
    return PartReport(
        name=part.name,
        state="missing" if part.missing else "damaged" if problem is not None else "ok",
        missing=part.missing,
        problem=problem,
        files=tuple(FileReport(_name(path, root), path.stat().st_size, sums.get(path)) for path in part.files),
        tensors=len(source),
        parameters=sum(math.prod(shape) for shape in source.shapes().values()),
        dtypes=dict(Counter(str(source.dtype(key)).removeprefix("torch.") for key in source)),
        sizes=sizes,
    )


def _open(part: Part) -> TensorSource:
    weights = [path for path in part.files if path.suffix != ".json"]
    if not weights:
        return TensorSource({})
    return open_weights(weights[0]) if len(weights) == 1 else open_safetensors_set(weights)


def _check(root: Path, part: Part, source: TensorSource, facts: _TransformerFacts) -> dict[str, Any]:
    """What the part says about itself; raises ``UserError`` for what would stop a render."""
    if part.name == "config":
        facts.config_found = True
        return asdict(DitConfig.read(part.files[0]))
    if part.name == "transformer" and facts.config_found:
        config = DitConfig.read(root / "config.json", source.shapes())
        check_source(dit_shapes(config), source)
        facts.config = config
        return asdict(config)
    if part.name == "text_encoder":
        sizes = asdict(TextEncoderSizes.from_shapes(source.shapes(), part.files[0]))
        facts.agree("text encoder", sizes, lambda config: {"dim": config.text_dim})
        return sizes
    if part.name == "tokenizer":
        return {"vocabulary": PromptTokenizer(part.files[0].parent).vocabulary}
    if part.name == "vae":
        return asdict(VaeConfig.from_state_dict(source.shapes()))
    if part.name == "speech":
        values = read_json_object(part.files[1])
        sizes = {"num_hidden_layers": values.get("num_hidden_layers"), "hidden_size": values.get("hidden_size")}
        facts.agree(
            "speech model",
            sizes,
            lambda config: {"num_hidden_layers": config.audio_layers - 1, "hidden_size": config.audio_dim},
        )
        return sizes
    if part.name == "lora":
        lora = read_lora(part.files[0])
        if facts.config is not None:
            lora.check(lora_targets(facts.config))
        return {"modules": len(lora.modules), "ranks": list(lora.ranks), "scales": list(lora.scales)}
    return {}


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
