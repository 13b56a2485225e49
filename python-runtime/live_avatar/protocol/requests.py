"""What a worker can be asked, and reading it from one line of JSON. No torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from live_avatar.errors import UserError
from live_avatar.protocol.fields import Fields, invalid, read_integer
from live_avatar.render import RenderJob
from live_avatar.take import PRECISIONS, Precision, PromptSpan, RotaryRounding

_LONGEST_ID = 200
_MOST_COUNT = 2**31 - 1
# The largest whole number that JavaScript holds exactly.
_MOST_EXACT = 2**53 - 1
_LARGEST_SIDE = 16384


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which weights, where, how: the fields that ``load``, ``plan`` and ``compare`` share."""

    ckpt_dir: Path
    lora: str | None
    device: str
    precision: Precision


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
    """Render a job with the weights in memory."""

    request_id: str
    job_id: str
    job: RenderJob


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
    return RenderRequest(request_id, _job_id(fields), _job(fields.nested("job")))


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
    )


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
