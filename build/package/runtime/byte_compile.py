"""Byte-compile a runtime so that the same sources give the same bytes: ``byte_compile.py ROOT``.

Fixed hashing seed (the caller sets PYTHONHASHSEED), one process, fixed order, names relative to the root, and
``unchecked-hash``, so that Python neither compares times nor writes into the tree.
"""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path


def main(root: Path) -> int:
    """Compile every module below the root; files that are no Python (templates) are left alone."""
    for source in sorted(root.rglob("*.py")):
        try:
            py_compile.compile(
                str(source),
                dfile=source.relative_to(root).as_posix(),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, UnicodeDecodeError):
            continue
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
