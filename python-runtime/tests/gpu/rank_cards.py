"""The cards of several ranks: one each, or one for all where NCCL allows it (2.30 on, if the user says so)."""

from __future__ import annotations

import os

import pytest
import torch

from live_avatar.distributed import selftest, team_plan

_SHARED = os.environ.get("NCCL_MULTI_RANK_GPU_ENABLE") == "1" and torch.cuda.device_count() == 1


def cards_of(ranks: int) -> tuple[str, ...]:
    """The device of each rank."""
    return tuple(f"cuda:{0 if _SHARED else rank}" for rank in range(ranks))


def needs_cards(ranks: int) -> pytest.MarkDecorator:
    """For tests that are left out where there are fewer cards, unless one stands for all."""
    return pytest.mark.skipif(not _SHARED and torch.cuda.device_count() < ranks, reason=f"needs {ranks} cards")


def let_one_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What refuses several ranks on one card takes them, where there is only one."""
    if _SHARED:
        monkeypatch.setattr(team_plan, "_places", lambda machine, ranks: ((machine.device,) * ranks, (0,) * ranks))
        monkeypatch.setattr(team_plan, "cards_from", lambda machine: 2)
        monkeypatch.setattr(selftest, "_ways", lambda devices: (selftest.DIRECT,))
