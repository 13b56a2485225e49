"""A plan in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_avatar.cli.words import duration, plural, size
from live_avatar.fast.described_card import DESCRIBED_DEVICE
from live_avatar.geometry import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from live_avatar.forecast import Forecast
    from live_avatar.planner import Plan


def plan_lines(plan: Plan) -> list[str]:
    """The plan as lines of a table, for people."""
    memory, disk = plan.memory, plan.disk
    weights = memory.denoiser + memory.vae + memory.speech_encoder
    rows = [
        ("Portrait", f"{plan.image[0]}x{plan.image[1]} pixels"),
        ("Sound", f"{plan.audio_seconds:.2f} s"),
        ("Picture", f"{plan.size[0]}x{plan.size[1]} (asked for {plan.requested[0]}*{plan.requested[1]})"),
        (
            "Video",
            f"{plan.seconds:.2f} s, {plan.frames} frames at {FRAMES_PER_SECOND} a second, "
            f"{plural(plan.clips, 'clip')} of {plan.infer_frames} frames, {plural(plan.blocks, 'block')}",
        ),
        (
            "Model",
            f"{plan.parameters / 1e6:.1f} million parameters in {plan.precision}, VAE in {plan.vae_precision}, "
            f"{plural(plan.sample_steps, 'step')}" + (", the last left out" if plan.last_step == "skip" else ""),
        ),
        (
            "Tokens",
            f"{plan.tokens.frame} a latent frame, {plan.tokens.block} a block, attending to {plan.tokens.window}",
        ),
        ("Device", f"{plan.device} ({plan.device_name})"),
        (
            "Memory",
            f"about {size(memory.peak)} of {size(plan.memory_available)} free: weights {size(weights)}, "
            f"text encoder {size(memory.text_encoder)}, caches {size(memory.kv_cache)}, "
            f"pictures {size(memory.vae_work)}, rest {size(memory.activations + memory.process)}",
        ),
        (
            "Disk",
            f"about {size(disk.peak)} of {size(plan.disk_available)} free while it runs, {size(disk.final)} afterwards",
        ),
        ("Time", forecast_words(plan.forecast, described=plan.device == DESCRIBED_DEVICE)),
    ]
    lines = [f"{name:9} {text}" for name, text in rows]
    if plan.on_card is not None:
        from live_avatar.fast.planner import card_lines

        lines += ["How the card computes (* is chosen)", *(f"  {line}" for line in card_lines(plan.on_card))]
    if plan.team is not None:
        lines += ["How the ranks share the work (* is chosen)", *(f"  {line}" for line in plan.team.words())]
    return lines


def forecast_words(forecast: Forecast, *, described: bool = False) -> str:
    """The forecast with what it rests on; ``described``: of a card that is not here."""
    if forecast.seconds is None or forecast.frames_per_second is None:
        return "unknown until a first render with these settings on this computer"
    basis = {
        "measured": "measured here with these settings",
        "estimate": "a rough estimate until a first render here with these settings",
    }[forecast.basis]
    if described:
        basis = "an estimate for a card that is not here"
    return f"about {duration(forecast.seconds)}, {forecast.frames_per_second:.2f} frames a second ({basis})"
