"""What decides the pictures of a take, as values that can be compared and hashed: no pixels, no samples, no torch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from live_avatar import __version__
from live_avatar.clip_hash import NUMERICS_VERSION, digest
from live_avatar.geometry import BLOCK_FRAMES, clips_for_frames
from live_avatar.render import RenderJob
from live_avatar.speech_track import SpeechTrack
from live_avatar.text import clean_prompt

_PART_DIGITS = 16


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
class TakeIdentity:
    """All that the hashes of a take's clips are made from, besides the weights.

    Attributes:
        image_sha256: of the portrait's file; it does not decide the pictures, but says what was changed.
        portrait_digest: of the fitted pixels.
        size: (width, height) of the video.
        mask_digests: of the fitted speaker masks.
        pose_sha256: of the pose video's file, or ``None``.
        tracks: what the model hears, one per speaker.
        sources: SHA-256 of each recording's file.
        viewer_format: (samples a second, channels) of the sound in the clips.
        frames: video frames to make.
    """

    job: RenderJob
    image_sha256: str
    portrait_digest: str
    size: tuple[int, int]
    mask_digests: tuple[str, ...]
    pose_sha256: str | None
    tracks: tuple[SpeechTrack, ...]
    sources: tuple[str, ...]
    viewer_format: tuple[int, int]
    frames: int
    prompts: PromptSchedule

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
            "portrait": self.portrait_digest,
            "size": list(self.size),
            "seed": job.base_seed,
            "infer_frames": job.infer_frames,
            "sample_steps": job.sample_steps,
            "rotary_rounding": job.rotary_rounding,
            "speaker_masks": list(self.mask_digests),
            "pose_video": self.pose_sha256,
        }

    def describe_clips(self) -> Iterator[dict[str, Any]]:
        """What each clip adds, as JSON: its prompts block by block, its sound, its length."""
        for clip in range(self.clips):
            first_frame = clip * self.job.infer_frames
            first_block = first_frame // BLOCK_FRAMES
            blocks = self.clip_blocks(clip)
            yield {
                "prompts": [self.prompts.at(first_block + block) for block in range(blocks)],
                "sound": [track.describe(first_frame, blocks * BLOCK_FRAMES) for track in self.tracks],
                "frames": self.clip_frames(clip),
            }

    def record(self, weights: str) -> dict[str, Any]:
        """``job.json``: what this job is, so that a later run can say what has changed."""
        return {
            "version": 1,
            "program": __version__,
            "numerics": NUMERICS_VERSION,
            **self.common(weights),
            "image": self.image_sha256,
            "requested": list(self.job.size),
            "audio": list(self.sources),
            "viewer_format": list(self.viewer_format),
            "prompts": [list(pair) for pair in zip(self.prompts.starts, self.prompts.texts, strict=True)],
            "frames": self.frames,
            "clips": self.clips,
        }


def clip_parts(clip: dict[str, Any]) -> tuple[str, str]:
    """Short identities of the prompts and the sound of a clip of :meth:`TakeIdentity.describe_clips`."""
    return digest(clip["prompts"])[:_PART_DIGITS], digest(clip["sound"])[:_PART_DIGITS]


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
