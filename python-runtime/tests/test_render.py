from __future__ import annotations

import ctypes
import functools
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from live_avatar.errors import Cancelled
from live_avatar.events import BlockEvent, ClipEvent, DoneEvent, PictureEvent, RenderEvent, StageEvent, StateEvent
from live_avatar.init_part import same_format
from live_avatar.media.frames import frame_hashes, read_frames
from live_avatar.media.playlist import read_playlist
from live_avatar.media.viewer_sound import ViewerSound
from live_avatar.pipeline import Pipeline, PipelineOptions
from live_avatar.render import RenderResult, render
from live_avatar.speech_track import SpeechTrack
from live_avatar.take import PromptSpan
from tests.render_material import (
    CHECKPOINT,
    clip_events,
    count,
    golden_pipeline,
    make_job,
    never,
    run,
    run_until,
    video,
    voice,
    write_half_mask,
    write_wav,
)


def resume_texts(events: list[RenderEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, StageEvent) and event.stage == "resume"]


def hashes_of(events: list[RenderEvent]) -> list[str]:
    return [event.content_hash for event in clip_events(events)]


def durations(path: Path) -> tuple[float, float]:
    """Seconds of picture and of sound."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.duration is not None
        assert video.time_base is not None
        picture = float(video.duration * video.time_base)
        samples = sum(frame.samples for frame in container.decode(audio))
        return picture, samples / audio.sample_rate


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RenderEvent], RenderResult]:
    output = tmp_path_factory.mktemp("whole") / "new folder" / "video.mp4"
    result, events = run(make_job(output))
    return output, events, result


def test_all_of_the_sound_becomes_video(whole: tuple[Path, list[RenderEvent], RenderResult]) -> None:
    output, _, result = whole
    assert (result.frames, result.clips, result.generated_frames, result.reused_clips) == (58, 5, 58, 0)
    assert result.warnings == ()
    assert len(frame_hashes(output)) == 58
    picture, sound = durations(output)
    assert picture == pytest.approx(58 / 25)
    assert abs(picture - sound) <= 0.040
    assert next(iter(read_frames(output))).shape == (64, 64, 3)
    assert sorted(path.name for path in output.parent.iterdir()) == ["video.mp4"]


def test_events_tell_the_whole_story(whole: tuple[Path, list[RenderEvent], RenderResult]) -> None:
    _, events, result = whole
    assert count(events, BlockEvent) == 5
    assert [(clip.clip, clip.first_frame, clip.frames) for clip in clip_events(events)] == [
        (0, 0, 12),
        (1, 12, 12),
        (2, 24, 12),
        (3, 36, 12),
        (4, 48, 10),
    ]
    assert {clip.clips for clip in clip_events(events)} == {5}
    assert all(clip.memory_bytes > 0 and not clip.reused for clip in clip_events(events))
    assert all((clip.frames_per_second or 0) > 0 for clip in clip_events(events))
    stages = [event.stage for event in events if isinstance(event, StageEvent) and event.stage != "save"]
    told = [stage for stage, _ in itertools.groupby(stages)]
    # A prompt that was read before is not read again.
    assert [stage for stage in told if stage != "prompt"] == ["audio", "portrait", "prefill", "audio", "join"]
    pictures = [event for event in events if isinstance(event, PictureEvent)]
    assert pictures
    assert {event.frame for event in pictures} <= {0, 12, 24, 36, 48}
    states = [event for event in events if isinstance(event, StateEvent)]
    assert sum(isinstance(event, StageEvent) and event.stage == "save" for event in events) == len(states)
    assert states[0].clip == 0
    assert result.state_seconds == pytest.approx(sum(state.seconds for state in states))
    assert isinstance(events[-1], DoneEvent)


def test_the_same_seed_gives_the_same_file_and_another_seed_another(
    whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path
) -> None:
    run(make_job(tmp_path / "same.mp4"))
    assert (tmp_path / "same.mp4").read_bytes() == whole[0].read_bytes()
    run(make_job(tmp_path / "other.mp4", base_seed=421, num_clip=1))
    assert frame_hashes(tmp_path / "other.mp4") != frame_hashes(whole[0])[:12]


def test_cancel_keeps_finished_clips_and_the_next_run_continues(
    whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path
) -> None:
    job = make_job(tmp_path / "video.mp4")
    events = run_until(job, 3)
    assert count(events, BlockEvent) == 3
    assert len(read_playlist(job.folder).frames) == 3
    assert not video(job).exists()
    result, events = run(job)
    assert result.reused_clips == 3
    assert result.generated_frames == 22  # the state was saved on the way out
    assert [clip.reused for clip in clip_events(events)] == [True] * 3 + [False] * 2
    assert resume_texts(events)[0] == "Continuing an earlier run"
    assert "3 of 5 clips are finished already" in resume_texts(events)[1]
    assert video(job).read_bytes() == whole[0].read_bytes()


def test_without_a_state_clips_are_made_again_but_not_written_again(
    whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path
) -> None:
    job = make_job(tmp_path / "video.mp4")
    run_until(job, 3)
    for state in job.folder.glob("state_*"):
        state.unlink()
    written = {path.name: path.stat().st_mtime_ns for path in job.folder.glob("clip_*")}
    events = run_until(job, 4)
    assert written.items() <= {path.name: path.stat().st_mtime_ns for path in job.folder.glob("clip_*")}.items()
    assert "going on from the beginning" in resume_texts(events)[-1]
    run(job)
    assert video(job).read_bytes() == whole[0].read_bytes()


def test_a_damaged_state_is_passed_over(whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path) -> None:
    job = make_job(tmp_path / "video.mp4")
    run_until(job, 3)
    for state in job.folder.glob("state_*"):
        data = bytearray(state.read_bytes())
        data[-100] ^= 0xFF
        state.write_bytes(data)
    result, _ = run(job)
    assert {code for code, _ in result.warnings} == {"STATE_DAMAGED"}
    assert result.generated_frames == 58
    assert video(job).read_bytes() == whole[0].read_bytes()


def test_a_damaged_clip_is_made_anew(whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path) -> None:
    job = make_job(tmp_path / "video.mp4")
    run_until(job, 3)
    (job.folder / "clip_00001.m4s").write_bytes(b"x" * 100)
    result, _ = run(job)
    assert result.reused_clips == 1
    assert video(job).read_bytes() == whole[0].read_bytes()


def test_a_later_prompt_changes_only_later_clips(tmp_path: Path) -> None:
    job = make_job(tmp_path / "video.mp4")
    before = run_until(job, 4)
    changed = make_job(
        tmp_path / "video.mp4", prompts=(PromptSpan(0, "A calm person talks."), PromptSpan(2, "She smiles."))
    )
    result, after = run(changed)
    assert hashes_of(after)[:2] == hashes_of(before)[:2]
    assert hashes_of(after)[2] != hashes_of(before)[2]
    assert result.reused_clips == 2
    assert resume_texts(after)[0] == "Changed since then: the prompt"


def test_the_same_prompt_again_changes_nothing(tmp_path: Path) -> None:
    run_until(make_job(tmp_path / "video.mp4"), 2)
    split = (PromptSpan(3, "A calm   person talks."), PromptSpan(0, "A calm person talks. "))
    assert run(make_job(tmp_path / "video.mp4", prompts=split))[0].reused_clips == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [({"base_seed": 7}, "the seed"), ({"sample_steps": 2}, "the number of steps"), ({"size": (128, 64)}, "the size")],
)
def test_changed_settings_start_over(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    run_until(make_job(tmp_path / "video.mp4"), 2)
    result, events = run(make_job(tmp_path / "video.mp4", num_clip=2, **change))
    assert result.reused_clips == 0
    assert words in resume_texts(events)[0]
    assert len(frame_hashes(tmp_path / "video.mp4")) == 24


def test_a_changed_end_of_a_long_recording_keeps_the_clips_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_avatar.take_inputs.SpeechTrack", functools.partial(SpeechTrack, max_seconds=3.0))
    sound = voice(5.0)
    write_wav(tmp_path / "a.wav", sound)
    job = make_job(tmp_path / "video.mp4", audio=(tmp_path / "a.wav",), infer_frames=24)
    run_until(job, 5)
    sound[int(4.2 * 16_000) :] = voice(0.8, seed=9)
    write_wav(tmp_path / "a.wav", sound)
    result, events = run(job)
    assert result.reused_clips == 2
    assert resume_texts(events)[0] == "Changed since then: the sound"
    assert len(frame_hashes(video(job))) == 125


def test_num_clip_leaves_sound_out_in_words_and_equals_the_beginning_of_the_whole(
    whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path
) -> None:
    job = make_job(tmp_path / "video.mp4", num_clip=2, keep_clips=True)
    result, _ = run(job)
    assert result.frames == 24
    assert [code for code, _ in result.warnings] == ["AUDIO_CUT"]
    assert "1.34 s" in result.warnings[0][1]
    assert frame_hashes(video(job)) == frame_hashes(whole[0])[:24]
    picture, sound = durations(video(job))
    assert abs(picture - sound) <= 0.040
    # The kept clips count when all of it is wanted.
    result, _ = run(make_job(tmp_path / "video.mp4", overwrite=True))
    assert result.reused_clips == 2
    assert result.warnings == ()
    assert frame_hashes(video(job)) == frame_hashes(whole[0])


def test_keep_clips_leaves_a_playlist_that_plays(
    whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path
) -> None:
    job = make_job(tmp_path / "video.mp4", keep_clips=True)
    run(job)
    playlist = read_playlist(job.folder)
    assert playlist.complete
    shown = itertools.chain.from_iterable(frame_hashes(path) for path in playlist.paths(job.folder))
    assert list(shown) == frame_hashes(whole[0])
    kept = {path.name for path in job.folder.iterdir()}
    assert kept == {"job.json", "clips.jsonl", "init.mp4", "playlist.m3u8"} | {f"clip_{i:05d}.m4s" for i in range(5)}


def test_a_short_sound_makes_a_short_video(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", voice(0.03))
    result, events = run(make_job(tmp_path / "video.mp4", audio=(tmp_path / "a.wav",), infer_frames=48))
    assert result.frames == 1
    assert count(events, BlockEvent) == 1
    assert len(frame_hashes(tmp_path / "video.mp4")) == 1


def test_two_speakers_are_mixed_and_as_long_as_the_longer(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", voice(0.5, seed=1))
    write_wav(tmp_path / "b.wav", voice(1.0, seed=2))
    masks = (
        write_half_mask(tmp_path / "left.png", left=True),
        write_half_mask(tmp_path / "right.png", left=False),
    )
    audio = (tmp_path / "a.wav", tmp_path / "b.wav")
    result, _ = run(make_job(tmp_path / "two.mp4", audio=audio, speaker_masks=masks))
    assert result.frames == 25
    assert "AUDIO_LENGTHS_DIFFER" in {code for code, _ in result.warnings}
    picture, sound = durations(tmp_path / "two.mp4")
    assert abs(picture - sound) <= 0.040
    run(make_job(tmp_path / "swapped.mp4", audio=audio, speaker_masks=masks[::-1]))
    assert frame_hashes(tmp_path / "swapped.mp4") != frame_hashes(tmp_path / "two.mp4")


def test_a_pose_video_changes_the_pictures_and_resumes(
    whole: tuple[Path, list[RenderEvent], RenderResult], tmp_path: Path
) -> None:
    job = make_job(tmp_path / "video.mp4", pose_video=whole[0], num_clip=3)
    run(job)
    assert frame_hashes(video(job)) != frame_hashes(whole[0])[:36]
    again = make_job(tmp_path / "again.mp4", pose_video=whole[0], num_clip=3)
    run_until(again, 2)
    run(again)
    assert video(again).read_bytes() == video(job).read_bytes()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="counts by glibc")
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.memory_of_render", str(tmp_path)]
    done = subprocess.run(words, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    memory, tensors = measured["memory"], measured["tensors"]
    assert len(memory) == 32
    # A clip's frames are 147 kB; its record, which stays, is 2 kB.
    assert np.median(memory[22:31]) - np.median(memory[6:16]) < 200_000
    assert tensors[8] == tensors[30]


def test_clips_of_another_sound_format_are_not_continued(tmp_path: Path) -> None:
    job = make_job(tmp_path / "video.mp4", keep_clips=True, num_clip=1)
    run(job)
    init = (job.folder / "init.mp4").read_bytes()
    assert same_format(init, init)
    place = init.index(b"btrt") + 12
    assert same_format(init, init[:place] + b"\x12\x34" + init[place + 2 :])
    assert not same_format(init, init.replace(b"mp4a", b"Opus"))
    (job.folder / "init.mp4").write_bytes(init.replace(b"mp4a", b"Opus"))
    result, _ = run(make_job(tmp_path / "video.mp4", keep_clips=True, overwrite=True, num_clip=1))
    assert result.reused_clips == 0
    assert (job.folder / "init.mp4").read_bytes() == init


def test_a_stop_does_not_wait_for_the_sound_of_a_long_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(sound: ViewerSound) -> None:
        sound._stopping.wait()
        raise Cancelled

    monkeypatch.setattr(ViewerSound, "_encode", endless)
    blocks = 0

    def watch(event: RenderEvent) -> None:
        nonlocal blocks
        blocks += isinstance(event, BlockEvent)

    # Before clips can be put together blocks wait, and nothing is told any more: the stop is asked for from outside.
    with pytest.raises(Cancelled):
        render(make_job(tmp_path / "video.mp4"), golden_pipeline(), watch, lambda: blocks >= 1)


def test_a_stop_before_the_first_block_and_during_the_join(tmp_path: Path) -> None:
    job = make_job(tmp_path / "video.mp4", num_clip=2)
    run_until(job, 0)
    events: list[RenderEvent] = []
    with pytest.raises(Cancelled):
        render(job, golden_pipeline(), events.append, lambda: count(events, ClipEvent) == 2)
    assert not video(job).exists()
    result, _ = run(job)
    assert (result.reused_clips, result.generated_frames) == (2, 0)


def test_bfloat16_states_continue_bit_for_bit(tmp_path: Path) -> None:
    pipeline = Pipeline.load(PipelineOptions(CHECKPOINT, None, "cpu", "bf16"))
    events: list[RenderEvent] = []
    render(make_job(tmp_path / "whole.mp4", num_clip=3), pipeline, events.append, never)
    events.clear()
    job = make_job(tmp_path / "stopped.mp4", num_clip=3)
    with pytest.raises(Cancelled):
        render(job, pipeline, events.append, lambda: count(events, StateEvent) >= 1)
    assert render(job, pipeline, events.append, never).generated_frames == 24
    assert (tmp_path / "whole.mp4").read_bytes() == (tmp_path / "stopped.mp4").read_bytes()
