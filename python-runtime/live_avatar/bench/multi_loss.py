"""A rank killed in the middle of a take: how soon the take ends, what is said, and that fewer ranks go on from it."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from live_avatar.bench.multi_job import Job
from live_avatar.distributed.multi_planner import Option
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.errors import UserError
from live_avatar.session import Session
from live_avatar.state_file import lay_out_state, read_state, write_state

_FOLLOWER = "live_avatar.distributed.follower"
_BLOCKS = 3
_PATIENCE = 120.0


def measure_loss(job: Job, option: Option, fewer_job: Job, fewer: Option) -> dict[str, Any]:
    """Save a state, make a few blocks, kill the last rank, and make the same blocks from that state on ``fewer``.

    Raises:
        RuntimeError: the take did not end.
    """
    victim = option.cut.ranks - 1
    before = _followers()
    pipeline = TeamPipeline.assemble(job.formation(option))
    try:
        hired = sorted((each for each in _followers() if each not in before), key=lambda each: each.create_time())
        session = job.new_session(pipeline)
        _blocks(session, job.take.shape.clip_blocks + 1)
        with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
            state = Path(folder) / "state.safetensors"
            write_state(state, lay_out_state(session.save(), 1, ""))
            saved = read_state(state)
        wanted = _blocks(session, _BLOCKS)
        # They were started in the order of their ranks.
        os.kill(hired[victim - 1].pid, signal.SIGKILL)
        killed = time.perf_counter()
        error = _run_to_its_end(session)
        ended = time.perf_counter() - killed
        left = sum(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in hired)
    finally:
        pipeline.close()
    started = time.perf_counter()
    pipeline = TeamPipeline.assemble(fewer_job.formation(fewer))
    try:
        session = fewer_job.new_session(pipeline)
        session.restore(saved)
        again = _blocks(session, _BLOCKS)
        resumed = time.perf_counter() - started
    finally:
        pipeline.close()
    difference = max(float((one - other).abs().max()) for one, other in zip(wanted, again, strict=True))
    return {
        "ranks": option.cut.ranks,
        "killed": victim,
        "seconds": ended,
        "code": error.code,
        "what": error.what,
        "why": error.why,
        "named": f"Rank {victim} " in error.what,
        "processes_left": left,
        "resumed_on": fewer.cut.ranks,
        "resumed_seconds": resumed,
        "largest_difference": difference,
    }


def _blocks(session: Session, count: int) -> list[torch.Tensor]:
    return [session.denoise_block().cpu() for _ in range(count)]


def _run_to_its_end(session: Session) -> UserError:
    deadline = time.perf_counter() + _PATIENCE
    while time.perf_counter() < deadline:
        try:
            session.decode_frames(session.denoise_block()).take()
        except UserError as error:
            return error
    raise RuntimeError(f"the take goes on {_PATIENCE:.0f} s after a rank was killed")


def _followers() -> list[psutil.Process]:
    """Processes that this one started as ranks."""
    found = []
    for child in psutil.Process().children():
        try:
            if _FOLLOWER in child.cmdline():
                found.append(child)
        except psutil.Error:  # gone meanwhile
            continue
    return found
