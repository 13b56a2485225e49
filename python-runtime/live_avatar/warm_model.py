"""The networks of one model, kept in memory from render to render, computed as the planner says, and rescued on a card.

Importing this is cheap; torch comes with the first load.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from live_avatar.compute_wishes import ComputeWishes, limit_of
from live_avatar.events import EventSink, WarningEvent
from live_avatar.machine import Machine
from live_avatar.planner import Plan, card_for, plan
from live_avatar.render_tally import RenderTally

if TYPE_CHECKING:
    from live_avatar.compute_plan import ComputePlan
    from live_avatar.distributed.team import Formation
    from live_avatar.distributed.team_ladder import TeamLadder
    from live_avatar.distributed.team_plan import TeamPlan
    from live_avatar.fast.ladder import Descent
    from live_avatar.fast.rungs import Rung
    from live_avatar.fast.task import Card
    from live_avatar.pipeline import Pipeline, PipelineOptions
    from live_avatar.render import RenderJob, RenderResult

_Result = TypeVar("_Result")
# A card counts as changed since a failure when so much more of it is free.
_CLEARLY_MORE = 1.02


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A plan that had to fit did not: what was free then, and what may be counted on since."""

    free: int
    room: int


def own_memory(device: str) -> int:
    """Bytes that this process holds where ``device`` computes."""
    if device == "cpu":
        import psutil

        return int(psutil.Process().memory_info().rss)
    import torch

    return torch.cuda.memory_reserved(device)


def with_own_memory(machine: Machine) -> Machine:
    """What this process holds counts as free: it would serve a render, or be dropped for it."""
    available = min(machine.memory_total, machine.memory_available + own_memory(machine.device))
    return replace(machine, memory_available=available)


