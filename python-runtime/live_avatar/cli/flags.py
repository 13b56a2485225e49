"""The flags of a render, with the names that users of the method know (mission section 2, spec section 9).

Every flag of the published launchers is known here. Each one works, is accepted with a sentence why it changes nothing,
or is refused in words; none is swallowed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from live_avatar.cli.arguments import add_switch, boolean
from live_avatar.errors import UserError

DEFAULT_CKPT_DIR = Path("ckpt/Wan2.2-S2V-14B")
DEFAULT_SIZE = "704*384"
DEFAULT_STEPS = 4
DEFAULT_INFER_FRAMES = 48
PUBLISHED_LORA = "Quark-Vision/Live-Avatar"


@dataclass(frozen=True, slots=True)
class InertFlag:
    """A flag of the published scripts that changes nothing here, with the sentence that says why."""

    name: str
    takes_value: bool
    note: str


@dataclass(frozen=True, slots=True)
class RefusedFlag:
    """A flag of the published scripts that asks for something this program does not do."""

    name: str
    takes_value: bool
    code: str
    why: str
    hint: str


INERT_FLAGS = (
    InertFlag("enable_online_decode", False, "Pictures are always decoded while generating."),
    InertFlag("convert_model_dtype", False, "Weights are always loaded in the precision they are used in."),
    InertFlag("frame_num", True, "The length follows from the sound; --num_clip and --infer_frames limit it."),
    InertFlag("training_config", True, "Rank and alpha of the LoRA are read from the LoRA file."),
    InertFlag("dit_fsdp", False, "Each card holds only the layers that it computes."),
    InertFlag("t5_fsdp", False, "The text encoder is in memory only while a prompt is read."),
    InertFlag("start_from_ref", False, "Every video starts from the portrait."),
    InertFlag("drop_motion_noisy", False, "It changes nothing in the published program either."),
    InertFlag(
        "using_merged_ckpt", False, "Say --no_load_lora if the LoRA is already merged into the weights of --ckpt_dir."
    ),
)

REFUSED_FLAGS = (
    RefusedFlag(
        "server_port",
        True,
        "ARGUMENTS_INVALID",
        "The port belongs to web mode, which is a program of its own.",
        "Start it with npm run serve -- --server-port 7860, or by scripts/gradio_single_gpu.sh.",
    ),
    RefusedFlag(
        "server_name",
        True,
        "ARGUMENTS_INVALID",
        "The address belongs to web mode, which is a program of its own.",
        "Start it with npm run serve -- --host ADDRESS, after setting a password.",
    ),
    RefusedFlag(
        "use_prompt_extend",
        False,
        "PROMPT_EXTEND_UNSUPPORTED",
        "This program works without a network and does not rewrite prompts.",
        "Write the prompt in full: who, doing what, light and place, style.",
    ),
    RefusedFlag(
        "enable_tts",
        False,
        "SPEECH_SYNTHESIS_UNSUPPORTED",
        "This program does not make speech from text.",
        "Give a recording with --audio.",
    ),
    RefusedFlag(
        "use_dataset",
        False,
        "DATASET_UNSUPPORTED",
        "Data sets of the training code are not read here.",
        "Give --image, --audio and --prompt, or use live-avatar batch with a job list.",
    ),
    RefusedFlag(
        "lora_path",
        True,
        "FLAG_WITHOUT_EFFECT",
        "The published program ignores --lora_path too.",
        "Use --lora_path_dmd.",
    ),
)


def add_material_flags(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """What is rendered. A batch has these per job, so there they are not required."""
    group = parser.add_argument_group("material")
    group.add_argument("--image", metavar="FILE", help="portrait: JPG, PNG, WebP; a frontal face, 512x512 or more")
    group.add_argument(
        "--audio",
        metavar="FILE",
        help="recording: WAV, MP3, FLAC, M4A, OGG, or a video with sound; a.wav+b.wav for several speakers",
    )
    prompt = "text, or @FILE: appearance, action, light and background, style"
    group.add_argument("--prompt", metavar="TEXT", help=prompt + ("" if required else " (default for all jobs)"))
    group.add_argument(
        "--prompt_schedule",
        metavar="FILE",
        help="JSON or CSV of (start, text): the prompt changes at the next block; start is seconds or h:m:s[:frame]",
    )
    group.add_argument(
        "--speaker_masks", metavar="FILES", help="a.png+b.png, one per speaker: white where this speaker is"
    )
    group.add_argument("--pose_video", metavar="FILE", help="video whose movements drive the pose")


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """How it is rendered."""
    group = parser.add_argument_group("settings")
    group.add_argument("--preset", metavar="NAME", help="quick_preview, standard, endless or high_resolution")
    group.add_argument(
        "--size",
        metavar="W*H",
        help=f"area budget; the real size follows the portrait in multiples of 64 (default {DEFAULT_SIZE})",
    )
    group.add_argument("--num_clip", type=int, metavar="N", help="at most N clips (default: all of the sound)")
    group.add_argument(
        "--infer_frames",
        type=int,
        metavar="N",
        help=f"frames per clip, a multiple of 12 (default {DEFAULT_INFER_FRAMES})",
    )
    group.add_argument(
        "--sample_steps", type=int, metavar="N", help=f"denoising steps, 1 to 6 (default {DEFAULT_STEPS})"
    )
    group.add_argument(
        "--sample_guide_scale", type=float, metavar="X", help="only 0: the distilled weights know no guidance"
    )
    group.add_argument("--sample_solver", metavar="NAME", help="only euler, which the weights are distilled for")
    group.add_argument("--sample_shift", type=float, metavar="X", help="only 3, which the weights are distilled for")
    group.add_argument(
        "--base_seed", type=int, metavar="N", help="seed of everything random (default: random, printed)"
    )


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Which model, and where it computes."""
    group = parser.add_argument_group("model and device")
    group.add_argument("--task", metavar="NAME", help="only s2v-14B, the kind of model this program runs")
    group.add_argument(
        "--ckpt_dir", metavar="DIR", help=f"model folder in the published layout (default {DEFAULT_CKPT_DIR})"
    )
    group.add_argument(
        "--load_lora",
        nargs="?",
        const=True,
        type=boolean,
        metavar="BOOL",
        help="merge the distilled LoRA (default: when one is found)",
    )
    group.add_argument(
        "--no_load_lora", dest="load_lora", action="store_const", const=False, help="use the weights as they are"
    )
    group.add_argument(
        "--lora_path_dmd", metavar="LORA", help=f"LoRA file, folder or hub id (default {PUBLISHED_LORA})"
    )
    group.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default auto)")
    group.add_argument(
        "--fp8",
        nargs="?",
        const="fp8",
        default="auto",
        metavar="PRECISION",
        help="precision of the weights: auto, fp8, bf16 or fp32; fp8 alone if no word follows (default auto)",
    )


