"""Sentences that a window says in other words: what is filled in reaches it, and the engine's list of them is whole."""

from __future__ import annotations

import ast
import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest

from live_avatar.errors import UserError
from live_avatar.events import WarningEvent
from live_avatar.fast.planner import plan_for_card
from live_avatar.fast.task import Wishes
from live_avatar.footprint import DiskUse
from live_avatar.machine import Machine
from live_avatar.plan_warnings import plan_warnings
from live_avatar.planner import make_plan
from live_avatar.protocol.messages import coded_text, error_payload
from live_avatar.sentence import fill, say, values_of
from tests.test_card_planner import H200, LARGE, take, with_free
from tests.test_error_codes import CODE, PAGE, SOURCE
from tests.test_planner import PUBLISHED_SIZES

SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
KIND = re.compile(r"^\| `([A-Z0-9_]+)` \| (\w+) \|", re.MULTILINE)
# What only a command tells, or the studio itself; a worker's client never meets it.
OTHER_SECTIONS = ("Batch", "Runtime archive and installation (the studio)")
ONLY_COMMANDS = {
    *("ARGUMENTS_INVALID", "COMMAND_UNKNOWN", "FLAG_WITHOUT_EFFECT", "GUIDANCE_UNSUPPORTED"),
    *("SCHEDULE_FIXED", "TASK_UNSUPPORTED", "PROMPT_EXTEND_UNSUPPORTED", "SPEECH_SYNTHESIS_UNSUPPORTED"),
    *("DATASET_UNSUPPORTED", "PRESET_UNKNOWN", "PROMPT_FILE_UNREADABLE", "RANDOM_WEIGHTS_UNKNOWN"),
    *("RANDOM_WEIGHTS_NOT_EMPTY", "CARD_UNKNOWN", "ULYSSES_NOT_BUILT", "LOG_NOT_WRITABLE", "GOLDEN_UNREADABLE"),
    *("GOLDEN_CASE_UNKNOWN", "CHECKPOINT_PARTS_DISAGREE", "IMAGE_MISSING", "AUDIO_MISSING", "PROMPT_MISSING"),
}


@pytest.fixture(scope="module")
def listed() -> dict[str, dict[str, list[str]]]:
    """What a real worker says of itself."""
    command = [sys.executable, "-I", "-X", "utf8", "-m", "live_avatar.worker", "--sentences"]
    answer = subprocess.run(command, capture_output=True, check=True, text=True, encoding="utf-8")
    assert answer.stderr == ""
    return dict(json.loads(answer.stdout))


def page_kinds() -> Iterator[tuple[str, str]]:
    """Code and kind of every row of the page that a worker's client may meet."""
    _, *parts = SECTION.split(PAGE.read_text("utf-8"))
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        if title not in OTHER_SECTIONS:
            yield from ((match[1], match[2]) for match in KIND.finditer(text) if match[1] not in ONLY_COMMANDS)


def test_the_list_has_every_code_of_the_page(listed: dict[str, dict[str, list[str]]]) -> None:
    groups = {
        "doing": {"doing"},
        "warnings": {"warning", "both", "note"},
        "words": {"plan"},
        "faults": {"error", "both"},
    }
    rows = list(page_kinds())
    assert {name: sorted(codes) for name, codes in listed.items()} == {
        name: sorted({code for code, kind in rows if kind in kinds}) for name, kinds in groups.items()
    }


