"""One run over a job: find what is fresh, generate the rest clip by clip, join.

The order of writes makes it crash-safe. Per clip: segment file, record, playlist, event; states only after the segments
they build on. So what is on disk at any moment is a prefix of the video, and no state stands for lost pictures.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from torch import Tensor

from live_avatar.audio_conditions import BlockFeatures
from live_avatar.checkpoint.fingerprint import file_sha256
from live_avatar.clip_encoder import ClipEncoder
from live_avatar.clip_hash import clip_hashes
from live_avatar.clip_weights import weights_of_clips, with_weights
from live_avatar.errors import Cancelled, UserError
from live_avatar.events import (
    BlockEvent,
    ClipEvent,
    DoneEvent,
    EventSink,
    PictureEvent,
    StageEvent,
    WarningEvent,
)
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND
from live_avatar.job_folder import FinishedClip, JobFolder
from live_avatar.last_step import without_last_step
from live_avatar.media.join import join_segments
from live_avatar.media.newest_picture import PICTURE_NAME, write_picture
from live_avatar.media.playlist import INIT_NAME, clip_name, write_playlist
from live_avatar.media.segments import Frame, SegmentInfo, SegmentWriter
from live_avatar.media.viewer_sound import ViewerSound
from live_avatar.noise import SeededDraws
from live_avatar.numerics import device_memory
from live_avatar.pipeline import Pipeline
from live_avatar.portrait import Portrait
from live_avatar.pose_video import PoseVideo
from live_avatar.render import RenderJob, RenderResult
from live_avatar.run_states import RunStates
from live_avatar.sampler import make_schedule
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.state_store import StateStore
from live_avatar.take_identity import changed_parts, clip_parts
from live_avatar.take_inputs import TakeInputs, read_inputs

_NUMBERS_CHANGED = (
    "The finished clips were computed with other numbers than are used now, within what was asked for. They stay."
)
# Clips that the pace is told over.
_PACE_CLIPS = 8


@dataclass(slots=True)
class _Timing:
    """Clips handed to the encoder whose files are awaited, oldest first: (clip, seconds to generate)."""

    clip: int
    seconds: float


class RenderRun:
    """State of one call of :func:`live_avatar.render.render`. The folder must be ours alone."""

    def __init__(
        self,
        job: RenderJob,
        pipeline: Pipeline,
        folder: JobFolder,
        on_event: EventSink,
        should_stop: Callable[[], bool],
    ) -> None:
        self.job = job
        self.pipeline = pipeline
        self.folder = folder
        self.emit = on_event
        self.should_stop = should_stop
        self.states = StateStore(folder.path, job.state_budget_bytes)
        self.warnings: list[tuple[str, str]] = []
        self._process = psutil.Process()
        self._started = time.monotonic()
        self._finished: list[int] = []
        self._awaited: list[_Timing] = []
        self._generated_frames = 0
        self._parts: list[tuple[str, str]] = []
        self._weights: list[str] = []
        self._contexts: dict[str, Tensor] = {}
        # Frames of the newest block's picture on disk, from the thread that compresses.
        self._pictures: deque[int] = deque(maxlen=1)
        self._paces: deque[tuple[int, float]] = deque(maxlen=_PACE_CLIPS)

    def run(self) -> RenderResult:
        """Do all of it; see :func:`live_avatar.render.render`."""
        inputs = self._read_inputs()
        with inputs.viewer:
            return self._render(inputs)

    def _render(self, inputs: TakeInputs) -> RenderResult:
        self._check_stop()
        clips = list(inputs.take.describe_clips())
        self._weights = self._weights_of_clips(len(clips))
        expected = clip_hashes(inputs.take.common(self._weights[0]), with_weights(clips, self._weights))
        self._parts = [clip_parts(clip) for clip in clips]
        writer, fresh = self._open_folder(inputs, expected)
        if self._weights_settled(inputs, len(fresh)):
            expected = clip_hashes(inputs.take.common(self._weights[0]), with_weights(clips, self._weights))
        self.states.keep_only(self.folder.recorded_hashes())
        with writer:
            self._report_reused(inputs, fresh)
            if len(fresh) < inputs.take.clips:
                if fresh and self._weights[len(fresh) - 1] != self.pipeline.weights_fingerprint:
                    self._warn("NUMBERS_CHANGED", _NUMBERS_CHANGED)
                self._generate(inputs, expected, writer, len(fresh))
            else:
                count = inputs.take.clips
                text = f"All {count} clips are finished already"
                self.emit(StageEvent("resume", 1, 1, text, "ALL_CLIPS_FINISHED", {"clips": count}))
        write_playlist(self.folder.path, self._finished, self.job.infer_frames, complete=True)
        self.states.thin()
        (self.folder.path / PICTURE_NAME).unlink(missing_ok=True)
        if self.job.output is not None:
            self._join(inputs, self.job.output)
        return self._result(inputs, len(fresh))

    def _read_inputs(self) -> TakeInputs:
        self.emit(StageEvent("audio", 0, 1, "Preparing the sound", "SOUND_PREPARING"))
        inputs = read_inputs(self.job, self.folder.path, self._begin_portrait)
        seconds = round(inputs.take.frames / FRAMES_PER_SECOND, 2)
        self.emit(StageEvent("audio", 1, 1, f"{seconds:.2f} s of sound", "SOUND_PREPARED", {"seconds": seconds}))
        for code, text in (*inputs.portrait.notes, *inputs.sounds.warnings):
            self._warn(code, text)
        return inputs

    def _begin_portrait(self, portrait: Portrait) -> None:
        """Let a card work on the portrait while the processor prepares the sound, if it will be needed surely."""
        if self.pipeline.device.type == "cuda" and self.folder.previous_job() is None:
            self.pipeline.portrait(portrait)

    def _weights_of_clips(self, clips: int) -> list[str]:
        """What each clip was, or will be, made with: numbers may change within a take (:mod:`clip_weights`)."""
        before, recorded = self.folder.previous_job() or {}, self.folder.recorded()
        now, accepted = self.pipeline.weights_fingerprint, self.pipeline.accepted_weights
        return weights_of_clips(recorded, before.get("weights"), now, accepted, clips)

    def _weights_settled(self, inputs: TakeInputs, fresh: int) -> bool:
        """Whether clips that were to stay, but turned out damaged, get the weights of now as all new ones do."""
        now, first = self.pipeline.weights_fingerprint, self._weights[0]
        settled = [*self._weights[:fresh], *[now] * (len(self._weights) - fresh)]
        if settled == self._weights:
            return False
        self._weights = settled
        if settled[0] != first:
            self.folder.write_job(inputs.take.record(settled[0]))
        return True

    def _open_folder(self, inputs: TakeInputs, expected: list[str]) -> tuple[SegmentWriter, list[FinishedClip]]:
        """The writer of segments, and the clips of an earlier run that can stay."""
        now = inputs.take.record(self._weights[0])
        before = self.folder.previous_job()
        if before is not None:
            changed = changed_parts(before, now)
            if changed:
                parts = ", ".join(changed)
                self.emit(StageEvent("resume", 0, 1, f"Changed since then: {parts}", "CHANGED_SINCE", {"parts": parts}))
            else:
                self.emit(StageEvent("resume", 0, 1, "Continuing an earlier run", "CONTINUING"))
        # A part of a take that is kept for good must not cost its rest.
        fresh = self.folder.keep_fresh_clips(expected, file_sha256, keep_rest=self.job.output is None)
        if fresh and not (self.folder.path / INIT_NAME).is_file():
            self.folder.forget_clips()
            fresh = []
        # Only now, so that the record of the job is at all times that of the clips on disk.
        self.folder.write_job(now)
        writer = SegmentWriter(self.folder.path, inputs.portrait.width, inputs.portrait.height, inputs.viewer.path)
        if not (self.folder.path / INIT_NAME).is_file():
            return writer, fresh
        try:
            writer.open()
        except UserError as error:
            if error.code != "SEGMENT_FORMAT_CHANGED":
                raise
            # Old segments do not play after the new beginning, though their pictures may be the same.
            self.folder.forget_clips()
            (self.folder.path / INIT_NAME).unlink()
            fresh = []
        return writer, fresh

    def _report_reused(self, inputs: TakeInputs, fresh: list[FinishedClip]) -> None:
        self._finished = [clip.frames for clip in fresh]
        write_playlist(self.folder.path, self._finished, self.job.infer_frames, complete=False)
        for clip in fresh:
            self._emit_clip(inputs, clip, seconds=0.0, reused=True)

    def _generate(self, inputs: TakeInputs, expected: list[str], writer: SegmentWriter, fresh: int) -> None:
        """Generate from the nearest saved state on; clips before ``fresh`` are not written again."""
        take = inputs.take
        budgeted = self.job.state_budget_bytes is not None
        states = RunStates(self.states, budgeted, expected, fresh, self.emit, self._warn)
        # A large text encoder and the caches of a session may not fit beside each other.
        self._read_prompts(inputs, states.nearest())
        session = self._session(inputs)
        start = states.restore(session)
        self._report_start(start, fresh, take.clips)
        # Without a card nobody expects its encoder.
        if writer.encoder_note is not None and self.pipeline.device.type == "cuda":
            self._warn("ENCODER_FALLBACK", writer.encoder_note)
        self._check_stop()
        with (
            ClipEncoder(writer, self._keep_picture, self._check_stop) as encoder,
            # The encoder may be waiting for the sound, which a render that has failed does not wait for.
            _closed_on_error(inputs.viewer),
        ):
            for clip in range(start, take.clips):
                try:
                    self._generate_clip(session, inputs, expected, encoder if clip >= fresh else None, clip)
                    if states.due(session, clip + 1):
                        self._collect(inputs, expected, encoder.drain(interruptible=True))
                        states.save(session, clip + 1)
                except Cancelled:
                    inputs.viewer.close()
                    encoder.drop()
                    self._collect(inputs, expected, encoder.drain())
                    if states.due_at_stop(session, clip, inputs.shape.clip_blocks):
                        states.save(session, clip)
                    raise
            self._collect(inputs, expected, encoder.drain())

    def _generate_clip(
        self, session: Session, inputs: TakeInputs, expected: list[str], encoder: ClipEncoder | None, clip: int
    ) -> None:
        """Generate one clip and hand it to ``encoder``, if it is not on disk already."""
        started = block_started = time.monotonic()
        left = inputs.take.clip_frames(clip)
        if session.block == 0:
            self.emit(StageEvent("prefill", 0, 1, "Giving the portrait and the prompt to the model", "PREFILLING"))
        blocks = itertools.islice(session.next_clip(self.should_stop), inputs.take.clip_blocks(clip))
        for index, pictures in enumerate(blocks):
            if index == 0 and encoder is not None:
                encoder.begin(clip, clip * self.job.infer_frames)
            frames = min(left, BLOCK_FRAMES)
            left -= frames
            self._generated_frames += frames
            if encoder is not None:
                encoder.add(pictures, frames)
                self._collect(inputs, expected, encoder.finished())
                self._tell_picture(clip)
            else:
                # Nobody looks at them, but the next block is not to be begun before they are there.
                pictures.take()
            now = time.monotonic()
            self.emit(BlockEvent(clip, index, inputs.shape.clip_blocks, now - block_started))
            block_started = now
        if encoder is not None:
            self._awaited.append(_Timing(clip, time.monotonic() - started))
            encoder.end()

    def _keep_picture(self, frame: int, picture: Frame) -> None:
        """Put a picture of a block where it can be looked at before its clip is done. Called by the encoder."""
        write_picture(self.folder.path / PICTURE_NAME, picture)
        self._pictures.append(frame)

    def _tell_picture(self, clip: int) -> None:
        if self._pictures:
            path = self.folder.path / PICTURE_NAME
            self.emit(PictureEvent(clip, self._pictures.popleft(), str(path)))

    def _collect(self, inputs: TakeInputs, expected: list[str], segments: list[SegmentInfo]) -> None:
        """Record clips that came onto the disk and tell about them."""
        for segment in segments:
            timing = self._awaited.pop(0)
            clip = FinishedClip(
                segment.index,
                segment.frames,
                expected[segment.index],
                segment.sha256,
                segment.bytes,
                *self._parts[segment.index],
                weights="" if self._weights[segment.index] == self._weights[0] else self._weights[segment.index],
            )
            self.folder.add_clip(clip)
            self._finished.append(clip.frames)
            write_playlist(self.folder.path, self._finished, self.job.infer_frames, complete=False)
            self._emit_clip(inputs, clip, timing.seconds, reused=False)

    def _session(self, inputs: TakeInputs) -> Session:
        pipeline, job = self.pipeline, self.job
        self.emit(StageEvent("portrait", 0, 1, "Reading the portrait", "PORTRAIT_READING"))
        portrait = pipeline.portrait(inputs.portrait)
        conditions = Conditions(
            reference=portrait.reference,
            motion=portrait.motion,
            primed=portrait.primed,
            prompt=inputs.take.prompts.at,
            context=self._context,
            audio=BlockFeatures(inputs.sounds.tracks, pipeline.speech, self._tell_segment),
            pose=None if job.pose_video is None else PoseVideo(job.pose_video, inputs.shape, pipeline.vae),
            routing=None if inputs.regions is None else inputs.regions.routing,
        )
        size = {"width": inputs.portrait.width, "height": inputs.portrait.height}
        self.emit(StageEvent("portrait", 1, 1, "The video is {width} x {height}".format(**size), "PORTRAIT_READ", size))
        schedule = make_schedule(job.sample_steps)
        if pipeline.plan.last_step == "skip":
            schedule = without_last_step(schedule)
        settings = SessionSettings(
            inputs.shape,
            schedule,
            job.rotary_rounding,
            packed=pipeline.plan.steps == "packed",
            blocks=_blocks_of(inputs),
        )
        return pipeline.new_session(settings, conditions, SeededDraws(job.base_seed))

    def _read_prompts(self, inputs: TakeInputs, start: int) -> None:
        """Encode the prompts of the clips from ``start`` on."""
        clip_blocks = inputs.shape.clip_blocks
        texts = inputs.take.prompts.between(start * clip_blocks, inputs.take.clips * clip_blocks)
        self._contexts = self.pipeline.encode_prompts(texts, self.emit)
        self._check_stop()

    def _context(self, text: str) -> Tensor:
        """Of a prompt; of one that only an earlier state than expected needs, it is computed now."""
        if text not in self._contexts:
            self._contexts |= self.pipeline.encode_prompts([text], self.emit)
        return self._contexts[text]

    def _join(self, inputs: TakeInputs, output: Path) -> None:
        clips = inputs.take.clips

        def progress(done: int, total: int) -> None:
            self._check_stop()
            self.emit(StageEvent("join", done, total, "Joining the clips", "CLIPS_JOINING"))

        progress(0, clips)
        join_segments(
            self.folder.path,
            output,
            inputs.viewer.path(),
            overwrite=self.job.overwrite,
            progress=progress,
        )

    def _result(self, inputs: TakeInputs, reused: int) -> RenderResult:
        seconds = time.monotonic() - self._started
        rate = self._generated_frames / seconds
        output = self.job.output
        self.emit(DoneEvent(None if output is None else str(output), inputs.take.frames, seconds, rate))
        return RenderResult(
            output,
            inputs.take.frames,
            inputs.take.clips,
            seconds,
            reused,
            self._generated_frames,
            self.states.total_seconds,
            tuple(self.warnings),
        )

    def _report_start(self, start: int, fresh: int, clips: int) -> None:
        if fresh == 0 and start == 0:
            return
        text, code = f"{fresh} of {clips} clips are finished already", "CLIPS_FINISHED"
        if start < fresh:
            text += f"; going on from the state after clip {start}" if start else "; going on from the beginning"
            code = "CLIPS_FINISHED_GOING_ON" if start else "CLIPS_FINISHED_FROM_START"
        values = {"finished": fresh, "clips": clips, "start": start}
        self.emit(StageEvent("resume", 1, 1, text, code, values))

    def _emit_clip(self, inputs: TakeInputs, clip: FinishedClip, seconds: float, *, reused: bool) -> None:
        self.emit(
            ClipEvent(
                clip=clip.index,
                clips=inputs.take.clips,
                first_frame=clip.index * self.job.infer_frames,
                frames=clip.frames,
                path=str(self._clip_path(clip.index)),
                content_hash=clip.content_hash,
                reused=reused,
                seconds=seconds,
                memory_bytes=int(self._process.memory_info().rss),
                frames_per_second=None if reused else self._pace(clip.frames, seconds),
                device_memory=device_memory(self.pipeline.device),
            )
        )

    def _pace(self, frames: int, seconds: float) -> float | None:
        """Frames a second over the last clips, of which the newest took so long."""
        self._paces.append((frames, seconds))
        total = sum(seconds for _, seconds in self._paces)
        return round(sum(frames for frames, _ in self._paces) / total, 3) if total > 0 else None

    def _check_stop(self) -> None:
        if self.should_stop():
            raise Cancelled

    def _clip_path(self, index: int) -> Path:
        return self.folder.path / clip_name(index)

    def _tell_segment(self, speaker: int, segment: int, segments: int) -> None:
        self.emit(StageEvent("audio", segment, segments, "Listening to the sound", "SOUND_LISTENING"))

    def _warn(self, code: str, text: str) -> None:
        self.warnings.append((code, text))
        self.emit(WarningEvent(code, text))


@contextmanager
def _closed_on_error(sound: ViewerSound) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sound.close()
        raise


def _blocks_of(inputs: TakeInputs) -> int:
    """Blocks of the whole take."""
    last = inputs.take.clips - 1
    return last * inputs.shape.clip_blocks + inputs.take.clip_blocks(last)
