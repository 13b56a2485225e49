"""What a worker says, as JSON-able dictionaries; their schema is ``schema/messages.schema.json``. No torch."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from live_avatar.errors import UserError
from live_avatar.sentence import Value, values_of

WorkerState = Literal["idle", "loading", "rendering", "stopping"]
EndReason = Literal["shutdown", "end_of_input", "signal", "broken", "device_lost"]


class ErrorPayload(TypedDict):
    """A :class:`live_avatar.errors.UserError`; ``values`` are those in its sentences, for translations."""

    code: str
    what: str
    why: str
    hint: str
    field: str | None
    values: dict[str, Value]


class CodedText(TypedDict):
    """A warning; ``values`` are those in its sentence, for translations."""

    code: str
    text: str
    values: dict[str, Value]


def coded_text(code: str, text: str) -> CodedText:
    """A warning for the other side."""
    return {"code": code, "text": str(text), "values": values_of(text)}


def error_payload(error: UserError) -> ErrorPayload:
    """An error for the other side."""
    return {
        "code": error.code,
        "what": str(error.what),
        "why": str(error.why),
        "hint": str(error.hint),
        "field": error.field,
        "values": values_of(error.what, error.why, error.hint),
    }


class CudaDevice(TypedDict):
    """A card as torch sees it; memory in bytes, ``memory_free`` null when the card cannot be asked."""

    index: int
    name: str
    uuid: str | None
    capability: str
    memory_total: int
    memory_free: int | None


class Torch(TypedDict):
    """torch and its devices; ``cuda_version`` null in a build for processors only."""

    version: str
    cuda_version: str | None
    devices: list[CudaDevice]


class Processor(TypedDict):
    """Processor and main memory in bytes; ``threads`` is what torch computes with."""

    name: str
    threads: int
    memory_total: int
    memory_available: int


class Process(TypedDict):
    """Identity of the process: its id and when it started (seconds since 1970), as the system tells it."""

    id: int
    started: float


class Hello(TypedDict):
    """First message."""

    type: Literal["hello"]
    protocol: int
    engine_version: str
    python_version: str
    process: Process
    torch: Torch
    processor: Processor
    heartbeat_seconds: int
    max_line_bytes: int


class LoadedModel(TypedDict):
    """The weights in memory. ``lora`` is the merged file."""

    ckpt_dir: str
    lora: str | None
    device: str
    denoiser_precision: str
    vae_precision: str
    weights_fingerprint: str


class Loaded(TypedDict):
    """Answer to ``load``; ``reused``: the weights were in memory already."""

    type: Literal["loaded"]
    request_id: str
    model: LoadedModel
    reused: bool
    seconds: float


class Planned(TypedDict):
    """Answer to ``plan``."""

    type: Literal["planned"]
    request_id: str
    plan: dict[str, Any]


class Compared(TypedDict):
    """Answer to ``compare``: ``fresh`` of ``clips`` clips would stay, generating would begin at ``restart``."""

    type: Literal["compared"]
    request_id: str
    clips: int
    fresh: int
    restart: int
    reasons: list[str]


class ImageChecked(TypedDict):
    """Answer to ``check_image``: :class:`live_avatar.checks.report.ImageReport`."""

    type: Literal["image_checked"]
    request_id: str
    image: dict[str, Any]


class AudioChecked(TypedDict):
    """Answer to ``check_audio``: :class:`live_avatar.checks.report.AudioReport`."""

    type: Literal["audio_checked"]
    request_id: str
    audio: dict[str, Any]


class PromptChecked(TypedDict):
    """Answer to ``check_prompt``: :class:`live_avatar.checks.Finding` each."""

    type: Literal["prompt_checked"]
    request_id: str
    findings: list[dict[str, Any]]


class Accepted(TypedDict):
    """Answer to ``render`` (the job runs) and ``cancel`` (the job will stop)."""

    type: Literal["accepted"]
    request_id: str
    job_id: str


class Event(TypedDict):
    """Progress of a job, or of a ``load`` (``job_id`` null)."""

    type: Literal["event"]
    request_id: str
    job_id: str | None
    event: dict[str, Any]


class Finished(TypedDict):
    """The job's video is in place, or without an ``output`` its clips are."""

    type: Literal["finished"]
    request_id: str
    job_id: str
    output: str | None
    frames: int
    clips: int
    seconds: float
    reused_clips: int
    generated_frames: int
    state_seconds: float
    warnings: list[CodedText]


class CancelledMessage(TypedDict):
    """The job stopped as asked; ``clips_on_disk`` clips are finished and stay."""

    type: Literal["cancelled"]
    request_id: str
    job_id: str
    clips_on_disk: int


class Failed(TypedDict):
    """The job ended with an error; ``clips_on_disk`` clips are finished and stay."""

    type: Literal["failed"]
    request_id: str
    job_id: str
    clips_on_disk: int
    error: ErrorPayload


class ErrorMessage(TypedDict):
    """A request was refused or went wrong; ``request_id`` null when it could not be read."""

    type: Literal["error"]
    request_id: str | None
    error: ErrorPayload


class Doing(TypedDict):
    """What goes on since the last news, ``seconds`` ago; ``clip`` and ``block`` are those being made."""

    stage: str
    text: str
    clip: int | None
    clips: int | None
    block: int | None
    seconds: float


class DeviceMemory(TypedDict):
    """Bytes on the card: held by tensors, and by the process for them."""

    allocated: int
    reserved: int


class RankMemory(TypedDict):
    """Bytes on a rank's card: held by tensors, by the process for them, and in all."""

    allocated: int
    reserved: int
    total: int


class Portion(TypedDict):
    """A run of layers or steps: ``count`` of the ``of`` that there are, from number ``first`` on, counted from 0."""

    first: int
    count: int
    of: int


class Rank(TypedDict):
    """What a process of a render does; rank 0 is the worker itself.

    ``uuid`` is null on a processor and of a card of another machine, ``memory`` on a processor. ``done`` counts the
    steps that a rank had its share of; of rank 0, blocks. ``frames_per_second`` is the pace of the last ten seconds.
    """

    rank: int
    device: str
    uuid: str | None
    phase: str
    done: int
    layers: Portion
    steps: Portion
    frames_per_second: float
    memory: RankMemory | None


class Heartbeat(TypedDict):
    """The worker is alive. ``memory_bytes`` is its resident memory; ``device_memory`` null on a processor."""

    type: Literal["heartbeat"]
    sequence: int
    state: WorkerState
    job_id: str | None
    memory_bytes: int
    device_memory: DeviceMemory | None
    doing: Doing | None
    ranks: list[Rank]


class Status(TypedDict):
    """Answer to ``status``."""

    type: Literal["status"]
    request_id: str
    state: WorkerState
    job_id: str | None
    clips_on_disk: int
    model: LoadedModel | None
    memory_bytes: int
    uptime_seconds: float
    ranks: list[Rank]


class Bye(TypedDict):
    """Last message; ``request_id`` of the ``shutdown``, if that was the reason."""

    type: Literal["bye"]
    request_id: str | None
    reason: EndReason


Message = (
    Hello
    | Loaded
    | Planned
    | Compared
    | ImageChecked
    | AudioChecked
    | PromptChecked
    | Accepted
    | Event
    | Finished
    | CancelledMessage
    | Failed
    | ErrorMessage
    | Heartbeat
    | Status
    | Bye
)
