"""Opening pictures of every kind, good and bad, and fitting them to a size."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from live_avatar.errors import UserError
from live_avatar.geometry import choose_output_size
from live_avatar.image import BACKGROUND, fit_picture, open_picture, picture_to_tensor

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def size_case() -> dict[str, numpy.ndarray]:
    return dict(load_file(GOLDEN / "cases" / "size.safetensors"))


def photo(width: int = 96, height: int = 80) -> Image.Image:
    """A picture whose left half is red and right half blue, with a white top row band."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    image.paste((30, 30, 200), (width // 2, 0, width, height))
    image.paste((255, 255, 255), (0, 0, width, height // 8))
    return image


def close(pixel: object, expected: tuple[int, int, int], slack: int = 12) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= slack for a, b in zip(pixel, expected, strict=True))


# --- reference numbers ---


def test_output_sizes_match_reference(size_case: dict[str, numpy.ndarray]) -> None:
    table = size_case["out.table"].tolist()
    wrong = [row for row in table if choose_output_size(row[0] * row[1], row[2], row[3]) != (row[4], row[5])]
    assert len(table) == 144
    assert wrong == []


@pytest.mark.parametrize(("width", "height"), [(128, 128), (192, 64)])
def test_black_border_matches_reference(size_case: dict[str, numpy.ndarray], width: int, height: int) -> None:
    picture = open_picture(GOLDEN / "media" / "image.png")
    fitted = fit_picture(picture.image, width, height, border="black")
    assert numpy.array_equal(numpy.asarray(fitted), size_case[f"out.pixels_{width}x{height}_u8"])


def test_black_border_width_of_published_example() -> None:
    fitted = numpy.asarray(fit_picture(Image.new("RGB", (720, 400), "white"), 704, 384, border="black"))
    black = numpy.all(fitted == 0, axis=(0, 2))
    assert numpy.flatnonzero(black).tolist() == [0, 1, 2, 3, 4, 5, *range(697, 704)]


@pytest.mark.parametrize(("width", "height"), [(64, 64), (1000, 100), (90, 2000), (720, 400), (384, 256), (65, 127)])
@pytest.mark.parametrize("target", [(384, 256), (256, 384), (64, 64)])
def test_cover_has_no_bars(width: int, height: int, target: tuple[int, int]) -> None:
    fitted = fit_picture(Image.new("RGB", (width, height), (255, 255, 255)), *target)
    assert fitted.size == target
    assert fitted.getextrema() == ((255, 255),) * 3


def test_cover_keeps_the_centre_and_the_aspect() -> None:
    image = Image.new("RGB", (400, 200), "black")
    image.paste((255, 255, 255), (150, 50, 250, 150))
    fitted = numpy.asarray(fit_picture(image, 100, 100).convert("L")) > 127
    rows, columns = numpy.flatnonzero(numpy.any(fitted, axis=1)), numpy.flatnonzero(numpy.any(fitted, axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (25, 74, 25, 74)


def test_tensor_values() -> None:
    image = Image.new("RGB", (64, 64), (0, 255, 51))
    tensor = picture_to_tensor(image)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 64, 64)
    assert tensor[:, 5, 7].tolist() == pytest.approx([-1.0, 1.0, 51 / 255 * 2 - 1])


def test_tensor_rows_are_image_rows() -> None:
    tensor = picture_to_tensor(photo())
    assert tensor.shape == (3, 80, 96)
    assert tensor[:, 0].min() == 1.0
    assert tensor[0, 40, 0] > 0 > tensor[0, 40, 95]


# --- kinds of pictures ---


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_formats(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"ein Bild 图.{kind.lower()}"
    photo().save(path, kind)
    picture = open_picture(str(path))
    assert (picture.format, picture.width, picture.height, picture.notes) == (kind, 96, 80, ())
    assert picture.image.mode == "RGB"
    assert close(picture.image.getpixel((10, 60)), (200, 30, 30))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation(tmp_path: Path, orientation: int, kind: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = photo() if orientation == 1 else photo().transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "picture", kind, exif=exif)
    picture = open_picture(tmp_path / "picture")
    assert (picture.width, picture.height) == (96, 80)
    assert close(picture.image.getpixel((10, 60)), (200, 30, 30), slack=20)
    assert close(picture.image.getpixel((85, 60)), (30, 30, 200), slack=20)
    assert bool(picture.notes) == (orientation != 1)


def test_turned_tiff(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo().transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.tif", exif=exif)
    picture = open_picture(tmp_path / "a.tif")
    assert (picture.width, picture.height) == (96, 80)
    assert close(picture.image.getpixel((10, 60)), (200, 30, 30))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(tmp_path: Path, kind: str) -> None:
    frames = [photo(), Image.new("RGB", (96, 80), "black"), Image.new("RGB", (96, 80), "white")]
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:])
    picture = open_picture(tmp_path / "a")
    assert close(picture.image.getpixel((10, 60)), (200, 30, 30))
    assert any("3 pictures" in note for note in picture.notes)


def rgba(alpha: int) -> Image.Image:
    image = photo().convert("RGBA")
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: rgba(0), BACKGROUND),
        (lambda: rgba(255), (200, 30, 30)),
        (lambda: rgba(128), (164, 79, 79)),
        (lambda: Image.new("LA", (64, 64), (10, 0)), BACKGROUND),
        (lambda: Image.new("L", (64, 64), 77), (77, 77, 77)),
        (lambda: Image.new("1", (64, 64), 1), (255, 255, 255)),
        (lambda: photo().quantize(16), (200, 30, 30)),
        (lambda: Image.fromarray(numpy.full((80, 80), 0x8080, dtype=numpy.uint16)), (128, 128, 128)),
    ],
)
def test_colour_modes_in_png(tmp_path: Path, make: Callable[[], Image.Image], expected: tuple[int, int, int]) -> None:
    make().save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png")
    assert picture.image.mode == "RGB"
    assert close(picture.image.getpixel((10, 60)), expected, slack=3)


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([0, 0, 0, 250, 10, 10])
    image.save(tmp_path / "a.png", transparency=1)
    picture = open_picture(tmp_path / "a.png")
    assert picture.image.getpixel((5, 5)) == BACKGROUND
    assert any("grey" in note for note in picture.notes)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (numpy.full((64, 64), 0.5, dtype=numpy.float32), 128),
        (numpy.full((64, 64), 100.0, dtype=numpy.float32), 100),
        (numpy.full((64, 64), 65535, dtype=numpy.int32), 255),
        (numpy.full((64, 64), numpy.nan, dtype=numpy.float32), 0),
        (numpy.full((64, 64), -7, dtype=numpy.int32), 0),
    ],
)
def test_deep_tiff(tmp_path: Path, values: numpy.ndarray, expected: int) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    picture = open_picture(tmp_path / "a.tif")
    assert picture.image.getpixel((3, 3)) == (expected,) * 3
    assert any("8 bits" in note for note in picture.notes)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_print_colours(tmp_path: Path, kind: str) -> None:
    Image.new("CMYK", (64, 64), (0, 255, 255, 0)).save(tmp_path / "a", kind)
    picture = open_picture(tmp_path / "a")
    assert close(picture.image.getpixel((3, 3)), (255, 0, 0))
    assert any("CMYK" in note for note in picture.notes)


