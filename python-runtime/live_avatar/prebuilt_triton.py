"""Hand Triton the helper module that an installed runtime brings, so that the user's machine needs no C compiler.

Triton compiles one C file, which depends on neither card nor kernel, through ``knobs.build.impl`` if that is set.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

FOLDER = Path(sys.prefix) / "lib" / "triton-prebuilt"


def use_prebuilt_module(folder: Path = FOLDER) -> bool:
    """Tell Triton of the ready modules in ``folder``; returns whether it exists. Another source is compiled as ever."""
    if not folder.is_dir():
        return False
    from triton import knobs
    from triton.runtime import build

    def find_or_build(
        name: str, src: str, srcdir: str, library_dirs: list[str], include_dirs: list[str], libraries: list[str]
    ) -> str:
        # Named after the source it was made of: another Triton does not take it.
        ready = folder / module_name(name, Path(src).read_bytes())
        if ready.is_file():
            return str(ready)
        with knobs.build.scope():
            knobs.build.impl = None
            return build_module(name, src, srcdir, library_dirs, include_dirs, libraries)

    def build_module(name: str, src: str, srcdir: str, *places: Sequence[str]) -> str:
        return str(build._build(name, src, srcdir, *places, []))

    knobs.build.impl = find_or_build
    return True


def module_name(name: str, source: bytes) -> str:
    """The file name under which the archive's maker puts a module of this source."""
    return f"{name}-{hashlib.sha256(source).hexdigest()}{EXTENSION_SUFFIXES[0]}"