def add_output_flags(parser: argparse.ArgumentParser, *, one_file: bool) -> None:
    """Where the video goes and what is printed."""
    group = parser.add_argument_group("output")
    if one_file:
        group.add_argument("--save_file", metavar="FILE", help="the video (default: a name made up in --save_dir)")
    group.add_argument("--save_dir", default="./output", metavar="DIR", help="folder for videos (default ./output)")
    group.add_argument("--overwrite", action="store_true", help="replace a video that exists")
    group.add_argument("--keep_clips", action="store_true", help="keep the folder of clips and its playlist")
    add_console_flags(group)


def add_console_flags(group: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """How the command talks."""
    group.add_argument("--json", action="store_true", help="print one JSON object a line")
    group.add_argument("--quiet", action="store_true", help="print only the result and what goes wrong")
    group.add_argument("--log_file", metavar="FILE", help="append everything that happens to FILE")


def add_published_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of the published scripts that change nothing or are refused."""
    group = parser.add_argument_group("flags of the published scripts that change nothing here")
    for inert in INERT_FLAGS:
        _add(group, inert.name, inert.takes_value, inert.note)
    group = parser.add_argument_group("flags of the published scripts that are refused")
    for refused in REFUSED_FLAGS:
        _add(group, refused.name, refused.takes_value, refused.why)


def _add(group: argparse._ArgumentGroup, name: str, takes_value: bool, text: str) -> None:
    if takes_value:
        group.add_argument(f"--{name}", metavar="X", help=text)
    else:
        add_switch(group, name, text)


def check_published_flags(options: argparse.Namespace) -> list[str]:
    """Sentences for the flags given that change nothing.

    Raises:
        UserError: ``GUIDANCE_UNSUPPORTED``, ``SCHEDULE_FIXED``, ``TASK_UNSUPPORTED``, or the code of a refused flag.
    """
    for refused in REFUSED_FLAGS:
        if getattr(options, refused.name) not in (None, False):
            raise UserError(
                refused.code, f"--{refused.name} cannot be used.", refused.why, refused.hint, field=refused.name
            )
    _check_fixed_values(options)
    return [f"--{flag.name}: {flag.note}" for flag in INERT_FLAGS if getattr(options, flag.name) not in (None, False)]


def _check_fixed_values(options: argparse.Namespace) -> None:
    """Flags with one legal value."""
    if options.sample_guide_scale not in (None, 0.0):
        raise UserError(
            "GUIDANCE_UNSUPPORTED",
            f"--sample_guide_scale {options.sample_guide_scale:g} cannot be used.",
            "The distilled weights were trained without guidance; there is no unprompted pass to weigh against.",
            "Use 0, or leave the flag out; say what you want more strongly in the prompt.",
            field="sample_guide_scale",
        )
    if options.sample_solver not in (None, "euler"):
        raise UserError(
            "SCHEDULE_FIXED",
            f'--sample_solver "{options.sample_solver}" cannot be used.',
            "The weights are distilled for a few Euler steps.",
            "Use euler, or leave the flag out.",
            field="sample_solver",
        )
    if options.sample_shift not in (None, 3.0):
        raise UserError(
            "SCHEDULE_FIXED",
            f"--sample_shift {options.sample_shift:g} cannot be used.",
            "The weights are distilled for the noise levels that a shift of 3 gives.",
            "Use 3, or leave the flag out.",
            field="sample_shift",
        )
    if options.task is not None and options.task.lower() != "s2v-14b":
        raise UserError(
            "TASK_UNSUPPORTED",
            f'--task "{options.task}" cannot be used.',
            "This program makes video from speech, a portrait and a prompt, and nothing else.",
            "Use s2v-14B, or leave the flag out.",
            field="task",
        )
