"""What other cards offer: ``python -m live_avatar.distributed.card_probe LIMIT DEVICE…``; prints one line of JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import torch

from live_avatar.fast.card import detect_card


def facts_of(device: str, limit: int | None) -> dict[str, Any]:
    """A card as :func:`live_avatar.distributed.fleet.read_card` reads it."""
    card = detect_card(torch.device(device), limit)
    return {
        "name": card.name,
        "capability": list(card.capability),
        "free": card.free,
        "multiprocessors": torch.cuda.get_device_properties(device).multi_processor_count,
        "float8_attention": card.float8_attention,
    }


def main(arguments: list[str]) -> None:
    """Run with the arguments named above; the limit is bytes or ``none``."""
    limit = None if arguments[0] == "none" else int(arguments[0])
    print(json.dumps([facts_of(device, limit) for device in arguments[1:]]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
