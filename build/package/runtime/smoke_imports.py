"""Import every installed package and the whole engine; print what torch says about itself as JSON.

``smoke_imports.py NOT_CARRIED``: a pattern of packages that others ask for and that are left out on purpose.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import pkgutil
import re
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Written in Triton's language, which only builds for cards have.
KERNELS = ("live_avatar.fast.row_kernels", "live_avatar.vae.fast_kernels")
# What the engine asks for late.
LAZY = (
    "transformers.models.umt5.modeling_umt5",
    "transformers.models.wav2vec2.modeling_wav2vec2",
    "torch.distributed.run",
)


def main() -> int:
    """Returns the exit status; every failure is named."""
    failed = unmet_requirements(re.compile(sys.argv[1]))
    for name in top_level_names():
        attempt(name, failed)
    engine = importlib.import_module("live_avatar")
    left_out = ("live_avatar.bench", *(() if importlib.util.find_spec("triton") else KERNELS))
    for module in pkgutil.walk_packages(engine.__path__, "live_avatar."):
        if not module.name.endswith("__main__") and not module.name.startswith(left_out):
            attempt(module.name, failed)
    for name in LAZY:
        attempt(name, failed)
    if failed:
        print("\n".join(failed), file=sys.stderr)
        return 1
    import torch

    architectures = (torch._C._cuda_getArchFlags() or "").split() if torch.version.cuda else []
    print(json.dumps({"torch": str(torch.__version__), "cuda": torch.version.cuda, "architectures": architectures}))
    return 0


def unmet_requirements(not_carried: re.Pattern[str]) -> list[str]:
    """What packages ask for and do not find here, or find in another version."""
    installed = {canonicalize_name(one.name): one.version for one in importlib.metadata.distributions()}
    unmet = []
    for distribution in importlib.metadata.distributions():
        for requirement in map(Requirement, distribution.requires or []):
            name = canonicalize_name(requirement.name)
            if not_carried.search(name) or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
                continue
            if name not in installed or not requirement.specifier.contains(installed[name], prereleases=True):
                unmet.append(f"{distribution.name} asks for {requirement}; there is {installed.get(name, 'none')}")
    return unmet


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
        failed.append(f"{name}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    raise SystemExit(main())
