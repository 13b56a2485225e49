"""Time base, picture sizes and token counts. Pure integers; no torch.

One integer time base: frames at 25 per second. A block is 12 frames = 3 latent frames; a clip is ``infer_frames``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from live_avatar.errors import UserError

FRAMES_PER_SECOND = 25
FRAMES_PER_LATENT = 4
LATENT_FRAMES_PER_BLOCK = 3
BLOCK_FRAMES = FRAMES_PER_LATENT * LATENT_FRAMES_PER_BLOCK
MODEL_SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = MODEL_SAMPLE_RATE // FRAMES_PER_SECOND
PIXELS_PER_LATENT = 8
SIZE_MULTIPLE = 64


def check_infer_frames(infer_frames: int) -> int:
    """Return ``infer_frames`` if a clip can have that many frames.

    Raises:
        UserError: ``INFER_FRAMES_INVALID`` when it is not a positive multiple of 12 (spec 9: the ring would overrun).
    """
    if infer_frames >= BLOCK_FRAMES and infer_frames % BLOCK_FRAMES == 0:
        return infer_frames
    below = max(BLOCK_FRAMES, infer_frames // BLOCK_FRAMES * BLOCK_FRAMES)
    nearest = [below] if infer_frames < BLOCK_FRAMES else [below, below + BLOCK_FRAMES]
    raise UserError(
        "INFER_FRAMES_INVALID",
        f"A clip cannot have {infer_frames} frames.",
        f"The model works in blocks of {BLOCK_FRAMES} frames.",
        f"Use {' or '.join(map(str, nearest))}.",
        field="infer_frames",
    )


def frames_for_samples(samples: int, sample_rate: int = MODEL_SAMPLE_RATE) -> int:
    """Number of frames that cover ``samples`` of sound: rounded up, at least 1."""
    return max(1, -(-samples * FRAMES_PER_SECOND // sample_rate))


def clips_for_frames(frames: int, infer_frames: int) -> int:
    """Number of clips that cover ``frames`` frames; the last one may be shown in part."""
    return -(-frames // infer_frames)


def block_of_frame(frame: int) -> int:
    """Index of the block that holds ``frame``."""
    return frame // BLOCK_FRAMES


def parse_size(text: str) -> tuple[int, int]:
    """Parse ``"704*384"`` or ``"704x384"`` into (width, height) in pixels.

    Raises:
        UserError: ``SIZE_INVALID``.
    """
    match = re.fullmatch(r"\s*(\d{1,5})\s*[*xX×]\s*(\d{1,5})\s*", text)
    if match is not None:
        width, height = int(match[1]), int(match[2])
        if width * height >= SIZE_MULTIPLE * SIZE_MULTIPLE:
            return width, height
    raise UserError(
        "SIZE_INVALID",
        f'"{text}" is not a picture size.',
        "A size is width*height in pixels, with an area of at least 64*64.",
        'Use for example "704*384" or "384*256".',
        field="size",
    )


def choose_output_size(max_area: int, image_width: int, image_height: int) -> tuple[int, int]:
    """The (width, height) a picture is rendered at: the image's aspect, sides multiples of 64, area <= ``max_area``.

    Follows spec section 7.4 (scan of 100 scales, both sides rounded up), including its fallback.
    """
    area = image_width * image_height
    if area <= max_area:
        scale_max, scale_min = 1.0, 0.1
    else:
        scale_max = math.sqrt(max_area / area)
        a = float(area)
        b = (SIZE_MULTIPLE - 1) * (image_width + image_height)
        c = (SIZE_MULTIPLE - 1) ** 2 - max_area
        # The published code has 2ac under the root where the quadratic formula has 4ac; sizes depend on it.
        scale_min = (-b + math.sqrt(b * b - 2 * a * c)) / (2 * a)
    for step in range(100):
        scale = scale_max - (scale_max - scale_min) * step / 100
        width = _round_up(int(image_width * scale))
        height = _round_up(int(image_height * scale))
        if width * height <= max_area:
            return width, height
    width = int(math.sqrt(max_area * image_width / image_height)) // SIZE_MULTIPLE * SIZE_MULTIPLE
    height = int(math.sqrt(max_area * image_height / image_width)) // SIZE_MULTIPLE * SIZE_MULTIPLE
    if width >= image_width or height >= image_height:
        width = image_width // SIZE_MULTIPLE * SIZE_MULTIPLE
        height = image_height // SIZE_MULTIPLE * SIZE_MULTIPLE
    return max(SIZE_MULTIPLE, width), max(SIZE_MULTIPLE, height)


def _round_up(pixels: int) -> int:
    # The short side of a very long picture can shrink to no pixel at all.
    return -(-max(1, pixels) // SIZE_MULTIPLE) * SIZE_MULTIPLE


@dataclass(frozen=True, slots=True)
class LatentShape:
    """Sizes that follow from one picture size and clip length.

    Attributes:
        height, width: of a latent frame (1/8 of the picture).
        infer_frames: video frames per clip.
    """

    height: int
    width: int
    infer_frames: int

    @classmethod
    def of_picture(cls, width: int, height: int, infer_frames: int) -> LatentShape:
        """Latent shape of a ``width`` x ``height`` picture (both multiples of 16)."""
        return cls(height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT, infer_frames)

    @property
    def rows(self) -> int:
        """Token rows per latent frame."""
        return self.height // 2

    @property
    def columns(self) -> int:
        """Token columns per latent frame."""
        return self.width // 2

    @property
    def frame_tokens(self) -> int:
        """Tokens per latent frame (N in the spec)."""
        return self.rows * self.columns

    @property
    def block_tokens(self) -> int:
        """Tokens per block (3N)."""
        return LATENT_FRAMES_PER_BLOCK * self.frame_tokens

    @property
    def clip_latent_frames(self) -> int:
        """Latent frames per clip, which is also the length of the ring cache."""
        return self.infer_frames // FRAMES_PER_LATENT

    @property
    def clip_blocks(self) -> int:
        """Blocks per clip."""
        return self.infer_frames // BLOCK_FRAMES

    @property
    def ring_tokens(self) -> int:
        """Tokens the ring cache holds per step and layer."""
        return self.clip_latent_frames * self.frame_tokens

    def visible_tokens(self, block: int) -> int:
        """Cache rows that block ``block`` may see once it has written its own: conditions and the filled ring."""
        filled = (block + 1) * self.block_tokens
        return self.condition_tokens + min(filled, self.ring_tokens)

    @property
    def motion_tokens(self) -> int:
        """Motion tokens: 1 frame at full grid, 2 at half, 16 at quarter resolution (spec 2.7)."""
        half = (self.height // 4) * (self.width // 4)
        quarter = 4 * (self.height // 8) * (self.width // 8)
        return self.frame_tokens + half + quarter

    @property
    def condition_tokens(self) -> int:
        """Reference and motion tokens together (C in the spec)."""
        return self.frame_tokens + self.motion_tokens
