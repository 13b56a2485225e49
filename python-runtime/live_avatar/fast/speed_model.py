"""How long a block takes under a plan, from operations, bytes and a card's rates: good enough to put plans in order."""

from __future__ import annotations

from dataclasses import dataclass

from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.card_rates import CardRates
from live_avatar.fast.memory import cache_bytes, item_bytes, pass_count
from live_avatar.fast.weight_sizes import weight_sizes
from live_avatar.footprint import TEXT_ROWS, ModelSizes, operations
from live_avatar.geometry import BLOCK_FRAMES, LatentShape

# Bytes that the row kernels of a layer read and write for each number of a row, and for each of the inner width.
_ROW_BYTES, _INNER_BYTES = 55, 3
# A weight in e4m3 on its way to a product in a wider type: read, and written and read as float32 and as bfloat16.
_WIDENING_BYTES = 17
# Copies beside the computation slow it a little, and the first of a pass cannot hide.
_COPY_TAX = 1.03


@dataclass(frozen=True, slots=True)
class BlockTime:
    """Seconds of one block of 12 frames.

    Attributes:
        compute: of its passes if nothing is copied; copies: of what is streamed; passes: of both side by side.
        serial: copies that the passes wait for; decode: of the VAE.
        first: until the first block of a take has its pictures. It goes alone (:mod:`live_avatar.flights`), so one step
            after the other, and with a full window, which is the longest it can be.
        latency: from the beginning of a block in a running take to its pictures.
    """

    compute: float
    copies: float
    passes: float
    serial: float
    decode: float
    first: float
    latency: float

    @property
    def seconds(self) -> float:
        """Of a block in a running take."""
        return self.passes + self.serial + self.decode

    @property
    def frames_per_second(self) -> float:
        """Of a running take; compressing is done meanwhile by the processor."""
        return BLOCK_FRAMES / self.seconds


def block_time(
    sizes: ModelSizes, shape: LatentShape, steps: int, plan: ComputePlan, rates: CardRates, float8_attention: bool
) -> BlockTime:
    """Time of a block under a plan of the flat engine.

    Args:
        float8_attention: whether a back end that attends in e4m3 is at hand.
    """
    passes = pass_count(steps, plan)
    weights = weight_sizes(sizes.config, plan)
    cache = cache_bytes(sizes, shape, passes, plan)
    arithmetic = passes * _pass_seconds(sizes, shape, plan, rates, float8_attention)

    def beside(rounds: int) -> tuple[float, float, float]:
        """Computing, copying, and both side by side, where so many passes take a block through its steps."""
        compute = arithmetic + rounds * (_widening_seconds(sizes, plan, rates) + rates.idle_seconds)
        if not plan.graphs:
            compute = max(compute, rounds * rates.launch_seconds)
        copies = (rounds * weights.moved + cache.moved) / rates.to_device
        return compute, copies, compute if copies == 0 else max(compute, copies) * _COPY_TAX

    packed = plan.steps == "packed"
    compute, copies, side_by_side = beside(1 if packed else passes)
    serial = weights.moved_per_block / rates.to_device
    decode = operations(sizes, shape).decode / rates.decoding
    first = beside(passes)[2] + serial + decode
    # Packed, a block goes through as many passes over full batches as there are steps.
    latency = (passes if packed else 1) * side_by_side + serial + decode
    return BlockTime(compute, copies, side_by_side, serial, decode, first, latency)


def _pass_seconds(
    sizes: ModelSizes, shape: LatentShape, plan: ComputePlan, rates: CardRates, float8_attention: bool
) -> float:
    """Of one step of one block, without what a pass costs however many blocks are in it."""
    config, tokens = sizes.config, shape.block_tokens
    values = weight_sizes(config, plan).products
    float8 = plan.weights == "float8" and rates.float8_products is not None
    products = rates.float8_products if float8 and rates.float8_products is not None else rates.bfloat16_products
    window = shape.condition_tokens + shape.ring_tokens
    per_key = 4.0 * tokens * config.dim * config.num_layers
    quick = plan.cache == "float8" and float8_attention and rates.float8_attention is not None
    attending = rates.float8_attention if quick and rates.float8_attention is not None else rates.bfloat16_attention
    seconds = 2.0 * tokens * values / products
    seconds += per_key * (window / attending + TEXT_ROWS / rates.bfloat16_attention)
    row_bytes = config.dim * _ROW_BYTES + config.ffn_dim * _INNER_BYTES
    wide = item_bytes(plan) / 2 if not float8 else 1.0
    seconds += tokens * config.num_layers * row_bytes * wide / rates.memory
    if plan.cache == "float8" and not quick:
        # Keys and values are read, written wider, and read again.
        seconds += 2 * window * config.dim * config.num_layers * (1 + 2 * item_bytes(plan)) / rates.memory
    return seconds


def _widening_seconds(sizes: ModelSizes, plan: ComputePlan, rates: CardRates) -> float:
    if plan.weights != "float8" or rates.float8_products is not None:
        return 0.0
    return weight_sizes(sizes.config, plan).products * _WIDENING_BYTES / rates.memory
