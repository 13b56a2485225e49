"""Reading ``.pth`` dictionaries without running what is in them."""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from live_avatar.checkpoint.headers import damaged, shard_missing
from live_avatar.errors import UserError

_TENSOR_MODULES = {"torch", "torch._utils", "torch.storage", "torch._tensor", "torch.serialization", "collections"}


def read_torch_dictionary(path: Path) -> dict[str, Tensor]:
    """The flat name-to-tensor table that ``torch.save`` wrote, memory-mapped where the format allows it.

    Only tensors and plain containers are accepted; a file that asks for anything else to be imported is refused unread.

    Raises:
        UserError: ``CHECKPOINT_SHARD_MISSING``, ``CHECKPOINT_UNSAFE_PICKLE``, ``CHECKPOINT_FILE_DAMAGED``.
    """
    if not path.is_file():
        raise shard_missing([path])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Files in the format from before torch 1.6 cannot be mapped.
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        asked = _foreign_names(path)
        if asked:
            raise _unsafe(path, asked) from error
        raise damaged(path, "It is not a complete file of torch weights.") from error
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise damaged(path, f"It is not a complete file of torch weights ({reason}).") from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise damaged(path, "It does not hold one flat table of named tensors.")
    return content


def _unsafe(path: Path, asked: list[str]) -> UserError:
    return UserError(
        "CHECKPOINT_UNSAFE_PICKLE",
        f"{path} was refused.",
        f"It asks for program code ({', '.join(asked[:5])}), not only weights, and reading it could run that code.",
        "Use the published file, or a .safetensors version of it.",
        field="ckpt_dir",
    )


def _foreign_names(path: Path) -> list[str]:
    """What a refused file wants imported besides torch's own tensor pieces; the file is parsed, never executed.

    Only words the refusal: torch has already decided, and its message differs from version to version.
    """
    names: set[str] = set()
    strings: list[str] = ["", ""]
    try:
        data = io.BytesIO(_pickle_bytes(path))
        while True:  # the format from before torch 1.6 is several pickles in a row
            for opcode, argument, _ in pickletools.genops(data):
                if opcode.name in ("GLOBAL", "INST"):
                    names.add(str(argument).replace(" ", "."))
                elif opcode.name == "STACK_GLOBAL":
                    names.add(".".join(strings[-2:]))
                elif isinstance(argument, str):
                    strings.append(argument)
    except (ValueError, KeyError, OSError, StopIteration, zipfile.BadZipFile):
        pass  # the end of the file, or the place where it is damaged
    return sorted(name for name in names if name.rpartition(".")[0] not in _TENSOR_MODULES)


def _pickle_bytes(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
