"""What a worker can be asked, and reading it from one line of JSON. No torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

from live_avatar.compute_plan import LastStep
from live_avatar.compute_wishes import PLACES, STEP_ORDERS, ComputeWishes, Place, StepOrder
from live_avatar.distributed.cut import CutKind
from live_avatar.distributed.wishes import CUT_KINDS, CutWishes
from live_avatar.errors import UserError
from live_avatar.protocol.fields import Fields, invalid, is_absolute_path, read_integer
from live_avatar.render import RenderJob
from live_avatar.take import PRECISIONS, Precision, PromptSpan, RotaryRounding

_LONGEST_ID = 200
_MOST_COUNT = 2**31 - 1
# The largest whole number that JavaScript holds exactly.
_MOST_EXACT = 2**53 - 1
_MOST_RANKS = 64
_LARGEST_SIDE = 16384


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which weights, where, how: the fields that ``load``, ``plan`` and ``compare`` share."""

    ckpt_dir: Path
    lora: str | None
    device: str
    precision: Precision
    wishes: ComputeWishes = field(default_factory=ComputeWishes)


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Have these weights in memory."""

    request_id: str
    model: ModelChoice


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Say what a render would be and cost, with these weights."""

    request_id: str
    model: ModelChoice
    job: RenderJob


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Say what a render would keep of its folder. ``model`` null: with the weights in memory, or those of before."""

    request_id: str
    model: ModelChoice | None
    job: RenderJob


@dataclass(frozen=True, slots=True)
class CheckImageRequest:
    """Check a portrait for a video of ``size``."""

    request_id: str
    path: Path
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CheckAudioRequest:
    """Check a recording."""

    request_id: str
    path: Path


@dataclass(frozen=True, slots=True)
class CheckPromptRequest:
    """Check a prompt."""

    request_id: str
    text: str


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """Render a job with the weights in memory; ``wishes`` null: those of the load."""

    request_id: str
    job_id: str
    job: RenderJob
    wishes: ComputeWishes | None = None


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Stop a running job."""

    request_id: str
    job_id: str


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """Say what the worker does."""

    request_id: str


@dataclass(frozen=True, slots=True)
class ShutdownRequest:
    """Stop what is running and end."""

    request_id: str


# What is answered while a job runs, and may take a while.
Question = PlanRequest | CompareRequest | CheckImageRequest | CheckAudioRequest | CheckPromptRequest
Request = LoadRequest | Question | RenderRequest | CancelRequest | StatusRequest | ShutdownRequest


class BadRequest(Exception):
    """A line that is no request.

    Attributes:
        request_id: of the line, if that much could be read.
        error: what is wrong, for the answer.
    """

    def __init__(self, request_id: str | None, error: UserError) -> None:
        super().__init__(str(error))
        self.request_id = request_id
        self.error = error


def parse_request(line: bytes) -> Request:
    """Read one line.

    Raises:
        BadRequest: ``PROTOCOL_NOT_JSON`` (not one JSON object in UTF-8), ``PROTOCOL_UNKNOWN_TYPE``,
            ``PROTOCOL_FIELD_INVALID``.
    """
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadRequest(None, _not_json(f"It cannot be read: {reason}.")) from error
    if not isinstance(value, dict):
        raise BadRequest(None, _not_json("It is JSON, but not an object."))
    try:
        return _parse(value)
    except UserError as error:
        raise BadRequest(_readable_id(value), error) from error


def _parse(value: dict[str, Any]) -> Request:
    fields = Fields(value)
    kind = fields.text("type")
    read = _READERS.get(kind)
    if read is None:
        raise UserError(
            "PROTOCOL_UNKNOWN_TYPE",
            "There is no such request.",
            f"The type has to be one of {', '.join(_READERS)}.",
            "See docs/protocol.md; engine and studio may be of different versions.",
            field="type",
        )
    request = read(_request_id(fields), fields)
    fields.end()
    return request


def _request_id(fields: Fields) -> str:
    return fields.text("request_id", shortest=1, longest=_LONGEST_ID)


def _readable_id(value: dict[str, Any]) -> str | None:
    """The id of a request that is otherwise wrong."""
    try:
        return _request_id(Fields(value))
    except UserError:
        return None


def _load(request_id: str, fields: Fields) -> LoadRequest:
    return LoadRequest(request_id, _model(fields))


def _plan(request_id: str, fields: Fields) -> PlanRequest:
    return PlanRequest(request_id, _model(fields), _job(fields.nested("job")))


def _compare(request_id: str, fields: Fields) -> CompareRequest:
    model = _model(fields) if fields.has("ckpt_dir") else None
    return CompareRequest(request_id, model, _job(fields.nested("job")))


def _check_image(request_id: str, fields: Fields) -> CheckImageRequest:
    return CheckImageRequest(request_id, fields.path("path"), _size(fields.nested("size")))


def _check_audio(request_id: str, fields: Fields) -> CheckAudioRequest:
    return CheckAudioRequest(request_id, fields.path("path"))


def _check_prompt(request_id: str, fields: Fields) -> CheckPromptRequest:
    return CheckPromptRequest(request_id, fields.text("text"))


def _render(request_id: str, fields: Fields) -> RenderRequest:
    wishes = _wishes(fields.nested("compute")) if fields.has("compute") else None
    return RenderRequest(request_id, _job_id(fields), _job(fields.nested("job")), wishes)


