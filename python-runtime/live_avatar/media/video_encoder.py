"""H.264 encoders: the card's own (NVENC) where it works, x264 otherwise. What a clip needs of one is tried beforehand.

A clip's packets must come one per frame, in order, the first an IDR picture and the only key frame.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from live_avatar.geometry import FRAMES_PER_SECOND

Frame = npt.NDArray[np.uint8]

_TRIAL_FRAMES = 4
# Mean difference of decoded from given grey values; a picture that is not the given one is far beyond.
_TRIAL_TOLERANCE = 20.0
_IDR_SLICE = 5
_UNIT_TYPE_BITS = 0x1F
_LENGTH_BYTES = 4
# NVENC's quantisers make a picture as good as x264's with about this much more.
_NVENC_OFFSET = 2


@dataclass(frozen=True, slots=True)
class VideoCodecSettings:
    """How frames are compressed.

    Attributes:
        crf: constant rate factor of x264, 0 (lossless) to 51; 17 looks like the original. NVENC gets its like.
        preset: x264's speed setting.
        threads: fixed, since x264's bytes depend on it.
        hardware: whether the card's encoder may be used.
    """

    crf: int = 17
    preset: str = "veryfast"
    threads: int = 2
    hardware: bool = True


@dataclass(frozen=True, slots=True)
class H264Encoder:
    """An encoder of FFmpeg.

    Attributes:
        name: FFmpeg's name.
        hardware: whether it works only on some computers, and so is tried first.
        options: of FFmpeg, from the settings.
    """

    name: str
    hardware: bool
    options: Callable[[VideoCodecSettings], Mapping[str, str]]


def _x264(settings: VideoCodecSettings) -> Mapping[str, str]:
    return {
        "crf": str(settings.crf),
        "preset": settings.preset,
        "bf": "0",
        "g": str(10 * FRAMES_PER_SECOND),
        "flags": "+cgop",
        "sc_threshold": "0",
        # x264's macroblock tree reads memory it never wrote (seen in narrow pictures): bytes differ run to run.
        "x264-params": "mbtree=0",
        "threads": str(settings.threads),
    }


def _nvenc(settings: VideoCodecSettings) -> Mapping[str, str]:
    return {
        "preset": "p5",
        "tune": "hq",
        # Constant quality: no bit rate is aimed at.
        "rc": "vbr",
        "cq": str(min(51, settings.crf + _NVENC_OFFSET)),
        "b": "0",
        "bf": "0",
        "b_ref_mode": "disabled",
        "rc-lookahead": "0",
        "spatial-aq": "1",
        "g": str(10 * FRAMES_PER_SECOND),
        "forced-idr": "1",
        "no-scenecut": "1",
        "flags": "+cgop",
    }


# In the order of preference; the last one is always there.
ENCODERS: tuple[H264Encoder, ...] = (H264Encoder("h264_nvenc", True, _nvenc), H264Encoder("libx264", False, _x264))


def choose_encoders(
    encoders: Sequence[H264Encoder], settings: VideoCodecSettings, width: int, height: int
) -> tuple[list[H264Encoder], str | None]:
    """Those of ``encoders`` that work here, and in words why the card's is not among them, if it was wanted.

    An encoder of the processor is not tried: without one there is no video, and its fault is met in the writing.
    """
    usable: list[H264Encoder] = []
    note: str | None = None
    for encoder in encoders:
        if not encoder.hardware:
            usable.append(encoder)
        elif settings.hardware:
            reason = why_unusable(encoder, settings, width, height)
            if reason is None:
                usable.append(encoder)
            else:
                note = f"The video is compressed on the processor: {encoder.name} cannot be used here. {reason}"
    return usable, note


@functools.lru_cache(maxsize=32)
def why_unusable(encoder: H264Encoder, settings: VideoCodecSettings, width: int, height: int) -> str | None:
    """Why clips cannot be made with ``encoder``, in words, or ``None`` if a trial went well. Asked once per process."""
    frames = _trial_frames(width, height)
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="mp4", options={"movflags": "frag_custom+delay_moov"}) as container:
            stream = add_stream(container, encoder, settings, width, height)
            for position, frame in enumerate(frames):
                container.mux(stream.encode(to_picture(frame, position)))
            container.mux(stream.encode(None))
        buffer.seek(0)
        return _fault(buffer, frames)
    except av.FFmpegError as error:
        return f"It answers: {error.strerror}."
    except ValueError as error:
        # No such encoder in this build of FFmpeg, or nothing that could be read back.
        return f"{type(error).__name__}: {error}."


def add_stream(
    container: av.container.OutputContainer,
    encoder: H264Encoder,
    settings: VideoCodecSettings,
    width: int,
    height: int,
) -> av.VideoStream:
    """Add a video track in ``encoder``'s H.264: limited range, BT.709."""
    stream = container.add_stream(encoder.name, rate=FRAMES_PER_SECOND, options=dict(encoder.options(settings)))
    if not isinstance(stream, av.VideoStream):
        raise ValueError(f"{encoder.name} is no video encoder")
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.colorspace = Colorspace.ITU709
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    context.color_range = ColorRange.MPEG
    return stream


