"""From the files of a job to what a take needs: portrait, speech tracks, the viewer's sound, prompts, clip hashes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live_avatar import __version__
from live_avatar.audio_features import WaveStatistics
from live_avatar.audio_mix import mix_recordings
from live_avatar.checkpoint.fingerprint import file_sha256
from live_avatar.clip_hash import digest
from live_avatar.errors import UserError
from live_avatar.geometry import (
    BLOCK_FRAMES,
    FRAMES_PER_SECOND,
    MODEL_SAMPLE_RATE,
    LatentShape,
    check_infer_frames,
    clips_for_frames,
)
from live_avatar.media.audio_file import DecodedAudio, decode_audio, probe_audio
from live_avatar.portrait import Portrait, SpeakerRegions, load_portrait, load_speaker_regions
from live_avatar.pose_video import check_pose_video
from live_avatar.render import RenderJob
from live_avatar.sampler import make_schedule
from live_avatar.speech_track import SpeechTrack
from live_avatar.take import prompt_at
from live_avatar.text import clean_prompt

_LENGTHS_DIFFER_FRAMES = 2


@dataclass(frozen=True, slots=True)
class PromptSchedule:
    """Cleaned prompts in order of their first block; the first starts at block 0."""

    starts: tuple[int, ...]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, job: RenderJob) -> PromptSchedule:
        """The job's prompts; of two with the same start the later in the list holds."""
        spans = {span.start_block: clean_prompt(span.text) for span in job.prompts}
        ordered = sorted(spans.items())
        return cls(tuple(start for start, _ in ordered), tuple(text for _, text in ordered))

    def at(self, block: int) -> str:
        """The prompt that holds at ``block``."""
        return self.texts[bisect_right(self.starts, block) - 1]

    def between(self, first_block: int, end_block: int) -> list[str]:
        """The prompts used by the blocks [first_block, end_block), each once."""
        first = bisect_right(self.starts, first_block) - 1
        return list(dict.fromkeys(self.texts[first : max(first + 1, bisect_right(self.starts, end_block - 1))]))