def _cancel(request_id: str, fields: Fields) -> CancelRequest:
    return CancelRequest(request_id, _job_id(fields))


def _status(request_id: str, fields: Fields) -> StatusRequest:
    return StatusRequest(request_id)


def _shutdown(request_id: str, fields: Fields) -> ShutdownRequest:
    return ShutdownRequest(request_id)


_READERS: dict[str, Callable[[str, Fields], Request]] = {
    "load": _load,
    "plan": _plan,
    "compare": _compare,
    "check_image": _check_image,
    "check_audio": _check_audio,
    "check_prompt": _check_prompt,
    "render": _render,
    "cancel": _cancel,
    "status": _status,
    "shutdown": _shutdown,
}


def _model(fields: Fields) -> ModelChoice:
    return ModelChoice(
        ckpt_dir=fields.path("ckpt_dir"),
        # No default: forgetting the LoRA would give poor pictures without an error.
        lora=fields.optional_text("lora", shortest=1, required=True),
        device=fields.text("device", shortest=1, default="auto"),
        precision=cast(Precision, fields.choice("precision", PRECISIONS, "auto")),
        wishes=_wishes(fields.nested("compute")) if fields.has("compute") else ComputeWishes(),
    )


def _wishes(fields: Fields) -> ComputeWishes:
    wishes = ComputeWishes(
        memory_limit=fields.optional_integer("memory_limit_bytes", 0, _MOST_EXACT),
        layers=cast(Place, fields.choice("layers", PLACES, "auto")),
        cache=cast(Place, fields.choice("cache", PLACES, "auto")),
        text_encoder=cast(Place, fields.choice("text_encoder", PLACES, "auto")),
        steps=cast(StepOrder, fields.choice("steps", STEP_ORDERS, "auto")),
        last_step=cast(LastStep, fields.choice("last_step", ("run", "skip"), "run")),
        live=fields.flag("live", False),
        weight_cache=_weight_cache(fields),
        cut=_cut(fields),
    )
    fields.end()
    return wishes


def _cut(fields: Fields) -> CutWishes:
    """How many ranks share the work; what does not go together is told by the planner."""
    kind = fields.choice("cut", ("auto", *CUT_KINDS), "auto")
    return CutWishes(
        kind=None if kind == "auto" else cast(CutKind, kind),
        ranks=fields.optional_integer("ranks", 1, _MOST_RANKS),
        decoding_alone=fields.flag("decoding_alone", False) or None,
        most=fields.integer("most_ranks", 1, _MOST_RANKS, 1),
    )


def _weight_cache(fields: Fields) -> str:
    """``on``, ``off``, or a folder."""
    given = fields.text("weight_cache", default="on")
    if given in ("on", "off") or is_absolute_path(given):
        return given
    raise invalid(fields.place_of("weight_cache"), "on, off or an absolute path", given)


def _job(fields: Fields) -> RenderJob:
    job = RenderJob(
        image=fields.path("image"),
        audio=fields.paths("audio", fewest=1),
        prompts=fields.items("prompts", _prompt, fewest=1),
        output=fields.optional_path("output", required=True),
        size=_size(fields.nested("size")),
        base_seed=fields.integer("base_seed", 0, _MOST_EXACT),
        infer_frames=fields.integer("infer_frames", 0, _MOST_COUNT, 48),
        sample_steps=fields.integer("sample_steps", 0, _MOST_COUNT, 4),
        num_clip=fields.optional_integer("num_clip", 0, _MOST_COUNT),
        speaker_masks=fields.paths("speaker_masks", default=()),
        pose_video=fields.optional_path("pose_video"),
        rotary_rounding=cast(RotaryRounding, fields.choice("rotary_rounding", ("float16", "none"), "float16")),
        overwrite=fields.flag("overwrite", False),
        keep_clips=fields.flag("keep_clips", False),
        work_dir=fields.optional_path("work_dir"),
        speech_cuts=fields.items("speech_cuts", _frame, default=()),
        state_budget_bytes=fields.optional_integer("state_budget_bytes", 0, _MOST_EXACT),
    )
    fields.end()
    if job.output is None and job.work_dir is None:
        raise invalid(fields.place_of("work_dir"), "the folder that keeps the clips, since output is null", None)
    return job


def _job_id(fields: Fields) -> str:
    return fields.text("job_id", shortest=1, longest=_LONGEST_ID)


def _prompt(value: object, place: str) -> PromptSpan:
    fields = Fields(value, place)
    span = PromptSpan(fields.integer("start_block", 0, _MOST_COUNT), fields.text("text"))
    fields.end()
    return span


def _frame(value: object, place: str) -> int:
    return read_integer(value, place, 0, _MOST_COUNT)


def _size(fields: Fields) -> tuple[int, int]:
    size = (fields.integer("width", 64, _LARGEST_SIDE), fields.integer("height", 64, _LARGEST_SIDE))
    fields.end()
    return size


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _not_json(why: str) -> UserError:
    return UserError(
        "PROTOCOL_NOT_JSON",
        "A line is not a request.",
        why,
        "Send one JSON object a line, in UTF-8.",
    )


def line_too_long(limit: int) -> UserError:
    """The answer to a line that was longer than is ever needed, and was skipped."""
    return UserError(
        "PROTOCOL_LINE_TOO_LONG",
        "A line was too long and has been skipped.",
        f"A request may have {limit} bytes.",
        "Send long prompts and lists in files, or split the work into several jobs.",
    )
