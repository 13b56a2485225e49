"""Flow-matching schedule and Euler step (spec section 7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from live_avatar.errors import UserError

SHIFT = 3.0
TRAIN_TIMESTEPS = 1000
MAX_STEPS = 6

_Sigmas = numpy.ndarray[Any, numpy.dtype[numpy.floating[Any]]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Noise levels of the denoising steps.

    Attributes:
        timesteps: S values for the time embedding (float32 values).
        sigmas: S + 1 noise levels (float32 values), the last is 0.
    """

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]

    @property
    def steps(self) -> int:
        """Number of denoising steps."""
        return len(self.timesteps)

    def delta(self, step: int) -> float:
        """Signed change of sigma made by ``step``: x + delta * velocity is the next x."""
        return float(numpy.float32(self.sigmas[step + 1]) - numpy.float32(self.sigmas[step]))


def make_schedule(steps: int) -> Schedule:
    """Schedule of ``steps`` denoising steps; the shift is applied twice, as the published scheduler does.

    Raises:
        UserError: ``STEPS_INVALID`` outside 1..6.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise UserError(
            "STEPS_INVALID",
            f"{steps} denoising steps cannot be used.",
            f"The distilled model is made for 1 to {MAX_STEPS} steps.",
            "Use 4, or 3 for a quick preview.",
            field="sample_steps",
        )
    smallest = _shift(numpy.array(1 / TRAIN_TIMESTEPS, numpy.float32))
    sigmas = _shift(numpy.linspace(1.0, float(smallest), steps)).astype(numpy.float32)
    timesteps = (sigmas * numpy.float32(TRAIN_TIMESTEPS)).astype(numpy.float32)
    return Schedule(tuple(map(float, timesteps)), (*map(float, sigmas), 0.0))


def _shift(sigma: _Sigmas) -> _Sigmas:
    shifted: _Sigmas = SHIFT * sigma / (1 + (SHIFT - 1) * sigma)
    return shifted
