"""A very long take on several ranks of this machine, with a small model: does anything drift, grow or get lost?

``live-avatar bench --multi --endurance MINUTES``. Pictures are not decoded: a decoder would be most of the work, and is
no affair of ranks. The take saves its state every so many blocks. Afterwards one process without any ranks replays each
stretch from the state before it, in the same order of acts, and must come to the same latents and the same state, bit
for bit; the first stretch begins with nothing, so all of the take follows.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from live_avatar.bench.long_take import LongTake
from live_avatar.bench.memory import trend
from live_avatar.bench.rank_threads import threads_of_ranks
from live_avatar.bench.recorded_team import recorded_take
from live_avatar.bench.replay import Stretch, add_to, keep_state, replay_all, started_there, state_path
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.random_weights import write_random_model
from live_avatar.distributed.act_record import RankRecord
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND, LATENT_FRAMES_PER_BLOCK
from live_avatar.session import Session

_SAMPLES = 200
# Processes and their allocators are at their full size by then.
_SETTLING_SHARE = 0.1
_NEGLIGIBLE_GROWTH = 0.01
_MB = 1e6


def measure_endurance(
    size: tuple[int, int], infer_frames: int, ranks: int, minutes: float, *, steps: int = 2, stretches: int = 24
) -> dict[str, Any]:
    """Run it, print its figures and return them; those of the take come before it is replayed, which takes as long.

    Raises:
        UserError: a rank was lost.
        ValueError: more ranks than the small network has units.
    """
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
        model = Path(folder) / "model"
        write_random_model(model, "tiny", Drawing(1))
        take = LongTake(model, size, infer_frames, steps, ranks, minutes, stretches)
        run = _Run(take, Path(folder))
        found = run.run()
        print("\n".join(run_lines(found)), flush=True)
        found["replayed"] = replay_all(take, Path(folder), run.stretches)
        found["positions"] = started_there(take, Path(folder), run.stretches[-1])
        print("\n".join(check_lines(found)), flush=True)
    return found


def run_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Of the take on ranks."""
    yield (
        f"{found['minutes']:g} min at {found['size'][0]}*{found['size'][1]}: {found['blocks']} blocks, "
        f"{found['latent_frames']} latent frames, on {found['ranks']} ranks ({found['cut']}), "
        f"in {found['seconds']:.0f} s"
    )
    period = found["period_ms"]
    yield f"  block period p50 {period['p50']:.1f} ms, p95 {period['p95']:.1f}, p99 {period['p99']:.1f}"
    for rank in found["memory"]:
        slope = "" if rank["slope_kb_per_minute"] is None else f" ({rank['slope_kb_per_minute']:+.2f} kB/min)"
        yield (
            f"  rank {rank['rank']}: {rank['settled_mb']:.1f} MB after a tenth, {rank['half_mb']:.1f} MB half way, "
            f"{rank['last_mb']:.1f} MB at the end{slope}: {'flat' if rank['flat'] else 'NOT FLAT'}"
        )
    for edge in found["edges"]:
        equal = "equal" if edge["sent"] == edge["received"] else "NOT EQUAL"
        yield f"  {edge['edge']}: {edge['sent']} messages sent, {edge['received']} received: {equal}"
    for step in found["steps"]:
        yield f"  step {step['step']}: {_passes_words(step)}"


