"""Import every installed package and the whole engine; print what torch says about itself as JSON."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import json
import pkgutil
import sys

# Modules of cards and of Windows cannot be imported everywhere; a module that the engine itself asks for must be.
OPTIONAL = ("live_avatar.fast.row_kernels", "live_avatar.vae.fast_kernels", "live_avatar.fast.cudnn", "nvidia", "cuda")
# What the engine asks for late.
LAZY = (
    "transformers.models.umt5.modeling_umt5",
    "transformers.models.wav2vec2.modeling_wav2vec2",
    "torch.distributed.run",
)


def main() -> int:
    """Returns the exit status; every failure is named."""
    failed: list[str] = []
    for name in top_level_names():
        attempt(name, failed)
    engine = importlib.import_module("live_avatar")
    for module in pkgutil.walk_packages(engine.__path__, "live_avatar."):
        if not module.name.endswith("__main__") and not module.name.startswith("live_avatar.bench"):
            attempt(module.name, failed)
    for module in LAZY:
        attempt(module, failed)
    if failed:
        print("\n".join(failed), file=sys.stderr)
        return 1
    import torch

    architectures = torch._C._cuda_getArchFlags().split() if torch.version.cuda else []
    print(json.dumps({"torch": str(torch.__version__), "cuda": torch.version.cuda, "architectures": architectures}))
    return 0


def top_level_names() -> list[str]:
    """Modules that the packages say they bring, by their own lists of files."""
    names = set()
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or []:
            parts = file.parts
            name = parts[0]
            if parts[1:] == ("__init__.py",) and name.isidentifier() and not name.startswith("_"):
                names.add(name)
    return sorted(names)


def attempt(name: str, failed: list[str]) -> None:
    """Import one module, with its chatter kept away."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module(name)
    except Exception as error:
        if not name.startswith(OPTIONAL):
            failed.append(f"{name}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    raise SystemExit(main())
