"""Clips-only renders: the folder of a take is kept, edited and rendered again."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_avatar.compare import Comparer
from live_avatar.errors import UserError
from live_avatar.events import BlockEvent, DoneEvent, RenderEvent, StageEvent, WarningEvent
from live_avatar.media.frames import frame_hashes
from live_avatar.media.playlist import read_playlist
from live_avatar.render import RenderJob, render
from live_avatar.take import PromptSpan
from tests.render_material import (
    SPEECH,
    clip_events,
    count,
    golden_pipeline,
    make_job,
    never,
    run,
    run_until,
    voice,
    write_wav,
)

FRAMES, CLIPS = 58, 5
PLENTY = 1 << 30


def take(folder: Path, **changes: Any) -> RenderJob:
    """58 frames in clips of 12 into a folder that is kept, with all states that come up."""
    return make_job(None, **{"work_dir": folder, "state_budget_bytes": PLENTY, **changes})


def shown(folder: Path) -> list[str]:
    """Hashes of all frames of the folder's playlist."""
    return list(itertools.chain.from_iterable(frame_hashes(path) for path in read_playlist(folder).paths(folder)))


def states(folder: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("state_")) for path in folder.glob("state_*.safetensors"))


def resume_texts(events: list[RenderEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, StageEvent) and event.stage == "resume"]


def prompts(changed_from: int | None) -> tuple[PromptSpan, ...]:
    first = PromptSpan(0, "A calm person talks.")
    return (first,) if changed_from is None else (first, PromptSpan(changed_from, "A calm person smiles."))


