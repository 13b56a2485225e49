"""The networks of one model across several ranks, as a pipeline that renders like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import LEAD
from live_avatar.distributed.edges import Transport
from live_avatar.distributed.gathering import Gathering, find_gathering
from live_avatar.distributed.hired import RankStatus
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.selftest import Selftest, run_selftest
from live_avatar.distributed.team import Formation, Team
from live_avatar.distributed.watched_frames import WatchedDecoder
from live_avatar.errors import UserError
from live_avatar.events import EventSink, StageEvent, WarningEvent
from live_avatar.pipeline import Pipeline, PipelineOptions, identify_weights, load_codec
from live_avatar.session import Session
from live_avatar.take_passes import PassSettings

if TYPE_CHECKING:
    from live_avatar.distributed.team_plan import TeamPlan
    from live_avatar.session_inputs import Conditions, Draws, SessionSettings

_tried: dict[tuple[str, ...], Selftest] = {}


class TeamPipeline(Pipeline):
    """As :class:`Pipeline`; its sessions are done by a lead, which is this process, and followers.

    A team that lost a rank is replaced when the next session is asked for.
    """

    formation: Formation
    gathering: Gathering
    _team: Team | None = None

    @classmethod
    def assemble(
        cls, formation: Formation, on_event: EventSink | None = None, gathering: Gathering | None = None
    ) -> TeamPipeline:
        """Start the followers and load every rank's part of the networks at once. Emits ``load`` stages.

        Args:
            gathering: where followers come from; ``None`` for torchrun's, or else processes started here.

        Raises:
            UserError: as :meth:`Pipeline.load`, from any rank; ``RANK_LOST``: a follower did not come;
                ``LINKS_UNUSABLE``: the ranks cannot exchange data.
        """
        from live_avatar.models import load_denoiser

        def tell(event: StageEvent | WarningEvent) -> None:
            if on_event is not None:
                on_event(event)

        def warn(code: str, text: str) -> None:
            tell(WarningEvent(code, text))

        gathering = gathering or find_gathering()
        transport, notes = choose_transport(formation, across_hosts=not gathering.loopback)
        formation = replace(formation, transport=transport)
        for note in notes:
            warn("LINKS_SLOWER", note)
        lead = formation.models[LEAD]
        words = f"Loading the video model on {formation.cut.ranks} ranks, {formation.cut.words()}"
        values: dict[str, str | int | float] = {"ranks": formation.cut.ranks, "cut": formation.cut.words()}
        tell(StageEvent("load", 0, 100, words, "MODEL_LOADING_RANKS", values))
        weights = identify_weights(_options(lead))
        team = Team(formation, gathering)
        try:
            # Meanwhile the followers load theirs.
            denoiser = load_denoiser(weights, lead.weight_cache, None, warn, formation.cut.part_of(LEAD))
            vae, decoder = load_codec(weights, warn)
            team.connect(denoiser)
        except BaseException:
            team.close()
            raise
        tell(StageEvent("load", 100, 100, "The model is loaded", "MODEL_LOADED"))
        path = None if weights.lora is None else weights.lora.path
        pipeline = cls(
            weights.layout,
            path,
            denoiser,
            vae,
            decoder,
            weights.device,
            weights.plan,
            weights.precisions,
            weights.identity,
        )
        pipeline.formation, pipeline.gathering, pipeline._team = formation, gathering, team
        return pipeline

    def new_session(self, settings: SessionSettings, conditions: Conditions, draws: Draws) -> Session:
        """A session on all ranks; the one before is over.

        Raises:
            UserError: ``RANK_…``: a rank is lost and no other team can be put up.
        """
        team = self._ready_team()
        given = PassSettings(
            settings.shape, settings.schedule, settings.rotary_rounding, settings.cache_dtype, conditions.routing
        )
        decoder = WatchedDecoder(self.decoder, team.crew)
        passes = team.new_passes(self.denoiser, given)
        return Session(self.denoiser, decoder, settings, conditions, draws, passes, team.formation.order)

    def serves(self, formation: Formation) -> bool:
        """Whether this team can do takes as ``formation`` says, if :meth:`reorder` is told of it."""
        return replace(self.formation.in_order_of(formation), transport=formation.transport) == formation

    def reorder(self, formation: Formation) -> None:
        """From the next session on, blocks come in the order of ``formation``."""
        self.formation = self.formation.in_order_of(formation)
        if self._team is not None:
            self._team.reorder(formation)

    def ranks(self) -> Sequence[RankStatus]:
        """What each follower does now."""
        return () if self._team is None else self._team.status()

    def replan(self, plan: ComputePlan) -> None:
        """A team keeps its plans; another is assembled for others.

        Raises:
            ValueError: always, unless the plan is the one in force.
        """
        if plan != self.plan:
            raise ValueError("a team is assembled anew for another plan")

    def close(self) -> None:
        """End all followers. The pipeline is of no use any more."""
        team, self._team = self._team, None
        if team is not None:
            team.close()

    def _ready_team(self) -> Team:
        team = self._team
        if team is not None and team.usable:
            return team
        if team is not None:
            team.close()
        self._team = team = Team(self.formation, self.gathering)
        team.connect(self.denoiser)
        return team


def formation_of(team: TeamPlan, options: PipelineOptions, limit: int | None) -> Formation:
    """How a planned team is put up.

    Args:
        options: of the model; their plan is that of ranks which have none of their own.
        limit: bytes of each card that a rank may take, or ``None``.
    """
    assert options.plan is not None
    plans = (options.plan,) * team.cut.ranks if team.plans is None else team.plans
    models = tuple(
        RankModel(options.ckpt_dir, options.lora, device, plan, options.weight_cache, limit)
        for device, plan in zip(team.devices, plans, strict=True)
    )
    order = team.order
    return Formation(team.cut, models, "auto", order.room, order.ahead, order.gap)


def choose_transport(formation: Formation, *, across_hosts: bool) -> tuple[Transport, list[str]]:
    """How a team's data travels, tried out once a process where all ranks are on this machine; and what to tell of it.

    Raises:
        UserError: ``LINKS_UNUSABLE``: in no way.
    """
    devices = tuple(model.device for model in formation.models)
    if formation.transport != "auto":
        return formation.transport, []
    if len(devices) == 1:
        return "host", []
    if across_hosts:
        # What connects other machines is known to NCCL and their owner alone.
        return ("card" if all(device.startswith("cuda") for device in devices) else "host"), []
    found = _tried.get(devices)
    if found is None:
        found = _tried[devices] = run_selftest(devices)
    if found.way is None:
        raise UserError(
            "LINKS_UNUSABLE",
            "The ranks cannot exchange data.",
            " ".join(found.notes),
            "Use one card, or look at what live-avatar doctor says.",
        )
    found.apply()
    return found.way.transport, found.notes


def _options(model: RankModel) -> PipelineOptions:
    return PipelineOptions(model.ckpt_dir, model.lora, model.device, plan=model.plan, weight_cache=model.weight_cache)