def test_the_list_has_the_values_of_every_phrase(listed: dict[str, dict[str, list[str]]]) -> None:
    found: dict[str, list[str]] = {}
    for path in (SOURCE / "compute_plan.py", SOURCE / "fast" / "planner.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            parts = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
            texts = [part.value for part in parts[:2] if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if len(texts) == 2 and CODE.fullmatch(texts[0]):
                found[texts[0]] = sorted(set(re.findall(r"\{(\w+)", texts[1])))
    assert found == listed["words"]


def test_values_of_warnings_are_those_listed(listed: dict[str, dict[str, list[str]]]) -> None:
    disk = DiskUse(segments=10**9, final=10**9, states=0, state=0, sound=0)
    told = plan_warnings(1.5, 100, disk, 10, 62, with_lora=False)
    payloads = [coded_text(code, text) for code, text in told]
    assert [payload["code"] for payload in payloads] == ["AUDIO_CUT", "DISK_TOO_SMALL", "LORA_OFF"]
    assert payloads[0]["values"] == {"end": 2.48, "left_out": 1.5, "sound": 4.0}
    for payload in payloads:
        assert sorted(payload["values"]) == listed["warnings"][payload["code"]]
        for value in payload["values"].values():
            assert str(value).rstrip("0").rstrip(".") in payload["text"]


@pytest.mark.parametrize(
    ("gigabytes", "wishes", "code"),
    [
        (3, Wishes(), "MEMORY_TOO_SMALL"),
        (16, Wishes(), "SIZE_TOO_LARGE_FOR_MEMORY"),
        (16, Wishes(layers="device"), "CHOICE_DOES_NOT_FIT"),
    ],
)
def test_values_of_faults_are_those_listed(
    listed: dict[str, dict[str, list[str]]], gigabytes: float, wishes: Wishes, code: str
) -> None:
    from live_avatar.size_fit import plan_on_card

    size = (1920, 1088) if code == "SIZE_TOO_LARGE_FOR_MEMORY" else (704, 384)
    with pytest.raises(UserError) as raised:
        plan_on_card(PUBLISHED_SIZES, with_free(gigabytes), size, (704, 384), 48, 4, wishes)
    payload = error_payload(raised.value)
    assert payload["code"] == code
    assert sorted(payload["values"]) == listed["faults"][code]
    assert f"{payload['values']['needed']} GB" in payload["why"]


def test_a_processor_without_room_tells_the_same_values(listed: dict[str, dict[str, list[str]]]) -> None:
    machine = replace(Machine.detect("cpu"), memory_available=60 * 10**9)
    facts = {"image": (704, 384), "audio_seconds": 1.0, "infer_frames": 48, "sample_steps": 4, "num_clip": None}
    for size, free in (((1920, 1088), 90), ((704, 384), 3)):
        with pytest.raises(UserError) as raised:
            make_plan(
                PUBLISHED_SIZES,
                replace(machine, memory_available=free * 10**9),
                requested=size,
                disk_available=10**12,
                **facts,  # type: ignore[arg-type]
            )
        payload = error_payload(raised.value)
        assert set(payload["values"]) >= set(listed["faults"][payload["code"]])


def test_the_reasons_of_a_plan_are_listed(listed: dict[str, dict[str, list[str]]]) -> None:
    plan = plan_for_card(take(LARGE), with_free(48), Wishes())
    assert plan is not None
    values = json.loads(json.dumps(plan.as_dict(), allow_nan=False))
    for way in (values, *values["rejected"]):
        assert ", ".join(word["text"] for word in way["words"]) == way["summary"]
        for word in way["words"]:
            assert sorted(word["values"]) == listed["words"][word["code"]]
    reasons = [way["reason"] for way in values["rejected"]]
    assert [reason["text"] for reason in reasons] == [way["why"] for way in values["rejected"]]
    assert {reason["code"] for reason in reasons} <= set(listed["words"])
    assert any(reason["values"].get("more", 0) > 0 for reason in reasons)
    assert plan_for_card(take(LARGE), H200, Wishes()) is not None


def test_a_sentence_is_a_text_and_keeps_its_values_in_a_copy() -> None:
    sentence = fill("{count:.2f} of {all}", count=1.5, all=4)
    assert sentence == "1.50 of 4"
    event = asdict(WarningEvent("A_B", sentence))
    assert (event["text"], event["values"]) == ("1.50 of 4", {"count": 1.5, "all": 4})
    assert values_of("plain", sentence, copy.copy(say("A_B", "{x}", x="y"))) == {"count": 1.5, "all": 4, "x": "y"}
    assert coded_text("A_B", "plain") == {"code": "A_B", "text": "plain", "values": {}}