@pytest.fixture
def every_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state after every clip, whatever saving costs on this machine."""
    monkeypatch.setattr("live_avatar.state_store.StateStore.due", lambda self, size=0: True)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, list[str]]:
    """Frames of whole renders with the prompt changed from a block on, or not at all."""
    found: dict[int | None, list[str]] = {}
    for changed_from in (None, 2):
        output = tmp_path_factory.mktemp("whole") / "video.mp4"
        run(make_job(output, prompts=prompts(changed_from)))
        found[changed_from] = frame_hashes(output)
    return found


def test_clips_stay_and_a_second_render_makes_nothing(
    tmp_path: Path, uninterrupted: dict[int | None, list[str]]
) -> None:
    job = take(tmp_path / "take")
    result, events = run(job)
    assert result.output is None
    assert (result.frames, result.clips, result.generated_frames) == (FRAMES, CLIPS, FRAMES)
    done = events[-1]
    assert isinstance(done, DoneEvent)
    assert done.path is None
    assert not any(isinstance(event, StageEvent) and event.stage == "join" for event in events)
    assert read_playlist(job.folder).complete
    assert shown(job.folder) == uninterrupted[None]
    names = {path.name for path in job.folder.iterdir()}
    assert names >= {"init.mp4", "playlist.m3u8", "clips.jsonl", "job.json", "audio.m4a", "audio.json"}
    assert not names & {"lock", "owner.json"}
    assert states(job.folder)
    written = {path.name: path.stat().st_mtime_ns for path in job.folder.glob("[cs]*_*")}

    again, events = run(job)
    assert (again.reused_clips, again.generated_frames, again.output) == (CLIPS, 0, None)
    assert count(events, BlockEvent) == 0
    assert resume_texts(events)[-1] == "All 5 clips are finished already"
    assert not any(isinstance(event, StageEvent) and event.stage in ("prompt", "portrait") for event in events)
    assert {path.name: path.stat().st_mtime_ns for path in job.folder.glob("[cs]*_*")} == written


@pytest.mark.usefixtures("every_state")
@pytest.mark.parametrize("stale", [2, 3])
def test_an_edit_makes_exactly_the_clips_from_it_on(
    tmp_path: Path, uninterrupted: dict[int | None, list[str]], stale: int
) -> None:
    job = take(tmp_path / "take")
    run(job)
    assert states(job.folder) == [1, 2, 3, 4]
    result, events = run(take(job.folder, prompts=prompts(stale)))
    assert result.reused_clips == stale
    assert result.generated_frames == FRAMES - stale * 12
    assert [event.clip for event in clip_events(events) if not event.reused] == list(range(stale, CLIPS))
    assert count(events, BlockEvent) == CLIPS - stale
    if stale == 2:
        assert shown(job.folder) == uninterrupted[2]
    # And back again: the states of the edited take must not be taken for those of the first one.
    run(job)
    assert shown(job.folder) == uninterrupted[None]


@pytest.mark.usefixtures("every_state")
def test_between_two_states_what_is_before_the_edit_is_computed_but_not_written(
    tmp_path: Path, uninterrupted: dict[int | None, list[str]]
) -> None:
    job = take(tmp_path / "take")
    run(job)
    (job.folder / "state_00002.safetensors").unlink()
    before = (job.folder / "clip_00001.m4s").stat().st_mtime_ns
    result, _ = run(take(job.folder, prompts=prompts(2)))
    assert (result.reused_clips, result.generated_frames) == (2, FRAMES - 12)
    assert (job.folder / "clip_00001.m4s").stat().st_mtime_ns == before
    assert shown(job.folder) == uninterrupted[2]


def test_the_next_edit_of_the_same_place_starts_right_there(tmp_path: Path) -> None:
    job = take(tmp_path / "take")
    run(job)
    for state in job.folder.glob("state_*"):
        state.unlink()
    assert run(take(job.folder, prompts=prompts(3)))[0].generated_frames == FRAMES
    assert 3 in states(job.folder)
    # What is added to a take changes its last clip.
    assert CLIPS - 1 in states(job.folder)
    assert run(job)[0].generated_frames == FRAMES - 36


@pytest.mark.usefixtures("every_state")
def test_states_past_an_edit_are_deleted_before_anything_is_made(tmp_path: Path) -> None:
    job = take(tmp_path / "take")
    run(job)
    run_until(take(job.folder, prompts=prompts(2)), 0)
    assert states(job.folder) == [1, 2, 3, 4]  # stopped before it looked at the folder
    seen: list[list[int]] = []
    edited = take(job.folder, prompts=prompts(2))
    render(
        edited,
        golden_pipeline(),
        lambda event: seen.append(states(job.folder)) if isinstance(event, BlockEvent) else None,
        never,
    )
    assert seen[0] == [1, 2]


@pytest.mark.usefixtures("every_state")
def test_the_budget_holds_at_every_moment_and_the_newest_state_stays(tmp_path: Path) -> None:
    job = take(tmp_path / "take")
    run(job)
    size = (job.folder / "state_00001.safetensors").stat().st_size
    budget = 2 * size + size // 2
    small = take(tmp_path / "small", state_budget_bytes=budget)
    used: list[int] = []
    render(
        small,
        golden_pipeline(),
        lambda event: used.append(sum(path.stat().st_size for path in small.folder.glob("state_*"))),
        never,
    )
    assert size <= max(used) <= budget
    assert states(small.folder) == [2, 4]


@pytest.mark.usefixtures("every_state")
def test_a_smaller_budget_holds_for_what_is_there_already(tmp_path: Path) -> None:
    job = take(tmp_path / "take")
    run(job)
    assert states(job.folder) == [1, 2, 3, 4]
    size = (job.folder / "state_00001.safetensors").stat().st_size
    run(take(job.folder, state_budget_bytes=2 * size + size // 2))
    assert states(job.folder) == [2, 4]
    run(take(job.folder, state_budget_bytes=0))
    assert states(job.folder) == []


def test_a_budget_below_one_state_is_said_once_and_the_render_goes_on(tmp_path: Path) -> None:
    result, events = run(take(tmp_path / "take", state_budget_bytes=1000))
    warnings = [event for event in events if isinstance(event, WarningEvent)]
    assert [warning.code for warning in warnings] == ["STATE_NOT_SAVED"]
    assert "1000 are allowed" in warnings[0].text
    assert states(tmp_path / "take") == []
    assert result.generated_frames == FRAMES


@pytest.mark.usefixtures("every_state")
def test_a_part_of_a_take_does_not_cost_its_rest(tmp_path: Path, uninterrupted: dict[int | None, list[str]]) -> None:
    job = take(tmp_path / "take")
    run(job)
    part, _ = run(take(job.folder, num_clip=2))
    assert (part.clips, part.reused_clips, part.generated_frames) == (2, 2, 0)
    assert len(read_playlist(job.folder).frames) == 2
    whole, _ = run(job)
    assert (whole.reused_clips, whole.generated_frames) == (CLIPS, 0)
    assert shown(job.folder) == uninterrupted[None]
    # An edited part leaves no rest that belongs to another beginning.
    run(take(job.folder, num_clip=2, prompts=prompts(1)))
    assert len(list(job.folder.glob("clip_*"))) == 2


def test_sound_added_at_the_end_keeps_what_was_before(tmp_path: Path) -> None:
    sound = voice(2.0)
    cuts = (0, 50)
    job = take(tmp_path / "take", audio=(write_wav(tmp_path / "a.wav", sound),), speech_cuts=cuts)
    run(job)
    longer = np.concatenate([sound, voice(1.0, seed=3)])
    job = take(tmp_path / "take", audio=(write_wav(tmp_path / "b.wav", longer),), speech_cuts=(*cuts, 75))
    result, _ = run(job)
    assert result.clips == 7
    # 50 frames are four whole clips and a part; the state before the last clip was kept for this.
    assert (result.reused_clips, result.generated_frames) == (4, 75 - 48)


@pytest.mark.usefixtures("every_state")
def test_an_edited_utterance_makes_clips_from_its_own_first_one_on(tmp_path: Path) -> None:
    sound = voice(3.0)
    cuts = (0, 30, 60)
    job = take(tmp_path / "take", audio=(write_wav(tmp_path / "a.wav", sound),), speech_cuts=cuts)
    _, events = run(job)
    sound[30 * 640 : 31 * 640] *= 0.5
    edited = take(tmp_path / "take", audio=(write_wav(tmp_path / "b.wav", sound),), speech_cuts=cuts)
    result, after = run(edited)
    assert result.reused_clips == 30 // 12
    assert result.generated_frames == 75 - 24
    hashes = [[event.content_hash for event in clip_events(one)] for one in (events, after)]
    assert [one == other for one, other in zip(*hashes, strict=True)] == [True, True] + [False] * 5
    whole, _ = run(take(tmp_path / "anew", audio=edited.audio, speech_cuts=cuts))
    assert whole.generated_frames == 75
    assert shown(tmp_path / "anew") == shown(tmp_path / "take")


@pytest.mark.parametrize("cuts", [(3, 3), (5, 2)])
def test_cuts_out_of_order_are_refused(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    with pytest.raises(UserError) as caught:
        run(take(tmp_path / "take", speech_cuts=cuts))
    assert (caught.value.code, caught.value.field) == ("SPEECH_CUTS_INVALID", "speech_cuts")


def test_a_refused_input_leaves_the_take_alone(tmp_path: Path) -> None:
    job = take(tmp_path / "take")
    run(job)
    kept = sorted(path.name for path in job.folder.iterdir())
    with pytest.raises(UserError):
        run(take(job.folder, image=tmp_path / "missing.png"))
    with pytest.raises(UserError):
        run(take(job.folder, audio=(SPEECH, SPEECH)))  # speakers without masks
    assert sorted(path.name for path in job.folder.iterdir()) == kept
    assert run(job)[0].generated_frames == 0


def test_without_an_output_the_folder_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="work_dir"):
        run(take(tmp_path, work_dir=None))


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_edited_or_lost_the_take_shows_what_was_asked_last_and_compare_foretold_the_work(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    sound = voice(1.5)
    sounds = [write_wav(tmp_path / f"{index}.wav", np.roll(sound, index * 5000)) for index in range(2)]
    choices: dict[str, list[Any]] = {
        "prompts": [prompts(None), prompts(1), prompts(2)],
        "audio": [(path,) for path in sounds],
        "speech_cuts": [(), (0, 15), (0, 25)],
        "base_seed": [420, 420, 420, 421],
        "num_clip": [None, None, 2],
        "state_budget_bytes": [None, PLENTY, 5_000_000, 0],
    }
    folder = tmp_path / "take"
    asked = {name: values[0] for name, values in choices.items()}
    for step in range(5):
        for name in chance.sample(sorted(choices), chance.choice([0, 1, 1, 2])):
            asked[name] = chance.choice(choices[name])
        if lost := sorted(path for path in folder.glob("[cs][lt]*_*") if chance.random() < 0.15):
            chance.choice(lost).unlink()
        job = take(folder, **asked)
        foretold = Comparer().compare(job, golden_pipeline().weights_fingerprint)
        result, events = run(job)
        assert result.reused_clips == foretold.fresh
        assert {event.clip for event in events if isinstance(event, BlockEvent)} == set(
            range(foretold.restart, foretold.clips)
        )
        assert bool(foretold.reasons) == (foretold.fresh < foretold.clips)
        anew = take(tmp_path / f"anew {step}", **asked)
        run(anew)
        assert shown(folder) == shown(anew.folder), (step, asked)
