"""Fixtures that several test files share; a file asks for them by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture
def one_thread_and_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that render: in this process and in those it starts, so that pictures are equal."""
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
