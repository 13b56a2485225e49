"""Stores of torch.distributed, by which ranks find each other; torch's stubs do not export their types."""

from __future__ import annotations

from typing import Any

import torch.distributed

# Without types, so that nothing here depends on what the stubs of one release export.
_torch: Any = torch.distributed


def serve_store(address: str, port: int = 0) -> Any:
    """A store that this process keeps; its ``port`` is a free one unless given."""
    return _torch.TCPStore(address, port, None, True, wait_for_workers=False)


def reach_store(address: str, port: int) -> Any:
    """A store that another process keeps."""
    return _torch.TCPStore(address, port, None, False)


def named_part(store: Any, name: str) -> Any:
    """The part of a store under ``name``."""
    return _torch.PrefixStore(name, store)
