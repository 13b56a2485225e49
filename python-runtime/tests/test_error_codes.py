"""``docs/error-codes.md`` lists every code a user can meet, and no other."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "python-runtime" / "live_avatar"
PAGE = ROOT / "docs" / "error-codes.md"

CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
ROW = re.compile(r"^\| `([^`]+)` \| (error|warning|both|note|ok|doing|plan) \| \S.* \|$", re.MULTILINE)
# Strings that look like codes: number formats of safetensors, an opcode of pickle, the environment of a worker.
OTHER_NAMES = frozenset(
    {"F8_E4M3", "F8_E5M2", "STACK_GLOBAL", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "LIVE_AVATAR_BENCH_KEEP"}
)


def _without_names_of_other_things(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes except ``__all__`` and what reads or sets the environment."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            continue
        owner = node.func if isinstance(node, ast.Call) else node.value if isinstance(node, ast.Subscript) else None
        if owner is not None and any("environ" in _names(part) for part in ast.walk(owner)):
            continue
        yield node
        yield from _without_names_of_other_things(node)


def _names(node: ast.AST) -> tuple[str, str]:
    return getattr(node, "id", ""), getattr(node, "attr", "")


def codes_in(text: str) -> tuple[set[str], set[str]]:
    """Codes written out in a module, and patterns for those that it puts together."""
    written: set[str] = set()
    patterns: set[str] = set()
    for node in _without_names_of_other_things(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            written.add(node.value)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError" and node.args:
            first = node.args[0]
            if isinstance(first, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else None for part in first.values)
                patterns.add("".join("[A-Z_]+" if part is None else re.escape(str(part)) for part in parts))
            elif isinstance(first, ast.Constant):
                assert CODE.fullmatch(str(first.value)), f"{first.value!r} is no code"
    return written - OTHER_NAMES, patterns


@functools.cache
def source_codes() -> tuple[set[str], set[str]]:
    written: set[str] = set()
    patterns: set[str] = set()
    for path in sorted(SOURCE.rglob("*.py")):
        more, assembled = codes_in(path.read_text("utf-8"))
        written |= more
        patterns |= assembled
    return written, patterns


def page_codes() -> list[str]:
    return [match[1] for match in ROW.finditer(PAGE.read_text("utf-8"))]


def test_every_code_of_the_source_is_on_the_page() -> None:
    written, patterns = source_codes()
    listed = page_codes()
    assert sorted(written - set(listed)) == []
    for pattern in patterns:
        assert any(re.fullmatch(pattern, code) for code in listed), pattern


def test_every_code_of_the_page_is_in_the_source() -> None:
    written, patterns = source_codes()
    gone = [c for c in page_codes() if c not in written and not any(re.fullmatch(p, c) for p in patterns)]
    assert gone == []


def test_the_page_lists_each_code_once_in_whole_rows() -> None:
    listed = page_codes()
    assert len(listed) == len(set(listed))
    # A row the pattern cannot read would not be compared at all.
    assert PAGE.read_text("utf-8").count("\n| `") == len(listed)


@pytest.mark.parametrize(
    ("text", "written", "patterns"),
    [
        ('raise UserError("A_B", "x", "y", "z")', {"A_B"}, set()),
        ('raise UserError(f"{name.upper()}_LOST", "x", "y", "z")', set(), {"[A-Z_]+_LOST"}),
        ('warnings.append(("C_D", "text"))\n"""Raises A_B."""', {"C_D"}, set()),
        ('__all__ = ["A_B"]\nos.environ["C_D"] = environ.get("E_F")', set(), set()),
    ],
)
def test_how_codes_are_found(text: str, written: set[str], patterns: set[str]) -> None:
    assert codes_in(text) == (written, patterns)
