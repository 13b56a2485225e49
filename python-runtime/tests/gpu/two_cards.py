"""The cards of two ranks: two, or one that stands for both where NCCL allows it (2.30 on, if the user says so)."""

from __future__ import annotations

import os

import pytest
import torch

from live_avatar.distributed import selftest, team_plan

_SHARED = os.environ.get("NCCL_MULTI_RANK_GPU_ENABLE") == "1" and torch.cuda.device_count() == 1
TWO_CARDS = ("cuda:0", "cuda:0" if _SHARED else "cuda:1")
two_cards = pytest.mark.skipif(not _SHARED and torch.cuda.device_count() < 2, reason="needs two cards")


def let_one_stand_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """What refuses two ranks on one card takes them, where there is only one."""
    if _SHARED:
        monkeypatch.setattr(team_plan, "_places", lambda machine, ranks: ((machine.device,) * ranks, (0,) * ranks))
        monkeypatch.setattr(team_plan, "cards_from", lambda machine: 2)
        monkeypatch.setattr(selftest, "_ways", lambda devices: (selftest.DIRECT,))
