"""Loads the miniature model once and forks a process for every job it is told, so that kills can be tested cheaply.

On stdin, one job a line: ``{"prompts": [[block, text], ...], "output": path}``, or for clips only ``"take": folder`` in
place of the output. On stdout: ``pid <n>``, one line ``event <kind or stage>`` per event of the job, and at its end
``exit <status>`` (negative: the signal that killed it).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from live_avatar.events import RenderEvent, StageEvent
from live_avatar.render import render
from live_avatar.take import PromptSpan
from tests.render_material import golden_pipeline, make_job, never


def say(text: str) -> None:
    """One line on stdout, at once."""
    os.write(1, f"{text}\n".encode())


def run(order: dict[str, Any]) -> None:
    """Render one job, saying each event before the render goes on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    prompts = tuple(PromptSpan(start, text) for start, text in order["prompts"])

    def tell(event: RenderEvent) -> None:
        say(f"event {event.stage if isinstance(event, StageEvent) else event.kind}")

    if "take" in order:
        job = make_job(None, prompts=prompts, work_dir=Path(order["take"]), state_budget_bytes=1 << 30)
    else:
        job = make_job(Path(order["output"]), prompts=prompts, overwrite=True)
    render(job, golden_pipeline(), tell, never)


def main() -> None:
    """Serve orders until stdin ends."""
    golden_pipeline().encode_prompts(["warm up"])
    golden_pipeline().speech()
    import live_avatar.render_run  # noqa: F401 - imported once here instead of in every fork

    say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                run(json.loads(line))
                status = 0
            except KeyboardInterrupt:
                status = 130
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        say(f"pid {pid}")
        say(f"exit {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")


if __name__ == "__main__":
    main()
