"""Sounds and frames the media tests make for themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt

from live_avatar.media.playlist import write_playlist
from live_avatar.media.segments import SegmentInfo, SegmentWriter, VideoCodecSettings
from live_avatar.media.viewer_sound import ViewerSound

Frame = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.float32]

WIDTH, HEIGHT = 96, 64


def noise(seconds: float, rate: int, channels: int = 1, level: float = 0.1, seed: int = 0) -> Sound:
    """Float32 [channels, samples] of noise."""
    random = np.random.default_rng(seed)
    return (level * random.standard_normal((channels, round(seconds * rate)))).clip(-1, 1).astype(np.float32)


def clicks(seconds: float, rate: int, channels: int, at: list[float]) -> Sound:
    """Faint noise with a 2 ms click, on all channels, at each of the times ``at`` (seconds)."""
    sound = noise(seconds, rate, channels, level=1e-3)
    for time in at:
        begin = round(time * rate)
        sound[:, begin : begin + rate // 500] = 0.7
    return sound


def write_sound(
    path: Path, sound: Sound, rate: int, codec: str = "pcm_s16le", options: dict[str, str] | None = None
) -> Path:
    """Encode float32 [channels, samples] into the container that the suffix of ``path`` names."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
    with av.open(str(path), "w", options=options) as container:
        stream = cast(av.AudioStream, container.add_stream(codec, rate=rate, layout=layout))
        for begin in range(0, sound.shape[1], 4096):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, begin : begin + 4096]), "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def viewer_sound(source: Path, folder: Path, start_frame: int = 0, max_frames: int | None = None) -> Path:
    """The viewer's sound of a recording, whole."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    with ViewerSound(source, digest, folder, start_frame, max_frames) as sound:
        return sound.path()


def moving_frames(first: int, count: int) -> Iterator[Frame]:
    """Frames that all differ: a colour gradient that moves with the frame's number."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    for number in range(first, first + count):
        channels = [rows * 3 + number * 2, columns * 2 + number * 5, (rows + columns) + number * 3]
        yield np.stack([np.abs(channel % 400 - 200) for channel in channels], axis=-1).astype(np.uint8)


def render(
    folder: Path, audio: Path, frames: int, infer_frames: int, settings: VideoCodecSettings | None = None
) -> list[SegmentInfo]:
    """Write a take of ``moving_frames`` the way the engine does: clip, playlist, clip, playlist."""
    infos: list[SegmentInfo] = []
    with SegmentWriter(folder, WIDTH, HEIGHT, audio, settings) as writer:
        for index, first in enumerate(range(0, frames, infer_frames)):
            count = min(infer_frames, frames - first)
            infos.append(writer.write_clip(index, first, moving_frames(first, count)))
            complete = first + count == frames
            write_playlist(folder, [info.frames for info in infos], infer_frames, complete=complete)
    return infos
