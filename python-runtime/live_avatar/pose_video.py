"""Pose latents from a driving video, encoded clip by clip (spec section 7.5)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import torch
from PIL import Image
from torch import Tensor

from live_avatar.errors import UserError
from live_avatar.geometry import FRAMES_PER_SECOND, LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.image import fit_picture, picture_to_tensor
from live_avatar.vae.model import VideoVae


class PoseVideo:
    """Gives the pose latents of any block; only the current clip's are kept.

    Every n-th picture of the file is used, n = its frame rate / 25 rounded; after its end come black pictures. Each
    clip is encoded by itself, its first picture doubled and that picture's latent dropped.

    Raises:
        UserError: ``POSE_VIDEO_UNREADABLE``. Call :func:`check_pose_video` before.
    """

    def __init__(self, path: Path, shape: LatentShape, vae: VideoVae) -> None:
        self._path = path
        self._shape = shape
        self._vae = vae
        self._frames: Iterator[Tensor] = iter(())
        self._next_clip = 0
        self._clip: int | None = None
        self._latents = torch.empty(0)
        self._rewind()

    def __call__(self, block: int) -> Tensor:
        """Pose latents [1, 16, 3, h8, w8] float32 of a block, counted over the whole take."""
        clip, within = divmod(block, self._shape.clip_blocks)
        if clip != self._clip:
            self._latents = self._encode(clip)
            self._clip = clip
        first = within * LATENT_FRAMES_PER_BLOCK
        return self._latents[:, :, first : first + LATENT_FRAMES_PER_BLOCK]

    @torch.inference_mode()
    def _encode(self, clip: int) -> Tensor:
        if clip < self._next_clip:
            self._rewind()
        pictures: list[Tensor] = []
        for _ in range(self._next_clip, clip + 1):
            pictures = [frame for _, frame in zip(range(self._shape.infer_frames), self._frames, strict=False)]
        self._next_clip = clip + 1
        black = torch.full((3, self._shape.height * 8, self._shape.width * 8), -1.0)
        pictures += [black] * (self._shape.infer_frames - len(pictures))
        video = torch.stack([pictures[0], *pictures], dim=1).unsqueeze(0)
        return self._vae.encode(video.to(self._vae.latent_mean.device))[:, :, 1:]

    def _rewind(self) -> None:
        self._frames = self._pictures()
        self._next_clip = 0
        # A file that cannot be read is reported when it is opened, not a clip later.
        first = next(self._frames, None)
        if first is None:
            raise _error("POSE_VIDEO_UNREADABLE", self._path, "There are no pictures in it.")
        self._frames = itertools.chain([first], self._frames)

    def _pictures(self) -> Iterator[Tensor]:
        width, height = self._shape.width * 8, self._shape.height * 8
        read_any = False
        try:
            with av.open(f"file:{self._path}", "r", options={"protocol_whitelist": "file"}) as container:
                stream = container.streams.video[0]
                interval = max(1, round(float(stream.average_rate or FRAMES_PER_SECOND) / FRAMES_PER_SECOND))
                for frame in itertools.islice(container.decode(stream), 0, None, interval):
                    picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
                    yield picture_to_tensor(fit_picture(picture, width, height, border="cover"))
                    read_any = True
        except (av.error.FFmpegError, ValueError) as error:
            # Of a damaged file what can be read is used; black pictures follow.
            if not read_any:
                raise _error("POSE_VIDEO_UNREADABLE", self._path, f"FFmpeg says: {error}.") from error


def check_pose_video(path: Path) -> None:
    """See that ``path`` is a file with pictures in it, by its header.

    Raises:
        UserError: ``POSE_VIDEO_NOT_FOUND``, ``POSE_VIDEO_UNREADABLE``.
    """
    if not path.is_file():
        raise _error("POSE_VIDEO_NOT_FOUND", path, "There is no such file.")
    try:
        with av.open(f"file:{path}", "r", options={"protocol_whitelist": "file"}) as container:
            has_pictures = bool(container.streams.video)
    except (av.error.FFmpegError, ValueError) as error:
        raise _error("POSE_VIDEO_UNREADABLE", path, f"FFmpeg says: {error}.") from error
    if not has_pictures:
        raise _error("POSE_VIDEO_UNREADABLE", path, "There are no pictures in it.")


def _error(code: str, path: Path, why: str) -> UserError:
    return UserError(
        code,
        f'The pose video "{path}" cannot be used.',
        why,
        "Choose a video file with moving pictures, or leave the pose video out.",
        field="pose_video",
    )
