"""What one pass of the flat engine holds at its fullest moment, counted from its code. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from live_avatar.checkpoint.config import DitConfig
from live_avatar.compute_plan import ComputePlan
from live_avatar.geometry import LatentShape

_FLOAT32 = 4
# Of a prefill, bytes for each number of a row: residual, update, normed rows, q, k and v, the normed queries and keys,
# and the float32 numbers that rotating one of them passes through.
_PREFILL_BYTES = 34
# A weight on the way from e4m3 to a wider type: as float32, times its scale, and rounded.
_WIDENING_BYTES = 10


@dataclass(frozen=True, slots=True)
class PassMemory:
    """Bytes: ``steady`` in a pass over blocks, ``prefill`` in one over the condition tokens."""

    steady: int
    prefill: int


def pass_memory(
    config: DitConfig, shape: LatentShape, passes: int, plan: ComputePlan, *, multiplies_float8: bool
) -> PassMemory:
    """Of the network under a plan; packed, ``passes`` blocks are in one pass."""
    batch = passes if plan.steps == "packed" else 1
    item = 4 if plan.weights == "float32" else 2
    float8 = plan.weights == "float8" and multiplies_float8
    row, residual = (1 if float8 else item), (2 if float8 else _FLOAT32)
    read = 1 if plan.cache == "float8" and _reads_float8(plan.attention) else item
    dim, inner = config.dim, config.ffn_dim
    # The update before, the normed rows, q, k and v, and what attention takes and gives.
    attention = dim * (residual + item + row + 3 * item + 2 * read)
    # What the attentions gave lives to the end of the layer.
    feed_forward = dim * (residual + 3 * item + read + row) + inner * (item + row)
    rotation = config.head_dim * _FLOAT32
    steady = batch * shape.block_tokens * (max(attention, feed_forward) + rotation)
    if plan.cache == "float8" and not _reads_float8(plan.attention):
        steady += 2 * batch * (shape.condition_tokens + shape.ring_tokens) * dim * item
    prefill = shape.condition_tokens * dim * _PREFILL_BYTES
    if plan.weights == "float8" and not multiplies_float8:
        widened = _WIDENING_BYTES * max(3 * dim * dim, dim * inner)
        return PassMemory(steady + widened, prefill + widened)
    return PassMemory(steady, prefill)


def _reads_float8(attention: str) -> bool:
    """Whether a back end takes an e4m3 cache as it is; ``auto`` picks one that does where there is one."""
    return attention in ("auto", "cudnn-float8", "flash3-float8")
