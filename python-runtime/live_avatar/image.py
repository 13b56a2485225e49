"""The portrait: open any picture safely and fit it to the size a video is rendered at (spec 7.4)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from live_avatar.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_SIDE = 64
LARGEST_PIXELS = 100_000_000
BACKGROUND = (128, 128, 128)  # Behind transparent parts: mid grey, which is 0 to the model.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "MPO")
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the user sees it.

    Attributes:
        image: RGB, upright.
        width, height: size in pixels, upright.
        format: ``JPEG``, ``PNG``, ``WEBP``, ``BMP``, ``TIFF`` or ``GIF``.
        notes: what was changed on opening, one sentence each, for the user.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    notes: tuple[str, ...]


def open_picture(path: str | Path) -> Picture:
    """Open a JPEG, PNG, WebP, BMP, TIFF or GIF file as upright 8-bit RGB.

    EXIF rotation is applied; of an animation the first frame is taken; transparent parts are laid over mid grey.

    Raises:
        UserError: ``IMAGE_NOT_FOUND``; ``IMAGE_UNREADABLE`` (no picture, truncated, not a supported kind);
            ``IMAGE_TOO_SMALL`` (a side under 64 pixels); ``IMAGE_TOO_LARGE`` (over 100 megapixels, told from the header
            before anything is decoded).
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            "IMAGE_NOT_FOUND",
            f'The picture "{path}" was not found.',
            "It is a folder." if path.is_dir() else "There is no such file.",
            "Check the path.",
            field="image",
        )
    try:
        with warnings.catch_warnings():
            # Pillow warns of large sizes and odd metadata; the size check in _load is ours, the rest harmless.
            warnings.simplefilter("ignore")
            image, file_format, notes = _load(path)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, "far more than that") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        raise _unreadable(path, "It is empty." if empty else "It is not a picture of a known kind.") from error
    except PermissionError as error:
        raise _unreadable(path, "The system denies access to it.") from error
    except (
        Exception
    ) as error:  # On damaged files the decoders raise nearly anything; none of it may reach the user raw.
        raise _unreadable(path, f"It is damaged or cut short ({error}).") from error
    image, colour_notes = _to_rgb(image)
    return Picture(image, image.width, image.height, file_format, (*notes, *colour_notes))


def fit_picture(
    image: Image.Image, width: int, height: int, border: Literal["cover", "black"] = "cover"
) -> Image.Image:
    """Resize (bilinear, antialiased) and centre-crop an RGB picture to ``width`` x ``height``.

    Args:
        image: the picture.
        width, height: target size in pixels.
        border: ``"cover"`` (product default) scales so that both sides are covered: no bars, aspect kept.
            ``"black"`` is the published behaviour: the SHORT side becomes ``min(width, height)`` whichever way the
            picture lies, and where the result falls short of the target black is padded (spec 7.4: 720x400 at 704x384
            gets 6 black columns on the left and 7 on the right).
    """
    if border == "black":
        resized = image.resize(
            _short_side_size(image.width, image.height, min(width, height)), Image.Resampling.BILINEAR
        )
        return _centre_crop_padded(resized, width, height)
    covering, (left, top) = _cover(image.size, width, height)
    resized = image.resize(covering, Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + width, top + height))