class WarmModel:
    """One model. One thread loads and renders; any may plan.

    Args:
        options: what to load and where; its plan is what :meth:`plan` finds.

    Attributes:
        pipeline: what is in memory, or ``None``.
        load_seconds: the last load took.
    """

    def __init__(self, options: PipelineOptions) -> None:
        self.options = replace(options, plan=None)
        self.pipeline: Pipeline | None = None
        self.load_seconds = 0.0
        self._host_held = 0
        self._lesson: _Lesson | None = None
        # Why other cards are left alone from now on.
        self._unshared: str | None = None
        self._left_plan = False
        # What the pipeline in memory was put up for, if it is a team.
        self._team: TeamPlan | None = None

    def plan(self, job: RenderJob, wishes: ComputeWishes, machine: Machine) -> Plan:
        """How ``job`` would be rendered here. Weights in memory are kept if that is about as fast.

        Args:
            machine: with memory that this process holds counted as free: it would serve the render, or be dropped.

        Raises:
            UserError: see :func:`live_avatar.planner.plan`.
        """
        options, pipeline, team = self.options, self.pipeline, self._team
        told: tuple[tuple[str, str], ...] = ()
        if self._unshared is not None and wishes.cut.most > 1 and not wishes.cut.several:
            wishes = replace(wishes, cut=replace(wishes.cut, most=1))
            told = (("CARDS_UNUSED", self._unshared),)
        found = plan(
            job,
            options.ckpt_dir,
            options.lora,
            machine,
            precision=options.precision,
            wishes=wishes,
            card=self.card(machine, wishes),
            # What the lead of a team has loaded is only a part.
            loaded=None if pipeline is None or team is not None else pipeline.plan,
            loaded_team=None if pipeline is None else team,
        )
        return replace(found, warnings=(*found.warnings, *told))

    def card(self, machine: Machine, wishes: ComputeWishes) -> Card | None:
        """The card with what this process may count on there; ``None`` where the plain engine computes."""
        card = card_for(machine, self.options.precision, wishes)
        if card is None:
            return None
        card = replace(card, host_free=card.host_free + self._host_held)
        lesson = self._lesson
        if lesson is not None and card.free <= lesson.free * _CLEARLY_MORE:
            return replace(card, free=min(card.free, lesson.room))
        return card

    def load(self, chosen: Plan | None, wishes: ComputeWishes, on_event: EventSink) -> Pipeline:
        """Have the weights in memory as ``chosen`` wants them (``None``: as the precision alone says).

        Raises:
            UserError: the model or the device cannot be used; ``OUT_OF_MEMORY``, ``DEVICE_LOST``.
        """
        return self._rescued(chosen, wishes, on_event, lambda pipeline: pipeline)

    def render(
        self,
        job: RenderJob,
        chosen: Plan,
        wishes: ComputeWishes,
        on_event: EventSink,
        should_stop: Callable[[], bool],
    ) -> RenderResult:
        """Render ``job`` as ``chosen`` says, loading what it needs.

        When a card runs out of memory the render goes on from its last saved state in the next way that needs less
        of it; when other cards fail that the planner took of its own accord, it goes on with one. A warning says so.

        Raises:
            Cancelled, UserError: see :func:`live_avatar.render.render`; ``OUT_OF_MEMORY`` when no way is left, and
                ``DEVICE_LOST``. Finished clips stay, and the same call by another process goes on.
        """
        from live_avatar.render import render

        tally = RenderTally(on_event)

        def act(pipeline: Pipeline) -> RenderResult:
            tally.begin()
            return render(job, pipeline, tally.observe, should_stop)

        return tally.whole(self._rescued(chosen, wishes, tally.observe, act))

    @property
    def kept_to_plan(self) -> bool:
        """Whether the last load or render was carried out as planned, so that its speed is that of the plan."""
        return self.pipeline is not None and not self._left_plan

    def drop(self) -> None:
        """Let go of everything in memory, and end the other ranks."""
        pipeline, self.pipeline, self._team = self.pipeline, None, None
        if pipeline is not None:
            pipeline.close()
        self._host_held = 0

    def _rescued(
        self, chosen: Plan | None, wishes: ComputeWishes, on_event: EventSink, act: Callable[[Pipeline], _Result]
    ) -> _Result:
        """Have the weights in memory and ``act``: with less on a card as often as it runs out of memory, and on one
        card when others fail that nobody asked for.

        Raises:
            UserError: ``OUT_OF_MEMORY``, ``RANK_OUT_OF_MEMORY``: no way is left; ``DEVICE_LOST``.
        """
        from live_avatar.distributed.going_alone import survive_without_others
        from live_avatar.fast.card import apply_memory_limit
        from live_avatar.fast.out_of_memory import fault_of, out_of_memory
        from live_avatar.numerics import choose_device

        apply_memory_limit(choose_device(self.options.device), limit_of(wishes))
        self._left_plan = False

        def run(planned: Plan | None) -> _Result:
            accepted = frozenset() if planned is None else planned.accepted_numerics

            def accepting(pipeline: Pipeline) -> _Result:
                pipeline.accepted_weights = frozenset(map(pipeline.identity.fingerprint, accepted))
                return act(pipeline)

            team = None if planned is None else planned.team
            if team is not None and team.ladder is not None:
                return self._rescued_team(team, team.ladder, wishes, on_event, accepting)
            return self._rescued_alone(planned, wishes, on_event, accepting)

        def tell(why: str) -> None:
            self._left_plan, self._unshared = True, why
            on_event(WarningEvent("CARDS_UNUSED", why))

        try:
            if chosen is None or chosen.team is None or wishes.cut.several:
                return run(chosen)
            return survive_without_others(run, chosen, release=self.drop, tell=tell)
        except RuntimeError as error:
            if fault_of(error) != "memory":
                raise
            raise out_of_memory(error) from error

    def _rescued_alone(
        self, chosen: Plan | None, wishes: ComputeWishes, on_event: EventSink, act: Callable[[Pipeline], _Result]
    ) -> _Result:
        """As :meth:`_rescued`, on one card; also for ranks that have nothing to plan."""
        from live_avatar.fast.card import usable_bytes
        from live_avatar.fast.ladder import OutOfMemoryLadder
        from live_avatar.fast.out_of_memory import survive_out_of_memory
        from live_avatar.numerics import choose_device

        device, limit = choose_device(self.options.device), limit_of(wishes)
        on_card = None if chosen is None else chosen.on_card
        ladder: OutOfMemoryLadder | _NoWayDown = _NoWayDown()
        if on_card is not None:
            ladder = OutOfMemoryLadder(on_card.take, on_card.card, on_card.wishes)

        def run(compute: ComputePlan) -> _Result:
            pipeline = self._prepared(compute, None if chosen is None else chosen.team, wishes, on_event)
            if on_card is not None:
                self._host_held = on_card.with_plan(compute).memory.pinned
            return act(pipeline)

        def tell(descent: Descent) -> None:
            if on_card is not None:
                room = on_card.with_plan(descent.after).memory.peak
                self._lesson = _Lesson(on_card.card.free, room)
            self._tell_descent(descent, on_event)

        return survive_out_of_memory(
            run,
            self.compute_of(chosen, wishes),
            ladder,
            release=self.drop,
            tell=tell,
            free=lambda: usable_bytes(device, limit) if device.type == "cuda" else None,
        )

    def _rescued_team(
        self,
        team: TeamPlan,
        ladder: TeamLadder,
        wishes: ComputeWishes,
        on_event: EventSink,
        act: Callable[[Pipeline], _Result],
    ) -> _Result:
        """As :meth:`_rescued`, on the cards of a team."""
        from live_avatar.distributed.team_rescue import free_on_cards, survive_rank_out_of_memory

        def run(team: TeamPlan) -> _Result:
            assert team.lead is not None
            return act(self._prepared(team.lead, team, wishes, on_event))

        return survive_rank_out_of_memory(
            run,
            team,
            ladder,
            release=self.drop,
            tell=lambda descent: self._tell_descent(descent, on_event),
            free=lambda team: free_on_cards(team, limit_of(wishes)),
        )

    def _tell_descent(self, descent: Descent, on_event: EventSink) -> None:
        self._left_plan = True
        on_event(WarningEvent(*descent.warning()))

    def compute_of(self, chosen: Plan | None, wishes: ComputeWishes) -> ComputePlan:
        """What the networks are told under a plan; the plain engine is chosen here, where torch knows the processor."""
        if chosen is not None and chosen.compute is not None:
            return chosen.compute
        from live_avatar.checkpoint.layout import CheckpointLayout
        from live_avatar.models import read_transformer_config
        from live_avatar.numerics import choose_device, choose_plan

        options = self.options
        config = read_transformer_config(CheckpointLayout.find(options.ckpt_dir))
        compute = choose_plan(options.precision, choose_device(options.device), config)
        return replace(
            compute,
            last_step=wishes.last_step,
            steps="packed" if wishes.steps == "packed" else "sequential",
            text_encoder="host" if wishes.text_encoder == "host" else "device",
        )

    def _prepared(
        self, compute: ComputePlan, team: TeamPlan | None, wishes: ComputeWishes, on_event: EventSink
    ) -> Pipeline:
        """The pipeline for ``compute``: the one in memory if its weights serve, else another in its place."""
        from live_avatar.fast.out_of_memory import return_device_memory
        from live_avatar.fast.weight_cache import CacheSettings

        formation: Formation | None = None
        cache = CacheSettings.parse(wishes.weight_cache)
        options = replace(self.options, plan=compute, weight_cache=cache)
        if team is not None:
            from live_avatar.distributed.team_pipeline import formation_of

            formation = formation_of(team, options, limit_of(wishes))
        pipeline = self.pipeline
        if pipeline is not None and self._adapted(pipeline, compute, formation):
            return pipeline
        # Both at once might not fit.
        pipeline = None
        self.drop()
        return_device_memory()
        started = time.monotonic()
        if formation is not None:
            from live_avatar.distributed.team_pipeline import TeamPipeline

            pipeline = TeamPipeline.assemble(formation, on_event)
        else:
            from live_avatar.pipeline import Pipeline

            pipeline = Pipeline.load(options, on_event)
        self.pipeline, self._team = pipeline, team
        self.load_seconds = time.monotonic() - started
        return pipeline

    def _adapted(self, pipeline: Pipeline, compute: ComputePlan, formation: Formation | None) -> bool:
        """Have what is in memory do it, perhaps put together anew; of a team only the order of blocks may change.

        Returns:
            Whether its weights serve for that.
        """
        if formation is None:
            if self._team is not None or pipeline.plan.loading != compute.loading:
                return False
            if pipeline.plan != compute:
                pipeline.replan(compute)
            return True
        from live_avatar.distributed.team_pipeline import TeamPipeline

        if not isinstance(pipeline, TeamPipeline) or not pipeline.serves(formation):
            return False
        pipeline.reorder(formation)
        return True


class _NoWayDown:
    """The ladder of the plain engine, which computes in one way only."""

    def below(self, failed: ComputePlan, free: int | None = None) -> Rung | None:
        return None

    def descent(self, failed: ComputePlan, rung: Rung, why: str) -> Descent:
        raise NotImplementedError
