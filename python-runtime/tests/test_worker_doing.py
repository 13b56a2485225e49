from __future__ import annotations

from live_avatar.events import BlockEvent, ClipEvent, DoneEvent, StageEvent, StateEvent, WarningEvent
from live_avatar.worker.doing import DoingTracker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def clip(index: int, *, reused: bool = False) -> ClipEvent:
    return ClipEvent(index, 3, index * 24, 24, "x", "h", reused, 1.0, 1)


def test_what_goes_on_is_what_follows_the_last_news() -> None:
    clock = Clock()
    doing = DoingTracker("Starting", clock)
    clock.now = 2.5
    assert doing.now() == {
        "stage": "start", "text": "Starting", "clip": None, "clips": None, "block": None, "seconds": 2.5
    }  # fmt: skip
    seen = []
    for event in (
        clip(0, reused=True),
        StageEvent("prefill", 0, 1, "Giving the portrait", "X"),
        BlockEvent(1, 0, 2, 0.1),
        BlockEvent(1, 1, 2, 0.1),
        clip(1),
        StageEvent("save", 0, 1, "Saving the state", "X"),
        StateEvent(1, "s", 1, 0.1),
        BlockEvent(2, 1, 2, 0.1),
        DoneEvent(None, 72, 1.0, 1.0),
    ):
        doing.observe(event)
        now = doing.now()
        seen.append((now["stage"], now["clip"], now["block"]))
        assert now["seconds"] == 0.0
    assert seen == [
        ("start", 1, 0),
        ("prefill", 1, 0),
        ("block", 1, 1),
        ("block", 2, 0),
        ("block", 2, 0),
        ("save", 2, 0),
        ("block", 2, 0),
        ("block", 3, 0),
        ("done", 3, 0),
    ]


def test_a_warning_is_no_news_of_progress_and_the_last_clip_is_named() -> None:
    clock = Clock()
    doing = DoingTracker("Starting", clock)
    doing.observe(clip(0))
    doing.observe(BlockEvent(2, 1, 2, 0.1))
    clock.now = 9.0
    doing.observe(WarningEvent("A_B", "x"))
    assert doing.now()["seconds"] == 9.0
    assert doing.now()["text"] == "Writing the last clip"
