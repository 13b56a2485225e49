"""What a render will be and cost, before it starts: size, clips, tokens, memory, disk, time. No torch for a CPU."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.compute_wishes import ComputeWishes, check_plain_on_card, limit_of, wish_notes
from live_avatar.distributed.team_plan import check_ranks, find_sharing, plan_team
from live_avatar.distributed.wishes import CutWishes
from live_avatar.fast.planner import memory_parts
from live_avatar.file_facts import disk_free, picture_size, read_model_sizes, sound_seconds
from live_avatar.footprint import (
    CUDA_CONTEXT_BYTES,
    ActualPrecision,
    DiskUse,
    MemoryUse,
    ModelSizes,
    disk_use,
    memory_use,
)
from live_avatar.forecast import Forecast, forecast
from live_avatar.geometry import (
    BLOCK_FRAMES,
    FRAMES_PER_SECOND,
    LatentShape,
    check_infer_frames,
    choose_output_size,
    clips_for_frames,
)
from live_avatar.machine import Machine
from live_avatar.plan_warnings import plan_warnings
from live_avatar.size_fit import largest_size, plan_on_card, too_large
from live_avatar.speed_record import SpeedKey, read_speed
from live_avatar.take import Precision

if TYPE_CHECKING:
    from live_avatar.compute_plan import ComputePlan, LastStep
    from live_avatar.distributed.team_plan import TeamPlan
    from live_avatar.fast.planner import CardPlan
    from live_avatar.fast.task import Card
    from live_avatar.render import RenderJob


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of the denoiser: per latent frame, per block, of reference and motion, and all that a block attends to."""

    frame: int
    block: int
    conditions: int
    window: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A render described before it starts.

    Attributes:
        device, device_name, precision, vae_precision: where and how it would run.
        parameters: of the denoiser.
        requested: (width, height) asked for; size: real (width, height); image: of the portrait.
        sample_steps: of the schedule; last_step: whether the last of them is run.
        audio_seconds: length of the sound; left_out_seconds: what a limit on clips cuts off.
        frames, clips, blocks, seconds: of the video.
        tokens, memory, memory_available, disk, disk_available, forecast: costs and what there is.
        warnings: (code, sentence).
        on_card: how a card computes it, and the ways that were not taken; ``None`` for the plain engine, and a team.
        team: how several ranks share it; ``None`` for one.
    """

    device: str
    device_name: str
    precision: ActualPrecision
    vae_precision: ActualPrecision
    parameters: int
    requested: tuple[int, int]
    size: tuple[int, int]
    image: tuple[int, int]
    infer_frames: int
    sample_steps: int
    last_step: LastStep
    audio_seconds: float
    left_out_seconds: float
    frames: int
    clips: int
    blocks: int
    seconds: float
    tokens: Tokens
    memory: MemoryUse
    memory_available: int
    disk: DiskUse
    disk_available: int
    forecast: Forecast
    speed_key: SpeedKey
    warnings: tuple[tuple[str, str], ...]
    on_card: CardPlan | None = None
    team: TeamPlan | None = None

    @property
    def compute(self) -> ComputePlan | None:
        """What the pipeline is to be told; ``None`` leaves the choice to it."""
        if self.team is not None:
            return self.team.lead
        return None if self.on_card is None else self.on_card.plan

    @property
    def accepted_numerics(self) -> frozenset[str]:
        """What a take may have been computed with instead under the same wishes; its finished clips stay."""
        if self.team is not None:
            return self.team.accepted
        return frozenset() if self.on_card is None else self.on_card.accepted_numerics

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON values, with the sums of memory and disk."""
        values = asdict(replace(self, on_card=None, team=None))
        values["on_card"] = None if self.on_card is None else self.on_card.as_dict()
        values["team"] = None if self.team is None else self.team.as_dict()
        values["memory"] |= {"peak": self.memory.peak, "render": self.memory.render, "prepare": self.memory.prepare}
        values["disk"] |= {"peak": self.disk.peak}
        return values


