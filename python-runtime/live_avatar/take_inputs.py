"""From the files of a job to what a take needs: portrait, speech tracks, the viewer's sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from live_avatar.audio_features import WaveStatistics
from live_avatar.audio_mix import mix_recordings
from live_avatar.checkpoint.fingerprint import file_sha256
from live_avatar.clip_hash import digest
from live_avatar.errors import UserError
from live_avatar.geometry import (
    FRAMES_PER_SECOND,
    MODEL_SAMPLE_RATE,
    LatentShape,
    check_infer_frames,
)
from live_avatar.media.aac import viewer_rate
from live_avatar.media.audio_file import DecodedAudio, decode_audio, probe_audio
from live_avatar.media.viewer_sound import ViewerSound
from live_avatar.portrait import Portrait, SpeakerRegions, load_portrait, load_speaker_regions
from live_avatar.pose_video import check_pose_video
from live_avatar.render import RenderJob
from live_avatar.sampler import make_schedule
from live_avatar.speech_track import SpeechTrack
from live_avatar.take import prompt_at
from live_avatar.take_identity import PromptSchedule, TakeIdentity

_LENGTHS_DIFFER_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Sounds:
    """The job's recordings, decoded.

    Attributes:
        tracks: what the model hears, one per speaker.
        sources: SHA-256 of each recording's file.
        viewer: what the viewer hears, as long as the video, perhaps still being made; ``None`` if not wanted.
        viewer_format: its (samples a second, channels).
        frames: video frames to make.
        left_out_seconds: sound that ``num_clip`` leaves out.
        warnings: (code, sentence).
    """

    tracks: tuple[SpeechTrack, ...]
    sources: tuple[str, ...]
    viewer: ViewerSound | None
    viewer_format: tuple[int, int]
    frames: int
    left_out_seconds: float
    warnings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TakeInputs:
    """Everything that decides the pictures, read from the job's files.

    Attributes:
        take: the same as values to compare and hash.
    """

    take: TakeIdentity
    portrait: Portrait
    shape: LatentShape
    sounds: Sounds
    regions: SpeakerRegions | None

    @property
    def viewer(self) -> ViewerSound:
        """What the viewer hears."""
        assert self.sounds.viewer is not None
        return self.sounds.viewer


def check_job(job: RenderJob) -> None:
    """Refuse settings that cannot work, before anything is written.

    Raises:
        UserError: ``INFER_FRAMES_INVALID``, ``STEPS_INVALID``, ``NUM_CLIP_INVALID``, ``PROMPT_MISSING``,
            ``SPEECH_CUTS_INVALID``, ``AUDIO_MISSING``, and ``AUDIO_…`` and ``POSE_VIDEO_…`` of the headers.
    """
    check_infer_frames(job.infer_frames)
    make_schedule(job.sample_steps)
    prompt_at(job.prompts, 0)
    if job.num_clip is not None and job.num_clip < 1:
        raise UserError(
            "NUM_CLIP_INVALID",
            f"{job.num_clip} clips cannot be made.",
            "A video has at least one clip.",
            "Give a number from 1, or none for all of the sound.",
            field="num_clip",
        )
    if any(later <= earlier for earlier, later in pairwise((-1, *job.speech_cuts))):
        raise UserError(
            "SPEECH_CUTS_INVALID",
            "The cuts between utterances cannot be used.",
            "They are frames counted from the beginning, each after the one before.",
            "Give them in ascending order, each once.",
            field="speech_cuts",
        )
    if not job.audio:
        raise UserError(
            "AUDIO_MISSING",
            "No recording was given.",
            "The mouth follows the sound.",
            "Choose a sound file.",
            field="audio",
        )
    for path in job.audio:
        probe_audio(path)
    if job.pose_video is not None:
        check_pose_video(job.pose_video)


def read_inputs(
    job: RenderJob, folder: Path, on_portrait: Callable[[Portrait], None] = lambda portrait: None
) -> TakeInputs:
    """Read and fit the portrait and masks, decode the sound into ``folder``.

    Args:
        on_portrait: told of the portrait before the sound is decoded, so that a card need not wait for that.

    Raises:
        UserError: any fault of an input; ``DISK_FULL``.
    """
    portrait = load_portrait(job.image, job.size)
    shape = LatentShape.of_picture(portrait.width, portrait.height, job.infer_frames)
    regions = load_speaker_regions(job.speaker_masks, len(job.audio), shape)
    on_portrait(portrait)
    sounds = read_sounds(job, folder)
    take = TakeIdentity(
        job=job,
        image_sha256=file_sha256(job.image),
        portrait_digest=portrait.digest,
        size=(portrait.width, portrait.height),
        mask_digests=() if regions is None else regions.digests,
        pose_sha256=None if job.pose_video is None else file_sha256(job.pose_video),
        tracks=sounds.tracks,
        sources=sounds.sources,
        viewer_format=sounds.viewer_format,
        frames=sounds.frames,
        prompts=PromptSchedule.of(job),
    )
    return TakeInputs(take, portrait, shape, sounds, regions)


def read_sounds(job: RenderJob, folder: Path, *, viewer: bool = True) -> Sounds:
    """Decode the job's recordings into ``folder``; with ``viewer``, begin to make what the viewer hears, too.

    Raises:
        UserError: ``AUDIO_…``, ``DISK_FULL``.
    """
    if len(job.audio) == 1:
        whole = decode_audio(job.audio[0], folder)
        source, speakers = job.audio[0], [whole]
    else:
        speakers = [decode_audio(path, folder / f"speaker_{i:02d}") for i, path in enumerate(job.audio)]
        source = folder / f"mix_{digest([one.source_sha256 for one in speakers])[:16]}.wav"
        if not source.is_file():
            mix_recordings(job.audio, source)
        whole = decode_audio(source, folder)
    warnings = [warning for one in speakers for warning in one.warnings]
    if max(one.frames for one in speakers) - min(one.frames for one in speakers) > _LENGTHS_DIFFER_FRAMES:
        warnings.append(
            ("AUDIO_LENGTHS_DIFFER", "The recordings are not equally long; shorter ones are followed by silence.")
        )
    frames = whole.frames
    left_out = 0.0
    if job.num_clip is not None and job.num_clip * job.infer_frames < frames:
        frames = job.num_clip * job.infer_frames
        # The model still hears all of it, so that these clips equal those of the whole video.
        left_out = whole.samples / MODEL_SAMPLE_RATE - frames / FRAMES_PER_SECOND
        warnings.append(
            (
                "AUDIO_CUT",
                f"The video is limited to {frames / FRAMES_PER_SECOND:.2f} s ({job.num_clip} "
                f"clip{'s' if job.num_clip > 1 else ''}); {left_out:.2f} s of the sound are left out.",
            )
        )
    tracks = tuple(_track(one, job.speech_cuts) for one in speakers)
    sources = tuple(one.source_sha256 for one in speakers)
    heard = (viewer_rate(whole.source.sample_rate), min(2, whole.source.channels))
    heard_by_viewer: ViewerSound | None = None
    if viewer:
        limited = frames < whole.frames
        target = folder / "viewer" if limited else folder
        heard_by_viewer = ViewerSound(source, whole.source_sha256, target, max_frames=frames if limited else None)
    return Sounds(tracks, sources, heard_by_viewer, heard, frames, left_out, tuple(dict.fromkeys(warnings)))


def _track(audio: DecodedAudio, cuts: tuple[int, ...]) -> SpeechTrack:
    statistics = WaveStatistics(audio.statistics.mean, audio.statistics.variance)
    return SpeechTrack(audio.model_sound(), audio.statistics.frame_rms, statistics, cuts=cuts)
