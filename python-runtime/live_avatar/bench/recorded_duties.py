"""What a recorded follower does: the same as every other, and it tells what it noted when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from live_avatar.distributed.act_record import ActRecorder
from live_avatar.distributed.duties import Duties

if TYPE_CHECKING:
    from live_avatar.denoiser import Denoiser
    from live_avatar.distributed.channel import Message
    from live_avatar.distributed.orders import RankModel


class RecordedDuties(Duties):
    """See :class:`Duties`.

    Args:
        keep: see :class:`ActRecorder`.
    """

    def __init__(self, *given: Any, keep: int) -> None:
        super().__init__(*given)
        self._keep = keep
        self._recorder: ActRecorder | None = None

    def _load(self, model: RankModel) -> Denoiser:
        self._recorder = ActRecorder(self._rank, self._device, self._keep)
        return self._recorder.denoiser(super()._load(model))

    def _do_connect(self, message: Message) -> None:
        super()._do_connect(message)
        assert self._recorder is not None
        self._ends = self._recorder.ends(self._ends)

    def _do_give_record(self, _: Message) -> None:
        assert self._recorder is not None
        self._channel.send("record", record=self._recorder.record().as_dict())
