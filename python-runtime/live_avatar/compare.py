"""What a render of a job would keep of its folder, and why the first clip that is stale is stale. No networks."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from live_avatar.checkpoint.fingerprint import file_sha256
from live_avatar.clip_hash import clip_hashes, fresh_count
from live_avatar.clip_weights import weights_of_clips, with_weights
from live_avatar.geometry import LatentShape
from live_avatar.job_folder import FinishedClip, JobFolder
from live_avatar.media.playlist import INIT_NAME, clip_name
from live_avatar.portrait import load_portrait, load_speaker_regions
from live_avatar.render import RenderJob
from live_avatar.speech_track import SpeechTrack
from live_avatar.state_store import StateStore
from live_avatar.take_identity import PromptSchedule, TakeIdentity, clip_parts
from live_avatar.take_inputs import check_job, read_sounds

Reason = Literal[
    "portrait", "size", "seed", "steps", "weights", "prompt", "sound", "length", "clip_frames", "rotary_rounding",
    "speaker_masks", "pose_video", "engine", "missing_file", "never_rendered",
]  # fmt: skip
# Fields of ``job.json`` that hold for the whole take. The portrait is judged by its file: its pixels follow the size.
_WHOLE_TAKE: dict[str, Reason] = {
    "image": "portrait",
    "requested": "size",
    "seed": "seed",
    "sample_steps": "steps",
    "weights": "weights",
    "infer_frames": "clip_frames",
    "rotary_rounding": "rotary_rounding",
    "speaker_masks": "speaker_masks",
    "pose_video": "pose_video",
    "numerics": "engine",
}
_REMEMBERED = 16
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a render would keep.

    Attributes:
        clips: of the take.
        fresh: leading clips that stay.
        restart: clip at which generating would begin: at or before the first that is stale; ``clips`` if none is.
        reasons: why the first stale clip is stale; empty if none is.
    """

    clips: int
    fresh: int
    restart: int
    reasons: tuple[Reason, ...]


class Comparer:
    """Compares jobs with their folders, and remembers what it read of files until they change."""

    def __init__(self) -> None:
        self._remembered: OrderedDict[Hashable, Any] = OrderedDict()

    def compare(self, job: RenderJob, weights: str | None, accepted: Collection[str] = ()) -> Comparison:
        """Say what a render of ``job`` would keep. Changes nothing; a render may be at work in the folder meanwhile.

        A clip's file counts if it has the right size; the render reads it and may find it damaged.

        Args:
            weights: the pipeline's fingerprint; ``None`` takes the weights of the earlier render.
            accepted: fingerprints that finished clips may have instead.

        Raises:
            UserError: any fault of an input or a setting.
        """
        check_job(job)
        take = self._identify(job)
        folder = JobFolder(job.folder)
        before = folder.previous_job() or {}
        found = folder.recorded()
        if weights is None:
            weights = str(before.get("weights"))
            accepted = [clip.weights for clip in found if clip.weights]
        per_clip = weights_of_clips(found, before.get("weights"), weights, accepted, take.clips)
        now = take.record(per_clip[0])
        described = with_weights(list(take.describe_clips()), per_clip)
        expected = clip_hashes(take.common(now["weights"]), described)
        same = fresh_count(expected, [clip.content_hash for clip in found])
        same_sound_format = before.get("viewer_format", now["viewer_format"]) == now["viewer_format"]
        fresh = _whole_files(job.folder, found[:same]) if same_sound_format else 0
        if fresh == take.clips:
            return Comparison(take.clips, fresh, fresh, ())
        state = StateStore(job.folder).find(expected, at_most=fresh) if job.folder.is_dir() else None
        if not same_sound_format:
            reasons: list[Reason] = ["sound"]
        elif fresh < same:
            reasons = ["missing_file"]
        else:
            reasons = _reasons(before, now, found, described, fresh)
            if reasons == ["engine"] and 0 < fresh < len(found):
                recorded = found[fresh].weights or before.get("weights")
                reasons = ["weights"] if recorded != per_clip[fresh] else reasons
        return Comparison(take.clips, fresh, 0 if state is None else state.clips, tuple(reasons))

    def _identify(self, job: RenderJob) -> TakeIdentity:
        image, digest, size = self._remember(("image", _signature(job.image), job.size), lambda: _portrait(job))
        tracks, sources, viewer_format, frames = self._remember(
            ("sound", tuple(map(_signature, job.audio)), job.speech_cuts), lambda: _sounds(job)
        )
        masks = self._remember(
            ("masks", tuple(map(_signature, job.speaker_masks)), size, job.infer_frames, len(job.audio)),
            lambda: _masks(job, size),
        )
        pose = job.pose_video
        return TakeIdentity(
            job=job,
            image_sha256=image,
            portrait_digest=digest,
            size=size,
            mask_digests=masks,
            pose_sha256=None if pose is None else self._remember(("pose", _signature(pose)), lambda: file_sha256(pose)),
            tracks=tracks,
            sources=sources,
            viewer_format=viewer_format,
            frames=frames if job.num_clip is None else min(frames, job.num_clip * job.infer_frames),
            prompts=PromptSchedule.of(job),
        )

    def _remember(self, key: Hashable, read: Callable[[], Value]) -> Value:
        """``read()``, or what it gave for the same key before."""
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return cast(Value, self._remembered[key])
        value = self._remembered[key] = read()
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return value


