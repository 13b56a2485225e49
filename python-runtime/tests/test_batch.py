from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from live_avatar.batch import BatchJob, PreparedJob, job_key, run_batch
from live_avatar.batch_list import read_folder, read_job_list
from live_avatar.batch_summary import SUMMARY_CSV, SUMMARY_JSON, BatchResult, JobRecord, read_summary
from live_avatar.errors import Cancelled, UserError
from live_avatar.media.frames import frame_hashes
from live_avatar.pipeline import Pipeline
from tests.cli_material import CKPT, LORA, PORTRAIT, PROMPT, SPEECH, json_lines, picture, run

KNOWN = {"image", "audio", "prompt", "num_clip", "base_seed", "prompt_schedule", "speaker_masks"}
Render = Callable[[Path, int | None], tuple[int, int, float]]


class Factory:
    """Stands for renders: writes a few bytes, fails or stops where told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rendered: list[tuple[str, int | None]] = []
        self.outcomes: dict[str, BaseException] = {}
        self.keys: dict[str, str] = {}
        self.seeds: dict[str, int] = {}

    def prepare(self, job: BatchJob) -> PreparedJob:
        name = job.output or "x.mp4"
        output = self.folder / name

        def render(seed: int | None) -> tuple[int, int, float]:
            self.rendered.append((name, seed))
            if name in self.outcomes:
                raise self.outcomes[name]
            output.write_bytes(b"video")
            return (99 if seed is None else seed), 48, 1.5

        return PreparedJob(output, self.keys.get(name, "key"), render, self.seeds.get(name))

    def run(self, *names: str, overwrite: bool = False) -> BatchResult:
        self.rendered.clear()
        self.told: list[tuple[str, str]] = []
        jobs = [BatchJob(name, {}, name) for name in names]
        return run_batch(
            jobs,
            self.prepare,
            self.folder,
            overwrite=overwrite,
            on_job=lambda r, n, t: self.told.append((r.name, r.state)),
        )


def states(result: BatchResult) -> list[str]:
    return [record.state for record in result.records]


def test_a_failed_job_does_not_stop_the_rest(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    factory.outcomes = {"b": UserError("CODE", "What.", "Why.", "Hint."), "c": ZeroDivisionError("a bug")}
    result = factory.run("a", "b", "c", "d")
    assert states(result) == ["done", "failed", "failed", "done"]
    assert result.records[1].error == {"code": "CODE", "what": "What.", "why": "Why.", "hint": "Hint.", "field": None}
    assert result.records[2].error is not None
    assert result.records[2].error["code"] == "INTERNAL_ERROR"
    assert factory.told[:3] == [("a", "running"), ("a", "done"), ("b", "running")]


def test_finished_jobs_are_skipped_and_failed_ones_tried_again(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    factory.outcomes = {"b": UserError("CODE", "What.", "Why.", "Hint.")}
    factory.run("a", "b")
    factory.outcomes = {}
    assert states(factory.run("a", "b", "c")) == ["skipped", "done", "done"]
    assert [name for name, _ in factory.rendered] == ["b", "c"]
    assert states(factory.run("a", "b", "c")) == ["skipped"] * 3
    assert states(factory.run("a", overwrite=True)) == ["done"]


def test_what_changed_is_not_skipped(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    factory.run("a", "b", "c", "d")
    factory.keys["a"] = "another"
    (tmp_path / "b").write_bytes(b"longer than before")
    (tmp_path / "c").unlink()
    factory.seeds["d"] = 5
    factory.run("a", "b", "c", "d")
    assert [name for name, _ in factory.rendered] == ["a", "b", "c", "d"]


def test_a_random_seed_is_kept_for_the_same_job(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    factory.run("a")
    assert factory.rendered == [("a", None)]
    (tmp_path / "a").unlink()
    factory.run("a")
    assert factory.rendered == [("a", 99)]
    (tmp_path / "a").unlink()
    factory.keys["a"] = "another"
    factory.run("a")
    assert factory.rendered == [("a", None)]


def test_a_chosen_seed_is_used(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    factory.seeds["a"] = 7
    assert factory.run("a").records[0].seed == 7
    assert states(factory.run("a")) == ["skipped"]


@pytest.mark.parametrize("stop", [Cancelled(), KeyboardInterrupt()])
def test_a_stop_leaves_a_summary(tmp_path: Path, stop: BaseException) -> None:
    factory = Factory(tmp_path)
    factory.run("c")
    factory.outcomes = {"b": stop}
    with pytest.raises(type(stop)):
        factory.run("a", "b", "c")
    summary = json.loads((tmp_path / SUMMARY_JSON).read_text())
    assert [(job["name"], job["state"]) for job in summary["jobs"]] == [
        ("a", "done"),
        ("b", "stopped"),
        ("c", "done"),
    ]
    factory.outcomes = {}
    assert states(factory.run("a", "b", "c")) == ["skipped", "done", "skipped"]


def test_the_summary_is_up_to_date_after_each_job(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    seen: list[int] = []

    def on_job(record: JobRecord, number: int, total: int) -> None:
        if record.state == "running":
            seen.append(len([r for r in read_summary(tmp_path).values() if r.state == "done"]))

    jobs = [BatchJob(name, {}, name) for name in "abc"]
    run_batch(jobs, factory.prepare, tmp_path, overwrite=False, on_job=on_job)
    assert seen == [0, 1, 2]
    assert not [path for path in tmp_path.iterdir() if ".part" in path.name]


def test_the_table_for_people(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    factory.outcomes = {"b": UserError("CODE", 'Was ist, "das"?', "文字。", "Hint.")}
    factory.run("a", "b")
    with (tmp_path / SUMMARY_CSV).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["job"], row["state"], row["frames"], row["code"]) for row in rows] == [
        ("a", "done", "48", ""),
        ("b", "failed", "0", "CODE"),
    ]
    assert "文字" in rows[1]["message"]


def test_two_jobs_with_one_output(tmp_path: Path) -> None:
    result = Factory(tmp_path).run("a", "a")
    assert states(result) == ["done", "failed"]
    assert result.records[1].error is not None
    assert result.records[1].error["code"] == "BATCH_OUTPUT_TWICE"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"jobs": [{"odd": 1}]}', '{"jobs": 3}'])
def test_a_summary_of_something_else_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / SUMMARY_JSON).write_text(text)
    assert read_summary(tmp_path) == {}


def test_key_depends_on_content_and_facts(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    keys = {
        job_key([first, second], 1),
        job_key([second, first], 1),
        job_key([first], 1),
        job_key([first, second], 2),
    }
    assert len(keys) == 4
    copy = tmp_path / "copy"
    shutil.copy(first, copy)
    assert job_key([copy], 1) == job_key([first], 1)


def test_folder_with_files_beside(tmp_path: Path) -> None:
    for name in ("b.wav", "a.MP3", "a.txt", "a.jpg", "notes.txt", ".hidden.wav", "sub.wav/x"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    jobs = read_folder(tmp_path)
    assert [(job.name, job.output) for job in jobs] == [("a.MP3", "a.mp4"), ("b.wav", "b.mp4")]
    assert jobs[0].flags == {
        "audio": str(tmp_path / "a.MP3"),
        "image": str(tmp_path / "a.jpg"),
        "prompt": f"@{tmp_path / 'a.txt'}",
    }
    assert jobs[1].flags == {"audio": str(tmp_path / "b.wav")}


@pytest.mark.parametrize("name", ["jobs.csv", "jobs.jsonl"])
def test_lists(tmp_path: Path, name: str) -> None:
    rows = [
        {"image": "p.png", "audio": "a.wav+b.wav", "prompt": "Hello, you", "output": "x.mp4"},
        {"audio": "c.wav", "num-clip": 3, "prompt": "@text.txt"},
    ]
    path = tmp_path / name
    if name.endswith("csv"):
        path.write_text(
            'image,audio,prompt,output,num-clip\np.png,a.wav+b.wav,"Hello, you",x.mp4,\n,c.wav,@text.txt,,3\n'
        )
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows))
    first, second = read_job_list(path, KNOWN)
    assert first.flags == {
        "image": str(tmp_path / "p.png"),
        "audio": f"{tmp_path / 'a.wav'}+{tmp_path / 'b.wav'}",
        "prompt": "Hello, you",
    }
    assert first.output == "x.mp4"
    assert second.flags == {"audio": str(tmp_path / "c.wav"), "num_clip": "3", "prompt": f"@{tmp_path / 'text.txt'}"}
    assert (first.name, second.name) == (
        (f"{name} line 2", f"{name} line 3") if name.endswith("csv") else (f"{name} line 1", f"{name} line 2")
    )


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", "audio,colour\nx.wav,red\n", 2),
        ("a.csv", "audio\nx.wav\ny.wav,z\n", 3),
        ("a.csv", 'audio,prompt\n"x.wav","two\nlines"\ny.wav,b,c\n', 4),
        ("a.jsonl", '{"audio": "x.wav"}\n\n{broken\n', 3),
        ("a.jsonl", '["x.wav"]\n', 1),
        ("a.jsonl", '{"audio": ["x.wav"]}\n', 1),
    ],
)
def test_bad_rows_name_their_line(tmp_path: Path, name: str, content: str, line: int) -> None:
    path = tmp_path / name
    path.write_text(content)
    faults = [job.fault for job in read_job_list(path, KNOWN) if job.fault is not None]
    assert [fault.code for fault in faults] == ["BATCH_ROW_INVALID"]
    assert f"line {line} " in faults[0].what


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", b"audio\n", "BATCH_EMPTY"),
        ("a.csv", b"\xff\xfe\xfa", "BATCH_LIST_UNREADABLE"),
        ("a.jsonl", b"", "BATCH_EMPTY"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_job_list(tmp_path / name, KNOWN)
    assert caught.value.code == code


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_folder(tmp_path)
    assert caught.value.code == "BATCH_EMPTY"
    with pytest.raises(UserError) as caught:
        read_job_list(tmp_path / "none.csv", KNOWN)
    assert caught.value.code == "BATCH_LIST_UNREADABLE"


def test_the_command_end_to_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)
    loads: list[object] = []

    load = Pipeline.load

    def counted(*arguments: Any) -> Pipeline:
        loads.append(0)
        return load(*arguments)

    monkeypatch.setattr(Pipeline, "load", counted)
    shutil.copy(SPEECH, tmp_path / "one.wav")
    picture(tmp_path / "face.png")
    (tmp_path / "jobs.csv").write_text(
        "image,audio,prompt,output,base_seed,ckpt_dir\n"
        f",one.wav,{PROMPT},first.mp4,7,\n"
        ",missing.wav,Somebody talks,second.mp4,,\n"
        "face.png,one.wav,,third.mp4,,\n"
        ",one.wav,,,,elsewhere\n"
    )
    common = ["--ckpt_dir", str(CKPT), "--lora_path_dmd", str(LORA), "--size", "64*64", "--infer-frames", "24"]
    common += [
        "--sample_steps",
        "1",
        "--device",
        "cpu",
        "--image",
        str(PORTRAIT),
        "--prompt",
        "A person talks calmly now",
    ]
    words = ["batch", str(tmp_path / "jobs.csv"), "--save_dir", str(tmp_path / "out"), *common]
    status, out, err = run(capsys, *words)
    assert status == 3, err
    assert "2 done, 0 finished before, 2 failed" in out
    assert "[AUDIO_NOT_FOUND]" in err or "[FILE_UNREADABLE]" in err
    assert "jobs.csv line 5" in err
    assert len(frame_hashes(tmp_path / "out" / "first.mp4")) == 13
    assert len(loads) == 1
    summary = json.loads((tmp_path / "out" / SUMMARY_JSON).read_text())
    assert summary["counts"] == {"done": 2, "skipped": 0, "failed": 2, "stopped": 0, "waiting": 0}
    assert summary["jobs"][0]["seed"] == 7

    status, out, _ = run(capsys, *words, "--json")
    assert status == 3
    lines = json_lines(out)
    assert lines[-1]["kind"] == "batch_result"
    assert (lines[-1]["skipped"], lines[-1]["failed"]) == (2, 2)
    assert len(loads) == 1

    (tmp_path / "jobs.csv").write_text(f"audio,prompt,output,base_seed\none.wav,{PROMPT},first.mp4,8\n")
    status, _, err = run(capsys, *words)
    assert status == 3
    assert "[OUTPUT_EXISTS]" in err
    assert run(capsys, *words, "--overwrite")[0] == 0


def test_flags_that_hold_for_the_whole_batch_are_no_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("audio,device\nx.wav,cpu\n")
    status, _, err = run(
        capsys, "batch", str(tmp_path / "jobs.csv"), "--save_dir", str(tmp_path), "--ckpt_dir", str(CKPT)
    )
    assert status == 3
    assert "device" in err


def test_what_is_wrong_for_all_is_said_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copy(SPEECH, tmp_path / "a.wav")
    for words, code in (
        (["--ckpt_dir", "none"], "CHECKPOINT_NOT_FOUND"),
        (["--sample_shift", "5"], "SCHEDULE_FIXED"),
    ):
        status, _, err = run(capsys, "batch", str(tmp_path), "--save_dir", str(tmp_path / "out"), *words)
        assert status == 2
        assert f"[{code}]" in err
    assert not (tmp_path / "out").exists()