# --- bad input ---


def code_of(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_picture(path)
    assert caught.value.field == "image"
    assert caught.value.what
    assert caught.value.hint
    return caught.value.code


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none.png") == "IMAGE_NOT_FOUND"
    assert code_of(tmp_path) == "IMAGE_NOT_FOUND"


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"hello, this is text", b"%PDF-1.7 ...", b"\xff\xd8\xff"]
)
def test_not_a_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert code_of(tmp_path / "a.png") == "IMAGE_UNREADABLE"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_truncated(tmp_path: Path, kind: str, kept: float) -> None:
    noise = numpy.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=numpy.uint8)
    path = tmp_path / "a"
    Image.fromarray(noise).save(path, kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert code_of(path) == "IMAGE_UNREADABLE"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_damaged_bytes_never_escape_as_other_errors(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    photo().save(path, kind)
    content = bytearray(path.read_bytes())
    random = numpy.random.default_rng(1)
    opened = refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for position in random.integers(0, min(len(damaged), 400), 6):
            damaged[position] = int(random.integers(0, 256))
        path.write_bytes(damaged)
        try:
            open_picture(path)
            opened += 1
        except UserError:
            refused += 1
    assert opened + refused == 60
    assert refused > 0


@pytest.mark.parametrize(("width", "height"), [(63, 400), (400, 63), (1, 1)])
def test_too_small(tmp_path: Path, width: int, height: int) -> None:
    Image.new("RGB", (width, height)).save(tmp_path / "a.png")
    assert code_of(tmp_path / "a.png") == "IMAGE_TOO_SMALL"


def test_smallest_allowed(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").width == 64


def png_header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size but holds no pixels: refusing it must not need them."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(10001, 10000), (13000, 13000), (60000, 60000), (2**31 - 1, 64)])
def test_too_large_is_told_from_the_header(tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "a.png").write_bytes(png_header_only(width, height))
    assert code_of(tmp_path / "a.png") == "IMAGE_TOO_LARGE"
