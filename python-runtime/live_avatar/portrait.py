"""From the portrait picture to what a session is conditioned on (spec sections 7.4, 7.5 and 8.2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from live_avatar.clip_hash import array_digest
from live_avatar.errors import UserError
from live_avatar.geometry import LatentShape, choose_output_size
from live_avatar.image import fit_picture, open_picture, picture_to_tensor
from live_avatar.model.speaker_regions import regions_on_grid, routing_weights
from live_avatar.vae.model import VideoVae

# Frames of the still video whose latents stand for the motion before the first block: 19 latents.
MOTION_FRAMES = 73


@dataclass(frozen=True, slots=True)
class Portrait:
    """The picture as the model sees it.

    Attributes:
        pixels: float32 [3, height, width] in [-1, 1].
        width, height: size the video gets.
        digest: identity of the pixels.
        notes: what was done to the file's picture on the way, as sentences.
    """

    pixels: Tensor
    width: int
    height: int
    digest: str
    notes: tuple[tuple[str, str], ...]


def load_portrait(path: Path, requested: tuple[int, int]) -> Portrait:
    """Open ``path`` and fit it to the size that ``requested`` (width, height: an area) allows for its aspect.

    Raises:
        UserError: ``IMAGE_NOT_FOUND``, ``IMAGE_UNREADABLE``, ``IMAGE_TOO_SMALL``, ``IMAGE_TOO_LARGE``.
    """
    picture = open_picture(path)
    width, height = choose_output_size(requested[0] * requested[1], picture.image.width, picture.image.height)
    fitted = fit_picture(picture.image, width, height, border="cover")
    notes = tuple(("IMAGE_CONVERTED", note) for note in picture.notes)
    return Portrait(picture_to_tensor(fitted), width, height, array_digest(np.asarray(fitted)), notes)


@torch.inference_mode()
def reference_latent(vae: VideoVae, pixels: Tensor) -> Tensor:
    """Latent of the portrait [3, H, W] as a one-frame video: [1, 16, 1, H/8, W/8] float32."""
    return vae.encode(pixels[None, :, None].to(vae.latent_mean.device))


@torch.inference_mode()
def motion_latents(vae: VideoVae, pixels: Tensor) -> Tensor:
    """Latents of the portrait [3, H, W] held still for 73 frames: [1, 16, 19, H/8, W/8] float32."""
    return vae.encode_still(pixels[None].to(vae.latent_mean.device), MOTION_FRAMES)


@dataclass(frozen=True, slots=True)
class SpeakerRegions:
    """Where each of several speakers is heard.

    Attributes:
        routing: [actors, 3N, 1] (``routing_weights``).
        digests: identity of each fitted mask.
    """

    routing: Tensor
    digests: tuple[str, ...]


def load_speaker_regions(paths: tuple[Path, ...], speakers: int, shape: LatentShape) -> SpeakerRegions | None:
    """Masks (white = this speaker), fitted like the portrait, to routing weights; ``None`` for one speaker.

    Raises:
        UserError: ``SPEAKER_MASKS_COUNT`` when there is not one mask for each of several speakers,
            ``SPEAKER_MASK_EMPTY`` for a mask without a white place, ``IMAGE_…``.
    """
    if speakers == 1 and not paths:
        return None
    if len(paths) != speakers:
        raise UserError(
            "SPEAKER_MASKS_COUNT",
            f"{speakers} recording{'s' if speakers > 1 else ''} and {len(paths)} speaker masks were given.",
            "With several speakers the model has to know which face each voice belongs to.",
            "Give one mask picture per recording, in the same order: white where that speaker is, black elsewhere.",
            field="speaker_masks",
        )
    width, height = shape.width * 8, shape.height * 8
    fitted = [fit_picture(open_picture(path).image.convert("L").convert("RGB"), width, height) for path in paths]
    masks = torch.stack([(picture_to_tensor(mask)[0] + 1) / 2 for mask in fitted])
    regions = regions_on_grid(masks, shape)
    for path, region in zip(paths, regions, strict=True):
        if not bool(region.any()):
            raise UserError(
                "SPEAKER_MASK_EMPTY",
                f'"{path.name}" marks no place in the picture.',
                "After fitting to the video and giving way to later masks, no white area is left in it.",
                "Paint the speaker's face white and all else black.",
                field="speaker_masks",
            )
    return SpeakerRegions(routing_weights(regions), tuple(array_digest(np.asarray(mask)) for mask in fitted))
