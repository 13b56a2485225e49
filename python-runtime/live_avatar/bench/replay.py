"""Stretches of a long take on ranks, made again by one process from the states in between, and compared bit for bit."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from live_avatar.bench.long_take import LongTake
from live_avatar.bench.rank_threads import threads_of_ranks
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK
from live_avatar.saved_session import SavedSession
from live_avatar.state_file import lay_out_state, read_state, write_state


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of blocks between two states.

    Attributes:
        number: in order; blocks: their number; latents, state: digests of what they came to, and of the state after.
    """

    number: int
    blocks: int
    latents: str
    state: str


def replay_all(take: LongTake, folder: Path, stretches: list[Stretch]) -> dict[str, Any]:
    """Every stretch by one process; several of them side by side."""
    started = time.perf_counter()
    with threads_of_ranks(1), ProcessPoolExecutor(take.ranks, multiprocessing.get_context("spawn")) as pool:
        again = list(pool.map(_replay, *zip(*((take, folder, stretch) for stretch in stretches), strict=True)))
    different = [stretch.number for stretch, other in zip(stretches, again, strict=True) if stretch != other]
    return {
        "stretches": len(stretches),
        "equal": len(stretches) - len(different),
        "different": different,
        "seconds": time.perf_counter() - started,
    }


def _replay(take: LongTake, folder: Path, stretch: Stretch) -> Stretch:
    """The same blocks in this process, from the state before them."""
    torch.set_num_threads(1)
    session = take.local_session()
    if stretch.number > 0:
        session.restore(read_state(state_path(folder, stretch.number - 1)))
    digest = hashlib.sha256()
    for _ in range(stretch.blocks):
        add_to(digest, session.denoise_block())
    state = keep_state(folder / f"again-{stretch.number}.safetensors", session.save())
    return Stretch(stretch.number, stretch.blocks, digest.hexdigest(), state)


def started_there(take: LongTake, folder: Path, last: Stretch) -> dict[str, Any]:
    """Whether the keys of the first layer and step, which noise and position alone decide, are as in a new session.

    That one begins as many blocks before the end as the ring holds, so its ring holds the same blocks.
    """
    saved = read_state(state_path(folder, last.number))
    # Of the blocks that are asked for already, all have made the first step.
    newest = saved.block - 1 + len(saved.flight_steps)
    first = max(0, newest + 1 - take.shape.clip_blocks)
    session = take.local_session(ahead=0)
    session.block = first
    for _ in range(newest + 1 - first):
        session.denoise_block()
    ring = (0, 0, slice(take.shape.condition_tokens, take.shape.visible_tokens(newest)))
    equal = torch.equal(saved.tensors["cache.key"][ring], session.save().tensors["cache.key"][ring])
    return {"first_block": first, "first_latent_frame": first * LATENT_FRAMES_PER_BLOCK, "equal": equal}


def state_path(folder: Path, number: int) -> Path:
    """The file of the state after a stretch."""
    return folder / f"state-{number}.safetensors"


def keep_state(path: Path, saved: SavedSession) -> str:
    """Write a state to a file, as a render does; the digest of what is in the file."""
    write_state(path, lay_out_state(saved, 1, ""))
    return _digest(read_state(path))


def _digest(saved: SavedSession) -> str:
    digest = hashlib.sha256(repr((saved.block, saved.prefilled_prompt, saved.anchored, saved.flight_steps)).encode())
    for name in sorted(saved.tensors):
        digest.update(name.encode())
        add_to(digest, saved.tensors[name])
    return digest.hexdigest()


def add_to(digest: Any, tensor: Tensor) -> None:
    """Digest a tensor's values too."""
    digest.update(tensor.contiguous().numpy().tobytes())
