"""The published network with drawn weights on a card, as a plan asks for it, and takes of random conditions."""

from __future__ import annotations

import gc
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import torch

from live_avatar.bench.random_network import random_conditions
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.checkpoint.random_weights import write_random_model
from live_avatar.compute_plan import ComputePlan
from live_avatar.fast.assembly import FastSettings, fast_transformer
from live_avatar.fast.loading import load_fast_transformer
from live_avatar.fast.transformer import FastTransformer
from live_avatar.fast.weights import LayerStore
from live_avatar.file_facts import read_model_sizes
from live_avatar.geometry import LatentShape
from live_avatar.last_step import without_last_step
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.noise import SeededDraws
from live_avatar.sampler import Schedule, make_schedule
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.vae.block_decoder import BlockDecoder, make_decoder
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.fast_encoder import speed_up_encoder
from live_avatar.vae.model import VideoVae


@dataclass(slots=True)
class _Loaded:
    """Weights in one form and place."""

    key: tuple[object, ...]
    network: CausalAvatarTransformer
    layers: LayerStore


class CardPipeline:
    """Networks for one plan after the other; weights stay while plans need the same. Use it with ``with``.

    Attributes:
        sizes: of the networks.
        load_seconds: the last load of weights took; drawing them stands for reading them.
    """

    def __init__(self, device: torch.device, preset: str = "14b") -> None:
        self.device = device
        self.load_seconds = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="live-avatar-bench-")
        model = Path(self._folder.name) / "model"
        write_random_model(model, preset, Drawing(1))
        self._layout = CheckpointLayout.find(model)
        self.sizes = read_model_sizes(self._layout)
        self._loaded: _Loaded | None = None
        self._vae: VideoVae | None = None
        self._decoder: BlockDecoder | None = None

    def __enter__(self) -> CardPipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._folder.cleanup()

    def release(self) -> None:
        """Let go of everything on the card."""
        self._loaded = self._vae = self._decoder = None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def denoiser(self, plan: ComputePlan) -> FastTransformer:
        """The denoiser as the plan wants it."""
        key = (plan.weights, plan.placement)
        if self._loaded is None or self._loaded.key != key:
            self._loaded = None
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            started = time.monotonic()
            network, layers = load_fast_transformer(self._layout, None, plan.weights, self.device, plan.placement)
            self._loaded = _Loaded(key, network, layers)
            self.load_seconds = time.monotonic() - started
        return fast_transformer(self._loaded.network, FastSettings.of_plan(plan), self._loaded.layers)

    def vae(self) -> VideoVae:
        """The codec with drawn weights, in the plan's usual precision."""
        if self._vae is None:
            torch.manual_seed(0)
            dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
            with self.device:
                self._vae = VideoVae(VaeConfig.of_width(self.sizes.vae_width)).to(self.device, dtype)
            self._vae.use_channels_last()
            self._vae.eval().requires_grad_(False)
            speed_up_encoder(self._vae)
        return self._vae

    def decoder(self) -> BlockDecoder:
        """The decoding half, as a render uses it."""
        if self._decoder is None:
            self._decoder = make_decoder(self.vae())
        return self._decoder

    def conditions(self, shape: LatentShape) -> Conditions:
        """Random conditions; portrait latents included."""
        return random_conditions(self.sizes.config, shape, self.device)

    def session(
        self,
        denoiser: FastTransformer,
        shape: LatentShape,
        plan: ComputePlan,
        steps: int,
        conditions: Conditions | None = None,
        decoder: BlockDecoder | None = None,
    ) -> Session:
        """A take that has not begun."""
        settings = SessionSettings(shape, schedule_of(plan, steps), packed=plan.steps == "packed")
        given = conditions or self.conditions(shape)
        return Session(denoiser, decoder or self.decoder(), settings, given, SeededDraws(3))


def schedule_of(plan: ComputePlan, steps: int) -> Schedule:
    """The schedule of a plan: ``steps``, less the last if the plan leaves it out."""
    schedule = make_schedule(steps)
    return without_last_step(schedule) if plan.last_step == "skip" else schedule
