"""Renders a take into a folder, going on where an earlier run was killed.

Arguments: folder, sound, frames, clip length. With a fifth one, N, it kills itself, as ``kill -9`` does, at the N-th
file operation.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from live_avatar.media.join import join_segments
from live_avatar.media.playlist import read_playlist, write_playlist
from live_avatar.media.segments import SegmentWriter
from tests.media_material import HEIGHT, WIDTH, moving_frames


def die_at(operation: int) -> None:
    """Send SIGKILL to this process just before its N-th opening, renaming or flushing of a file."""
    left = operation
    flush = os.fsync

    def count() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted_flush(descriptor: int) -> None:
        count()
        flush(descriptor)

    def heard(event: str, _: tuple[object, ...]) -> None:
        if event in ("open", "os.rename"):
            count()

    os.fsync = counted_flush  # type: ignore[assignment]
    sys.addaudithook(heard)


def main(folder: Path, audio: Path, frames: int, infer_frames: int) -> None:
    """Write every clip that is not listed yet, then join."""
    counts = list(read_playlist(folder).frames)
    with SegmentWriter(folder, WIDTH, HEIGHT, audio) as writer:
        while sum(counts) < frames:
            first = sum(counts)
            count = min(infer_frames, frames - first)
            writer.write_clip(len(counts), first, moving_frames(first, count))
            counts.append(count)
            write_playlist(folder, counts, infer_frames, complete=first + count == frames)
    join_segments(folder, folder / "out.mp4", audio, overwrite=True)


if __name__ == "__main__":
    print("ready", flush=True)
    if len(sys.argv) > 5:
        die_at(int(sys.argv[5]))
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
