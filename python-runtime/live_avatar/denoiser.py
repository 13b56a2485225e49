"""What a take asks of a denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.geometry import LatentShape
from live_avatar.layer_span import HeldUnits, HiddenState, LayerSpan
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.model.audio_injector import InjectedAudio
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.transformer import BlockPositions, ConditionSink, TimeConditions


class Denoiser(Protocol):
    """:class:`live_avatar.model.transformer.CausalAvatarTransformer`, or the same function arranged for a card.

    It may hold only some layers. What turns conditions into tokens (time, text, sound, reference and motion) is needed
    on the lead alone, and only there it is loaded: :meth:`time_conditions`, :meth:`embed_text`, :meth:`audio_tokens`,
    :meth:`condition_tokens`. Everything else works on every rank, for the layers it holds. Layers, steps and injectors
    are always numbered as in the whole network.
    """

    @property
    def config(self) -> DitConfig:
        """Sizes of the whole network."""

    @property
    def span(self) -> LayerSpan:
        """Layers whose weights it holds."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def time_conditions(self, timesteps: Tensor) -> TimeConditions:
        """Embed timesteps [S]. Give every pass of a take the same object: tables made from it are remembered by it."""

    def embed_text(self, context: Tensor) -> Tensor:
        """Project a text encoder's output: [1, text_len, D]."""

    def audio_tokens(self, features: Tensor) -> AudioTokens:
        """The sound of one block, from speech features [actors, layers, A, 12]."""

    def condition_tokens(self, reference: Tensor, motion: Tensor) -> Tensor:
        """Tokens of the reference and the motion latents: [1, C, D]."""

    def text_memory(self, embedded: Tensor) -> dict[int, KeyValue]:
        """Text keys and values of the layers it holds, by layer."""

    def audio_memory_of(self, tokens: AudioTokens) -> dict[int, InjectedAudio]:
        """Audio conditions of the injectors after the layers it holds, by injector."""

    def new_cache(
        self, shape: LatentShape, steps: int, dtype: torch.dtype | None = None, *, units: HeldUnits | None = None
    ) -> KvCache:
        """An empty cache for a take, for all units or those given."""

    def hidden_places(self, batch: int, tokens: int) -> HiddenState:
        """Memory for a hidden state to arrive in: ``batch`` samples of ``tokens`` tokens, not initialised."""

    def prefill_span(
        self,
        given: Tensor | HiddenState,
        span: LayerSpan,
        time: TimeConditions,
        text: Mapping[int, KeyValue],
        rotary: RotaryPositions,
        sink: ConditionSink,
    ) -> HiddenState | None:
        """Run condition tokens through a run of layers, giving their keys and values to ``sink``.

        ``given`` are the tokens for the first layer, else what the layers before answered. ``None`` after the last.
        """

    def denoise_span(
        self,
        given: Tensor | HiddenState,
        span: LayerSpan,
        time: TimeConditions,
        positions: BlockPositions,
        cache: KvCache,
        steps: slice,
        text: Mapping[int, KeyValue],
        audio: Mapping[int, InjectedAudio],
        pose: Tensor | None = None,
        routing: Tensor | None = None,
    ) -> Tensor | HiddenState:
        """Run a batch of blocks through a run of layers.

        ``given`` are latents for the first layer, else a hidden state, which may be overwritten. The answer is the
        velocity after the last layer, else a hidden state. Either must be used, or copied, before the next pass.
        """
