"""The worker's conversation: which request is taken when, what answers it, and how everything ends.

Three threads besides the main one: requests are read, questions answered and heartbeats sent while the main thread
loads and renders. One lock covers the worker's state and its output, so that what is said is true when it is said.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from live_avatar.compare import Comparison
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.errors import Cancelled, UserError
from live_avatar.events import ClipEvent, DeviceMemory, EventSink, RenderEvent, StageEvent
from live_avatar.planner import Plan
from live_avatar.protocol import HEARTBEAT_SECONDS, MAX_LINE_BYTES
from live_avatar.protocol.messages import (
    EndReason,
    LoadedModel,
    Message,
    Rank,
    WorkerState,
    coded_text,
    error_payload,
)
from live_avatar.protocol.plan import plan_as_json
from live_avatar.protocol.requests import (
    BadRequest,
    CancelRequest,
    CheckAudioRequest,
    CheckImageRequest,
    CheckPromptRequest,
    CompareRequest,
    LoadRequest,
    ModelChoice,
    PlanRequest,
    Question,
    RenderRequest,
    Request,
    ShutdownRequest,
    StatusRequest,
    line_too_long,
    parse_request,
)
from live_avatar.render import RenderJob, RenderResult
from live_avatar.worker import faults
from live_avatar.worker.doing import DoingTracker
from live_avatar.worker.stdio import TooLong

# A cancel before the first block is obeyed at the next of these; the others are short or better finished.
_STOPPABLE_STAGES = {"load", "audio", "prompt", "portrait", "prefill"}


class EngineLike(Protocol):
    """What the worker needs of :class:`live_avatar.worker.engine.Engine`."""

    @property
    def model(self) -> LoadedModel | None:
        """The weights in memory."""

    def load(self, choice: ModelChoice, on_event: EventSink) -> bool:
        """Have these weights in memory; false if they were there already."""

    def render(
        self,
        job: RenderJob,
        on_event: EventSink,
        should_stop: Callable[[], bool],
        wishes: ComputeWishes | None = None,
    ) -> RenderResult:
        """Render with them."""

    def plan(self, choice: ModelChoice, job: RenderJob) -> Plan:
        """Plan a render, from any thread."""

    def compare(self, choice: ModelChoice | None, job: RenderJob) -> Comparison:
        """Say what a render would keep, from the thread of questions."""

    def device_memory(self) -> DeviceMemory | None:
        """Memory held on the card."""

    def ranks(self) -> list[Rank]:
        """What each process of a render does, this one first."""

    def release_memory(self) -> None:
        """Give back what a failure left."""


@dataclass(slots=True)
class _Activity:
    """What the main thread does, or has been given to do next."""

    request: LoadRequest | RenderRequest
    doing: DoingTracker
    clips_on_disk: int = 0
    cancelled: bool = False

    @property
    def job_id(self) -> str | None:
        return self.request.job_id if isinstance(self.request, RenderRequest) else None


@dataclass(slots=True)
class _End:
    """Why the worker ends."""

    reason: EndReason
    request_id: str | None = field(default=None)


class Worker:
    """One conversation.

    Args:
        engine: does the work.
        lines: requests as they come, endless until the other side is gone.
        write: sends one message; OSError when nobody listens.
        memory_bytes: resident memory now.
    """

    def __init__(
        self,
        engine: EngineLike,
        lines: Iterable[bytes | TooLong],
        write: Callable[[Message], None],
        memory_bytes: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._lines = lines
        self._write = write
        self._memory_bytes = memory_bytes
        self._started = time.monotonic()
        # Reentrant, because saying something and changing the state it is about are one step.
        self._lock = threading.RLock()
        self._activity: _Activity | None = None
        self._end: _End | None = None
        self._silent = False
        # Simple queues may be filled from a signal handler.
        self._work: queue.SimpleQueue[LoadRequest | RenderRequest | None] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()

    def run(self, hello: Message) -> EndReason:
        """Say hello, then serve until shutdown, the end of input or :meth:`stop`. Call it from the main thread.

        Returns:
            Why it ended. After ``device_lost`` this process can do nothing more on a card.
        """
        self._say(hello)
        ended = threading.Event()
        answering = threading.Thread(target=self._answer_questions, name="questions")
        answering.start()
        threading.Thread(target=self._send_heartbeats, args=(ended,), name="heartbeat", daemon=True).start()
        # Reading cannot be interrupted, so nobody waits for this thread.
        threading.Thread(target=self._read_requests, name="requests", daemon=True).start()
        while (request := self._work.get()) is not None:
            self._serve(request)
        self._questions.put(None)
        answering.join()
        ended.set()
        with self._lock:
            self._answer_leftovers()
            end = self._end or _End("broken")
            self._say({"type": "bye", "request_id": end.request_id, "reason": end.reason})
            self._silent = True
        return end.reason

    def stop(self, reason: EndReason, request_id: str | None = None) -> None:
        """End: a load or render under way stops at its next stage or block. Takes no lock, so signals may call it."""
        if self._end is None:
            self._end = _End(reason, request_id)
            self._work.put(None)

    def _read_requests(self) -> None:
        for line in self._lines:
            if isinstance(line, TooLong):
                self._refuse(None, line_too_long(MAX_LINE_BYTES))
            elif line.strip():
                self._read(line)
        self.stop("end_of_input")

    def _read(self, line: bytes) -> None:
        try:
            self._take(parse_request(line))
        except BadRequest as bad:
            self._refuse(bad.request_id, bad.error)

    def _take(self, request: Request) -> None:
        with self._lock:
            if self._end is not None:
                self._refuse(request.request_id, faults.stopping())
                return
            match request:
                case LoadRequest() | RenderRequest():
                    self._begin(request)
                case (
                    PlanRequest() | CompareRequest() | CheckImageRequest() | CheckAudioRequest() | CheckPromptRequest()
                ):
                    self._questions.put(request)
                case CancelRequest():
                    self._cancel(request)
                case StatusRequest():
                    self._tell_status(request)
                case ShutdownRequest():
                    self.stop("shutdown", request.request_id)

    def _begin(self, request: LoadRequest | RenderRequest) -> None:
        if self._activity is not None:
            doing = "rendering" if isinstance(self._activity.request, RenderRequest) else "loading a model"
            self._refuse(request.request_id, faults.busy(doing))
            return
        if isinstance(request, RenderRequest):
            if self._engine.model is None:
                self._refuse(request.request_id, faults.not_loaded())
                return
            self._say({"type": "accepted", "request_id": request.request_id, "job_id": request.job_id})
        text = "Starting the render" if isinstance(request, RenderRequest) else "Starting to load"
        self._activity = _Activity(request, DoingTracker(text))
        self._work.put(request)

    def _cancel(self, request: CancelRequest) -> None:
        activity = self._activity
        if activity is None or activity.job_id != request.job_id:
            self._refuse(request.request_id, faults.job_not_running(request.job_id))
            return
        activity.cancelled = True
        self._say({"type": "accepted", "request_id": request.request_id, "job_id": request.job_id})

    def _tell_status(self, request: StatusRequest) -> None:
        activity = self._activity
        self._say(
            {
                "type": "status",
                "request_id": request.request_id,
                "state": self._state(),
                "job_id": None if activity is None else activity.job_id,
                "clips_on_disk": 0 if activity is None else activity.clips_on_disk,
                "model": self._engine.model,
                "memory_bytes": self._memory_bytes(),
                "uptime_seconds": time.monotonic() - self._started,
                "ranks": self._engine.ranks(),
            }
        )

    def _serve(self, request: LoadRequest | RenderRequest) -> None:
        if isinstance(request, LoadRequest):
            self._load(request)
        else:
            self._render(request)

    def _answer_leftovers(self) -> None:
        """A signal may end the queues just before what was taken on gets into them."""
        while not self._work.empty():
            if (request := self._work.get()) is not None:
                self._serve(request)
        while not self._questions.empty():
            if (question := self._questions.get()) is not None:
                self._refuse(question.request_id, faults.stopping())

    def _load(self, request: LoadRequest) -> None:
        activity = self._current()
        started = time.monotonic()
        try:
            self._stop_if_ending()
            fresh = self._engine.load(request.model, self._events(activity))
            model = self._engine.model
            assert model is not None
        except Cancelled:
            self._conclude(
                {"type": "error", "request_id": request.request_id, "error": error_payload(faults.stopping())}
            )
        except Exception as error:
            answer = self._explain(error)
            self._conclude({"type": "error", "request_id": request.request_id, "error": error_payload(answer)})
        else:
            self._conclude(
                {
                    "type": "loaded",
                    "request_id": request.request_id,
                    "model": model,
                    "reused": not fresh,
                    "seconds": time.monotonic() - started,
                }
            )
            return
        self._release_memory()

    def _render(self, request: RenderRequest) -> None:
        activity = self._current()
        request_id, job_id = request.request_id, request.job_id
        try:
            self._stop_if_ending()
            events, stopped = self._events(activity), lambda: self._stopped(activity)
            result = self._engine.render(request.job, events, stopped, request.wishes)
        except Cancelled:
            self._conclude(
                {
                    "type": "cancelled",
                    "request_id": request_id,
                    "job_id": job_id,
                    "clips_on_disk": activity.clips_on_disk,
                }
            )
        except Exception as error:
            answer = self._explain(error)
            self._conclude(
                {
                    "type": "failed",
                    "request_id": request_id,
                    "job_id": job_id,
                    "clips_on_disk": activity.clips_on_disk,
                    "error": error_payload(answer),
                }
            )
        else:
            self._conclude(
                {
                    "type": "finished",
                    "request_id": request_id,
                    "job_id": job_id,
                    "output": None if result.output is None else str(result.output),
                    "frames": result.frames,
                    "clips": result.clips,
                    "seconds": result.seconds,
                    "reused_clips": result.reused_clips,
                    "generated_frames": result.generated_frames,
                    "state_seconds": result.state_seconds,
                    "warnings": [coded_text(code, text) for code, text in result.warnings],
                }
            )
            return
        # Only now is the error's traceback gone, and with it the tensors of the render.
        self._release_memory()

    def _answer_questions(self) -> None:
        while (request := self._questions.get()) is not None:
            try:
                self._stop_if_ending()
                self._say(self._answer(request))
            except Cancelled:
                self._refuse(request.request_id, faults.stopping())
            except Exception as error:
                self._refuse(request.request_id, self._explain(error))

    def _release_memory(self) -> None:
        """Give back what a failure left; a lost card cannot be asked to."""
        if self._end is None or self._end.reason != "device_lost":
            self._engine.release_memory()

    def _explain(self, error: Exception) -> UserError:
        """The error to answer with. After a lost card the worker ends: another one can use the card again."""
        answer = faults.explain(error)
        if answer.code == "DEVICE_LOST":
            self.stop("device_lost")
        return answer

    def _answer(self, question: Question) -> Message:
        # The checks bring image and sound libraries that a worker may never need.
        from live_avatar.checks import report

        request_id = question.request_id
        match question:
            case PlanRequest():
                plan = plan_as_json(self._engine.plan(question.model, question.job))
                return {"type": "planned", "request_id": request_id, "plan": plan}
            case CompareRequest():
                found = self._engine.compare(question.model, question.job)
                return {
                    "type": "compared",
                    "request_id": request_id,
                    "clips": found.clips,
                    "fresh": found.fresh,
                    "restart": found.restart,
                    "reasons": list(found.reasons),
                }
            case CheckImageRequest():
                image = report.report_image(question.path, question.size).as_dict()
                return {"type": "image_checked", "request_id": request_id, "image": image}
            case CheckAudioRequest():
                audio = report.report_audio(question.path).as_dict()
                return {"type": "audio_checked", "request_id": request_id, "audio": audio}
            case CheckPromptRequest():
                findings = [finding.as_dict() for finding in report.report_prompt(question.text)]
                return {"type": "prompt_checked", "request_id": request_id, "findings": findings}

    def _send_heartbeats(self, ended: threading.Event) -> None:
        sequence = 0
        while not ended.wait(HEARTBEAT_SECONDS):
            sequence += 1
            with self._lock:
                activity = self._activity
                memory = self._engine.device_memory()
                self._say(
                    {
                        "type": "heartbeat",
                        "sequence": sequence,
                        "state": self._state(),
                        "job_id": None if activity is None else activity.job_id,
                        "memory_bytes": self._memory_bytes(),
                        "device_memory": None
                        if memory is None
                        else {"allocated": memory.allocated, "reserved": memory.reserved},
                        "doing": None if activity is None else activity.doing.now(),
                        "ranks": self._engine.ranks(),
                    }
                )

    def _events(self, activity: _Activity) -> EventSink:
        request_id, job_id = activity.request.request_id, activity.job_id

        def tell(event: RenderEvent) -> None:
            if isinstance(event, ClipEvent):
                activity.clips_on_disk = event.clip + 1
            activity.doing.observe(event)
            fields = {"kind": event.kind, **dataclasses.asdict(event)}
            self._say({"type": "event", "request_id": request_id, "job_id": job_id, "event": fields})
            if isinstance(event, StageEvent) and event.stage in _STOPPABLE_STAGES and self._stopped(activity):
                raise Cancelled

        return tell

    def _current(self) -> _Activity:
        with self._lock:
            assert self._activity is not None
            return self._activity

    def _stopped(self, activity: _Activity) -> bool:
        return activity.cancelled or self._end is not None

    def _stop_if_ending(self) -> None:
        if self._end is not None:
            raise Cancelled

    def _state(self) -> WorkerState:
        if self._end is not None:
            return "stopping"
        if self._activity is None:
            return "idle"
        return "rendering" if isinstance(self._activity.request, RenderRequest) else "loading"

    def _conclude(self, message: Message) -> None:
        """Say how the activity ended; whoever hears it can ask for the next at once."""
        with self._lock:
            self._activity = None
            self._say(message)

    def _refuse(self, request_id: str | None, error: UserError) -> None:
        self._say({"type": "error", "request_id": request_id, "error": error_payload(error)})

    def _say(self, message: Message) -> None:
        with self._lock:
            if self._silent:
                return
            try:
                self._write(message)
            except OSError:
                # The other side is gone; what runs is stopped and its state kept, as at the end of input.
                self._silent = True
                self.stop("end_of_input")