def plan(
    job: RenderJob,
    ckpt_dir: Path,
    lora: str | None,
    machine: Machine | None = None,
    *,
    precision: Precision = "auto",
    wishes: ComputeWishes | None = None,
    speed_folder: Path | None = None,
    card: Card | None = None,
    loaded: ComputePlan | None = None,
    loaded_team: TeamPlan | None = None,
    measured: bool = True,
) -> Plan:
    """Work out ``job`` from headers alone: nothing is decoded and no weights are read.

    Args:
        job: the render.
        ckpt_dir: checkpoint folder.
        lora: LoRA to be merged, or ``None``; costs no memory once merged.
        machine: where it would run; this computer if left out.
        precision: of the denoiser.
        wishes: what is not left to the planner.
        speed_folder: where measured speeds are kept; the user's cache if left out.
        card: the machine's card, if it was looked at already.
        loaded, loaded_team: what weights are in memory for, on one or several ranks; others are asked for only if that
            pays.
        measured: whether speeds measured on this computer count.

    Raises:
        UserError: for a bad picture, sound, setting or checkpoint, and ``SIZE_TOO_LARGE_FOR_MEMORY``,
            ``MEMORY_TOO_SMALL``, ``MEMORY_LIMIT_INVALID``, ``CHOICE_DOES_NOT_FIT``, ``CHOICE_NEEDS_FLAT_PASS``, and
            those of :func:`live_avatar.distributed.team_plan.plan_team`.
    """
    from live_avatar.sampler import make_schedule

    wishes = wishes or ComputeWishes()
    check_infer_frames(job.infer_frames)
    make_schedule(job.sample_steps)
    machine = machine or Machine.detect()
    image = picture_size(job.image)
    audio_seconds = max(sound_seconds(path) for path in job.audio)
    sizes = read_model_sizes(CheckpointLayout.find(ckpt_dir))
    return make_plan(
        sizes,
        machine,
        image=image,
        audio_seconds=audio_seconds,
        requested=job.size,
        infer_frames=job.infer_frames,
        sample_steps=job.sample_steps,
        num_clip=job.num_clip,
        disk_available=disk_free(job.output or job.folder),
        precision=precision,
        with_lora=lora is not None,
        speed_folder=speed_folder,
        joined=job.output is not None,
        state_budget=job.state_budget_bytes,
        card=card_for(machine, precision, wishes) if card is None or precision == "fp32" else card,
        wishes=wishes,
        loaded=loaded,
        loaded_team=loaded_team,
        measured=measured,
    )


def card_for(machine: Machine, precision: Precision, wishes: ComputeWishes) -> Card | None:
    """The card that a render would use, with the memory that it may; ``None`` where the plain engine computes.

    Raises:
        UserError: ``MEMORY_LIMIT_INVALID``.
    """
    limit = limit_of(wishes)
    if not machine.on_cuda or precision == "fp32":
        return None
    from live_avatar.fast.card import card_of_machine

    return card_of_machine(machine, limit)


