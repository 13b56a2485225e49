"""Prints, as JSON, what the engine's runtime is made of.

That is its Python, the locked packages with their licences, and how FFmpeg was built. Run by the runtime's own
interpreter: `python3 -I python_packages.py requirements.txt …`.
"""

import importlib.metadata
import json
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TypedDict

LICENCE_FILE = re.compile(r"(^|/)(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)

# Older packages tell their licence in words of their own.
SPDX = {
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "Boost Software License": "BSL-1.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
}


class Text(TypedDict):
    """A licence's text as it came with the part."""

    name: str
    text: str


class Part(TypedDict):
    """One part of the runtime."""

    name: str
    version: str
    licence: str
    texts: list[Text]


def locked_names(lists: list[str]) -> list[str]:
    """Names in the lists of pins, as far as their packages are installed here."""
    lines = [line.strip() for path in lists for line in Path(path).read_text("utf-8").splitlines()]
    names = [re.split(r"[=;\s]", line)[0] for line in lines if line and not line.startswith(("#", "-"))]
    return sorted({name for name in names if brings_files(name)}, key=str.lower)


def brings_files(name: str) -> bool:
    """Whether there is anything of the package here: some are pinned for other systems, some only name others."""
    try:
        files = importlib.metadata.distribution(name).files
    except importlib.metadata.PackageNotFoundError:
        return False
    return any(".dist-info/" not in str(file) for file in files or [])


def licence_of(metadata: importlib.metadata.PackageMetadata) -> str:
    """The licence as SPDX writes it, where the package says enough."""
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = metadata.get_all("Classifier") or []
    named = [line.split(" :: ")[-1].split(" (")[0] for line in classifiers if line.startswith("License :: ")]
    fields = metadata.json
    told = str(fields.get("license", "")).strip().splitlines()
    # Some packages put the whole text into that field.
    word = told[0] if len(told) == 1 and len(told[0]) < 60 else (named[0] if named else "")
    return SPDX.get(word, word)


def describe(name: str) -> Part:
    """One package, with every licence text it brings."""
    distribution = importlib.metadata.distribution(name)
    found = [file for file in distribution.files or [] if LICENCE_FILE.search(str(file))]
    # A few put it beside their code instead.
    files = [file for file in found if ".dist-info/" in str(file)] or found
    paths = sorted({str(file): Path(str(file.locate())) for file in files}.items())
    texts: list[Text] = [
        {"name": label.split(".dist-info/")[-1], "text": path.read_text("utf-8", errors="replace")}
        for label, path in paths
        if path.suffix not in {".py", ".pyc"}
    ]
    return {
        "name": distribution.metadata["Name"],
        "version": distribution.version,
        "licence": licence_of(distribution.metadata),
        "texts": texts,
    }


def interpreter() -> Part:
    """CPython itself."""
    candidates = [Path(sysconfig.get_path("stdlib")) / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE.txt"]
    found = [path for path in candidates if path.is_file()]
    texts: list[Text] = [{"name": path.name, "text": path.read_text("utf-8")} for path in found[:1]]
    return {"name": "CPython", "version": platform.python_version(), "licence": "PSF-2.0", "texts": texts}


def ffmpeg_library() -> dict[str, str]:
    """How the FFmpeg inside the PyAV wheel was built, in its own words."""
    import av
    from av._core import library_meta

    codec = library_meta["libavcodec"]
    return {
        "version": str(av.ffmpeg_version_info),
        "licence": str(codec["license"]),
        "configuration": str(codec["configuration"]),
    }


def ffmpeg_program() -> dict[str, str]:
    """The same for the FFmpeg program inside the imageio-ffmpeg wheel."""
    import imageio_ffmpeg  # type: ignore[import-untyped]

    program = imageio_ffmpeg.get_ffmpeg_exe()
    told = subprocess.run([program, "-version"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"^ffmpeg version (\S+)", told, re.MULTILINE)
    configuration = re.search(r"^configuration: (.*)$", told, re.MULTILINE)
    licence = subprocess.run([program, "-hide_banner", "-L"], check=True, capture_output=True, text=True).stdout
    return {
        "version": version[1] if version else "",
        "licence": " ".join(licence.split())[:400],
        "configuration": configuration[1].strip() if configuration else "",
    }


def main() -> None:
    """Print everything as one JSON object."""
    answer = {
        "interpreter": interpreter(),
        "packages": [describe(name) for name in locked_names(sys.argv[1:])],
        "ffmpegLibrary": ffmpeg_library(),
        "ffmpegProgram": ffmpeg_program(),
    }
    print(json.dumps(answer))


main()
