from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_material import run, tone
from tests.test_check_faces import PHOTOGRAPH


def test_everything_is_said_with_marks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sound = tone(tmp_path / "a.wav", 3)
    status, out, err = run(
        capsys, "check", "--image", str(PHOTOGRAPH), "--audio", str(sound), "--prompt", "A happy man cries"
    )
    assert (status, err) == (0, "")
    assert "512x512; the video is 512x512 and shows all of it" in out
    assert "note The face takes 17% of the picture's height." in out
    assert "WARN The prompt has 4 words." in out
    assert "ok   The sound has 16000 samples a second." in out


def test_json_is_what_the_worker_answers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sound = str(tone(tmp_path / "a.wav", 1))
    status, out, _ = run(
        capsys, "check", "--json", "--image", str(PHOTOGRAPH), "--audio", sound, "--audio", sound, "--prompt", "x",
        "--size", "384*256",
    )  # fmt: skip
    assert status == 0
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["kind"] for record in records] == ["image", "audio", "audio", "prompt"]
    assert records[0]["video"] == {"width": 256, "height": 256}
    assert records[1]["seconds"] == pytest.approx(1.0)
    assert records[3]["findings"][0]["code"] == "PROMPT_SHORT"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "ARGUMENTS_INVALID"),
        (("--image", "/missing.png"), "IMAGE_NOT_FOUND"),
        (("--audio", "/missing.wav"), "AUDIO_NOT_FOUND"),
        (("--prompt", "a", "--size", "big"), "SIZE_INVALID"),
    ],
)
def test_faults_are_told(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str) -> None:
    status, _, err = run(capsys, "check", *arguments)
    assert status == 2
    assert f"[{code}]" in err
