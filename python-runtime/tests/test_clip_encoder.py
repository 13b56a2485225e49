from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from live_avatar.clip_encoder import ClipEncoder
from live_avatar.clip_hash import clip_hashes, fresh_count
from live_avatar.errors import UserError
from live_avatar.media.segments import SegmentInfo
from live_avatar.vae.block_decoder import to_bytes
from live_avatar.vae.frame_copies import FrameCopies, PendingFrames


def test_hashes_chain() -> None:
    plain = clip_hashes({"seed": 1}, [{"n": 1}, {"n": 2}, {"n": 3}])
    assert len(set(plain)) == 3
    changed = clip_hashes({"seed": 1}, [{"n": 1}, {"n": 0}, {"n": 3}])
    assert fresh_count(plain, changed) == 1
    assert changed[2] != plain[2]  # what comes before counts
    assert fresh_count(plain, clip_hashes({"seed": 2}, [{"n": 1}])) == 0
    assert fresh_count(plain, plain[:2]) == 2
    assert fresh_count(plain[:2], plain) == 2


class FailingWriter:
    """Takes clips until told to fail."""

    def __init__(self) -> None:
        self.written: list[int] = []

    def write_clip(self, index: int, first_frame: int, frames: Any) -> SegmentInfo:
        taken = len(list(frames)) if index < 2 else len([next(frames)])
        if index >= 2:
            raise UserError("DISK_FULL", "a", "b", "c")
        self.written.append(index)
        return SegmentInfo(index, first_frame, taken, Path("x"), "0", 1)


def black(frames: int) -> PendingFrames:
    return FrameCopies(torch.device("cpu")).send(torch.zeros(frames, 2, 2, 3, dtype=torch.uint8))


def test_the_encoder_hands_out_clips_before_their_successors_error_and_never_hangs() -> None:
    writer = FailingWriter()
    with ClipEncoder(writer) as encoder:  # type: ignore[arg-type]
        for index in (0, 1):
            encoder.begin(index, index * 3)
            encoder.add(black(4), 3)
            encoder.end()
        assert [clip.frames for clip in encoder.drain()] == [3, 3]
        encoder.begin(2, 6)
        encoder.add(black(3), 3)
        encoder.drop()
        with pytest.raises(UserError):
            encoder.drain()
        with pytest.raises(UserError):
            encoder.add(black(3), 3)
    assert writer.written == [0, 1]


def test_a_dropped_clip_is_not_written_and_the_next_one_is() -> None:
    writer = FailingWriter()
    with ClipEncoder(writer) as encoder:  # type: ignore[arg-type]
        encoder.begin(0, 0)
        encoder.add(black(1), 1)
        encoder.drop()
        assert encoder.drain() == []
        encoder.begin(1, 0)
        encoder.add(black(1), 1)
        encoder.end()
        assert [clip.index for clip in encoder.drain()] == [1]
        encoder.begin(0, 0)
    assert writer.written == [1]


def test_pictures_become_bytes_by_truncation() -> None:
    values = torch.tensor([-2.0, -1.0, -0.9961, 0.0, 0.9999, 1.0, 3.0])
    frames = to_bytes(values.view(1, 1, 1, -1).expand(2, 3, 4, -1)).numpy()
    assert len(frames) == 2
    assert frames[0].shape == (4, 7, 3)
    assert frames[0][0, :, 0].tolist() == [0, 0, 0, 127, 254, 255, 255]
