"""How long a render will take: as measured before, or guessed from its operations. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from live_avatar.footprint import ActualPrecision, MemoryUse, ModelSizes, operations
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.machine import Machine
from live_avatar.speed_record import Speed

if TYPE_CHECKING:
    from live_avatar.distributed.team_plan import TeamPlan
    from live_avatar.fast.planner import CardPlan

# Operations a second that float32 reached on one thread of a current server processor; only for a first guess.
_DENOISE_RATE_PER_THREAD = 60e9
_DECODE_RATE_PER_THREAD = 40e9
_BF16_DECODE_GAIN = 3.0
# Below this the libraries' own overhead counts more than the arithmetic.
_LEAST_SECONDS_PER_BLOCK = 0.1
_CUDA_EFFICIENCY = 0.35
_START_SECONDS = 8.0
_READ_BYTES_PER_SECOND = 0.7e9


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected time.

    Attributes:
        basis: ``measured`` on this computer with these settings, ``estimate`` from operation counts, or ``unknown``.
        seconds: for the whole run; seconds_per_block: for 12 frames; frames_per_second: made, not shown.
    """

    basis: Literal["measured", "estimate", "unknown"]
    seconds: float | None
    seconds_per_block: float | None
    frames_per_second: float | None


def forecast(
    sizes: ModelSizes,
    shape: LatentShape,
    steps: int,
    blocks: int,
    machine: Machine,
    memory: MemoryUse,
    vae_precision: ActualPrecision,
    measured: Speed | None,
    on_card: CardPlan | None,
    team: TeamPlan | None = None,
) -> Forecast:
    """Time of ``blocks`` blocks; ``measured`` is a speed of the same settings here, if there is one."""
    if measured is not None:
        return _total("measured", measured, blocks)
    work = operations(sizes, shape)
    if on_card is not None:
        start = _START_SECONDS + (memory.denoiser + memory.vae + on_card.chosen.memory.pinned) / _READ_BYTES_PER_SECOND
        return _total("estimate", Speed(on_card.chosen.time.seconds, start), blocks)
    if team is not None and team.option is not None:
        # Ranks load at the same time; the one with most of it is the last.
        loaded = max(rank.memory.weights + rank.memory.pinned for rank in team.option.ranks) + memory.vae
        block = BLOCK_FRAMES / team.option.run.frames_per_second
        return _total("estimate", Speed(block, _START_SECONDS + loaded / _READ_BYTES_PER_SECOND), blocks)
    if machine.on_cuda:
        if machine.peak_operations is None:
            return Forecast("unknown", None, None, None)
        denoise = decode = machine.peak_operations * _CUDA_EFFICIENCY
    else:
        gain = _BF16_DECODE_GAIN if machine.native_bf16 and vae_precision == "bf16" else 1.0
        denoise = machine.threads * _DENOISE_RATE_PER_THREAD
        decode = machine.threads * _DECODE_RATE_PER_THREAD * gain
    block = _LEAST_SECONDS_PER_BLOCK + steps * work.step / denoise + work.decode / decode
    loading = (memory.denoiser + memory.vae + memory.text_encoder) / _READ_BYTES_PER_SECOND
    start = _START_SECONDS + loading + work.prefill / denoise + work.portrait / decode
    return _total("estimate", Speed(block, start), blocks)


def _total(basis: Literal["measured", "estimate"], speed: Speed, blocks: int) -> Forecast:
    return Forecast(
        basis=basis,
        seconds=speed.start_seconds + blocks * speed.seconds_per_block,
        seconds_per_block=speed.seconds_per_block,
        frames_per_second=BLOCK_FRAMES / speed.seconds_per_block,
    )
