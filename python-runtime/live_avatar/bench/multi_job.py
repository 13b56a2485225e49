"""What a measurement of several ranks is about: the model, the take, the devices, and the ways between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from live_avatar.bench.random_network import random_conditions
from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.edges import Transport
from live_avatar.distributed.multi_planner import Option
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.team import Formation
from live_avatar.distributed.team_pipeline import TeamPipeline
from live_avatar.distributed.transfer_model import Wiring
from live_avatar.fast.task import Card, Take
from live_avatar.fast.weight_cache import CacheSettings
from live_avatar.noise import SeededDraws
from live_avatar.sampler import make_schedule
from live_avatar.session import Session
from live_avatar.session_inputs import SessionSettings

_SEED = 3


@dataclass(frozen=True, slots=True)
class Job:
    """What is measured.

    Attributes:
        take: sizes of the networks and the pictures; folder: of the model; devices: of the ranks.
        cards: as the planner sees them; limit: bytes of each card that may be taken, or ``None``.
        wiring: the measured ways; transport: as :class:`Formation` has it; blocks: measured one by one.
        long_blocks: of one more stretch, that watches period and memory; 0 for none.
        cores: the ranks share a processor with so many; ``None`` on cards.
    """

    take: Take
    folder: Path
    devices: tuple[str, ...]
    cards: tuple[Card, ...]
    limit: int | None
    wiring: Wiring
    transport: Transport
    blocks: int
    long_blocks: int = 0
    cores: int | None = None

    @property
    def settings(self) -> SessionSettings:
        """Of a session."""
        return SessionSettings(self.take.shape, make_schedule(self.take.steps))

    def formation(self, option: Option) -> Formation:
        """The ranks of an option."""
        models = tuple(self.model(rank, plan.plan) for rank, plan in enumerate(option.ranks))
        order = option.order
        return Formation(option.cut, models, self.transport, order.room, order.ahead, order.gap)

    def new_session(self, pipeline: TeamPipeline) -> Session:
        """A take on random conditions; the one before is over."""
        conditions = random_conditions(self.take.sizes.config, self.take.shape, pipeline.device)
        return pipeline.new_session(self.settings, conditions, SeededDraws(_SEED))

    def model(self, rank: int, plan: ComputePlan) -> RankModel:
        """What a rank loads."""
        return RankModel(self.folder, None, self.devices[rank], plan, CacheSettings(enabled=False), self.limit)

    def first(self, ranks: int) -> Job:
        """The same with fewer ranks."""
        wiring = replace(self.wiring, hosts=self.wiring.hosts[:ranks])
        return replace(self, devices=self.devices[:ranks], cards=self.cards[:ranks], wiring=wiring)
