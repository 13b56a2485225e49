"""The viewer's sound of a take, encoded in the background: only clips need it, not their pictures."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import TracebackType

from live_avatar.errors import Cancelled
from live_avatar.media.aac import AacEncoder
from live_avatar.media.atomic import atomic_file, atomic_write_json
from live_avatar.media.audio_reader import AudioReader, nothing_decoded, open_audio

VIEWER_SOUND_NAME = "audio.m4a"
RECORD_NAME = "viewer.json"
_RECORD_VERSION = 1


class ViewerSound:
    """AAC in MP4 of one stretch of a recording, found from an earlier run or being made. Use it with ``with``.

    The file appears under its name only when it is whole, its record after it.

    Args:
        source: the recording; ``source_sha256`` its hash.
        work_dir: where the file is to lie.
        start_frame, max_frames: the stretch in video frames (40 ms).

    Attributes:
        reused: true when an earlier run had already made it.
    """

    def __init__(
        self, source: Path, source_sha256: str, work_dir: Path, start_frame: int = 0, max_frames: int | None = None
    ) -> None:
        self._source = source
        self._target = work_dir / VIEWER_SOUND_NAME
        self._start_frame = start_frame
        self._max_frames = max_frames
        self._wanted = {
            "version": _RECORD_VERSION,
            "source_sha256": source_sha256,
            "start_frame": start_frame,
            "max_frames": max_frames,
        }
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.reused = self._is_there()
        if not self.reused:
            work_dir.mkdir(parents=True, exist_ok=True)
            self._thread = threading.Thread(target=self._run, name="viewer-sound", daemon=True)
            self._thread.start()

    def __enter__(self) -> ViewerSound:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def path(self) -> Path:
        """The file, once all of it is on disk.

        Raises:
            UserError: ``AUDIO_…`` and ``DISK_FULL``, as they happened while it was made.
            Cancelled: closed meanwhile.
        """
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._target

    def close(self) -> None:
        """Stop making it, if it is not wanted any more; nothing half made stays."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _is_there(self) -> bool:
        try:
            record = json.loads((self._target.parent / RECORD_NAME).read_text("utf-8"))
            return bool(record == self._wanted | {"bytes": self._target.stat().st_size})
        except (OSError, ValueError):
            return False

    def _run(self) -> None:
        try:
            self._encode()
            atomic_write_json(self._target.parent / RECORD_NAME, self._wanted | {"bytes": self._target.stat().st_size})
        except BaseException as error:  # handed to whoever asks for the file
            self._error = error

    def _encode(self) -> None:
        encoder: AacEncoder | None = None
        with open_audio(self._source) as container, atomic_file(self._target) as file:
            reader = AudioReader(container, self._source, self._start_frame, self._max_frames)
            for chunk in reader.chunks():
                if self._stopping.is_set():
                    raise Cancelled
                if encoder is None:
                    encoder = AacEncoder(file, reader.sample_rate, chunk.shape[0], reader.layout)
                encoder.add(chunk)
            if encoder is None:
                raise nothing_decoded(reader)
            encoder.close()
