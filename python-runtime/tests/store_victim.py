"""``live-avatar models …``, killed by ``kill -9`` at an exact moment: ``store_victim.py MOMENT FOLDER arguments…``.

Moments are counted in touches of files below FOLDER (opened, renamed, linked, removed, made); at the end of a run that
was not killed it prints how many there were.
"""

from __future__ import annotations

import os
import signal
import sys

MOMENT, FOLDER = int(sys.argv[1]), sys.argv[2]
_TOUCHES = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate", "os.rmdir")
touches = 0


def count(event: str, arguments: tuple[object, ...]) -> None:
    global touches
    if event in _TOUCHES and any(str(argument).startswith(FOLDER) for argument in arguments):
        touches += 1
        if touches == MOMENT:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from live_avatar.cli import main

    sys.addaudithook(count)
    status = main(["models", *sys.argv[3:]])
    print(touches)
    sys.exit(status)
