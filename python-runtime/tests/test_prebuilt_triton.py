"""A runtime that brings Triton's helper module needs no C compiler; one that brings another's compiles as ever."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from live_avatar.prebuilt_triton import module_name, use_prebuilt_module

triton = pytest.importorskip("triton")
SOURCE = """
#include <Python.h>
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "answer", .m_size = 0};
PyMODINIT_FUNC PyInit_answer(void) {
  PyObject *module = PyModule_Create(&definition);
  PyModule_AddIntConstant(module, "value", %d);
  return module;
}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Triton keeps what it compiled; each test starts with nothing."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    before = triton.knobs.build.impl
    yield
    triton.knobs.build.impl = before


def compile_value(source: str) -> int:
    from triton.runtime.build import compile_module_from_src

    return int(compile_module_from_src(source, "answer").value)


@pytest.mark.skipif(
    shutil.which("cc") is None or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="builds the module itself",
)
def test_the_ready_module_is_taken_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from triton.runtime.build import _build

    source = SOURCE % 42
    made = tmp_path / "made"
    made.mkdir()
    (made / "answer.c").write_text(source)
    ready = tmp_path / "ready"
    ready.mkdir()
    built = _build("answer", str(made / "answer.c"), str(made), [], [], [], [])
    shutil.copy(built, ready / module_name("answer", source.encode()))

    assert use_prebuilt_module(ready)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CC", raising=False)
    assert compile_value(source) == 42
    with pytest.raises(RuntimeError, match="C compiler"):
        compile_value(SOURCE % 43)
    # Another source is compiled where there is a compiler, and the setting is as before.
    monkeypatch.undo()
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    assert compile_value(SOURCE % 44) == 44


def test_without_ready_modules_triton_is_left_alone(tmp_path: Path) -> None:
    assert not use_prebuilt_module(tmp_path / "nothing")
    assert triton.knobs.build.impl is None
