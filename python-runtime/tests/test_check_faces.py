from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from live_avatar.checks import Finding, faces
from live_avatar.checks.faces import Box, Face, find_faces, judge_faces
from live_avatar.checks.report import report_image
from live_avatar.image import covered_box, fit_picture
from training.avatars.appearance import sample_appearance
from training.avatars.renderer import AvatarRenderer, to_uint8

PHOTOGRAPH = Path(__file__).parent / "data" / "astronaut.jpg"
EXAMPLES = sorted((Path(__file__).parents[2] / "resources" / "examples").glob("*/portrait.png"))
NOSE = (222, 132)
WHOLE = Box(0, 0, 1000, 1000)


def photograph() -> Image.Image:
    return Image.open(PHOTOGRAPH).convert("RGB")


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_photographed_face_is_found_where_it_is() -> None:
    [face] = find_faces(photograph())
    assert face.frontal is True
    assert face.score > 1
    assert face.box.holds(Box(*NOSE, 1, 1))
    assert 60 < face.box.width < 120


@pytest.mark.parametrize("portrait", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_example_portraits_have_one_sure_face(portrait: Path) -> None:
    report = report_image(portrait, (704, 384))
    assert report.faces is not None
    assert [(face.score >= 0, face.frontal) for face in report.faces] == [(True, True)]
    assert {finding.severity for finding in report.findings} == {"ok"}


def test_drawn_faces_are_found() -> None:
    found = 0
    for seed in range(5100, 5110):
        picture = to_uint8(AvatarRenderer([sample_appearance(seed, "test")], width=384).portrait(0)).numpy()
        found += len(find_faces(Image.fromarray(picture))) == 1
    assert found >= 9


@pytest.mark.parametrize("seed", range(4))
def test_what_is_no_face_is_not_taken_for_one(seed: int) -> None:
    cells = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    blobs = Image.fromarray(cells).resize((800, 600), Image.Resampling.BICUBIC)
    assert find_faces(blobs) == []
    [finding] = judge_faces([], WHOLE)
    assert (finding.code, finding.severity) == ("FACE_NONE", "note")


def test_two_faces_are_counted_and_a_small_one_is_found(tmp_path: Path) -> None:
    both = Image.new("RGB", (1024, 512))
    both.paste(photograph(), (0, 0))
    both.paste(photograph(), (512, 0))
    assert len(find_faces(both)) == 2
    scene = Image.new("RGB", (1600, 1200), (120, 130, 140))
    scene.paste(photograph(), (500, 400))
    scene.save(tmp_path / "scene.png")
    report = report_image(tmp_path / "scene.png", (704, 384))
    assert report.faces is not None
    assert report.faces[0].box.holds(Box(500 + NOSE[0], 400 + NOSE[1], 1, 1))
    small = next(finding for finding in report.findings if finding.code == "FACE_SMALL")
    assert small.severity == "warning"
    assert small.value == pytest.approx(88 / 1200, rel=0.15)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([Face(Box(300, 200, 400, 400), 1.0, True)], ["FACE_OK"]),
        ([Face(Box(300, 200, 400, 400), 1.0, None)], ["FACE_OK"]),
        ([Face(Box(300, 200, 400, 400), 1.0, False)], ["FACE_SIDE"]),
        ([Face(Box(300, 200, 100, 100), 1.0, True)], ["FACE_SMALL"]),
        ([Face(Box(900, 200, 400, 400), 1.0, True)], ["FACE_CUT"]),
        (
            [Face(Box(0, 0, 400, 400), 1.0, False), Face(Box(500, 0, 400, 400), 0.5, True)],
            ["FACE_SEVERAL", "FACE_SIDE"],
        ),
    ],
)
def test_what_is_judged_of_a_face(found: list[Face], expected: list[str]) -> None:
    assert codes(judge_faces(found, WHOLE)) == expected


@pytest.mark.parametrize("size", [(512, 512), (640, 427), (300, 900), (90, 100)])
def test_the_crop_is_what_the_model_sees(size: tuple[int, int]) -> None:
    picture = photograph().resize(size)
    width, height = 384, 256
    x, y, across, down = covered_box(size, width, height)
    shown = picture.resize((width, height), Image.Resampling.BILINEAR, box=(x, y, x + across, y + down))
    seen = fit_picture(picture, width, height)
    difference = np.abs(np.asarray(shown, np.int16) - np.asarray(seen, np.int16))
    assert difference.mean() < 1.0


def test_a_turned_photograph_is_measured_upright(tmp_path: Path) -> None:
    wide = Image.new("RGB", (700, 512), (90, 90, 90))
    wide.paste(photograph(), (0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    wide.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    report = report_image(tmp_path / "turned.jpg", (704, 384))
    assert (report.width, report.height) == (700, 512)
    assert report.faces is not None
    assert report.faces[0].box.holds(Box(*NOSE, 1, 1))


def test_without_a_detector_the_rest_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    assert not faces.can_detect()
    report = report_image(PHOTOGRAPH, (704, 384))
    assert report.faces is None
    assert report.as_dict()["faces"] is None
    assert [(f.code, f.severity) for f in report.findings][:2] == [
        ("IMAGE_SIZE_OK", "ok"),
        ("FACE_NOT_CHECKED", "note"),
    ]


def test_light_is_measured_on_the_face(tmp_path: Path) -> None:
    bright = Image.new("RGB", (1024, 1024), (255, 255, 255))
    bright.paste(photograph().crop((100, 0, 360, 260)), (30, 30))
    bright.save(tmp_path / "corner.png")
    report = report_image(tmp_path / "corner.png", (704, 384))
    assert report.faces
    # The middle of the picture is white paper.
    assert "IMAGE_BURNT" not in codes(list(report.findings))
