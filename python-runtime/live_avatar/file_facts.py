"""What the planner has to know of files, read from their headers: sizes of networks, pictures, sounds, free disk."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.headers import SafetensorsHeader, read_safetensors_header
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.errors import UserError
from live_avatar.footprint import PUBLISHED_VAE_WIDTH, ModelSizes

_PUBLISHED_VAE_PARAMETERS = 126_892_531


def read_model_sizes(layout: CheckpointLayout) -> ModelSizes:
    """Sizes of all networks from file headers; damaged or cut-off safetensors files show here.

    Raises:
        UserError: ``CHECKPOINT_…``.
    """
    headers = [read_safetensors_header(path) for path in layout.transformer_files]
    shapes = {name: entry.shape for header in headers for name, entry in header.tensors.items()}
    config = DitConfig.read(layout.config, shapes)
    vae_header = _header(layout.vae)
    vae_parameters = _parameters(layout.vae, vae_header, stored_bytes=4)
    if vae_header is not None and "encoder.conv1.weight" in vae_header.tensors:
        vae_width = vae_header.tensors["encoder.conv1.weight"].shape[0]
    else:
        # The topology is fixed, so parameters grow with the square of the width.
        vae_width = max(1, round(PUBLISHED_VAE_WIDTH * math.sqrt(vae_parameters / _PUBLISHED_VAE_PARAMETERS)))
    return ModelSizes(
        config=config,
        parameters=sum(math.prod(shape) for shape in shapes.values()),
        vae_width=vae_width,
        vae_parameters=vae_parameters,
        text_parameters=_parameters(layout.text_encoder, _header(layout.text_encoder), stored_bytes=2),
        speech_parameters=_parameters(layout.wav2vec_weights, _header(layout.wav2vec_weights), stored_bytes=4),
    )


def _header(path: Path) -> SafetensorsHeader | None:
    return read_safetensors_header(path) if path.suffix == ".safetensors" else None


def _parameters(path: Path, header: SafetensorsHeader | None, stored_bytes: int) -> int:
    """Values in a weights file; without a safetensors header, from its size and its usual precision."""
    if header is not None:
        return sum(entry.elements for entry in header.tensors.values())
    return path.stat().st_size // stored_bytes


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) as shown, EXIF rotation applied.

    Raises:
        UserError: ``IMAGE_…`` as :func:`live_avatar.image.open_picture`.
    """
    from live_avatar.image import open_picture

    return open_picture(path).image.size


def sound_seconds(path: Path) -> float:
    """Length of the sound in ``path``: from its header or, where that does not say, by counting its packets.

    Raises:
        UserError: ``AUDIO_NOT_FOUND``, ``AUDIO_UNREADABLE``, ``AUDIO_NO_STREAM``, ``AUDIO_EMPTY``.
    """
    import av.error

    from live_avatar.media.audio_reader import open_audio, probe_container

    with open_audio(path) as container:
        duration = probe_container(container, path).duration
        if duration is None:
            stream = container.streams.audio[0]
            ticks = 0
            try:
                for packet in container.demux(stream):
                    if packet.pts is not None:
                        ticks = max(ticks, packet.pts + (packet.duration or 0))
            except av.error.FFmpegError:
                pass  # damaged further on: what was counted is what can be used
            duration = float(ticks * (stream.time_base or 0))
    if duration > 0:
        return duration
    raise UserError(
        "AUDIO_EMPTY",
        f'"{path.name}" holds no sound.',
        "The file has a sound stream with not one sample in it.",
        "Choose another recording.",
        field="audio",
    )


def disk_free(output: Path) -> int:
    """Bytes free where ``output`` would be written."""
    folder = output.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
