"""Text encoder outputs kept on disk, so that the encoder, 11 GB of the published model, is loaded only for new prompts.

Files are named by a hash: neither names nor contents tell the prompt. They may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.checkpoint.fingerprint import weights_fingerprint
from live_avatar.errors import UserError
from live_avatar.media.atomic import atomic_path
from live_avatar.speed_record import cache_folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from live_avatar.checkpoint.layout import CheckpointLayout

# Raise it when the way from a prompt to the encoder's output changes.
PROMPT_CACHE_VERSION = 1
_MOST_FILES = 500
_TENSOR, _CHECK = "context", "sha256"


class PromptCache:
    """Contexts [tokens, text_dim] by cleaned prompt, for one text encoder. A disk that fails only costs time.

    Args:
        encoder: what the outputs depend on besides the prompt; see :func:`text_encoder_identity`.
        folder: ``None`` for ``prompts`` in the user's cache.
    """

    def __init__(self, encoder: str, folder: Path | None = None) -> None:
        self._encoder = encoder
        self.folder = cache_folder() / "prompts" if folder is None else folder

    def read(self, prompt: str) -> Tensor | None:
        """The context on the CPU, or ``None`` if it is not here whole."""
        from safetensors import SafetensorError, safe_open

        path = self._path(prompt)
        try:
            with safe_open(str(path), framework="pt", device="cpu") as file:
                context: Tensor = file.get_tensor(_TENSOR)
                expected = (file.metadata() or {}).get(_CHECK)
        except (OSError, SafetensorError):
            return None
        if expected != _sha256(context):
            return None
        with suppress(OSError):  # the time of last use decides what is removed first
            os.utime(path)
        return context

    def write(self, prompt: str, context: Tensor) -> None:
        """Keep a context; it may be on any device."""
        from safetensors.torch import save_file

        context = context.detach().cpu().contiguous()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(self._path(prompt)) as temporary:
                save_file({_TENSOR: context}, temporary, {_CHECK: _sha256(context)})
            self._remove_oldest()
        except (OSError, UserError):
            return

    def _path(self, prompt: str) -> Path:
        text = f"{PROMPT_CACHE_VERSION}\0{self._encoder}\0{prompt}"
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.safetensors"

    def _remove_oldest(self) -> None:
        files = sorted(self.folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
        for path in files[: max(0, len(files) - _MOST_FILES)]:
            path.unlink(missing_ok=True)


def text_encoder_identity(
    layout: CheckpointLayout, dtype: torch.dtype, device: torch.device, form: str | None = None
) -> str:
    """What a text encoder's outputs depend on: its files, how its weights are kept, and where it computes.

    ``form``: of weights in 8 bits, or ``None``.
    """
    files = weights_fingerprint([layout.text_encoder, layout.tokenizer / "tokenizer.json"])
    return f"{files} {dtype} {device.type} {form}"


def _sha256(context: Tensor) -> str:
    import torch

    return hashlib.sha256(context.view(torch.uint8).numpy().data).hexdigest()
