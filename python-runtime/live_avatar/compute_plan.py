"""How a model is computed on one device: form of weights and caches, what stays where, in what order. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from live_avatar.fast.placement import Placement
from live_avatar.sentence import Sentence, say

Engine = Literal["plain", "flat"]
WideForm = Literal["float32", "bfloat16"]
Weights = Literal["float32", "bfloat16", "float8"]
CacheForm = Literal["wide", "float8"]
Steps = Literal["sequential", "packed"]
LastStep = Literal["run", "skip"]
EncoderPlace = Literal["device", "host", "int8"]


_WEIGHTS: Final[Mapping[Weights, Sentence]] = {
    "float32": say("WEIGHTS_FLOAT32", "float32 weights"),
    "bfloat16": say("WEIGHTS_BFLOAT16", "bfloat16 weights"),
    "float8": say("WEIGHTS_FLOAT8", "float8 weights"),
}
_CACHES: Final[Mapping[CacheForm, Sentence]] = {
    "wide": say("CACHE_WIDE", "wide cache"),
    "float8": say("CACHE_FLOAT8", "float8 cache"),
}
_STEPS: Final[Mapping[Steps, Sentence]] = {
    "sequential": say("STEPS_IN_SEQUENCE", "steps in sequence"),
    "packed": say("STEPS_PACKED", "steps packed"),
}


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

    def words(self, layers: int) -> tuple[Sentence, ...]:
        """How it differs from a model of so many ``layers`` being on the card, one short phrase each."""
        placement = self.placement
        parts = [_WEIGHTS[self.weights], _CACHES[self.cache], _STEPS[self.steps]]
        resident = placement.resident_layers
        if resident is not None and resident < layers:
            parts.append(
                say(
                    "LAYERS_STREAMED",
                    "{streamed} of {layers} layers streamed",
                    streamed=layers - resident,
                    layers=layers,
                )
            )
        if self.streamed_cache:
            parts.append(say("CACHE_STREAMED", "cache streamed"))
        if placement.host_text and placement.host_audio:
            parts.append(say("TEXT_AND_AUDIO_ON_HOST", "text and audio weights on the host"))
        elif placement.host_text:
            parts.append(say("TEXT_ON_HOST", "text weights on the host"))
        elif placement.host_audio:
            parts.append(say("AUDIO_ON_HOST", "audio weights on the host"))
        if placement.conditions != "wide":
            parts.append(say("CONDITIONS_SMALL", "{form} condition weights", form=placement.conditions))
        if self.text_encoder == "host":
            parts.append(say("TEXT_ENCODER_ON_HOST", "text encoder on the processor"))
        elif self.text_encoder == "int8":
            parts.append(say("TEXT_ENCODER_INT8", "text encoder in int8"))
        if self.graphs:
            parts.append(say("WITH_GRAPHS", "graphs"))
        return tuple(parts)

    @property
    def loading(self) -> tuple[object, ...]:
        """What of the plan decides which weights are in memory, and where. The rest is put together around them."""
        return (self.engine, self.weights, self.vae, self.placement, self.text_encoder == "int8")
