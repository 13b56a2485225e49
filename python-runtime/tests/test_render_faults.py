from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from live_avatar.errors import UserError
from live_avatar.events import ClipEvent, RenderEvent, WarningEvent
from live_avatar.job_folder import open_job_folder
from live_avatar.media.frames import frame_hashes
from live_avatar.render import RenderJob, RenderResult, render
from live_avatar.take import PromptSpan
from tests.render_material import (
    SPEECH,
    count,
    golden_pipeline,
    make_job,
    never,
    run,
    video,
    write_half_mask,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RenderEvent], RenderResult]:
    output = tmp_path_factory.mktemp("whole") / "new folder" / "video.mp4"
    result, events = run(make_job(output))
    return output, events, result


def assert_refused(job: RenderJob, code: str) -> UserError:
    """The job ends with ``code`` and leaves nothing behind."""
    before = sorted(video(job).parent.iterdir()) if video(job).parent.is_dir() else []
    with pytest.raises(UserError) as caught:
        run(job)
    assert caught.value.code == code
    if video(job).parent.is_dir():
        assert sorted(video(job).parent.iterdir()) == before
    return caught.value


@pytest.mark.parametrize("masks", [0, 1])
def test_several_speakers_need_a_mask_each(tmp_path: Path, masks: int) -> None:
    paths = (write_half_mask(tmp_path / "left.png", left=True),)[:masks]
    assert_refused(make_job(tmp_path / "video.mp4", audio=(SPEECH, SPEECH), speaker_masks=paths), "SPEAKER_MASKS_COUNT")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"image": Path("absent.png")}, "IMAGE_NOT_FOUND"),
        ({"audio": (Path("absent.wav"),)}, "AUDIO_NOT_FOUND"),
        ({"audio": ()}, "AUDIO_MISSING"),
        ({"infer_frames": 32}, "INFER_FRAMES_INVALID"),
        ({"sample_steps": 50}, "STEPS_INVALID"),
        ({"num_clip": 0}, "NUM_CLIP_INVALID"),
        ({"prompts": ()}, "PROMPT_MISSING"),
        ({"prompts": (PromptSpan(1, "late"),)}, "PROMPT_MISSING"),
        ({"pose_video": Path("absent.mp4")}, "POSE_VIDEO_NOT_FOUND"),
        ({"pose_video": SPEECH}, "POSE_VIDEO_UNREADABLE"),
    ],
)
def test_bad_input_ends_in_words_and_leaves_nothing(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    assert_refused(make_job(tmp_path / "video.mp4", **changes), code)


def test_an_existing_output_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    output = tmp_path / "video.mp4"
    output.write_bytes(b"precious")
    assert_refused(make_job(output), "OUTPUT_EXISTS")
    assert output.read_bytes() == b"precious"
    run(make_job(output, overwrite=True, num_clip=1))
    assert len(frame_hashes(output)) == 12


def test_an_output_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert_refused(make_job(tmp_path / "file" / "video.mp4"), "OUTPUT_NOT_WRITABLE")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    job = make_job(tmp_path / "video.mp4")
    job.folder.mkdir()
    (job.folder / "thesis.doc").write_bytes(b"years of work")
    assert "thesis.doc" in assert_refused(job, "WORK_DIR_NOT_OURS").why
    assert (job.folder / "thesis.doc").read_bytes() == b"years of work"


def test_two_renders_of_one_output_do_not_meet(tmp_path: Path) -> None:
    job = make_job(tmp_path / "video.mp4")
    with open_job_folder(job.folder):
        error = assert_refused(job, "JOB_RUNNING")
        assert str(psutil.Process().pid) in error.why
        owner = json.loads((job.folder / "owner.json").read_text())
        assert owner["started"] == psutil.Process().create_time()
    run(make_job(tmp_path / "video.mp4", num_clip=1))


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_a_disk_without_room_for_states_only_costs_resumability(
    whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path
) -> None:
    import resource

    job = make_job(tmp_path / "video.mp4")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        result, events = run(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {event.code for event in events if isinstance(event, WarningEvent)} == {"STATE_NOT_SAVED"}
    assert "STATE_NOT_SAVED" in {code for code, _ in result.warnings}
    assert video(job).read_bytes() == whole[0].read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_a_full_disk_keeps_finished_clips(whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path) -> None:
    import resource

    job = make_job(tmp_path / "video.mp4")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    events: list[RenderEvent] = []

    def full_after_two_clips(event: RenderEvent) -> None:
        events.append(event)
        if count(events, ClipEvent) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))

    try:
        with pytest.raises(UserError) as caught:
            render(job, golden_pipeline(), full_after_two_clips, never)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.code == "DISK_FULL"
    result, _ = run(job)
    assert result.reused_clips >= 1
    assert video(job).read_bytes() == whole[0].read_bytes()
