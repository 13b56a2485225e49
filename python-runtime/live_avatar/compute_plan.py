"""How a model is computed on one device: form of weights and caches, what stays where, in what order. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from live_avatar.fast.placement import Placement

Engine = Literal["plain", "flat"]
WideForm = Literal["float32", "bfloat16"]
Weights = Literal["float32", "bfloat16", "float8"]
CacheForm = Literal["wide", "float8"]
Steps = Literal["sequential", "packed"]
LastStep = Literal["run", "skip"]
EncoderPlace = Literal["device", "host", "int8"]


@dataclass(frozen=True, slots=True)
class ComputePlan:
    """Every choice that changes speed, memory or rounding of a render, and none that changes what is meant by it.

    Attributes:
        engine: ``plain`` is the network as published, in PyTorch; ``flat`` the fused pass for cards.
        weights: of the denoiser's layers.
        vae: weights and arithmetic of the video codec.
        cache: keys and values: as wide as the activations, or e4m3.
        attention: a back end's name (:mod:`live_avatar.fast.attention`), or ``auto``.
        kernels: fused row operations in Triton, or plain ones.
        placement: which weights stay on the device.
        streamed_cache: keys and values wait in host memory and take turns on the device.
        steps: one after the other, or all in one pass over several blocks.
        graphs: capture passes as CUDA graphs.
        last_step: whether the last denoising step is run; without it the picture is a little less clean, and sooner.
        text_encoder: where it computes, and in what form.
        keep_primed: keep the decoder as the last portrait leaves it, for the next take with that portrait.
    """

    engine: Engine
    weights: Weights
    vae: WideForm
    cache: CacheForm = "wide"
    attention: str = "auto"
    kernels: Literal["auto", "fused", "plain"] = "auto"
    placement: Placement = field(default_factory=Placement)
    streamed_cache: bool = False
    steps: Steps = "sequential"
    graphs: bool = True
    last_step: LastStep = "run"
    text_encoder: EncoderPlace = "device"
    keep_primed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @property
    def numerics(self) -> str:
        """What of the plan decides the pictures; part of every clip's hash. The rest may change within a take."""
        if self.engine == "plain":
            return f"plain {self.weights} {self.vae} {self.last_step}"
        parts = (
            self.weights,
            self.vae,
            self.cache,
            self.placement.conditions,
            self.last_step,
            self.text_encoder == "int8",
        )
        return "flat " + " ".join(map(str, parts))

    @property
    def loading(self) -> tuple[object, ...]:
        """What of the plan decides which weights are in memory, and where. The rest is put together around them."""
        return (self.engine, self.weights, self.vae, self.placement, self.text_encoder == "int8")
