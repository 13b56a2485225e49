from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live_avatar.compare import Reason
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.distributed.wishes import CutWishes
from live_avatar.events import RenderEvent
from live_avatar.protocol.requests import BadRequest, LoadRequest, RenderRequest, parse_request
from live_avatar.render import RenderJob
from live_avatar.take import PromptSpan
from tests.worker_client import PROTOCOL, job_fields, model_fields, validator

COMPUTE = {
    "memory_limit_bytes": 24 * 10**9,
    "layers": "host",
    "cache": "device",
    "text_encoder": "host",
    "steps": "packed",
    "last_step": "skip",
    "live": True,
    "weight_cache": "/tmp/weights",
    "ranks": 3,
    "most_ranks": 4,
    "cut": "steps",
    "decoding_alone": True,
}
REQUESTS: list[dict[str, Any]] = [
    {"type": "load", "request_id": "1", **model_fields()},
    {"type": "plan", "request_id": "2", **model_fields(), "job": job_fields(Path("/tmp/a.mp4"))},
    {
        "type": "render",
        "request_id": "3",
        "job_id": "j",
        "job": job_fields(
            Path("/tmp/a.mp4"),
            num_clip=3,
            speaker_masks=["/tmp/m.png"],
            pose_video="/tmp/p.mp4",
            rotary_rounding="none",
            overwrite=True,
            keep_clips=True,
            work_dir="/tmp/w",
        ),
    },
    {
        "type": "render",
        "request_id": "3b",
        "job_id": "take",
        "job": {
            **job_fields(Path("/tmp/a.mp4"), work_dir="/tmp/w", state_budget_bytes=10**10, speech_cuts=[0, 9]),
            "output": None,
        },
    },
    {"type": "compare", "request_id": "2b", **model_fields(), "job": job_fields(Path("/tmp/a.mp4"))},
    {"type": "compare", "request_id": "2c", "job": job_fields(Path("/tmp/a.mp4"))},
    {"type": "load", "request_id": "1b", **model_fields(), "compute": COMPUTE},
    {"type": "compare", "request_id": "2d", **model_fields(), "compute": {}, "job": job_fields(Path("/tmp/a.mp4"))},
    {"type": "render", "request_id": "3c", "job_id": "j", "job": job_fields(Path("/tmp/a.mp4")), "compute": COMPUTE},
    {"type": "check_image", "request_id": "7", "path": "/tmp/a.png", "size": {"width": 704, "height": 384}},
    {"type": "check_audio", "request_id": "8", "path": "/tmp/a.wav"},
    {"type": "check_prompt", "request_id": "9", "text": ""},
    {"type": "cancel", "request_id": "4", "job_id": "j"},
    {"type": "status", "request_id": "5"},
    {"type": "shutdown", "request_id": "6"},
]