@dataclass(frozen=True, slots=True)
class Sounds:
    """The job's recordings, decoded.

    Attributes:
        tracks: what the model hears, one per speaker.
        sources: SHA-256 of each recording's file.
        viewer: AAC in MP4, as long as the video.
        frames: video frames to make.
        left_out_seconds: sound that ``num_clip`` leaves out.
        warnings: (code, sentence).
    """

    tracks: tuple[SpeechTrack, ...]
    sources: tuple[str, ...]
    viewer: Path
    frames: int
    left_out_seconds: float
    warnings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TakeInputs:
    """Everything that decides the pictures, read from the job's files.

    Attributes:
        pose_sha256: of the pose video's file, or ``None``.
    """

    job: RenderJob
    portrait: Portrait
    shape: LatentShape
    sounds: Sounds
    regions: SpeakerRegions | None
    pose_sha256: str | None
    prompts: PromptSchedule

    @property
    def frames(self) -> int:
        """Video frames of the take."""
        return self.sounds.frames

    @property
    def clips(self) -> int:
        """Clips of the take; the last may be shown in part."""
        return clips_for_frames(self.frames, self.job.infer_frames)

    def clip_frames(self, clip: int) -> int:
        """Video frames of one clip."""
        return min(self.job.infer_frames, self.frames - clip * self.job.infer_frames)

    def clip_blocks(self, clip: int) -> int:
        """Blocks that have to be computed for one clip."""
        return -(-self.clip_frames(clip) // BLOCK_FRAMES)

    def common(self, weights: str) -> dict[str, Any]:
        """What holds for the whole take, as JSON; part of every clip's hash.

        Args:
            weights: the pipeline's fingerprint.
        """
        job = self.job
        return {
            "weights": weights,
            "portrait": self.portrait.digest,
            "size": [self.portrait.width, self.portrait.height],
            "seed": job.base_seed,
            "infer_frames": job.infer_frames,
            "sample_steps": job.sample_steps,
            "rotary_rounding": job.rotary_rounding,
            "speaker_masks": [] if self.regions is None else list(self.regions.digests),
            "pose_video": self.pose_sha256,
        }

    def describe_clips(self) -> Iterator[dict[str, Any]]:
        """What each clip adds, as JSON: its prompts block by block, its sound, its length."""
        for clip in range(self.clips):
            first_block = clip * self.shape.clip_blocks
            blocks = self.clip_blocks(clip)
            first_frame = clip * self.job.infer_frames
            yield {
                "prompts": [self.prompts.at(first_block + block) for block in range(blocks)],
                "sound": [track.describe(first_frame, blocks * BLOCK_FRAMES) for track in self.sounds.tracks],
                "frames": self.clip_frames(clip),
            }

    def record(self, weights: str) -> dict[str, Any]:
        """``job.json``: what this job is, so that a later run can say what has changed."""
        return {
            "version": 1,
            "program": __version__,
            **self.common(weights),
            "audio": list(self.sounds.sources),
            "prompts": [list(pair) for pair in zip(self.prompts.starts, self.prompts.texts, strict=True)],
            "frames": self.frames,
            "clips": self.clips,
        }


def check_job(job: RenderJob) -> None:
    """Refuse settings that cannot work, before anything is written.

    Raises:
        UserError: ``INFER_FRAMES_INVALID``, ``STEPS_INVALID``, ``NUM_CLIP_INVALID``, ``PROMPT_MISSING``,
            ``AUDIO_MISSING``, and ``AUDIO_…`` and ``POSE_VIDEO_…`` of the headers.
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


def read_inputs(job: RenderJob, folder: Path) -> TakeInputs:
    """Read and fit the portrait and masks, decode the sound into ``folder``.

    Raises:
        UserError: any fault of an input; ``DISK_FULL``.
    """
    portrait = load_portrait(job.image, job.size)
    shape = LatentShape.of_picture(portrait.width, portrait.height, job.infer_frames)
    regions = load_speaker_regions(job.speaker_masks, len(job.audio), shape)
    sounds = _read_sounds(job, folder)
    pose = None if job.pose_video is None else file_sha256(job.pose_video)
    return TakeInputs(job, portrait, shape, sounds, regions, pose, PromptSchedule.of(job))


def changed_parts(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In words, what differs between two records of a job."""
    words = {
        "weights": "the model",
        "portrait": "the portrait",
        "size": "the size",
        "seed": "the seed",
        "infer_frames": "the clip length",
        "sample_steps": "the number of steps",
        "rotary_rounding": "the position rounding",
        "speaker_masks": "the speaker masks",
        "pose_video": "the pose video",
        "audio": "the sound",
        "prompts": "the prompt",
        "frames": "the length",
    }
    return [word for key, word in words.items() if before.get(key) != now.get(key)]


def _read_sounds(job: RenderJob, folder: Path) -> Sounds:
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
    viewer = whole.viewer_path
    left_out = 0.0
    if job.num_clip is not None and job.num_clip * job.infer_frames < frames:
        frames = job.num_clip * job.infer_frames
        # The model still hears all of it, so that these clips equal those of the whole video.
        viewer = decode_audio(source, folder / "viewer", max_frames=frames).viewer_path
        left_out = whole.samples / MODEL_SAMPLE_RATE - frames / FRAMES_PER_SECOND
        warnings.append(
            (
                "AUDIO_CUT",
                f"The video is limited to {frames / FRAMES_PER_SECOND:.2f} s ({job.num_clip} "
                f"clip{'s' if job.num_clip > 1 else ''}); {left_out:.2f} s of the sound are left out.",
            )
        )
    tracks = tuple(_track(one) for one in speakers)
    sources = tuple(one.source_sha256 for one in speakers)
    return Sounds(tracks, sources, viewer, frames, left_out, tuple(dict.fromkeys(warnings)))


def _track(audio: DecodedAudio) -> SpeechTrack:
    statistics = WaveStatistics(audio.statistics.mean, audio.statistics.variance)
    return SpeechTrack(audio.model_sound(), audio.statistics.frame_rms, statistics)
