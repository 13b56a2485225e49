"""From parsed flags to what is to be rendered, with every value checked before anything heavy is loaded. No torch."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from live_avatar.cli.compute_flags import read_wishes
from live_avatar.cli.flags import (
    DEFAULT_CKPT_DIR,
    DEFAULT_INFER_FRAMES,
    DEFAULT_SIZE,
    DEFAULT_STEPS,
    PUBLISHED_LORA,
    check_published_flags,
)
from live_avatar.cli.prompts import read_prompt, read_schedule
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.errors import UserError
from live_avatar.geometry import check_infer_frames, parse_size
from live_avatar.pipeline import PipelineOptions
from live_avatar.presets import find_preset
from live_avatar.render import RenderJob
from live_avatar.take import PRECISIONS, Precision, PromptSpan

_LORA_FILE = "liveavatar.safetensors"
_LARGEST_SEED = 2**63 - 1
_RANDOM_SEEDS = 2**31
_VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov")


@dataclass(frozen=True, slots=True)
class Request:
    """What the flags ask for.

    Attributes:
        job: the render.
        model: what to load for it.
        wishes: how it is to be computed, where the user does not leave that to the planner.
        seed_given: whether the seed was chosen by the user.
        notes: sentences about flags that change nothing.
    """

    job: RenderJob
    model: PipelineOptions
    wishes: ComputeWishes
    seed_given: bool
    notes: tuple[str, ...]


def read_request(options: argparse.Namespace, output: Path | None = None) -> Request:
    """Check all flags and build the job.

    Args:
        options: parsed flags of a render.
        output: the video's path, where the caller decides it (a batch).

    Raises:
        UserError: the code of the first fault found; nothing is written.
    """
    notes = check_published_flags(options)
    model = read_model_options(options)
    wishes = read_wishes(options)
    for name, flag in (("image", "--image"), ("audio", "--audio")):
        if not getattr(options, name):
            raise _missing(name, flag)
    settings = _read_settings(options)
    prompts = _read_prompts(options)
    image = Path(options.image).expanduser()
    audio = tuple(Path(name).expanduser() for name in _split(options.audio))
    if output is None:
        output = _output(options, image, audio, prompts, settings)
    if output.suffix.lower() not in _VIDEO_SUFFIXES:
        raise UserError(
            "OUTPUT_NOT_MP4",
            f'"{output.name}" is no name for the video.',
            f"The video is an MP4; its name must end in {', '.join(_VIDEO_SUFFIXES)}.",
            f'Use for example "{output.with_suffix(".mp4").name}".',
            field="output",
        )
    job = RenderJob(
        image=image,
        audio=audio,
        prompts=prompts,
        output=output,
        size=settings.size,
        base_seed=0,
        infer_frames=settings.infer_frames,
        sample_steps=settings.steps,
        num_clip=settings.num_clip,
        speaker_masks=tuple(Path(name).expanduser() for name in _split(options.speaker_masks or "")),
        pose_video=None if options.pose_video is None else Path(options.pose_video).expanduser(),
        overwrite=options.overwrite,
        keep_clips=options.keep_clips,
    )
    given = options.base_seed is not None and options.base_seed != -1
    seed = _checked_seed(options.base_seed) if given else unfinished_seed(job.folder)
    return Request(with_seed(job, seed), model, wishes, given, tuple(notes))


def with_seed(job: RenderJob, seed: int | None) -> RenderJob:
    """``job`` with ``seed``, or with a random one."""
    return replace(job, base_seed=secrets.randbelow(_RANDOM_SEEDS) if seed is None else seed)


def unfinished_seed(folder: Path) -> int | None:
    """Seed of the unfinished run in a job folder, so that the same command goes on with it, or ``None``."""
    try:
        seed = json.loads((folder / "job.json").read_text("utf-8"))["seed"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return seed if isinstance(seed, int) and 0 <= seed <= _LARGEST_SEED else None


def read_model_options(options: argparse.Namespace) -> PipelineOptions:
    """Which model to load, and how.

    Raises:
        UserError: ``PRECISION_UNKNOWN``, ``ARGUMENTS_INVALID``.
    """
    ckpt_dir = Path(options.ckpt_dir).expanduser() if options.ckpt_dir else DEFAULT_CKPT_DIR
    if options.load_lora is False and options.lora_path_dmd is not None:
        raise UserError(
            "ARGUMENTS_INVALID",
            "--no_load_lora and --lora_path_dmd contradict each other.",
            "One says to load no LoRA, the other which one to load.",
            "Leave one of them out.",
            field="lora_path_dmd",
        )
    lora = None if options.load_lora is False else choose_lora(ckpt_dir, options.lora_path_dmd)
    if lora is None and options.load_lora:
        lora = PUBLISHED_LORA
    return PipelineOptions(ckpt_dir, lora, options.device, _precision(options.fp8))


def choose_lora(ckpt_dir: Path, name: str | None) -> str | None:
    """The LoRA to load: ``name``, where the published id means the model folder's own LoRA if it has one.

    Without a ``name``: the model folder's own, or the published one if it is among the models beside that folder, or
    ``None``.
    """
    if name not in (None, PUBLISHED_LORA):
        return name
    for path in (ckpt_dir / "lora" / _LORA_FILE, ckpt_dir / _LORA_FILE):
        if path.is_file():
            return str(path)
    beside = [ckpt_dir.parent / folder / _LORA_FILE for folder in ("LiveAvatar", "Live-Avatar", PUBLISHED_LORA)]
    return name or (PUBLISHED_LORA if any(path.is_file() for path in beside) else None)


def _precision(text: str) -> Precision:
    lowered = text.strip().lower()
    for precision in PRECISIONS:
        if lowered == precision:
            return precision
    if lowered == "true":
        return "fp8"
    raise UserError(
        "PRECISION_UNKNOWN",
        f'"{text}" is not a precision.',
        "The precisions are auto, fp8, bf16 and fp32.",
        "Leave --fp8 out to let the program choose.",
        field="fp8",
    )


@dataclass(frozen=True, slots=True)
class _Settings:
    steps: int
    infer_frames: int
    num_clip: int | None
    size: tuple[int, int]


def _read_settings(options: argparse.Namespace) -> _Settings:
    """Flags win over the preset, the preset over defaults."""
    from live_avatar.sampler import make_schedule

    preset = None if options.preset is None else find_preset(options.preset)
    steps = _first(options.sample_steps, None if preset is None else preset.sample_steps, DEFAULT_STEPS)
    infer_frames = _first(options.infer_frames, DEFAULT_INFER_FRAMES)
    num_clip = options.num_clip if options.num_clip is not None or preset is None else preset.clips
    size = preset.size if options.size is None and preset is not None else parse_size(options.size or DEFAULT_SIZE)
    make_schedule(steps)
    check_infer_frames(infer_frames)
    if num_clip is not None and num_clip < 1:
        raise UserError(
            "NUM_CLIP_INVALID",
            f"{num_clip} clips cannot be made.",
            "A video has at least one clip.",
            "Give a number from 1, or leave --num_clip out for all of the sound.",
            field="num_clip",
        )
    return _Settings(steps, infer_frames, num_clip, size)


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _read_prompts(options: argparse.Namespace) -> tuple[PromptSpan, ...]:
    first = None if options.prompt is None else read_prompt(options.prompt)
    if options.prompt_schedule is not None:
        return read_schedule(Path(options.prompt_schedule).expanduser(), first)
    if first is None:
        raise _missing("prompt", "--prompt")
    return (PromptSpan(0, first),)


def _checked_seed(seed: int) -> int:
    if 0 <= seed <= _LARGEST_SEED:
        return seed
    raise UserError(
        "SEED_INVALID",
        f"{seed} is not a seed.",
        f"A seed is a whole number from 0 to {_LARGEST_SEED}; -1 means a random one.",
        "Leave --base_seed out for a random seed.",
        field="base_seed",
    )


def _split(names: str) -> list[str]:
    """``a.wav+b.wav`` to its parts; a file whose own name has a plus sign is one part."""
    if not names or Path(names).expanduser().exists():
        return [names] if names else []
    return [name.strip() for name in names.split("+") if name.strip()]


def _output(
    options: argparse.Namespace,
    image: Path,
    audio: tuple[Path, ...],
    prompts: tuple[PromptSpan, ...],
    settings: _Settings,
) -> Path:
    """``--save_file``, or a name that the same command makes up again, so that it finds its unfinished run."""
    if options.save_file is not None:
        return Path(options.save_file).expanduser()
    identity = repr((str(image.absolute()), [str(path.absolute()) for path in audio], prompts, settings))
    identity += repr((options.base_seed, options.speaker_masks, options.pose_video, options.ckpt_dir))
    if options.last_step != "run":
        identity += options.last_step
    stems = "_".join(re.sub(r"[^\w-]+", "-", path.stem)[:40] for path in (image, *audio))
    name = f"{stems}_{settings.steps}step_{hashlib.sha256(identity.encode()).hexdigest()[:8]}.mp4"
    return Path(options.save_dir).expanduser() / name


def _missing(name: str, flag: str) -> UserError:
    return UserError(
        f"{name.upper()}_MISSING",
        f"{flag} is missing.",
        "A video is made from a portrait, a recording and a prompt.",
        f"Give {flag}; live-avatar generate --help lists all flags.",
        field=name,
    )
