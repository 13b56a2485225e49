from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from live_avatar.compare import Comparer
from live_avatar.errors import UserError
from live_avatar.render import RenderJob
from live_avatar.take import PromptSpan
from live_avatar.take_inputs import read_sounds
from tests.render_material import PORTRAIT, golden_pipeline, make_job, run, voice, write_wav

PROMPTS = (PromptSpan(0, "A calm person talks."),)
CUTS = (0, 20, 40)


def job_in(folder: Path, **changes: Any) -> RenderJob:
    return make_job(None, **{"work_dir": folder, "state_budget_bytes": 1 << 30, "prompts": PROMPTS, **changes})


def compare(job: RenderJob, weights: str | None = None) -> tuple[int, int, int, list[str]]:
    found = Comparer().compare(job, weights or golden_pipeline().weights_fingerprint)
    return found.clips, found.fresh, found.restart, list(found.reasons)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished take of five clips with a state after each, in utterances of 20, 20 and 18 frames."""
    folder = tmp_path_factory.mktemp("compare") / "take"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("live_avatar.state_store.StateStore.due", lambda self, size=0: True)
        run(job_in(folder, speech_cuts=CUTS))
    return folder


@pytest.fixture
def take(rendered: Path, tmp_path: Path) -> RenderJob:
    """A copy of it."""
    shutil.copytree(rendered, tmp_path / "take")
    return job_in(tmp_path / "take", speech_cuts=CUTS)


def test_a_finished_take_is_fresh_and_a_new_one_never_rendered(take: RenderJob, tmp_path: Path) -> None:
    assert compare(take) == (5, 5, 5, [])
    assert compare(job_in(tmp_path / "none")) == (5, 0, 0, ["never_rendered"])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "fresh", "reasons"),
    [
        ({"base_seed": 421}, 0, ["seed"]),
        ({"sample_steps": 2}, 0, ["steps"]),
        ({"size": (128, 128)}, 0, ["size"]),
        ({"rotary_rounding": "none"}, 0, ["rotary_rounding"]),
        ({"base_seed": 1, "sample_steps": 2}, 0, ["seed", "steps"]),
        ({"prompts": (*PROMPTS, PromptSpan(3, "Smiles."))}, 3, ["prompt"]),
        ({"prompts": (PromptSpan(0, "Smiles."),)}, 0, ["prompt"]),
        ({"speech_cuts": (0, 20, 45)}, 1, ["sound"]),
        ({"speech_cuts": ()}, 0, ["sound"]),
        ({"prompts": (PromptSpan(0, "Smiles."),), "speech_cuts": ()}, 0, ["prompt", "sound"]),
        ({"num_clip": 3}, 3, []),
    ],
)
def test_every_reason_is_told_and_is_what_a_render_does(
    take: RenderJob, changes: dict[str, Any], fresh: int, reasons: list[str]
) -> None:
    edited = dataclasses.replace(take, **changes)
    before = {path.name: path.read_bytes() for path in take.folder.iterdir()}
    clips, found, restart, why = compare(edited)
    assert (found, why) == (fresh, reasons)
    assert restart == fresh
    assert {path.name: path.read_bytes() for path in take.folder.iterdir()} == before
    if fresh:
        result, _ = run(edited)
        assert result.reused_clips == fresh
        assert result.generated_frames == sum((12, 12, 12, 12, 10)[restart:clips])


def test_a_longer_clip_is_another_grid(take: RenderJob) -> None:
    assert compare(dataclasses.replace(take, infer_frames=24)) == (3, 0, 0, ["clip_frames"])


def test_other_weights_and_another_engine(take: RenderJob) -> None:
    assert compare(take, "other weights") == (5, 0, 0, ["weights"])
    # Nobody says which weights: those of before.
    assert Comparer().compare(take, None).fresh == 5
    record = json.loads((take.folder / "job.json").read_text())
    (take.folder / "job.json").write_text(json.dumps(record | {"numerics": 0}))
    lines = (take.folder / "clips.jsonl").read_text().replace('"content_hash": "', '"content_hash": "0')
    (take.folder / "clips.jsonl").write_text(lines)
    assert compare(take) == (5, 0, 0, ["engine"])


def test_another_portrait(take: RenderJob, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.open(PORTRAIT).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(other)
    assert compare(dataclasses.replace(take, image=other)) == (5, 0, 0, ["portrait"])


def test_sound_added_at_the_end_is_a_matter_of_length(tmp_path: Path) -> None:
    sound = voice(3.0)
    short, long = (write_wav(tmp_path / f"{seconds}.wav", sound[: seconds * 16_000]) for seconds in (2, 3))
    run(job_in(tmp_path / "take", audio=(short,), speech_cuts=(0,)))
    longer = job_in(tmp_path / "take", audio=(long,), speech_cuts=(0, 50))
    clips, fresh, _, reasons = compare(longer)
    assert (clips, fresh, reasons) == (7, 4, ["length"])
    assert run(longer)[0].reused_clips == 4


@pytest.mark.parametrize("spoil", ["gone", "short"])
def test_a_missing_file(take: RenderJob, spoil: str) -> None:
    clip = take.folder / "clip_00002.m4s"
    if spoil == "gone":
        clip.unlink()
    else:
        clip.write_bytes(clip.read_bytes()[:-1])
    assert compare(take) == (5, 2, 2, ["missing_file"])
    (take.folder / "init.mp4").unlink()
    assert compare(take) == (5, 0, 0, ["missing_file"])


def test_a_take_that_was_stopped(take: RenderJob) -> None:
    lines = (take.folder / "clips.jsonl").read_text().splitlines(keepends=True)
    (take.folder / "clips.jsonl").write_text("".join(lines[:3]) + lines[3][:20])
    assert compare(take) == (5, 3, 3, ["never_rendered"])
    (take.folder / "state_00003.safetensors").unlink()
    assert compare(take)[2] == 2


def test_records_of_an_older_version_are_read(take: RenderJob) -> None:
    lines = [json.loads(line) for line in (take.folder / "clips.jsonl").read_text().splitlines()]
    for line in lines:
        del line["prompt"], line["sound"]
    (take.folder / "clips.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert compare(take) == (5, 5, 5, [])
    assert run(take)[0].generated_frames == 0


def test_a_fault_of_the_material_is_told(take: RenderJob, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        compare(dataclasses.replace(take, audio=(tmp_path / "no.wav",)))
    assert caught.value.code == "AUDIO_NOT_FOUND"


def test_what_was_read_is_read_again_only_when_it_changed(
    take: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = write_wav(tmp_path / "a.wav", voice(2.0))
    job = dataclasses.replace(take, audio=(sound,))
    comparer = Comparer()
    folders: list[Path] = []

    def counting(job: RenderJob, folder: Path, *, viewer: bool = True) -> Any:
        folders.append(folder)
        return read_sounds(job, folder, viewer=viewer)

    monkeypatch.setattr("live_avatar.compare.read_sounds", counting)
    first = comparer.compare(job, "w")
    assert comparer.compare(job, "w") == first
    assert comparer.compare(dataclasses.replace(job, base_seed=7, num_clip=1), "w").clips == 1
    assert len(folders) == 1
    write_wav(sound, voice(3.0))
    assert comparer.compare(job, "w").clips == 7
    assert len(folders) == 2
    assert not any(folder.exists() for folder in folders)