def make_plan(
    sizes: ModelSizes,
    machine: Machine,
    *,
    image: tuple[int, int],
    audio_seconds: float,
    requested: tuple[int, int],
    infer_frames: int,
    sample_steps: int,
    num_clip: int | None,
    disk_available: int,
    precision: Precision = "auto",
    with_lora: bool = True,
    speed_folder: Path | None = None,
    joined: bool = True,
    state_budget: int | None = None,
    card: Card | None = None,
    wishes: ComputeWishes | None = None,
    loaded: ComputePlan | None = None,
    loaded_team: TeamPlan | None = None,
    measured: bool = True,
) -> Plan:
    """The plan for facts that are already known; reads nothing but the speed record, and not that unless ``measured``.

    With a ``card`` the flat engine computes, in the fastest way that fits there; otherwise the plain one.

    Raises:
        UserError: ``SIZE_TOO_LARGE_FOR_MEMORY``, ``MEMORY_TOO_SMALL``, ``CHOICE_DOES_NOT_FIT``,
            ``CHOICE_NEEDS_FLAT_PASS``.
    """
    wishes = wishes or ComputeWishes()
    denoiser_precision, vae_precision = actual_precisions(precision, machine)
    size = choose_output_size(requested[0] * requested[1], *image)
    shape = LatentShape.of_picture(*size, infer_frames)

    on_card = team = None
    limit = limit_of(wishes)
    check_ranks(wishes.cut)
    if card is not None and limit is not None:
        card = replace(card, free=min(card.free, limit - CUDA_CONTEXT_BYTES))
    sharing = unused = None
    if wishes.cut.several or (wishes.cut.most > 1 and card is not None):
        from live_avatar.fast.task import Take

        take = Take(sizes, shape, sample_steps)
        if not wishes.cut.several and card is not None:
            sharing, unused = find_sharing(take, machine, precision, wishes, card, loaded_team)
            if sharing is not None:
                wishes = replace(wishes, cut=CutWishes(ranks=len(sharing.fleet.cards)))
        if wishes.cut.several:
            team = plan_team(take, machine, precision, wishes, card, loaded_team, sharing)
    lead = None if team is None or team.option is None else team.option.ranks[0]
    if card is not None and team is None:
        from live_avatar.fast.task import Wishes

        asked = Wishes.of(precision, wishes)
        on_card = plan_on_card(sizes, card, size, image, infer_frames, sample_steps, asked, loaded)
        machine = replace(machine, memory_available=card.free)
    elif card is not None:
        machine = replace(machine, memory_available=card.free)
    elif machine.on_cuda:
        check_plain_on_card(wishes)
        machine = _within_limit(machine, limit)
    passes = sample_steps - 1 if wishes.last_step == "skip" and sample_steps > 1 else sample_steps

    def memory_at(width: int, height: int) -> MemoryUse:
        candidate = LatentShape.of_picture(width, height, infer_frames)
        return memory_use(sizes, candidate, passes, denoiser_precision, vae_precision, on_cuda=machine.on_cuda)

    if lead is not None:
        memory = memory_parts(lead.memory)
    else:
        memory = memory_at(*size) if on_card is None else on_card.memory
    if on_card is None and lead is None and memory.peak > machine.memory_available:
        largest = largest_size(image, size, lambda w, h: memory_at(w, h).peak <= machine.memory_available)
        raise too_large(size, memory, machine, largest)
    wanted_frames = max(1, math.ceil(audio_seconds * FRAMES_PER_SECOND - 1e-6))
    frames = wanted_frames if num_clip is None else min(wanted_frames, num_clip * infer_frames)
    blocks = -(-frames // BLOCK_FRAMES)
    caches = None if team is None else team.caches
    if on_card is not None:
        caches = on_card.chosen.memory.cache + on_card.chosen.memory.pinned_cache
    computed = f"{denoiser_precision} {vae_precision}" if on_card is None else on_card.speed_identity
    disk = disk_use(
        sizes,
        shape,
        passes,
        frames,
        denoiser_precision,
        vae_precision,
        joined=joined,
        state_budget=state_budget,
        caches=caches,
    )
    key = SpeedKey(
        device=machine.name,
        threads=machine.threads,
        precision=computed if team is None else f"{computed} {team.speed_identity}",
        parameters=sizes.parameters,
        width=size[0],
        height=size[1],
        infer_frames=infer_frames,
        sample_steps=passes,
    )
    left_out = (wanted_frames - frames) / FRAMES_PER_SECOND
    return Plan(
        device=machine.device,
        device_name=machine.name,
        precision=denoiser_precision,
        vae_precision=vae_precision,
        parameters=sizes.parameters,
        requested=requested,
        size=size,
        image=image,
        infer_frames=infer_frames,
        sample_steps=sample_steps,
        last_step=wishes.last_step,
        audio_seconds=audio_seconds,
        left_out_seconds=left_out,
        frames=frames,
        clips=clips_for_frames(frames, infer_frames),
        blocks=blocks,
        seconds=frames / FRAMES_PER_SECOND,
        tokens=Tokens(
            shape.frame_tokens, shape.block_tokens, shape.condition_tokens, shape.condition_tokens + shape.ring_tokens
        ),
        memory=memory,
        memory_available=machine.memory_available,
        disk=disk,
        disk_available=disk_available,
        forecast=forecast(
            sizes,
            shape,
            passes,
            blocks,
            machine,
            memory,
            vae_precision,
            read_speed(key, speed_folder) if measured else None,
            on_card,
            team,
        ),
        speed_key=key,
        warnings=(
            *plan_warnings(left_out, wanted_frames, disk, disk_available, frames, with_lora),
            *([] if unused is None else [("CARDS_UNUSED", unused)]),
            *wish_notes(
                wishes,
                on_card=machine.on_cuda,
                flat=card is not None or precision == "fp8",
                steps=sample_steps,
            ),
        ),
        on_card=on_card,
        team=team,
    )


def _within_limit(machine: Machine, limit: int | None) -> Machine:
    if limit is None:
        return machine
    return replace(machine, memory_available=min(machine.memory_available, limit))


def actual_precisions(precision: Precision, machine: Machine) -> tuple[ActualPrecision, ActualPrecision]:
    """Precision of denoiser and VAE that ``auto`` stands for on ``machine``."""
    if precision == "fp8":
        return "bf16", "bf16"
    if precision != "auto":
        return precision, precision
    if machine.on_cuda:
        return "bf16", "bf16"
    return "fp32", "bf16" if machine.native_bf16 else "fp32"
