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
        output: the finished MP4.
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
        work_dir: folder of the job, by default ``<output without suffix>.parts``.
    """

    image: Path
    audio: tuple[Path, ...]
    prompts: tuple[PromptSpan, ...]
    output: Path
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

    @property
    def folder(self) -> Path:
        """Where the job's files lie until it is done."""
        return self.work_dir or self.output.with_suffix(".parts")


@dataclass(frozen=True, slots=True)
class RenderResult:
    """A finished video.

    Attributes:
        output: its path.
        frames, clips: how long it is.
        seconds: time this run took.
        reused_clips: clips found finished from an earlier run.
        generated_frames: frames this run computed (those made again from a saved state included).
        state_seconds: time that saving states took.
        warnings: (code, sentence).
    """

    output: Path
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
    with ``keep_clips`` reduced to playlist and segments.

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
    check_output(job.output, overwrite=job.overwrite)
    check_writable(job.output.parent)
    with open_job_folder(job.folder) as folder, repeatable(pipeline.device):
        try:
            result = RenderRun(job, pipeline, folder, on_event, should_stop).run()
        except UserError:
            if folder.previous_job() is None:  # an input was refused: nothing there is worth keeping
                folder.remove(keep_clips=False)
            raise
        folder.remove(keep_clips=job.keep_clips)
    return result
