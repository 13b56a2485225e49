"""Decoded frames of a finished video, for tests, benches and comparisons."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from live_avatar.media.playlist import INIT_NAME

Frame = npt.NDArray[np.uint8]


def read_frames(path: Path) -> Iterator[Frame]:
    """Frames of ``path`` in order, uint8 RGB [height, width, 3], one in memory at a time.

    ``path`` is a video file, or a ``clip_*.m4s`` segment, which is read together with the ``init.mp4`` beside it.
    """
    for picture in _pictures(path):
        rgb = picture.reformat(
            format="rgb24",
            src_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        yield np.asarray(rgb.to_ndarray(), np.uint8)


def frame_hashes(path: Path) -> list[str]:
    """SHA-256 of each decoded frame of ``path`` (its luma and chroma bytes as decoded), in order."""
    return [hashlib.sha256(picture.to_ndarray().tobytes()).hexdigest() for picture in _pictures(path)]


def _pictures(path: Path) -> Iterator[av.VideoFrame]:
    source: str | IO[bytes] = f"file:{path}"
    if path.suffix == ".m4s":
        source = io.BytesIO((path.parent / INIT_NAME).read_bytes() + path.read_bytes())
    with av.open(source, "r") as container:
        yield from container.decode(video=0)