def covered_box(size: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """What :func:`fit_picture` keeps of a picture of ``size`` that covers: (x, y, width, height) in its pixels."""
    covering, (left, top) = _cover(size, width, height)
    across, down = size[0] / covering[0], size[1] / covering[1]
    return left * across, top * down, width * across, height * down


def _cover(size: tuple[int, int], width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size that a picture is scaled to, and the left top corner of the part kept of it."""
    scale = max(width / size[0], height / size[1])
    covering = max(width, round(size[0] * scale)), max(height, round(size[1] * scale))
    return covering, ((covering[0] - width) // 2, (covering[1] - height) // 2)


def picture_to_tensor(image: Image.Image) -> Tensor:
    """RGB picture to float32 [3,H,W] in [-1,1]: value / 255 * 2 - 1."""
    import numpy
    import torch

    pixels = torch.from_numpy(numpy.array(image.convert("RGB"), dtype=numpy.uint8))
    return pixels.permute(2, 0, 1).to(torch.float32).div(255.0).mul(2.0).sub(1.0).contiguous()


def _load(path: Path) -> tuple[Image.Image, str, list[str]]:
    """Decode the first frame of ``path``, upright, in whatever colours it has."""
    notes: list[str] = []
    with Image.open(path, formats=_FORMATS) as opened:
        _check_size(path, *opened.size)
        file_format = "JPEG" if opened.format == "MPO" else str(opened.format)
        frames = int(getattr(opened, "n_frames", 1))
        if frames > 1 and opened.format != "MPO":
            opened.seek(0)
            notes.append(f"The file holds {frames} pictures; the first one is used.")
        turned = opened.getexif().get(_ORIENTATION, 1) not in (0, 1)
        opened.load()
        upright = ImageOps.exif_transpose(opened)
        if turned:
            notes.append("The picture was turned upright as the camera recorded.")
        return upright.copy(), file_format, notes


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """8-bit RGB from any colour mode."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep_to_8_bit(image).convert("RGB"), ["The picture was reduced to 8 bits per colour."]
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        lowest = layered.getchannel("A").getextrema()[0]
        if isinstance(lowest, int | float) and lowest < 255:
            backdrop = Image.new("RGBA", layered.size, (*BACKGROUND, 255))
            return Image.alpha_composite(backdrop, layered).convert("RGB"), ["Transparent parts were filled with grey."]
        return layered.convert("RGB"), []
    notes = ["The picture was converted from print colours (CMYK)."] if image.mode == "CMYK" else []
    return image.convert("RGB"), notes


def _deep_to_8_bit(image: Image.Image) -> Image.Image:
    """Single-channel picture of 16 or 32 bits to 8, from its natural range: 1.0, 255, 65535, or its own maximum."""
    import numpy

    values = numpy.nan_to_num(numpy.asarray(image, dtype=numpy.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0.0)
    peak = float(values.max())
    ranges = (
        (65535.0,)
        if image.mode.startswith("I;16")
        else (1.0, 255.0, 65535.0)
        if image.mode == "F"
        else (255.0, 65535.0)
    )
    top = next((limit for limit in ranges if peak <= limit), peak)
    return Image.fromarray((values / top * 255.0).round().astype(numpy.uint8), "L")


def _short_side_size(width: int, height: int, short: int) -> tuple[int, int]:
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def _centre_crop_padded(image: Image.Image, width: int, height: int) -> Image.Image:
    """Centre crop, black where the picture is smaller; the odd pixel goes right or bottom, a half rounds to even."""
    missing_x, missing_y = max(0, width - image.width), max(0, height - image.height)
    padded = Image.new("RGB", (image.width + missing_x, image.height + missing_y))
    padded.paste(image, (missing_x // 2, missing_y // 2))
    left, top = round((padded.width - width) / 2), round((padded.height - height) / 2)
    return padded.crop((left, top, left + width, top + height))


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > LARGEST_PIXELS:
        raise _too_large(path, f"{width} x {height} = {width * height / 1e6:.0f} megapixels")
    if min(width, height) < SMALLEST_SIDE:
        raise UserError(
            "IMAGE_TOO_SMALL",
            f'The picture "{path.name}" is too small.',
            f"It has {width} x {height} pixels; each side needs at least {SMALLEST_SIDE}.",
            "Use a larger picture; 400 pixels or more on the short side look best.",
            field="image",
        )


def _too_large(path: Path, size: str) -> UserError:
    return UserError(
        "IMAGE_TOO_LARGE",
        f'The picture "{path.name}" is too large.',
        f"At most {LARGEST_PIXELS // 1_000_000} megapixels are opened; it has {size}.",
        "Scale it down; more than 2000 pixels a side bring nothing.",
        field="image",
    )


def _unreadable(path: Path, why: str) -> UserError:
    return UserError(
        "IMAGE_UNREADABLE",
        f'The picture "{path.name}" cannot be read.',
        why,
        "Use a JPEG, PNG, WebP, BMP or TIFF file that other programs can open.",
        field="image",
    )
