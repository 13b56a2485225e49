from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_avatar.cli.prompts import read_prompt, read_schedule
from live_avatar.errors import UserError
from live_avatar.take import PromptSpan


def write(tmp_path: Path, name: str, content: str) -> Path:
    path = tmp_path / name
    path.write_text(content, "utf-8")
    return path


def code_of(path: Path, first: str | None = None) -> tuple[str, str]:
    with pytest.raises(UserError) as caught:
        read_schedule(path, first)
    return caught.value.code, str(caught.value)


def test_text_and_file(tmp_path: Path) -> None:
    assert read_prompt("  A calm person talks. ") == "A calm person talks."
    path = tmp_path / "prompt.txt"
    path.write_bytes("\ufeff一个女人在说话\n".encode())
    assert read_prompt(f"@{path}") == "一个女人在说话"


@pytest.mark.parametrize("value", ["", "   ", "\n"])
def test_empty(value: str) -> None:
    with pytest.raises(UserError) as caught:
        read_prompt(value)
    assert caught.value.code == "PROMPT_EMPTY"


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "long.txt").write_bytes(b"a" * (1 << 20) + b"a")
    for name in ("missing.txt", "latin.txt", "long.txt", "."):
        with pytest.raises(UserError) as caught:
            read_prompt(f"@{tmp_path / name}")
        assert caught.value.code == "PROMPT_FILE_UNREADABLE"


@pytest.mark.parametrize(
    ("start", "block"),
    [
        (0, 0),
        (0.01, 0),  # rounds to frame 0
        (0.04, 1),
        (0.48, 1),
        (0.49, 1),
        (0.52, 2),
        ("0:01", 3),
        ("1:00", 125),
        ("0:01:00", 125),
        ("0:00:00:12", 1),
        ("0:00:00:13", 2),
        ("1:00:00:00", 7500),
        ("00:02.4", 5),
    ],
)
def test_changes_come_at_the_next_block(tmp_path: Path, start: float | str, block: int) -> None:
    path = write(tmp_path, "a.json", json.dumps([{"start": start, "text": "now"}]))
    spans = read_schedule(path, "before")
    assert spans[-1] == PromptSpan(block, "now")
    assert spans[0].start_block == 0


def test_json_forms(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", json.dumps([{"start": 2, "prompt": "later"}, [0, "first"]]))
    assert read_schedule(path) == (PromptSpan(0, "first"), PromptSpan(5, "later"))


@pytest.mark.parametrize("heading", ["", "start,text\n", "Text,Start\n", "start, prompt ,note\n"])
def test_csv_forms(tmp_path: Path, heading: str) -> None:
    rows = ('"calm, please",0', "loud,12") if heading.startswith("Text") else ('0,"calm, please"', "12,loud")
    path = write(tmp_path, "a.csv", heading + "\n\n".join(rows) + "\n")
    assert read_schedule(path) == (PromptSpan(0, "calm, please"), PromptSpan(25, "loud"))


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.json", "{", "the file"),
        ("a.json", "[]", "the file"),
        ("a.json", '{"start": 0}', "the file"),
        ("a.json", '[{"start": 0}]', "entry 1"),
        ("a.json", '[[0, "a"], [-1, "b"]]', "entry 2"),
        ("a.json", '[[0, "a"], [true, "b"]]', "entry 2"),
        ("a.json", '[[0, "a"], [NaN, "b"]]', "entry 2"),
        ("a.json", '[[0, "a"], ["0:0:0:25", "b"]]', "entry 2"),
        ("a.json", '[[0, "a"], [1, "b"], [1.1, "c"]]', "entry 3"),
        ("a.json", '[[1, "a"]]', "the list"),
        ("a.csv", "", "the file"),
        ("a.csv", "start,text\n", "the file"),
        ("a.csv", "0,a\nsoon,b\n", "line 2"),
        ("a.csv", "0,a\n5\n", "line 2"),
    ],
)
def test_faults_name_their_place(tmp_path: Path, name: str, content: str, place: str) -> None:
    code, message = code_of(write(tmp_path, name, content))
    assert code == "PROMPT_SCHEDULE_INVALID"
    assert place in message


def test_an_empty_text_in_a_schedule(tmp_path: Path) -> None:
    assert code_of(write(tmp_path, "a.csv", '0,a\n5,"  "\n'))[0] == "PROMPT_EMPTY"


@given(st.floats(0, 36_000, allow_nan=False))
def test_a_change_never_comes_early(seconds: float) -> None:
    from live_avatar.cli.prompts import _frame

    frame = _frame(seconds, Path("a.csv"), "line 1")
    block = -(-frame // 12)
    assert block * 12 >= seconds * 25 - 0.5
    assert (block - 1) * 12 < seconds * 25 + 0.5