def check_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What came of comparing it."""
    replayed = found["replayed"]
    yield (
        f"  {replayed['equal']} of {replayed['stretches']} stretches equal one process bit for bit "
        f"(latents of every block, and caches, latents and steps in flight after each)"
    )
    there = found["positions"]
    yield (
        f"  a session started at block {there['first_block']} (latent frame {there['first_latent_frame']}) writes "
        f"{'the same keys' if there['equal'] else 'OTHER KEYS'}"
    )


def _passes_words(step: Mapping[str, Any]) -> str:
    ranks = ", ".join(f"rank {rank} {count}" for rank, count in step["passes"].items())
    last = sorted(set(step["last_blocks"].values()))
    return f"passes of {ranks}; last block {last[0]} on all" if len(last) == 1 else f"{ranks}; LAST BLOCKS {last}"


class _Run:
    """The take on ranks."""

    def __init__(self, take: LongTake, folder: Path) -> None:
        self._take = take
        self._folder = folder
        self.stretches: list[Stretch] = []
        self._samples: list[list[float]] = []
        # Numbers in one place that is there from the start: what is measured is the take's memory.
        self._periods = array("d", bytes(8 * take.blocks))
        self._noted = 0

    def run(self) -> dict[str, Any]:
        take = self._take
        started = time.perf_counter()
        with (
            threads_of_ranks(1),
            recorded_take(take.formation, take.settings(), take.conditions(), take.draws()) as recorded,
        ):
            self._make_blocks(recorded.session, [psutil.Process(process) for process in recorded.processes])
            records = recorded.finish()
        p50, p95, p99 = (
            float(value) * 1000 for value in np.percentile(np.asarray(self._periods[: self._noted]), (50, 95, 99))
        )
        return {
            "minutes": take.minutes,
            "size": list(take.size),
            "infer_frames": take.infer_frames,
            "denoising_steps": take.steps,
            "ranks": take.ranks,
            "cut": take.cut.words(),
            "blocks": take.blocks,
            "latent_frames": take.blocks * LATENT_FRAMES_PER_BLOCK,
            "seconds": time.perf_counter() - started,
            "period_ms": {"p50": p50, "p95": p95, "p99": p99},
            "memory": [self._memory(rank) for rank in range(take.ranks)],
            "samples": self._samples,
            "edges": _edges(records),
            "steps": _steps(take.steps, records),
        }

    def _make_blocks(self, session: Session, processes: list[psutil.Process]) -> None:
        take, digest = self._take, hashlib.sha256()
        every = max(1, take.blocks // _SAMPLES)
        before: float | None = None
        first = 0
        for block in range(take.blocks):
            add_to(digest, session.denoise_block())
            now = time.perf_counter()
            if before is not None:
                self._periods[self._noted] = now - before
                self._noted += 1
            before = now
            if block % every == 0:
                minute = (block + 1) * BLOCK_FRAMES / FRAMES_PER_SECOND / 60
                self._samples.append([minute, *(float(process.memory_info().rss) for process in processes)])
            if (block + 1) % take.stretch == 0 or block + 1 == take.blocks:
                number = len(self.stretches)
                state = keep_state(state_path(self._folder, number), session.save())
                self.stretches.append(Stretch(number, block + 1 - first, digest.hexdigest(), state))
                first, digest = block + 1, hashlib.sha256()
                print(f"  block {block + 1} of {take.blocks}", flush=True)
                # Putting a state together is no part of a block.
                before = None

    def _memory(self, rank: int) -> dict[str, Any]:
        """Resident bytes on the way; flat if the second half of the take added less than a hundredth."""
        resident = [row[1 + rank] for row in self._samples]
        settled, half = resident[int(len(resident) * _SETTLING_SHARE)], len(resident) // 2
        line = trend([row[0] for row in self._samples[half:]], resident[half:])
        return {
            "rank": rank,
            "settled_mb": settled / _MB,
            "half_mb": resident[half] / _MB,
            "last_mb": resident[-1] / _MB,
            "slope_kb_per_minute": None if line is None else line.slope / 1000,
            "flat": resident[-1] < resident[half] * (1 + _NEGLIGIBLE_GROWTH),
        }


def _edges(records: list[RankRecord]) -> list[dict[str, Any]]:
    """Messages that each edge's two ends counted."""
    sent = {edge: count for record in records for edge, count in record.sent.items()}
    received = {edge: count for record in records for edge, count in record.received.items()}
    return [
        {
            "edge": f"{edge.source} to {edge.target}, {edge.cargo}",
            "sent": sent.get(edge, 0),
            "received": received.get(edge, 0),
        }
        for edge in sorted({*sent, *received})
    ]


def _steps(steps: int, records: list[RankRecord]) -> list[dict[str, Any]]:
    """How many passes of each step every rank made, and where it came to."""
    return [
        {
            "step": step,
            "passes": {record.rank: record.passes[step] for record in records if step in record.passes},
            "last_blocks": {record.rank: record.last_blocks[step] for record in records if step in record.passes},
        }
        for step in range(steps)
    ]
