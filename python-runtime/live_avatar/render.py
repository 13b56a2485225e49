"""A render: one job from picture, sound and prompts to a finished video. Importing this is cheap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.errors import UserError
from live_avatar.events import EventSink
from live_avatar.take import PromptSpan, RotaryRounding

if TYPE_CHECKING:
    from live_avatar.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class RenderJob:
    """What to render.

    Attributes:
        image: portrait.
        audio: recordings; several are several speakers, mixed for the viewer.
        prompts: spans over the whole take, the first from block 0.
        output: the finished MP4, or ``None`` to make clips only: then ``work_dir`` keeps everything for later renders.
        size: requested (width, height): an area budget; the aspect comes from the portrait.
        base_seed: seed of every random number.
        infer_frames: video frames per clip.
        sample_steps: denoising steps.
        num_clip: most clips to make, ``None`` for all of the sound.
        speaker_masks: pictures, one per speaker, white where this speaker is.
        pose_video: driving video.
        rotary_rounding: see :class:`live_avatar.take.RenderSettings`.
        overwrite: replace a finished output.
        keep_clips: keep the segments and the playlist after the join.
        work_dir: folder of the job, by default ``<output without suffix>.parts``; has to be given without ``output``.
        state_budget_bytes: disk that saved states may take, spread over the take so that an edit anywhere finds one
            shortly before it; ``None`` keeps the two newest, which is enough to continue.
        speech_cuts: frames at which the sound is cut into utterances, each heard and normalised by itself, ascending;
            one outside the sound (0, or its end) says that what is there is one utterance. Empty: a recording, see
            :mod:`live_avatar.speech_track`.
    """

    image: Path
    audio: tuple[Path, ...]
    prompts: tuple[PromptSpan, ...]
    output: Path | None
    size: tuple[int, int]
    base_seed: int
    infer_frames: int = 48
    sample_steps: int = 4
    num_clip: int | None = None
    speaker_masks: tuple[Path, ...] = ()
    pose_video: Path | None = None
    rotary_rounding: RotaryRounding = "float16"
    overwrite: bool = False
    keep_clips: bool = False
    work_dir: Path | None = None
    state_budget_bytes: int | None = None
    speech_cuts: tuple[int, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the job's files lie until it is done."""
        if self.work_dir is not None:
            return self.work_dir
        if self.output is None:
            raise ValueError("a job without an output needs a work_dir")
        return self.output.with_suffix(".parts")


@dataclass(frozen=True, slots=True)
class RenderResult:
    """A finished video.

    Attributes:
        output: its path, or ``None`` when clips only were wanted.
        frames, clips: how long it is.
        seconds: time this run took.
        reused_clips: clips found finished from an earlier run.
        generated_frames: frames this run computed (those made again from a saved state included).
        state_seconds: time that saving states took.
        warnings: (code, sentence).
    """

    output: Path | None
    frames: int
    clips: int
    seconds: float
    reused_clips: int
    generated_frames: int
    state_seconds: float
    warnings: tuple[tuple[str, str], ...]


def render(job: RenderJob, pipeline: Pipeline, on_event: EventSink, should_stop: Callable[[], bool]) -> RenderResult:
    """Render ``job``, continuing what an earlier run of it left behind.

    Finished clips lie in ``job.folder`` as they are made. After a crash, a kill or a cancel, the same call continues
    from the last saved state and the video comes out as if nothing had happened. On success the folder is deleted, or
    with ``keep_clips`` reduced to playlist and segments. Without an output nothing is joined and nothing deleted: the
    same call again finds every clip finished, and after an edit makes anew what the edit changed.

    Args:
        on_event: called from this thread.
        should_stop: asked before every block.

    Raises:
        Cancelled: ``should_stop`` answered true; what is finished is on disk.
        UserError: ``OUTPUT_EXISTS``, ``OUTPUT_NOT_WRITABLE``, ``JOB_RUNNING``, ``WORK_DIR_NOT_OURS``, ``DISK_FULL``,
            and any fault of an input or a setting.
    """
    from live_avatar.job_folder import check_writable, open_job_folder
    from live_avatar.media.join import check_output
    from live_avatar.numerics import repeatable
    from live_avatar.render_run import RenderRun
    from live_avatar.take_inputs import check_job

    check_job(job)
    if job.output is not None:
        check_output(job.output, overwrite=job.overwrite)
        check_writable(job.output.parent)
    with open_job_folder(job.folder) as folder, repeatable(pipeline.device):
        try:
            result = RenderRun(job, pipeline, folder, on_event, should_stop).run()
        except UserError:
            if folder.previous_job() is None:  # an input was refused: nothing there is worth keeping
                folder.remove(keep_clips=False)
            raise
        if job.output is not None:
            folder.remove(keep_clips=job.keep_clips)
    return result
