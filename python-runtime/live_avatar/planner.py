"""What a render will be and cost, before it starts: size, clips, tokens, memory, disk, time. No torch for a CPU."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.errors import UserError
from live_avatar.file_facts import disk_free, picture_size, read_model_sizes, sound_seconds
from live_avatar.footprint import (
    ActualPrecision,
    DiskUse,
    MemoryUse,
    ModelSizes,
    disk_use,
    memory_use,
    operations,
)
from live_avatar.geometry import (
    BLOCK_FRAMES,
    FRAMES_PER_SECOND,
    SIZE_MULTIPLE,
    LatentShape,
    check_infer_frames,
    choose_output_size,
    clips_for_frames,
)
from live_avatar.machine import GIB, Machine
from live_avatar.speed_record import Speed, SpeedKey, read_speed
from live_avatar.take import Precision

if TYPE_CHECKING:
    from live_avatar.render import RenderJob

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
class Tokens:
    """Tokens of the denoiser: per latent frame, per block, of reference and motion, and all that a block attends to."""

    frame: int
    block: int
    conditions: int
    window: int


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


@dataclass(frozen=True, slots=True)
class Plan:
    """A render described before it starts.

    Attributes:
        device, device_name, precision, vae_precision: where and how it would run.
        parameters: of the denoiser.
        requested: (width, height) asked for; size: real (width, height); image: of the portrait.
        audio_seconds: length of the sound; left_out_seconds: what a limit on clips cuts off.
        frames, clips, blocks, seconds: of the video.
        tokens, memory, memory_available, disk, disk_available, forecast: costs and what there is.
        warnings: (code, sentence).
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

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON values, with the sums of memory and disk."""
        values = asdict(self)
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
    speed_folder: Path | None = None,
) -> Plan:
    """Work out ``job`` from headers alone: nothing is decoded and no weights are read.

    Args:
        job: the render.
        ckpt_dir: checkpoint folder.
        lora: LoRA to be merged, or ``None``; costs no memory once merged.
        machine: where it would run; this computer if left out.
        precision: of the denoiser.
        speed_folder: where measured speeds are kept; the user's cache if left out.

    Raises:
        UserError: for a bad picture, sound, setting or checkpoint, and ``SIZE_TOO_LARGE_FOR_MEMORY`` or
            ``MEMORY_TOO_SMALL``.
    """
    from live_avatar.sampler import make_schedule

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
    )


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
) -> Plan:
    """The plan for facts that are already known; reads nothing but the speed record.

    Raises:
        UserError: ``SIZE_TOO_LARGE_FOR_MEMORY``, ``MEMORY_TOO_SMALL``.
    """
    denoiser_precision, vae_precision = actual_precisions(precision, machine)
    size = choose_output_size(requested[0] * requested[1], *image)
    shape = LatentShape.of_picture(*size, infer_frames)

    def memory_at(width: int, height: int) -> MemoryUse:
        candidate = LatentShape.of_picture(width, height, infer_frames)
        return memory_use(sizes, candidate, sample_steps, denoiser_precision, vae_precision, on_cuda=machine.on_cuda)

    memory = memory_at(*size)
    if memory.peak > machine.memory_available:
        largest = largest_size(image, size, lambda w, h: memory_at(w, h).peak <= machine.memory_available)
        raise _too_large(size, memory, machine, largest)
    wanted_frames = max(1, math.ceil(audio_seconds * FRAMES_PER_SECOND - 1e-6))
    frames = wanted_frames if num_clip is None else min(wanted_frames, num_clip * infer_frames)
    blocks = -(-frames // BLOCK_FRAMES)
    disk = disk_use(
        sizes,
        shape,
        sample_steps,
        frames,
        denoiser_precision,
        vae_precision,
        joined=joined,
        state_budget=state_budget,
    )
    key = SpeedKey(
        device=machine.name,
        threads=machine.threads,
        precision=f"{denoiser_precision} {vae_precision}",
        parameters=sizes.parameters,
        width=size[0],
        height=size[1],
        infer_frames=infer_frames,
        sample_steps=sample_steps,
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
        forecast=_forecast(
            sizes, shape, sample_steps, blocks, machine, memory, vae_precision, read_speed(key, speed_folder)
        ),
        speed_key=key,
        warnings=tuple(_warnings(left_out, wanted_frames, disk, disk_available, frames, with_lora)),
    )


def actual_precisions(precision: Precision, machine: Machine) -> tuple[ActualPrecision, ActualPrecision]:
    """Precision of denoiser and VAE that ``auto`` stands for on ``machine``."""
    if precision != "auto":
        return precision, precision
    if machine.on_cuda:
        return "bf16", "bf16"
    return "fp32", "bf16" if machine.native_bf16 else "fp32"


def largest_size(
    image: tuple[int, int], size: tuple[int, int], fits: Callable[[int, int], bool]
) -> tuple[int, int] | None:
    """The largest real size with the portrait's aspect below ``size`` for which ``fits(width, height)``, or ``None``.

    Asking for the returned size gives exactly that size.
    """
    step = SIZE_MULTIPLE * SIZE_MULTIPLE
    area = size[0] * size[1]
    while area >= step:
        width, height = choose_output_size(area, *image)
        if choose_output_size(width * height, *image) == (width, height) and fits(width, height):
            return width, height
        # Sizes thin out as they grow, so large areas may be passed in larger steps.
        area = min(width * height, area) - max(step, area // 64 // step * step)
    return None


def _forecast(
    sizes: ModelSizes,
    shape: LatentShape,
    steps: int,
    blocks: int,
    machine: Machine,
    memory: MemoryUse,
    vae_precision: ActualPrecision,
    measured: Speed | None,
) -> Forecast:
    if measured is not None:
        return _total("measured", measured, blocks)
    work = operations(sizes, shape)
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


def _warnings(
    left_out: float, wanted_frames: int, disk: DiskUse, disk_available: int, frames: int, with_lora: bool
) -> list[tuple[str, str]]:
    warnings = []
    if left_out > 0:
        warnings.append(
            (
                "AUDIO_CUT",
                f"The video ends after {frames / FRAMES_PER_SECOND:.2f} s; the last {left_out:.2f} s of the sound's "
                f"{wanted_frames / FRAMES_PER_SECOND:.2f} s are left out. Raise --num_clip to keep them.",
            )
        )
    if disk.peak > disk_available:
        warnings.append(
            (
                "DISK_TOO_SMALL",
                f"The run needs about {disk.peak / GIB:.2f} GB of disk and {disk_available / GIB:.2f} GB are free. "
                "It would stop cleanly when the disk is full, and can go on after space is freed.",
            )
        )
    if not with_lora:
        warnings.append(
            (
                "LORA_OFF",
                "No LoRA is loaded: the base weights need many more denoising steps than 6, so expect poor pictures "
                "unless the LoRA is already merged into them.",
            )
        )
    return warnings


def _too_large(
    size: tuple[int, int], memory: MemoryUse, machine: Machine, largest: tuple[int, int] | None
) -> UserError:
    available = f"{machine.memory_available / GIB:.1f} GB are free on {machine.device}"
    if largest is None:
        without_pictures = max(memory.prepare, memory.process + memory.denoiser + memory.vae + memory.speech_encoder)
        return UserError(
            "MEMORY_TOO_SMALL",
            "This model does not fit into the free memory at any size.",
            f"The program and its weights alone take about {without_pictures / GIB:.1f} GB; {available}.",
            "Close other programs, or use a smaller model or another device.",
            field="ckpt_dir",
        )
    return UserError(
        "SIZE_TOO_LARGE_FOR_MEMORY",
        f"Pictures of {size[0]}x{size[1]} do not fit into memory.",
        f"They need about {memory.peak / GIB:.1f} GB; {available}.",
        f'The largest that fits with this portrait is --size "{largest[0]}*{largest[1]}".',
        field="size",
    )
