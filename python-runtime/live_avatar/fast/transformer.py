"""The denoiser as a flat pass: the same function as :class:`CausalAvatarTransformer`, arranged for a card.

A layer is a fixed row of products, each between two fused row operations; the residual stream is updated by the norm
that reads it next. What does not change within a block or a prompt is prepared outside the pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.attention import Attention, plain_attention
from live_avatar.fast.cache import CacheBuffers, FastCache
from live_avatar.fast.pinned_memory import HostPool
from live_avatar.fast.products import RowValues, product
from live_avatar.fast.row_operations import Affine, RowOperations, StoredWindow, Update
from live_avatar.fast.streamed_fast_cache import StreamedFastCache
from live_avatar.fast.tables import LayerTable, StepTables, affine_rows, step_tables
from live_avatar.fast.weights import InjectorWeights, LayerStore, LayerWeights
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.layer_span import HeldUnits, HiddenState, LayerSpan
from live_avatar.model.audio_encoder import AudioTokens
from live_avatar.model.audio_injector import ADAPTIVE_EPS, InjectedAudio
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import REFERENCE_PREFILL_FRAME, RotaryPositions
from live_avatar.model.transformer import BlockPositions, CausalAvatarTransformer, ConditionSink, TimeConditions
from live_avatar.numerics import current_card

# From stacked q, k, v [B * T, 3 * D] of a layer to the attention's result [B * T, D].
_Attend = Callable[[int, LayerWeights, Tensor], RowValues | Tensor]
_REMEMBERED_SCHEDULES = 4


@dataclass(slots=True)
class PassInputs:
    """Everything one pass reads beside weights and cache; a captured graph has these in fixed places.

    Attributes:
        given: latents [B, 16, 3, h8, w8] float32, or what the layers before answered; row b is a block at step
            ``steps[b]``.
        positions, text, audio, pose, routing: see :meth:`CausalAvatarTransformer.denoise_span`.
    """

    given: Tensor | HiddenState
    positions: BlockPositions
    text: Mapping[int, KeyValue]
    audio: Mapping[int, InjectedAudio]
    pose: Tensor | None
    routing: Tensor | None


class FastTransformer:
    """Stands in for :class:`CausalAvatarTransformer` in a session.

    Args:
        network: the published network; only what a pass does not need per layer has weights
            (:func:`live_avatar.fast.weights.step_tensor_names` tells which are missing).
        layers: weights of the layers.
        rows: operations between products.
        attention: back end for the window.
        residual_dtype: of the stream between the layers.
        streamed_cache: keep keys and values in host memory.
    """

    def __init__(
        self,
        network: CausalAvatarTransformer,
        layers: LayerStore,
        rows: RowOperations,
        head_rows: RowOperations,
        attention: Attention,
        residual_dtype: torch.dtype,
        *,
        streamed_cache: bool = False,
    ) -> None:
        self.network = network
        self.layers = layers
        self.rows = rows
        self.head_rows = head_rows
        self.attention = attention
        self.residual_dtype = residual_dtype
        self.streamed_cache = streamed_cache
        self._host_memory = HostPool(network.device)
        self._tables: dict[int, tuple[TimeConditions, StepTables]] = {}

    @property
    def config(self) -> DitConfig:
        """Sizes of the network."""
        return self.network.config

    @property
    def span(self) -> LayerSpan:
        """Layers whose weights it holds."""
        return self.layers.span

    @property
    def dtype(self) -> torch.dtype:
        """Compute dtype of what is not quantised."""
        return self.network.dtype

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.network.device

    def time_conditions(self, timesteps: Tensor) -> TimeConditions:
        """As :meth:`CausalAvatarTransformer.time_conditions`."""
        return self.network.time_conditions(timesteps)

    def embed_text(self, context: Tensor) -> Tensor:
        """As :meth:`CausalAvatarTransformer.embed_text`."""
        return self.network.embed_text(context)

    def text_memory(self, embedded: Tensor) -> dict[int, KeyValue]:
        """As :meth:`CausalAvatarTransformer.text_memory`."""
        return self.network.text_memory(embedded)

    def audio_tokens(self, features: Tensor) -> AudioTokens:
        """As :meth:`CausalAvatarTransformer.audio_tokens`."""
        return self.network.audio_tokens(features)

    def audio_memory_of(self, tokens: AudioTokens) -> dict[int, InjectedAudio]:
        """As :meth:`CausalAvatarTransformer.audio_memory_of`."""
        return self.network.audio_memory_of(tokens)

    def condition_tokens(self, reference: Tensor, motion: Tensor) -> Tensor:
        """As :meth:`CausalAvatarTransformer.condition_tokens`."""
        return self.network.condition_tokens(reference, motion)

    def new_cache(
        self, shape: LatentShape, steps: int, dtype: torch.dtype | None = None, *, units: HeldUnits | None = None
    ) -> KvCache:
        """A cache for a take; its precision is the attention's, whatever ``dtype`` says."""
        held = HeldUnits.whole(steps, self.config.num_layers) if units is None else units
        if self.streamed_cache:
            dtype, memory = self.attention.cache_dtype, self._host_memory
            return StreamedFastCache(
                self.config, shape, held, dtype, self.dtype, self.device, row_operations=self.rows, memory=memory
            )
        return self.new_fast_cache(shape, held)

    def new_fast_cache(self, shape: LatentShape, units: HeldUnits) -> FastCache:
        """A cache on the device."""
        dtype = self.attention.cache_dtype
        buffers = CacheBuffers.allocate(self.config, shape, units, dtype, self.dtype, self.device)
        return FastCache(shape, buffers, self.rows)

    def hidden_places(self, batch: int, tokens: int) -> HiddenState:
        """Memory for a hidden state: residual and update, each [batch * tokens, D], not initialised."""
        size = (batch * tokens, self.config.dim)
        residual, update = (torch.empty(size, dtype=dtype, device=self.device) for dtype in self._hidden_dtypes)
        return HiddenState((residual, update))

    def prefill_span(
        self,
        given: Tensor | HiddenState,
        span: LayerSpan,
        time: TimeConditions,
        text: Mapping[int, KeyValue],
        rotary: RotaryPositions,
        sink: ConditionSink,
    ) -> HiddenState | None:
        """As :meth:`CausalAvatarTransformer.prefill_span`, for one take; keys go to ``sink`` with split pairs."""
        table = rotary.condition(REFERENCE_PREFILL_FRAME).unsqueeze(0)
        window = self._window_of_its_own(table.shape[1])

        def attend(layer: int, weights: LayerWeights, qkv: Tensor) -> Tensor:
            norms, eps = (weights.query_norm, weights.key_norm), self.config.eps
            query = self.rows.store(qkv, *norms, eps, table, window, self.dtype)
            key, value = qkv.view(1, len(qkv), 3, self.config.num_heads, -1).unbind(2)[1:]
            unrotated = self.rows.rms(key.flatten(0, 1).flatten(1).contiguous(), weights.key_norm, eps)
            sink(layer, KeyValue(unrotated.view(key.shape), value))
            return plain_attention(query, window.key, value).flatten(0, 1).flatten(1)

        tables = self._step_tables(time)
        residual = self._residual(given)
        update = self._pending(given, span, tables, slice(0, 1), injected=False)
        with current_card(self.device):
            for layer, weights in zip(span.layers, self.layers.walk(span), strict=True):
                update = self._block(layer, residual, update, weights, tables.layers[layer], text[layer], attend)
        if span.last == self.config.num_layers:
            return None
        assert update is not None
        return HiddenState((residual, update.values))

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
        """As :meth:`CausalAvatarTransformer.denoise_span`."""
        assert isinstance(cache, FastCache)
        inputs = PassInputs(given, positions, text, audio, pose, routing)
        tables = self._step_tables(time)
        with current_card(self.device):
            return self.run(inputs, span, tables, cache, steps)

    def run(
        self, inputs: PassInputs, span: LayerSpan, tables: StepTables, cache: FastCache, steps: slice
    ) -> Tensor | HiddenState:
        """One pass over some layers; nothing in it depends on values, only on shapes, so that it can be captured.

        Returns:
            Velocity [B, 16, 3, h8, w8] float32 after the last layer, else a hidden state.
        """
        positions, batch = inputs.positions, len(inputs.positions.ring_index)
        cache.begin_pass(steps, span, positions, self.rows)

        def attend(layer: int, weights: LayerWeights, qkv: Tensor) -> RowValues | Tensor:
            window = cache.window(steps, layer, positions.ring_index)
            cache.begin_layer(layer, window, positions, self.rows)
            query = self.rows.store(
                qkv,
                weights.query_norm,
                weights.key_norm,
                self.config.eps,
                positions.noisy_table,
                window,
                self.attention.query_dtype,
            )
            key, value = window.key[:, : positions.visible], window.value[:, : positions.visible]
            attended = self.attention.attend(query, key, value, cache.scale_rows(layer, len(qkv)))
            cache.finish_layer(layer)
            return attended

        given = inputs.given
        if not isinstance(given, HiddenState):
            given = self.network.patchify(given, inputs.pose)
        residual = self._residual(given)
        update = self._pending(given, span, tables, steps, injected=True)
        for layer, weights in zip(span.layers, self.layers.walk(span), strict=True):
            table = tables.layers[layer].rows(steps)
            update = self._block(layer, residual, update, weights, table, inputs.text[layer], attend)
            if weights.injector is not None:
                audio = inputs.audio[self.config.audio_inject_layers.index(layer)]
                update = self._inject(batch, residual, update, weights.injector, audio, inputs.routing)
        if span.last < self.config.num_layers:
            assert update is not None
            return HiddenState((residual, update.values))
        normed = self.head_rows.norm(residual, update, affine_rows(tables.head, steps), self.config.eps)
        patches = self.network.head.head(normed.values).unflatten(0, (batch, -1))
        return self.network.unpatchify(patches, cache.shape.height, cache.shape.width)

    def _block(
        self,
        layer: int,
        residual: Tensor,
        update: Update | None,
        weights: LayerWeights,
        table: LayerTable,
        text: KeyValue,
        attend: _Attend,
    ) -> Update:
        """One transformer block over ``residual`` [M, D], changed in place; returns the update still to be added."""
        rows, eps = self.rows, self.config.eps
        normed = rows.norm(residual, update, table.attention, eps)
        mixed = attend(layer, weights, product(normed, weights.qkv, self.dtype))
        attended = mixed if isinstance(mixed, RowValues) else rows.rows(mixed)
        update = Update(product(attended, weights.out, self.dtype), table.attention_gate)
        normed = rows.norm(residual, update, Affine(weights.text_norm_weight, weights.text_norm_bias), eps)
        query = rows.rms(product(normed, weights.text_query, self.dtype), weights.text_query_norm, eps)
        # All samples read the same text, so they are one long query.
        mixed = plain_attention(self._heads(query).unsqueeze(0), text.key, text.value).flatten(0, 1).flatten(1)
        update = Update(product(rows.rows(mixed), weights.text_out, self.dtype))
        normed = rows.norm(residual, update, table.feed_forward, eps)
        inner = rows.gelu(product(normed, weights.ffn_up, self.dtype))
        return Update(product(inner, weights.ffn_down, self.dtype), table.feed_forward_gate)

    def _inject(
        self,
        batch: int,
        residual: Tensor,
        update: Update,
        weights: InjectorWeights,
        audio: InjectedAudio,
        routing: Tensor | None,
    ) -> Update:
        """The audio injector (spec section 3.4) over ``batch`` samples; performs ``update``, returns its own."""
        factor, shift = (audio.scale + 1).flatten(0, 1), audio.shift.flatten(0, 1)
        groups = LATENT_FRAMES_PER_BLOCK * batch
        total: Tensor | None = None
        pending: Update | None = update
        for speaker in range(len(factor) // groups):
            part = slice(speaker * groups, (speaker + 1) * groups)
            normed = self.rows.norm(residual, pending, Affine(factor[part], shift[part]), ADAPTIVE_EPS)
            pending = None
            query = self.rows.rms(product(normed, weights.query, self.dtype), weights.query_norm, self.config.eps)
            query = self._heads(query).view(groups, -1, self.config.num_heads, self.config.head_dim)
            mixed = plain_attention(query, audio.memory.key[part], audio.memory.value[part]).flatten(0, 1).flatten(1)
            values = product(self.rows.rows(mixed), weights.out, self.dtype)
            if routing is not None:
                values = values * routing[speaker].to(values.dtype)
            total = values if total is None else total + values
        assert total is not None
        return Update(total)

    @property
    def _hidden_dtypes(self) -> tuple[torch.dtype, torch.dtype]:
        return self.residual_dtype, self.dtype

    def _residual(self, given: Tensor | HiddenState) -> Tensor:
        """The residual stream [M, D], to be changed in place; of tokens [B, T, D] a copy."""
        if isinstance(given, HiddenState):
            return given.tensors[0]
        return given.flatten(0, 1).to(self.residual_dtype, copy=True, memory_format=torch.contiguous_format)

    def _pending(
        self, given: Tensor | HiddenState, span: LayerSpan, tables: StepTables, steps: slice, *, injected: bool
    ) -> Update | None:
        """What the layer before ``span`` left to be added; its gate is known here as it is there."""
        if not isinstance(given, HiddenState):
            return None
        before = span.first - 1
        if injected and before in self.config.audio_inject_layers:
            return Update(given.tensors[1])
        return Update(given.tensors[1], tables.layers[before].rows(steps).feed_forward_gate)

    def _heads(self, states: Tensor) -> Tensor:
        """[M, D] -> [M, heads, head_dim]."""
        return states.view(*states.shape[:-1], self.config.num_heads, -1)

    def _window_of_its_own(self, tokens: int) -> StoredWindow:
        """Room for keys and values that attend to nothing but each other."""
        size = (1, tokens, self.config.num_heads, self.config.head_dim)
        key, value = (torch.empty(size, dtype=self.dtype, device=self.device) for _ in range(2))
        index = torch.arange(tokens, device=self.device).unsqueeze(0)
        return StoredWindow(key, value, index, torch.ones((), device=self.device))

    def _step_tables(self, time: TimeConditions) -> StepTables:
        known = self._tables.get(id(time))
        if known is None:
            while len(self._tables) >= _REMEMBERED_SCHEDULES:
                del self._tables[next(iter(self._tables))]
            # The conditions are kept with the tables, so that their id is not given to others.
            known = self._tables[id(time)] = (time, step_tables(self.network, time))
        return known[1]
