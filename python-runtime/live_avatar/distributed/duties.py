"""What a follower does at its lead's command: load its layers, do its part of takes, give and take states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from live_avatar.distributed.board import Phase
from live_avatar.distributed.channel import Channel, Message
from live_avatar.distributed.conditions import receive_conditions
from live_avatar.distributed.cut import LEAD, Cut, Edge, read_cut
from live_avatar.distributed.edges import close_edges, open_edges
from live_avatar.distributed.orders import RankModel, read_model, read_take
from live_avatar.distributed.progress import Progress
from live_avatar.distributed.stage import Ends, Stage, bounds_of
from live_avatar.distributed.stores import named_part, reach_store
from live_avatar.fast.card import apply_memory_limit
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.numerics import choose_device, repeatable
from live_avatar.take_passes import PassItem

if TYPE_CHECKING:
    from live_avatar.denoiser import Denoiser


class Duties:
    """The state of a follower.

    Args:
        channel: to the lead.
        next_message: waits for the next command; peek: the next command, if it is here already.
    """

    def __init__(
        self,
        rank: int,
        channel: Channel,
        next_message: Callable[[], Message],
        peek: Callable[[], Message | None],
    ) -> None:
        self._rank = rank
        self._channel = channel
        self._next_message = next_message
        self._peek = peek
        self._settings = ExitStack()
        self._phase: Phase = "starting"
        self._moves = 0
        self._progress: Progress | None = None
        self._device = torch.device("cpu")
        self._cut: Cut | None = None
        self._denoiser: Denoiser | None = None
        self._ends = Ends()
        self._early = False
        self._stage: Stage | None = None

    def news(self) -> tuple[Phase, int, int, tuple[int, int, int] | None]:
        """Phase, acts done, other moves, memory on the card; from any thread."""
        progress = self._progress
        return self._phase, 0 if progress is None else progress.done(), self._moves, self._memory()

    @torch.inference_mode()
    def carry_out(self, message: Message) -> None:
        """Do what a command says.

        Raises:
            UserError: the model cannot be loaded.
            RankFailed: another rank is gone.
        """
        getattr(self, f"_do_{message.kind}")(message)
        self._moves += 1

    def _do_load(self, message: Message) -> None:
        model = read_model(message.facts["model"])
        self._enter("loading")
        self._cut = read_cut(message.facts["cut"])
        self._device = choose_device(model.device)
        if self._device.type == "cuda":
            torch.cuda.set_device(self._device)
            apply_memory_limit(self._device, model.memory_limit)
        self._settings.enter_context(repeatable(self._device))
        self._denoiser = self._load(model)
        self._progress = Progress(self._device)
        self._enter("ready")
        self._channel.send("loaded", memory=self._memory())

    def _enter(self, phase: Phase) -> None:
        """Say at once that another phase begins: how long a rank may be silent depends on it."""
        self._phase = phase
        now, done, progress, memory = self.news()
        self._channel.send("beat", phase=now, done=done, progress=progress, memory=memory)

    def _load(self, model: RankModel) -> Denoiser:
        from live_avatar.models import load_denoiser
        from live_avatar.pipeline import PipelineOptions, identify_weights

        def moved(*_: object) -> None:
            self._moves += 1

        assert self._cut is not None
        options = PipelineOptions(model.ckpt_dir, model.lora, model.device, plan=model.plan)
        part = self._cut.part_of(self._rank)
        return load_denoiser(identify_weights(options), model.weight_cache, moved, part=part)

    def _do_connect(self, message: Message) -> None:
        facts = message.facts
        assert self._cut is not None
        store = reach_store(facts["address"], facts["port"])
        self._ends = open_edges(
            self._cut,
            self._rank,
            named_part(store, facts["prefix"]),
            self._device,
            facts["transport"],
            lambda: False,  # the lead ends this process
            loopback=facts["loopback"],
        )
        self._early = facts["transport"] == "host"
        self._channel.send("connected")

    def _do_take(self, message: Message) -> None:
        self._stage = None
        assert self._cut is not None
        assert self._denoiser is not None
        assert self._progress is not None
        settings, times = read_take(message.facts, message.tensors, self._device)
        self._stage = Stage(self._denoiser, self._cut, self._rank, settings, times, self._ends, self._progress.mark)

    def _do_end_take(self, _: Message) -> None:
        self._at_work.finish()
        self._stage = None
        self._channel.send("take_ended")

    def _do_text(self, message: Message) -> None:
        self._at_work.use_text(self._conditions(message)["text"])

    def _do_prefill(self, message: Message) -> None:
        self._at_work.prefill(self._conditions(message).get("tokens"))

    def _do_begin(self, message: Message) -> None:
        given, facts = self._conditions(message), message.facts
        audio = AudioTokens(given["local"], given["whole"])
        self._at_work.begin(facts["block"], facts["step"], given.get("latents"), audio, given.get("pose"))

    def _do_advance(self, message: Message) -> None:
        following = self._peek() if self._early else None
        if following is not None and following.kind == "advance":
            # Through host memory the next input may arrive while this one is worked on.
            self._at_work.foresee(_item(message))
            self._at_work.foresee(_item(following))
        self._at_work.advance(_item(message))

    def _do_latents(self, message: Message) -> None:
        self._channel.send("latents", {"latents": self._at_work.latents(message.facts["block"]).cpu()})

    def _do_describe_cache(self, _: Message) -> None:
        self._channel.send("cache", pieces=self._at_work.describe_cache(), bytes=self._at_work.cache_bytes)

    def _do_give_slice(self, message: Message) -> None:
        facts = message.facts
        self._channel.send("slice", {"slice": self._at_work.cache_slice(facts["name"], facts["place"]).cpu()})

    def _do_restore(self, _: Message) -> None:
        def ask(name: str, place: tuple[slice, ...]) -> Tensor:
            self._channel.send("want", name=name, place=bounds_of(place))
            self._moves += 1
            return self._next_message().tensors["piece"]

        self._at_work.load_cache(cast(Mapping[str, Tensor], _RemoteTensors(ask)))
        self._channel.send("restored")

    def _do_disconnect(self, _: Message) -> None:
        close_edges(self._ends)
        self._ends = Ends()
        self._channel.send("disconnected")

    @property
    def _at_work(self) -> Stage:
        assert self._stage is not None
        return self._stage

    def _conditions(self, message: Message) -> dict[str, Tensor]:
        edge = Edge(LEAD, self._rank, "conditions")
        return receive_conditions(self._ends.receiving[edge], message.facts["conditions"])

    def _memory(self) -> tuple[int, int, int] | None:
        if self._device.type != "cuda":
            return None
        total = torch.cuda.get_device_properties(self._device).total_memory
        return torch.cuda.memory_allocated(self._device), torch.cuda.memory_reserved(self._device), total


class _RemoteTensors:
    """Stands for the tensors of a saved state: a part of one is asked for when it is looked at."""

    def __init__(self, ask: Callable[[str, tuple[slice, ...]], Tensor]) -> None:
        self._ask = ask

    def __getitem__(self, name: str) -> _RemoteTensor:
        return _RemoteTensor(name, self._ask)


class _RemoteTensor:
    def __init__(self, name: str, ask: Callable[[str, tuple[slice, ...]], Tensor]) -> None:
        self._name = name
        self._ask = ask

    def __getitem__(self, place: tuple[slice, ...]) -> Tensor:
        return self._ask(self._name, place)


def _item(message: Message) -> PassItem:
    facts = message.facts
    return PassItem(facts["block"], facts["step"], facts["reference_frame"])
