"""``python -m live_avatar.bench.child FILE COMMAND …`` runs ``live-avatar COMMAND …`` and notes its peak memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from live_avatar.cli import main as command_line


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    status = command_line(argv[1:])
    Path(argv[0]).write_text(json.dumps({"peak_bytes": peak_memory_bytes()}), "utf-8")
    return status


def peak_memory_bytes() -> int:
    """Most memory this process has had resident since its program started."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        return peak
    # Linux counts in ru_maxrss what the process was before it became this program: a copy of its parent.
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return peak * 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
