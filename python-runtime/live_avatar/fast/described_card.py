"""A card that is not here, by its name and memory: what would it do? No torch."""

from __future__ import annotations

import re
from dataclasses import replace

from live_avatar.errors import UserError
from live_avatar.fast.card_rates import capability_of, known_cards, rates_of
from live_avatar.fast.task import Card
from live_avatar.footprint import CUDA_CONTEXT_BYTES
from live_avatar.machine import Machine

# A card that is here has a number.
DESCRIBED_DEVICE = "cuda"
_GB = 10**9
_HOST_GB = 64.0
# cuDNN and flash-attn 3 attend in e4m3 on Hopper and data-centre Blackwell.
_FLOAT8_ATTENTION = (9, 10)
_NUMBER = r"(\d+(?:\.\d+)?)"


def describe_card(text: str) -> tuple[Machine, Card]:
    """The machine and the card that ``NAME:GB`` or ``NAME:GB:HOST_GB`` stands for, all of its memory free.

    Raises:
        UserError: ``CARD_UNKNOWN``.
    """
    match = re.fullmatch(rf"\s*(.+?)\s*:\s*{_NUMBER}\s*(?::\s*{_NUMBER}\s*)?", text)
    capability = None if match is None else capability_of(match[1])
    if match is None or capability is None or float(match[2]) * _GB <= CUDA_CONTEXT_BYTES:
        raise UserError(
            "CARD_UNKNOWN",
            f'"{text}" does not describe a card whose speed is known.',
            f"A card is NAME:GB or NAME:GB:MAIN_MEMORY_GB. The names are {', '.join(known_cards())}.",
            'Give for example --for_card "RTX 4090:24".',
            field="for_card",
        )
    total = int(float(match[2]) * _GB)
    host = int(float(match[3] or _HOST_GB) * _GB)
    rates = rates_of(match[1], capability, 0)
    card = Card(
        name=match[1],
        capability=capability,
        free=total - CUDA_CONTEXT_BYTES,
        host_free=host,
        rates=replace(rates, source=f"{rates.source}; the card is not here, all its memory is taken to be free"),
        float8_attention=capability[0] in _FLOAT8_ATTENTION,
    )
    machine = Machine(DESCRIBED_DEVICE, f"{match[1]}, described", total, card.free, threads=1, native_bf16=True)
    return machine, card
