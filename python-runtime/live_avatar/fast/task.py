"""What a card is asked to make: the card, the take, and the wishes for it. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from live_avatar.compute_plan import LastStep, Steps, WideForm
from live_avatar.compute_wishes import ComputeWishes, Place
from live_avatar.fast.card_rates import Capability, CardRates
from live_avatar.footprint import ModelSizes
from live_avatar.geometry import LatentShape
from live_avatar.take import Precision


@dataclass(frozen=True, slots=True)
class Card:
    """A card and what of it may be used.

    Attributes:
        name: as the driver gives it.
        capability: compute capability.
        free: bytes on the card that this process may still take.
        host_free: bytes of host memory that are free.
        rates: how fast it is.
        float8_attention: whether a back end that attends in e4m3 is at hand.
    """

    name: str
    capability: Capability
    free: int
    host_free: int
    rates: CardRates
    float8_attention: bool

    @property
    def multiplies_float8(self) -> bool:
        """Whether its tensor cores take e4m3."""
        return self.rates.float8_products is not None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks for.

    Attributes:
        precision: as of a render.
        last_step: whether the last denoising step is run.
        live: somebody waits for each picture, so that latency counts as well as pace.
        steps: ``None`` lets the planner choose.
        vae: arithmetic of the codec.
        layers, cache, text_encoder: see :class:`live_avatar.compute_wishes.ComputeWishes`.
    """

    precision: Precision = "auto"
    last_step: LastStep = "run"
    live: bool = False
    steps: Steps | None = None
    vae: WideForm = "bfloat16"
    layers: Place = "auto"
    cache: Place = "auto"
    text_encoder: Place = "auto"

    @classmethod
    def of(cls, precision: Precision, wishes: ComputeWishes) -> Wishes:
        """What ``wishes`` mean on a card."""
        return cls(
            precision,
            wishes.last_step,
            wishes.live,
            None if wishes.steps == "auto" else wishes.steps,
            layers=wishes.layers,
            cache=wishes.cache,
            text_encoder=wishes.text_encoder,
        )

    @property
    def forced(self) -> list[tuple[str, str]]:
        """(field, words) of every choice that is not left to the planner and can make a take too large."""
        words = {
            "layers": {"device": "all weights on the card", "host": "all layers in main memory"},
            "cache": {"device": "the caches on the card", "host": "the caches in main memory"},
            "text_encoder": {"device": "the text encoder on the card", "host": "the text encoder in main memory"},
            "steps": {"packed": "the steps packed", "sequential": "the steps in sequence"},
        }
        chosen = [(field, text.get(str(getattr(self, field)))) for field, text in words.items()]
        return [(field, text) for field, text in chosen if text is not None]

    def lifted(self) -> Wishes:
        """The same without those choices."""
        return replace(self, steps=None, layers="auto", cache="auto", text_encoder="auto")


@dataclass(frozen=True, slots=True)
class Take:
    """What is to be made: networks, sizes, and steps of the schedule."""

    sizes: ModelSizes
    shape: LatentShape
    steps: int
