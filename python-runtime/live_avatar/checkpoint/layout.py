"""Where the parts of a published checkpoint folder lie (spec 1.1). Only file names are looked at; no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from live_avatar.checkpoint.config import read_json_object
from live_avatar.checkpoint.headers import damaged, shard_missing
from live_avatar.errors import UserError

_TRANSFORMER = "diffusion_pytorch_model"
_TEXT_ENCODER = "models_t5_umt5-xxl-enc-bf16"
_VAE = "Wan2.1_VAE"
_TOKENIZER = "google/umt5-xxl"
_WAV2VEC = "wav2vec2-large-xlsr-53-english"
_SHARD = re.compile(rf"{_TRANSFORMER}-(\d+)-of-(\d+)\.safetensors")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the folder: its files that are there, and the names of those that are not.

    Attributes:
        name: ``config``, ``transformer``, ``text_encoder``, ``tokenizer``, ``vae`` or ``speech``.
        files: what was found, in reading order.
        missing: what was looked for and not found, relative to the checkpoint folder.
    """

    name: str
    files: tuple[Path, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckpointLayout:
    """Paths of a complete checkpoint folder.

    Attributes:
        root: the folder.
        config: ``config.json`` of the diffusion transformer.
        transformer_files: its weights, one file or all shards in order.
        text_encoder: UMT5 weights, ``.pth`` or ``.safetensors``.
        tokenizer: folder with ``tokenizer.json``.
        vae: weights of the video codec, ``.pth`` or ``.safetensors``.
        wav2vec: folder of the speech model, with ``config.json``.
        wav2vec_weights: its weights, ``model.safetensors`` or ``pytorch_model.bin``.
    """

    root: Path
    config: Path
    transformer_files: tuple[Path, ...]
    text_encoder: Path
    tokenizer: Path
    vae: Path
    wav2vec: Path
    wav2vec_weights: Path

    @classmethod
    def find(cls, root: Path) -> CheckpointLayout:
        """Locate every part below ``root``.

        Raises:
            UserError: ``CHECKPOINT_NOT_FOUND`` (no such folder), ``CHECKPOINT_INCOMPLETE`` (names every missing part),
                ``CHECKPOINT_SHARD_MISSING`` (only some shards of the transformer are missing).
        """
        parts = {part.name: part for part in locate_parts(root)}
        incomplete = [part for part in parts.values() if part.missing]
        if [part.name for part in incomplete] == ["transformer"] and parts["transformer"].files:
            raise shard_missing([root / name for name in parts["transformer"].missing])
        if incomplete:
            names = [name for part in incomplete for name in part.missing]
            raise UserError(
                "CHECKPOINT_INCOMPLETE",
                f"The model folder {root} is not complete.",
                f"Missing: {', '.join(names)}.",
                "Download the missing files into that folder, or choose another model folder.",
                field="ckpt_dir",
            )
        return cls(
            root=root,
            config=parts["config"].files[0],
            transformer_files=parts["transformer"].files,
            text_encoder=parts["text_encoder"].files[0],
            tokenizer=root / _TOKENIZER,
            vae=parts["vae"].files[0],
            wav2vec=root / _WAV2VEC,
            wav2vec_weights=parts["speech"].files[0],
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file whose content can change what is generated."""
        return tuple(path for part in locate_parts(self.root) for path in part.files)


def locate_parts(root: Path) -> list[Part]:
    """All parts of the folder, complete or not.

    Raises:
        UserError: ``CHECKPOINT_NOT_FOUND``, and ``CHECKPOINT_FILE_DAMAGED`` for a shard list that makes no sense.
    """
    if not root.is_dir():
        raise UserError(
            "CHECKPOINT_NOT_FOUND",
            f"There is no model folder {root}.",
            "The path does not exist or is not a folder.",
            "Choose the folder that holds config.json and the model's weights.",
            field="ckpt_dir",
        )
    return [
        _part(root, "config", ["config.json"]),
        _transformer(root),
        _part(root, "text_encoder", [f"{_TEXT_ENCODER}.safetensors|{_TEXT_ENCODER}.pth"]),
        _part(root, "tokenizer", [f"{_TOKENIZER}/tokenizer.json"]),
        _part(root, "vae", [f"{_VAE}.safetensors|{_VAE}.pth"]),
        speech_part(root / _WAV2VEC, root),
    ]


def speech_part(folder: Path, root: Path) -> Part:
    """The speech model in ``folder``: weights first, then configuration; names are relative to ``root``."""
    prefix = folder.relative_to(root).as_posix()
    names = ["model.safetensors|pytorch_model.bin", "config.json", "preprocessor_config.json"]
    alternatives = ["|".join(f"{prefix}/{name}" for name in entry.split("|")) for entry in names]
    return _part(root, "speech", alternatives)


def _part(root: Path, name: str, wanted: list[str]) -> Part:
    """``wanted``: relative paths; ``a|b`` means the first of these that exists."""
    files: list[Path] = []
    missing: list[str] = []
    for entry in wanted:
        choices = entry.split("|")
        found = next((root / choice for choice in choices if (root / choice).is_file()), None)
        if found is None:
            missing.append(" or ".join(choices))
        else:
            files.append(found)
    return Part(name, tuple(files), tuple(missing))


def _transformer(root: Path) -> Part:
    names = _shard_names(root)
    present = [name for name in names if (root / name).is_file()]
    absent = [name for name in names if name not in present]
    return Part("transformer", tuple(root / name for name in present), tuple(absent))


def _shard_names(root: Path) -> list[str]:
    """The file names the transformer's weights should have, whether or not they are there."""
    single = f"{_TRANSFORMER}.safetensors"
    if (root / single).is_file():
        return [single]
    index = root / f"{single}.index.json"
    if index.is_file():
        weight_map = read_json_object(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise damaged(index, 'It has no "weight_map".')
        names = sorted({str(name) for name in weight_map.values()})
        if any(Path(name).name != name for name in names):
            raise damaged(index, "It names files outside its folder.")
        return names
    matches = [match for path in sorted(root.iterdir()) if (match := _SHARD.fullmatch(path.name)) is not None]
    if not matches:
        return [single]
    digits, count = len(matches[0][1]), int(matches[0][2])
    if count > 10_000:
        raise damaged(root / matches[0][0], f"Its name says there are {count} files.")
    return [f"{_TRANSFORMER}-{i:0{digits}d}-of-{matches[0][2]}.safetensors" for i in range(1, count + 1)]