def _reasons(
    before: dict[str, Any], now: dict[str, Any], found: Sequence[FinishedClip], described: Sequence[Any], stale: int
) -> list[Reason]:
    """Why clip ``stale`` cannot be the one on record."""
    if not found:
        return ["never_rendered"]
    # A clip with the right hash before it has the whole take's part right.
    reasons = [] if stale else _whole_take(before, now)
    if stale >= len(found):
        return reasons or ["never_rendered"]
    if reasons:
        return reasons
    clip, wanted = found[stale], described[stale]
    # A clip of another length has other prompts and sound for that reason alone.
    if clip.frames != wanted["frames"]:
        return ["length"]
    prompt, sound = clip_parts(wanted)
    if clip.prompt != prompt:
        reasons.append("prompt")
    if clip.sound != sound:
        reasons.append("sound")
    return reasons or ["engine"]


def _whole_take(before: dict[str, Any], now: dict[str, Any]) -> list[Reason]:
    reasons = [reason for key, reason in _WHOLE_TAKE.items() if key in before and before[key] != now[key]]
    # The same file at the same size may give other pixels with another version of the library that scales it.
    if not reasons and before.get("portrait", now["portrait"]) != now["portrait"]:
        reasons.append("engine")
    return reasons


def _whole_files(folder: Path, clips: Sequence[FinishedClip]) -> int:
    """Number of leading clips whose files have their recorded size, and that can be played."""
    if not (folder / INIT_NAME).is_file():
        return 0
    for clip in clips:
        try:
            if (folder / clip_name(clip.index)).stat().st_size != clip.bytes:
                return clip.index
        except OSError:
            return clip.index
    return len(clips)


def _signature(path: Path) -> tuple[str, int, int]:
    """Changes with the file; a file that is not there has one too, so that reading it tells the fault."""
    try:
        facts = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), facts.st_size, facts.st_mtime_ns


def _portrait(job: RenderJob) -> tuple[str, str, tuple[int, int]]:
    portrait = load_portrait(job.image, job.size)
    return file_sha256(job.image), portrait.digest, (portrait.width, portrait.height)


def _sounds(job: RenderJob) -> tuple[tuple[SpeechTrack, ...], tuple[str, ...], tuple[int, int], int]:
    with tempfile.TemporaryDirectory(prefix="avatar-compare-") as folder:
        sounds = read_sounds(dataclasses.replace(job, num_clip=None), Path(folder), viewer=False)
        tracks = tuple(track.without_sound() for track in sounds.tracks)
        return tracks, sounds.sources, sounds.viewer_format, sounds.frames


def _masks(job: RenderJob, size: tuple[int, int]) -> tuple[str, ...]:
    shape = LatentShape.of_picture(*size, job.infer_frames)
    regions = load_speaker_regions(job.speaker_masks, len(job.audio), shape)
    return () if regions is None else regions.digests
