"""The schedule against diffusers, which the published pipelines use, and the step made with it."""

from __future__ import annotations

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from live_avatar.errors import UserError
from live_avatar.sampler import MAX_STEPS, make_schedule

ALL_STEPS = range(1, MAX_STEPS + 1)


def published(steps: int) -> FlowMatchEulerDiscreteScheduler:
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0)
    scheduler.set_timesteps(steps, device="cpu")
    return scheduler


@pytest.mark.parametrize("steps", ALL_STEPS)
def test_schedule_equals_diffusers_bit_for_bit(steps: int) -> None:
    schedule, scheduler = make_schedule(steps), published(steps)
    assert torch.equal(torch.tensor(schedule.timesteps), scheduler.timesteps)
    assert torch.equal(torch.tensor(schedule.sigmas), scheduler.sigmas)
    assert schedule.steps == steps == len(schedule.sigmas) - 1


@pytest.mark.parametrize("steps", ALL_STEPS)
def test_steps_equal_diffusers_bit_for_bit(steps: int) -> None:
    torch.manual_seed(steps)
    schedule, scheduler = make_schedule(steps), published(steps)
    ours = theirs = torch.randn(1, 16, 3, 4, 4)
    for step, timestep in enumerate(scheduler.timesteps):
        velocity = torch.randn_like(ours)
        ours = ours + schedule.delta(step) * velocity
        theirs = scheduler.step(velocity, timestep, theirs, return_dict=False)[0]
        assert torch.equal(ours, theirs)


def test_four_steps_are_the_distilled_ones() -> None:
    schedule = make_schedule(4)
    assert schedule.timesteps == (1000.0, 857.6923217773438, 602.1505737304688, 8.928571701049805)
    assert schedule.sigmas == (1.0, 0.857692301273346, 0.602150559425354, 0.008928571827709675, 0.0)
    deltas = [round(schedule.delta(step), 7) for step in range(4)]
    assert deltas == [-0.1423077, -0.2555417, -0.593222, -0.0089286]


@pytest.mark.parametrize("steps", ALL_STEPS)
def test_a_constant_velocity_leads_from_noise_to_the_picture(steps: int) -> None:
    torch.manual_seed(0)
    noise, picture = torch.randn(2, 1000).double().unbind()
    schedule, state = make_schedule(steps), noise
    for step in range(steps):
        state = state + schedule.delta(step) * (noise - picture)
    torch.testing.assert_close(state, picture, atol=1e-6, rtol=0)


@pytest.mark.parametrize("steps", [0, 7, 50, -1])
def test_other_numbers_of_steps_are_refused(steps: int) -> None:
    with pytest.raises(UserError) as caught:
        make_schedule(steps)
    assert (caught.value.code, caught.value.field) == ("STEPS_INVALID", "sample_steps")
    assert str(steps) in caught.value.what
