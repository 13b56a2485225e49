"""A take on all processes that torchrun started: the lead writes the hashes of its blocks. For the tests."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch

from live_avatar.distributed.gathering import find_gathering, follow_torchrun
from live_avatar.distributed.launch import is_torchrun_follower
from tests.team_material import CUTS, pictures, team_of, team_session


def digest(block: torch.Tensor) -> str:
    """SHA-256 of a block's pictures."""
    return hashlib.sha256(block.contiguous().numpy().tobytes()).hexdigest()


def main() -> None:
    """Arguments: name of the cut, blocks, file for the result."""
    name, blocks, result = sys.argv[1:]
    if is_torchrun_follower():
        follow_torchrun()
    with team_of(CUTS[name], find_gathering()) as (team, denoiser):
        hashes = [digest(block) for block in pictures(team_session(team, denoiser), int(blocks))]
    Path(result).write_text(json.dumps(hashes), "utf-8")


if __name__ == "__main__":
    main()