# Values near the borders of what fields may hold.
NUMBERS = [None, True, 0, -1, 1, 1.0, 12.5, 63, 64, 16384, 16385, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 1e300]
TEXTS = ["", "/", "/a", "C:\\a", "C:a", "\\\\a", "a", "/a\0", "x" * 200, "x" * 201, "auto", "fp32", "float16", "load"]
LISTS = [[], ["/a"], ["a"], [3], {}]
# Half surrogates are left out: JSON Schema does not know them, and the readers refuse them.
JSON_VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *TEXTS, *LISTS]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything inside a JSON value."""
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        return [path]
    return [path, *(place for key, element in inner for place in places(element, (*path, key)))]


@st.composite
def mutated_requests(draw: st.DrawFn) -> Any:
    request = copy.deepcopy(draw(st.sampled_from(REQUESTS)))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([place for place in places(request) if place]))
        parent = request
        for key in path[:-1]:
            parent = parent[key]
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            parent[path[-1]] = draw(JSON_VALUES)
        elif change == "remove":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=8))] = draw(JSON_VALUES)
    return request


def test_the_schema_knows_every_reason() -> None:
    compared = next(v for v in validator("messages").schema["oneOf"] if v["properties"]["type"]["const"] == "compared")
    assert compared["properties"]["reasons"]["items"]["enum"] == list(get_args(Reason))


def accepted(request: Any) -> bool:
    try:
        parse_request(json.dumps(request).encode())
    except BadRequest:
        return False
    return True


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request['type']} {request['request_id']}")
def test_reader_and_schema_draw_every_border_alike(request_: dict[str, Any]) -> None:
    for path in places(request_)[1:]:
        for value in [*NUMBERS, *TEXTS, *LISTS]:
            request = copy.deepcopy(request_)
            parent: Any = request
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = value
            assert accepted(request) == validator("requests").is_valid(request), (path, value)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(mutated_requests())
def test_reader_and_schema_accept_the_same_requests(request: Any) -> None:
    assert accepted(request) == validator("requests").is_valid(request)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request['type']} {request['request_id']}")
def test_unchanged_requests_are_accepted(request_: dict[str, Any]) -> None:
    assert accepted(request_)
    assert validator("requests").is_valid(request_)


def test_every_setting_of_a_job_arrives() -> None:
    request = parse_request(json.dumps(REQUESTS[2]).encode())
    assert isinstance(request, RenderRequest)
    fields = job_fields(Path("/tmp/a.mp4"))
    assert request.job == RenderJob(
        image=Path(fields["image"]),
        audio=(Path(fields["audio"][0]),),
        prompts=(PromptSpan(0, "A calm person talks."),),
        output=Path("/tmp/a.mp4"),
        size=(64, 64),
        base_seed=420,
        infer_frames=12,
        sample_steps=1,
        num_clip=3,
        speaker_masks=(Path("/tmp/m.png"),),
        pose_video=Path("/tmp/p.mp4"),
        rotary_rounding="none",
        overwrite=True,
        keep_clips=True,
        work_dir=Path("/tmp/w"),
    )


def test_every_wish_arrives_and_what_is_not_said_is_the_default() -> None:
    cut = CutWishes("steps", None, 3, True, 4)
    wished = ComputeWishes(24 * 10**9, "host", "device", "host", "packed", "skip", True, "/tmp/weights", cut)
    load = {"type": "load", "request_id": "1", **model_fields()}
    for compute, wishes in ((COMPUTE, wished), ({}, ComputeWishes())):
        request = parse_request(json.dumps({**load, "compute": compute}).encode())
        assert isinstance(request, LoadRequest)
        assert request.model.wishes == wishes
    schema = validator("requests").schema["$defs"]["compute"]["properties"]
    defaults = dataclasses.asdict(ComputeWishes())
    defaults["memory_limit_bytes"] = defaults.pop("memory_limit")
    # What is left to the planner.
    assert not ComputeWishes().cut.any
    defaults |= {"cut": "auto", "ranks": None, "most_ranks": 1, "decoding_alone": False}
    assert {name: field["default"] for name, field in schema.items()} == defaults


def test_defaults_are_those_of_the_engine_and_of_the_schema() -> None:
    required = {"image", "audio", "prompts", "output", "size", "base_seed"}
    job = {name: value for name, value in job_fields(Path("/tmp/a.mp4")).items() if name in required}
    request = parse_request(json.dumps({**REQUESTS[2], "job": job}).encode())
    assert isinstance(request, RenderRequest)
    schema = validator("requests").schema["$defs"]["job"]
    assert set(schema["required"]) == required
    assert set(schema["properties"]) == {field.name for field in dataclasses.fields(RenderJob)}
    for field in dataclasses.fields(RenderJob):
        if field.name not in required:
            assert getattr(request.job, field.name) == field.default
            default = schema["properties"][field.name]["default"]
            assert (tuple(default) if isinstance(default, list) else default) == field.default


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"job": {**job_fields(Path("/tmp/a.mp4")), "output": None}}, "job.work_dir"),
        ({"job": {**job_fields(Path("/tmp/a.mp4")), "audio": ["/a.wav", 3]}}, "job.audio[1]"),
        (
            {"job": {**job_fields(Path("/tmp/a.mp4")), "prompts": [{"start_block": -1, "text": "a"}]}},
            "job.prompts[0].start_block",
        ),
        ({"job": {**job_fields(Path("/tmp/a.mp4")), "size": {"width": 64}}}, "job.size.height"),
        ({"job": {**job_fields(Path("/tmp/a.mp4")), "sample_stepz": 4}}, "job.sample_stepz"),
        ({"job": {**job_fields(Path("/tmp/a.mp4")), "image": "face.png"}}, "job.image"),
        ({"job": 5}, "job"),
        ({"job_id": ""}, "job_id"),
        ({"job_id": "\ud800"}, "job_id"),
    ],
)
def test_errors_name_the_field_and_carry_the_request_id(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(json.dumps({**REQUESTS[2], **change}).encode())
    assert caught.value.request_id == "3"
    assert (caught.value.error.code, caught.value.error.field) == ("PROTOCOL_FIELD_INVALID", field)


@pytest.mark.parametrize("request_id", ["", "x" * 201, "\udfff", 3, None, []])
def test_an_unusable_request_id_is_not_given_back(request_id: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(json.dumps({"type": "status", "request_id": request_id}).encode())
    assert caught.value.request_id is None
    assert caught.value.error.field == "request_id"


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"{",
            b"\xff{}",
            b'{"type":"status","request_id":"1"} {}',
            b"[1]",
            b"3",
            b"null",
            b'"status"',
            b'{"type":NaN}',
        ),
        *(b"[" * 100_000, b"9" * 5000, b"{'type': 'status'}", b"\x00"),
    ],
)
def test_what_is_not_one_json_object_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(line)
    assert (caught.value.request_id, caught.value.error.code) == (None, "PROTOCOL_NOT_JSON")


def test_forgetting_the_lora_is_an_error_and_null_means_none() -> None:
    fields = {name: value for name, value in REQUESTS[0].items() if name != "lora"}
    assert not accepted(fields)
    request = parse_request(json.dumps({**fields, "lora": None}).encode())
    assert isinstance(request, LoadRequest)
    assert request.model.lora is None


def test_the_schema_knows_every_event_and_every_field_of_it() -> None:
    by_kind = {
        variant["properties"]["kind"]["const"]: set(variant["properties"])
        for variant in validator("messages").schema["$defs"]["event"]["oneOf"]
    }
    events = {
        next(field.default for field in dataclasses.fields(event) if field.name == "kind"): {
            field.name for field in dataclasses.fields(event)
        }
        for event in get_args(RenderEvent)
    }
    assert by_kind == events


def test_schemas_are_valid_and_tell_their_variants_apart_by_type() -> None:
    for name in ("requests", "messages"):
        schema = validator(name).schema
        jsonschema.Draft202012Validator.check_schema(schema)
        types = [variant["properties"]["type"]["const"] for variant in schema["oneOf"]]
        assert len(set(types)) == len(types)


def test_the_messages_of_a_machine_with_cards_fit_the_schema() -> None:
    lines = (PROTOCOL / "examples" / "cards.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(line)["message"] for line in lines]
    for message in told:
        validator("messages").validate(message)
    planned = next(message["plan"] for message in told if message["type"] == "planned")
    assert ", ".join(word["text"] for word in planned["on_card"]["words"]) == planned["on_card"]["summary"]


def test_the_example_conversation_fits_the_schemas() -> None:
    lines = (PROTOCOL / "examples" / "conversation.jsonl").read_text("utf-8").splitlines()
    seen: dict[str, set[str]] = {"client": set(), "worker": set()}
    for line in map(json.loads, lines):
        if "message" in line:
            validator("requests" if line["from"] == "client" else "messages").validate(line["message"])
            seen[line["from"]].add(line["message"]["type"])
    every_request = {variant["properties"]["type"]["const"] for variant in validator("requests").schema["oneOf"]}
    assert seen["client"] == every_request
