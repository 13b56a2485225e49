"""The published model: where it lies on the hub, which of its files are needed, and checksums that are widely known."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

BASE_REPOSITORY = "Wan-AI/Wan2.2-S2V-14B"
LORA_REPOSITORY = "Quark-Vision/Live-Avatar"
LORA_FILE = "liveavatar.safetensors"
DEFAULT_ENDPOINT = "https://huggingface.co"

_SPEECH = "wav2vec2-large-xlsr-53-english"
_TEXT = "models_t5_umt5-xxl-enc-bf16"
_VAE = "Wan2.1_VAE"
# One path component that is the same on every system and leads nowhere else.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_ALWAYS = re.compile(
    rf"config\.json|LICENSE(\.txt|\.md)?|diffusion_pytorch_model(-\d+-of-\d+)?\.safetensors"
    rf"|diffusion_pytorch_model\.safetensors\.index\.json|google/umt5-xxl/{_NAME}\.(json|model)"
    rf"|{_SPEECH}/{_NAME}\.json"
)
# Of each line the first that is there: the same weights in two forms.
_ONE_OF = (
    (f"{_TEXT}.safetensors", f"{_TEXT}.pth"),
    (f"{_VAE}.safetensors", f"{_VAE}.pth"),
    (f"{_SPEECH}/model.safetensors", f"{_SPEECH}/pytorch_model.bin"),
)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """Size and SHA-256 of a published file."""

    bytes: int
    sha256: str


# The encoders are those of the whole model family, whose checksums many people have published; they are used when a
# folder brings no list of its own. A file of another size is another file, about which nothing is known.
KNOWN_FILES: Mapping[str, KnownFile] = {
    f"{_TEXT}.pth": KnownFile(11_361_920_418, "7cace0da2b446bbbbc57d031ab6cf163a3d59b366da94e5afe36745b746fd81d"),
    f"{_VAE}.pth": KnownFile(507_609_880, "38071ab59bd94681c686fa51d75a1968f64e470262043be31f7a094e442fd981"),
    "google/umt5-xxl/tokenizer.json": KnownFile(
        16_837_417, "6e197b4d3dbd71da14b4eb255f4fa91c9c1f2068b20a2de2472967ca3d22602b"
    ),
    "google/umt5-xxl/spiece.model": KnownFile(
        4_548_313, "e3909a67b780650b35cf529ac782ad2b6b26e6d1f849d3fbb6a872905f452458"
    ),
    "google/umt5-xxl/special_tokens_map.json": KnownFile(
        6_623, "7b8a9f5040adb67b5805abdfd42c1f8d0f3d0e711f10726580eb3789cd0ad61d"
    ),
}


def known_digest(path: str, size: int) -> str | None:
    """The checksum of a published file, if it is widely known, as in a record."""
    known = KNOWN_FILES.get(path)
    return f"sha256:{known.sha256}" if known is not None and known.bytes == size else None


def needed_files(paths: Collection[str]) -> list[str]:
    """The files of a repository or folder that the engine uses, of those that are there. Paths have forward slashes."""
    chosen = {path for path in paths if _ALWAYS.fullmatch(path) is not None}
    for alternatives in _ONE_OF:
        chosen.update([path for path in alternatives if path in paths][:1])
    return sorted(chosen)
