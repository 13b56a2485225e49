"""The list of finished clips: an HLS playlist that a player can follow while later clips are still rendered.

No heavy imports. What is listed is whole on disk, because a clip is renamed into place before it is listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from live_avatar.geometry import FRAMES_PER_SECOND
from live_avatar.media.atomic import atomic_write_text

PLAYLIST_NAME = "playlist.m3u8"
INIT_NAME = "init.mp4"
_ENTRY = re.compile(r"#EXTINF:(?P<seconds>\d+(?:\.\d+)?),[^\n]*\n(?P<name>clip_(?P<index>\d{5,})\.m4s)$", re.MULTILINE)
_TARGET = re.compile(r"^#EXT-X-TARGETDURATION:(\d+)$", re.MULTILINE)


def clip_name(index: int) -> str:
    """File name of clip ``index``."""
    return f"clip_{index:05d}.m4s"


@dataclass(frozen=True, slots=True)
class Playlist:
    """Finished clips, in order from clip 0 without a gap.

    Attributes:
        frames: frames in each clip; the position in the tuple is the clip's index.
        complete: whether the take is finished.
    """

    frames: tuple[int, ...]
    complete: bool

    @property
    def total_frames(self) -> int:
        """Frames of all clips together."""
        return sum(self.frames)

    def paths(self, folder: Path) -> list[Path]:
        """The clips' files in ``folder``."""
        return [folder / clip_name(index) for index in range(len(self.frames))]


def write_playlist(folder: Path, frames: Sequence[int], infer_frames: int, *, complete: bool) -> Path:
    """Write ``playlist.m3u8`` (HLS version 7, fragmented MP4, EVENT) over the clips 0 .. len(frames) - 1.

    ``frames`` holds the number of frames of each clip, ``infer_frames`` that of a full clip.

    Raises:
        UserError: ``DISK_FULL``; the list as it was stays.
    """
    # A live list's target must never change, so it comes from the full clip and not from what is there so far.
    target = -(-max([infer_frames, *frames]) // FRAMES_PER_SECOND)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{INIT_NAME}"',
    ]
    for index, count in enumerate(frames):
        lines += [f"#EXTINF:{count / FRAMES_PER_SECOND:.5f},", clip_name(index)]
    if complete:
        lines.append("#EXT-X-ENDLIST")
    path = folder / PLAYLIST_NAME
    atomic_write_text(path, "\n".join(lines) + "\n")
    return path


def read_playlist(folder: Path) -> Playlist:
    """What an earlier run finished in ``folder``; an empty list when there is no (readable) playlist.

    Clips are taken from clip 0 up to the first that is missing or empty on disk; a list cut short like that is not
    complete.
    """
    try:
        text = (folder / PLAYLIST_NAME).read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return Playlist((), complete=False)
    if not text.startswith("#EXTM3U\n") or _TARGET.search(text) is None or not _has_bytes(folder / INIT_NAME):
        return Playlist((), complete=False)
    frames: list[int] = []
    for entry in _ENTRY.finditer(text):
        if int(entry["index"]) != len(frames) or not _has_bytes(folder / entry["name"]):
            return Playlist(tuple(frames), complete=False)
        frames.append(round(float(entry["seconds"]) * FRAMES_PER_SECOND))
    return Playlist(tuple(frames), complete="\n#EXT-X-ENDLIST" in text)


def _has_bytes(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