def to_picture(frame: Frame, position: int) -> av.VideoFrame:
    """``frame`` uint8 RGB [height, width, 3] as the encoder takes it, shown at ``position`` (in frames)."""
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24").reformat(
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        dst_color_primaries=ColorPrimaries.BT709,
        dst_color_trc=ColorTrc.BT709,
        threads=1,
    )
    picture.pts = position
    picture.time_base = Fraction(1, FRAMES_PER_SECOND)
    return picture


def _fault(video: io.BytesIO, frames: list[Frame]) -> str | None:
    """What is wrong with the trial's video, if anything is."""
    with av.open(video, "r") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    if len(packets) != len(frames):
        return f"It made {len(packets)} packets of {len(frames)} frames."
    times = [packet.pts for packet in packets]
    if times != sorted(set(times)) or any(packet.pts != packet.dts for packet in packets):  # type: ignore[type-var]
        return "It puts frames into another order."
    if [packet.is_keyframe for packet in packets] != [True] + [False] * (len(packets) - 1):
        return "Its key frames are not where they were asked for."
    if _IDR_SLICE not in _unit_types(bytes(packets[0])):
        return "Its first picture is not one to start from."
    video.seek(0)
    with av.open(video, "r") as container:
        decoded = [picture.to_ndarray(format="gray") for picture in container.decode(video=0)]
    grey = [to_picture(frame, 0).to_ndarray(format="gray") for frame in frames]
    if len(decoded) != len(grey):
        return f"{len(decoded)} of {len(grey)} frames come back."
    worst = max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(decoded, grey, strict=True))
    return None if worst <= _TRIAL_TOLERANCE else "What comes back is not what was given."


def _unit_types(packet: bytes) -> list[int]:
    """Types of the units of a packet as MP4 holds them, each after its length (ISO 14496-15)."""
    types: list[int] = []
    place = 0
    while place + _LENGTH_BYTES < len(packet):
        types.append(packet[place + _LENGTH_BYTES] & _UNIT_TYPE_BITS)
        place += _LENGTH_BYTES + int.from_bytes(packet[place : place + _LENGTH_BYTES], "big")
    return types


def _trial_frames(width: int, height: int) -> list[Frame]:
    """A soft gradient that moves."""
    rows, columns = np.mgrid[0:height, 0:width]
    frames = []
    for number in range(_TRIAL_FRAMES):
        wave = 128 + 90 * np.sin((rows / height + 2 * columns / width + number / _TRIAL_FRAMES) * np.pi)
        frames.append(np.repeat(wave.astype(np.uint8)[..., None], 3, axis=-1))
    return frames
