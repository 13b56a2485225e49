"""Compresses clips in the background, so that the next block is computed meanwhile."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import Final

from live_avatar.media.segments import Frame, SegmentInfo, SegmentWriter
from live_avatar.vae.frame_copies import PendingFrames

# Blocks that may wait: enough to keep both sides busy, few enough to bound memory.
_WAITING = 2
_LOOK_SECONDS = 0.2


class _Begin:
    def __init__(self, index: int, first_frame: int) -> None:
        self.index = index
        self.first_frame = first_frame


class _End:
    """The clip is complete."""


class _Drop:
    """The clip under way will not be completed."""


class _Stop:
    """No more clips."""


class _Block:
    def __init__(self, frames: PendingFrames, count: int) -> None:
        self.frames = frames
        self.count = count


class _Dropped(Exception):
    """Ends a clip under way without writing it."""


_END: Final = _End()
_DROP: Final = _Drop()
_STOP: Final = _Stop()
_Item = _Begin | _Block | _End | _Drop | _Stop


class ClipEncoder:
    """Feeds a :class:`SegmentWriter` from a thread of its own. One thread calls the methods; use it with ``with``.

    Leaving the context drops a clip that was begun but not ended; finished clips stay.

    Args:
        on_block: given the first frame of every block, and its number, before it is compressed; in the thread.
        while_waiting: called now and then by a feeding thread that has to wait; what it raises ends the wait.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        on_block: Callable[[int, Frame], None] | None = None,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._writer = writer
        self._on_block = on_block
        self._while_waiting = while_waiting
        self._items: queue.Queue[_Item] = queue.Queue(_WAITING)
        self._done: queue.Queue[SegmentInfo] = queue.Queue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="clip-encoder", daemon=True)
        self._thread.start()

    def __enter__(self) -> ClipEncoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._items.put(_DROP)
        self._items.put(_STOP)
        self._thread.join()

    def begin(self, index: int, first_frame: int) -> None:
        """Start clip ``index``, shown from ``first_frame`` on."""
        self._put(_Begin(index, first_frame))

    def add(self, frames: PendingFrames, count: int) -> None:
        """Add the first ``count`` of a block's frames to the clip; waits while the encoder is behind.

        Whether they have come from the card is the encoder's concern, not the caller's.

        Raises:
            UserError: ``DISK_FULL`` of an earlier clip.
        """
        self._put(_Block(frames, count))

    def end(self) -> None:
        """The clip has all its frames."""
        self._put(_END)

    def drop(self) -> None:
        """Forget the clip under way, if there is one."""
        self._items.put(_DROP)

    def finished(self) -> list[SegmentInfo]:
        """Clips that came onto the disk since the last call, in order. Does not wait.

        Raises:
            UserError: ``DISK_FULL``, once the clips before the failing one have been handed out.
        """
        clips: list[SegmentInfo] = []
        while not self._done.empty():
            clips.append(self._done.get())
        if not clips:
            self._raise()
        return clips

    def drain(self, *, interruptible: bool = False) -> list[SegmentInfo]:
        """Wait until every clip begun is on disk or dropped, and return those not handed out yet.

        Args:
            interruptible: ``while_waiting`` may end this wait, too.

        Raises:
            UserError: as :meth:`finished`.
        """
        if interruptible:
            while not self._is_settled():
                self._while_waiting()
        self._items.join()
        return self.finished()

    def _is_settled(self) -> bool:
        """Whether nothing is under way, after a moment in which it may become so."""
        settled = self._items.all_tasks_done
        with settled:
            return settled.wait_for(lambda: self._items.unfinished_tasks == 0, _LOOK_SECONDS)

    def _put(self, item: _Item) -> None:
        while True:
            self._raise()
            try:
                self._items.put(item, timeout=_LOOK_SECONDS)
                return
            except queue.Full:
                self._while_waiting()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            item = self._items.get()
            if isinstance(item, _Stop):
                self._items.task_done()
                return
            if isinstance(item, _Begin) and self._error is None:
                self._encode(item)
            # After an error the rest is taken and dropped, so that nobody waits for room.
            self._items.task_done()

    def _encode(self, clip: _Begin) -> None:
        frames = self._frames(clip.first_frame)
        try:
            self._done.put(self._writer.write_clip(clip.index, clip.first_frame, frames))
        except _Dropped:
            pass
        except BaseException as error:  # handed to the thread that feeds us
            self._error = error
        finally:
            frames.close()

    def _frames(self, first_frame: int) -> Generator[Frame, None, None]:
        """The clip's frames as they come, the first of which is number ``first_frame`` of the video."""
        number = first_frame
        while True:
            item = self._items.get()
            try:
                if isinstance(item, _End):
                    return
                if isinstance(item, _Drop):
                    raise _Dropped
                assert isinstance(item, _Block)
                frames = item.frames.take()[: item.count]
                if self._on_block is not None:
                    self._on_block(number, frames[0])
                number += len(frames)
                yield from frames
            finally:
                self._items.task_done()
