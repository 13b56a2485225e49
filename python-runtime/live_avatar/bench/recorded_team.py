"""A team on this machine whose ranks note what they do, with one take on it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from live_avatar.bench.recorded_follower import KEEP
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.denoiser import Denoiser
from live_avatar.distributed.act_record import ActRecorder, RankRecord, read_record
from live_avatar.distributed.crew import Crew
from live_avatar.distributed.cut import LEAD
from live_avatar.distributed.gathering import HereGathering
from live_avatar.distributed.launch import listen, new_token, start_follower
from live_avatar.distributed.team import Formation, Team
from live_avatar.models import load_denoiser, load_vae
from live_avatar.numerics import choose_device, precisions_of
from live_avatar.pipeline import PipelineOptions, identify_weights
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, Draws, SessionSettings
from live_avatar.take_passes import PassSettings
from live_avatar.vae.block_decoder import make_decoder

_MODULE = "live_avatar.bench.recorded_follower"
_END_SECONDS = 10.0


class RecordedGathering(HereGathering):
    """Followers are processes on this machine that note what they do.

    Attributes:
        processes: of the followers, by rank from 1 on.
    """

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        self._last_lines: deque[str] = deque(maxlen=20)

    def gather(self, crew: Crew) -> None:
        """Start them."""
        token = new_token()
        with listen("127.0.0.1") as listener:
            address, port = listener.getsockname()[:2]
            for rank in range(1, crew.cut.ranks):
                process = start_follower(rank, address, port, token, _MODULE)
                self.processes.append(process)
                threading.Thread(target=self._read_log, args=(process,), name="rank log", daemon=True).start()
            crew.accept(listener, token)

    def end(self) -> None:
        """See that all have ended; they do with their connections."""
        for process in self.processes:
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with contextlib.suppress(ValueError, OSError), process.stderr as lines:
            self._last_lines.extend(lines)


class RecordedTeam(Team):
    """A team whose ranks note what they do."""

    def __init__(self, formation: Formation, gathering: RecordedGathering, recorder: ActRecorder) -> None:
        super().__init__(formation, gathering)
        self._recorder = recorder

    def connect(self, denoiser: Denoiser) -> None:
        """See :meth:`Team.connect`."""
        super().connect(denoiser)
        self._ends = self._recorder.ends(self._ends)

    def records(self) -> list[RankRecord]:
        """What every rank noted so far."""
        found = [self._recorder.record()]
        for rank in range(1, self.formation.cut.ranks):
            self.crew.expect_answer(rank)
            self.crew.send(rank, "give_record", {})
            found.append(read_record(self.crew.answer(rank).facts["record"]))
        return found


@dataclass(slots=True)
class RecordedTake:
    """One take on a recorded team.

    Attributes:
        session: the take; team: its ranks; processes: ids of all ranks' processes, the lead's (this one) first.
    """

    session: Session
    team: RecordedTeam
    processes: list[int] = field(default_factory=list)

    def finish(self) -> list[RankRecord]:
        """End the take, so that all messages have come, and return what every rank noted."""
        self.team.end_take()
        return self.team.records()


@contextlib.contextmanager
def recorded_take(
    formation: Formation, settings: SessionSettings, conditions: Conditions, draws: Draws, *, keep: int = 0
) -> Iterator[RecordedTake]:
    """Put up a team of processes on this machine, begin a take, and end all of it in the end.

    Args:
        formation: with a transport.
        keep: see :class:`ActRecorder`.

    Raises:
        UserError: as :class:`Team`.
    """
    lead = formation.models[LEAD]
    device = choose_device(lead.device)
    recorder = ActRecorder(LEAD, device, keep)
    gathering = RecordedGathering()
    os.environ[KEEP] = str(keep)
    try:
        team = RecordedTeam(formation, gathering, recorder)
    finally:
        del os.environ[KEEP]
    try:
        options = PipelineOptions(lead.ckpt_dir, lead.lora, lead.device, plan=lead.plan, weight_cache=lead.weight_cache)
        loaded = load_denoiser(identify_weights(options), lead.weight_cache, part=formation.cut.part_of(LEAD))
        denoiser = recorder.denoiser(loaded)
        vae = load_vae(CheckpointLayout.find(lead.ckpt_dir), precisions_of(lead.plan).vae, device)
        fast = lead.plan.engine == "flat" and device.type == "cuda"
        decoder = recorder.decoder(make_decoder(vae, "fast" if fast else "plain"))
        team.connect(denoiser)
        given = PassSettings(
            settings.shape, settings.schedule, settings.rotary_rounding, settings.cache_dtype, conditions.routing
        )
        with torch.inference_mode():
            passes = team.new_passes(denoiser, given)
        session = Session(denoiser, decoder, settings, conditions, draws, passes, team.formation.order)
        processes = [os.getpid(), *(process.pid for process in gathering.processes)]
        yield RecordedTake(session, team, processes)
    finally:
        team.close()
        gathering.end()
