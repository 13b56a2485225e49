from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from live_avatar.media.frames import frame_hashes
from live_avatar.media.join import join_segments
from live_avatar.media.mp4_boxes import boxes
from live_avatar.media.playlist import PLAYLIST_NAME, read_playlist
from tests.media_material import noise, render, viewer_sound, write_sound

ROOT = Path(__file__).parent.parent
FRAMES, INFER_FRAMES = 150, 12
TEMPORARY = re.compile(r"\.part-\d+-\d+$")


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    return viewer_sound(write_sound(folder / "a.wav", noise(6.0, 44100), 44100), folder)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, audio: Path) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    render(folder, audio, FRAMES, INFER_FRAMES)
    join_segments(folder, folder / "out.mp4", audio)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def start(folder: Path, audio: Path, *extra: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.media_crash_worker", str(folder), str(audio)]
    command += [str(FRAMES), str(INFER_FRAMES), *extra]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def check_only_whole_files(folder: Path, whole: dict[str, str]) -> int:
    """Check that every file is the uninterrupted run's, byte for byte, or a temporary one; returns the clips listed."""
    found = {name: digest for name, digest in hashes(folder).items() if not TEMPORARY.search(name)}
    playlist = folder / PLAYLIST_NAME
    if playlist.exists():
        found.pop(PLAYLIST_NAME)
        text = playlist.read_text("utf-8")
        assert text.endswith((".m4s\n", "#EXT-X-ENDLIST\n")), "a list is never half written"
        listed = re.findall(r"^clip_\d+\.m4s$", text, re.MULTILINE)
        assert len(listed) == len(read_playlist(folder).frames)
        for name in listed:
            assert [box.kind for box in boxes((folder / name).read_bytes())] == [b"moof", b"mdat"]
    for name, digest in found.items():
        assert digest == whole[name], name
    return len(read_playlist(folder).frames)


def finish_and_compare(folder: Path, audio: Path, uninterrupted: Path) -> None:
    process = start(folder, audio)
    assert process.wait() == 0
    assert hashes(folder) == hashes(uninterrupted), "the same files, the same bytes, and no temporary left over"
    assert len(frame_hashes(folder / "out.mp4")) == FRAMES


def test_kill_at_any_file_operation_then_go_on(tmp_path: Path, audio: Path, uninterrupted: Path) -> None:
    whole = hashes(uninterrupted)
    random_number = random.Random(4)
    listed = [0]
    for operation in [1, 2, 3, 4, 5, *(random_number.randint(6, 40) for _ in range(5))]:
        process = start(tmp_path, audio, str(operation))
        assert process.wait() == -signal.SIGKILL
        listed.append(check_only_whole_files(tmp_path, whole))
    assert listed == sorted(listed), "no clip once listed is lost"
    assert listed[-1] > 0
    finish_and_compare(tmp_path, audio, uninterrupted)


def test_kill_at_random_moments_then_go_on(tmp_path: Path, audio: Path, uninterrupted: Path) -> None:
    whole = hashes(uninterrupted)
    clips = sorted(random.Random(5).sample(range(1, FRAMES // INFER_FRAMES), 5))
    kills = 0
    for wanted in clips:
        process = start(tmp_path, audio)
        # Wherever the process is when that many clips have appeared: between, or within, any of its file operations.
        while process.poll() is None and len(list(tmp_path.glob("clip_*.m4s"))) < wanted:
            pass
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        check_only_whole_files(tmp_path, whole)
    assert kills > 0
    finish_and_compare(tmp_path, audio, uninterrupted)
