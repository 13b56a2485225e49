"""A very long take with a very small model: what it is made of, for several ranks and for one process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from live_avatar.bench.random_network import random_conditions
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.cut import Cut, cut_balanced, even_counts
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.team import Formation
from live_avatar.file_facts import read_model_sizes
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND, LatentShape
from live_avatar.models import load_denoiser, load_vae
from live_avatar.noise import SeededDraws
from live_avatar.pipeline import PipelineOptions, identify_weights
from live_avatar.sampler import make_schedule
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.take_passes import LocalPasses, PassSettings
from live_avatar.vae.block_decoder import PlainDecoder

_PLAN = ComputePlan("plain", "float32", "float32", graphs=False)
_SEED = 3


@dataclass(frozen=True, slots=True)
class LongTake:
    """What is run.

    Attributes:
        folder: of a small model; size: (width, height) of the pictures; infer_frames: of a clip.
        steps: of the schedule.
        ranks: processes; minutes: of video; stretches: states saved, and replayed in between.
    """

    folder: Path
    size: tuple[int, int]
    infer_frames: int
    steps: int
    ranks: int
    minutes: float
    stretches: int

    @property
    def shape(self) -> LatentShape:
        """Of the latents."""
        return LatentShape.of_picture(*self.size, self.infer_frames)

    @property
    def blocks(self) -> int:
        """Of the take: as many as cover the minutes."""
        return -(-round(self.minutes * 60 * FRAMES_PER_SECOND) // BLOCK_FRAMES)

    @property
    def stretch(self) -> int:
        """Blocks between two saved states."""
        return -(-self.blocks // self.stretches)

    @property
    def cut(self) -> Cut:
        """Units of one step and one layer in even parts, so that both hidden states and latents travel."""
        layers = read_model_sizes(CheckpointLayout.find(self.folder)).config.num_layers
        return cut_balanced(self.steps, layers, even_counts(self.steps * layers, self.ranks))

    @property
    def formation(self) -> Formation:
        """The ranks, on the processor.

        One block after the other, so many asked for that every rank has one: an order that a restored session goes on
        with as if nothing had been.
        """
        model = RankModel(self.folder, None, "cpu", _PLAN)
        return Formation(self.cut, (model,) * self.ranks, "host", room=1, ahead=self.ranks - 1)

    def settings(self) -> SessionSettings:
        """Of a session."""
        return SessionSettings(self.shape, make_schedule(self.steps))

    def conditions(self) -> Conditions:
        """Random ones."""
        config = read_model_sizes(CheckpointLayout.find(self.folder)).config
        return random_conditions(config, self.shape, torch.device("cpu"))

    def draws(self) -> SeededDraws:
        """Its random numbers."""
        return SeededDraws(_SEED)

    def local_session(self, ahead: int | None = None) -> Session:
        """A session without ranks that takes the same acts in the same order, or asks for ``ahead`` blocks."""
        model = self.formation.models[0]
        options = PipelineOptions(model.ckpt_dir, model.lora, model.device, plan=model.plan)
        denoiser = load_denoiser(identify_weights(options))
        settings = self.settings()
        passes = LocalPasses(denoiser, PassSettings(settings.shape, settings.schedule), packed=False)
        passes.room, passes.ahead = self.formation.flights, self.formation.ahead if ahead is None else ahead
        decoder = PlainDecoder(load_vae(CheckpointLayout.find(self.folder), torch.float32, torch.device("cpu")))
        return Session(denoiser, decoder, settings, self.conditions(), self.draws(), passes)
