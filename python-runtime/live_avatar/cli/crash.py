"""What happens when the program itself fails: the details go to a file, a sentence to the user."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from live_avatar import __version__
from live_avatar.speed_record import cache_folder

_INTERNAL_ERROR = 1


def report_crash(command: str, as_json: bool) -> int:
    """Write the current exception to a log file and say where it is; returns the exit status 1."""
    text = f"live-avatar {__version__} {command}\nPython {sys.version}\n{traceback.format_exc()}"
    path = _write(text)
    last = text.strip().splitlines()[-1]
    if as_json:
        error = {"kind": "error", "code": "INTERNAL_ERROR", "what": last, "why": "", "hint": "", "field": None}
        print(json.dumps(error | {"log": None if path is None else str(path)}, ensure_ascii=False), flush=True)
    elif path is not None:
        print(f"The program failed: {last}\nDetails are in {path} [INTERNAL_ERROR]", file=sys.stderr)
    else:
        print(f"{text}\n[INTERNAL_ERROR]", file=sys.stderr)
    return _INTERNAL_ERROR


def _write(text: str) -> Path | None:
    name = f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for folder in (cache_folder() / "logs", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        except OSError:
            continue
        return folder / name
    return None
