"""Leaving out the last denoising step, which moves the picture by 0.9 % of its velocity for a full pass (spec 7.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from live_avatar.sampler import Schedule

# What the last pass would have moved is made good along the velocity before it, or left as noise in the picture.
Finish = Literal["extrapolate", "stop"]


def without_last_step(schedule: Schedule, finish: Finish = "extrapolate") -> Schedule:
    """``schedule`` with one pass less, and so with one cache less.

    With ``extrapolate`` the last pass that is left goes on to noise level 0: the picture is the one that its velocity
    points to. With ``stop`` the picture keeps the noise of the level that it ends at. A schedule of one step has
    nothing to leave out and is returned as it is.
    """
    if schedule.steps == 1:
        return schedule
    end = 0.0 if finish == "extrapolate" else schedule.sigmas[-2]
    return replace(schedule, timesteps=schedule.timesteps[:-1], sigmas=(*schedule.sigmas[:-2], end))
