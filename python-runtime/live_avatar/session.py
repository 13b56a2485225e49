"""A session owns all streaming state of one take: caches, decoder, position (design: house section 6)."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from live_avatar.card_queue import queued_copy
from live_avatar.denoiser import Denoiser
from live_avatar.errors import Cancelled
from live_avatar.flights import BlockOrder, FlightRules, Flights
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK
from live_avatar.noise import reference_frame
from live_avatar.saved_session import SavedSession, SlicedTensor
from live_avatar.session_inputs import Conditions, Draws, SessionSettings
from live_avatar.take_passes import LocalPasses, PassItem, PassSettings, TakePasses
from live_avatar.vae.block_decoder import BlockDecoder
from live_avatar.vae.frame_copies import PendingFrames

# Motion latents fed through the decoder before the first block, their pictures unseen (spec 8.2).
PRIMING_LATENTS = 7


class Session:
    """Generates one take block by block.

    Args:
        transformer: the denoiser.
        decoder: of the pictures; its streaming state belongs to this session.
        settings: sizes and schedule.
        conditions: portrait, prompts, audio.
        draws: random numbers.
        passes: what carries out the denoising, if not ``transformer`` itself; ``packed`` is then its own affair.
        order: makes the order in which blocks take their steps.
    """

    def __init__(
        self,
        transformer: Denoiser,
        decoder: BlockDecoder,
        settings: SessionSettings,
        conditions: Conditions,
        draws: Draws,
        passes: TakePasses | None = None,
        order: Callable[[FlightRules], BlockOrder] = Flights,
    ) -> None:
        self.transformer = transformer
        self.decoder = decoder
        self.shape = settings.shape
        self.schedule = settings.schedule
        self.conditions = conditions
        self.draws = draws
        self.reference = conditions.reference
        self.passes = self._local_passes(settings) if passes is None else passes
        rules = FlightRules(
            self.schedule.steps,
            self.passes.room,
            self.passes.packed,
            settings.blocks,
            self.shape.visible_tokens,
            _weakly(self._conditions_due),
        )
        self._flights = order(rules)
        self._anchor_clip = settings.anchor_clip
        self._anchored = False
        self._decoder_state = decoder.new_decoder_state()
        # The prompt that the passes use now, and the one that the conditions in the caches were made with.
        self._prompt: str | None = None
        self._prefilled_prompt: str | None = None

    @property
    def block(self) -> int:
        """The next block to come. Set it, while nothing is in flight, to go on elsewhere."""
        return self._flights.first

    @block.setter
    def block(self, block: int) -> None:
        self._flights.restore(block, ())

    @property
    def cache_dtype(self) -> torch.dtype:
        """Of the keys and values in a state that :meth:`restore` takes."""
        return self.passes.cache_dtype

    @property
    def clip(self) -> int:
        """Clip that the next block belongs to."""
        return self.block // self.shape.clip_blocks

    def next_clip(
        self, should_stop: Callable[[], bool] | None = None, on_block: Callable[[int], None] | None = None
    ) -> Iterator[PendingFrames]:
        """Yield the pictures of the next clip block by block, 12 frames each, which may still be on their way.

        Raises:
            Cancelled: between two blocks, when ``should_stop`` answers true.
        """
        for index in range(self.shape.clip_blocks):
            if should_stop is not None and should_stop():
                raise Cancelled
            frames = self.decode_frames(self.denoise_block())
            if on_block is not None:
                on_block(index)
            yield frames

    @torch.inference_mode()
    def denoise_block(self) -> Tensor:
        """Denoise the next block and advance; returns its latents float32 [1, 16, 3, h8, w8].

        On the way, later blocks are begun where that makes more of the device (:mod:`live_avatar.flights`).
        """
        while self._flights.done <= self.passes.ahead and self._ask():
            pass
        block = self._flights.land()
        latents = self.passes.land(block)
        if block == 0:
            self.reference = _first_latent(latents)
        return latents

    @torch.inference_mode()
    def predict(self, latents: Tensor, step: int) -> Tensor:
        """Velocity [1, 16, 3, h8, w8] of the current block at one step, without advancing; with local passes only."""
        passes = self.passes
        assert isinstance(passes, LocalPasses)
        self._refresh_conditions(self.block)
        self._begin(self.block, step, latents.to(self.transformer.device))
        velocity = passes.velocity([self._item(self.block, step)])
        passes.land(self.block)
        return velocity

    @torch.inference_mode()
    def decode_block(self, latents: Tensor) -> Tensor:
        """Decode a block's latents [1, 16, 3, h8, w8] in the running stream: float32 [12, 3, H, W] in [-1, 1]."""
        self._prime_decoder()
        return self.decoder.stream_decode(latents, self._decoder_state)[0].transpose(0, 1)

    @torch.inference_mode()
    def decode_frames(self, latents: Tensor) -> PendingFrames:
        """As :meth:`decode_block`, as 12 frames uint8 [H, W, 3] that the caller takes when he wants them."""
        self._prime_decoder()
        return self.decoder.stream_frames(latents, self._decoder_state)

    @torch.inference_mode()
    def prefill(self, reference: Tensor, motion: Tensor) -> None:
        """Fill the condition part of the caches from a reference latent and motion latents (spec section 2.7)."""
        prompt = self._prompt_in_force()
        device = self.transformer.device
        self.passes.prefill(self.transformer.condition_tokens(reference.to(device), motion.to(device)))
        self._prefilled_prompt = prompt

    def save(self) -> SavedSession:
        """Snapshot of the state between two blocks. The tensors are the live ones: write them before going on."""
        if self._prefilled_prompt is None:
            raise ValueError("a session has no state before its first block")
        tensors: dict[str, Tensor] = {}
        slices: dict[str, SlicedTensor] = {}
        for name, part in self.passes.cache_tensors().items():
            if isinstance(part, SlicedTensor):
                slices[f"cache.{name}"] = part
            else:
                tensors[f"cache.{name}"] = part
        tensors |= {f"decoder.{name}": tensor for name, tensor in self._decoder_state.tensors().items()}
        steps = self._flights.steps
        tensors |= {f"flight.{index}": self.passes.latents(self.block + index) for index in range(len(steps))}
        tensors["reference"] = self.reference
        return SavedSession(tensors, self.block, self._prefilled_prompt, self._anchored, steps, slices)

    @property
    def state_bytes(self) -> int:
        """Bytes that a saved state takes, but for little."""
        decoder = self._decoder_state.tensors().values()
        return self.passes.cache_bytes + sum(part.numel() * part.element_size() for part in decoder)

    def restore(self, saved: SavedSession) -> None:
        """Continue from a snapshot of a session made with the same model, settings, conditions and draws."""
        parts: dict[str, dict[str, Tensor]] = {"cache": {}, "decoder": {}, "flight": {}}
        for name, tensor in saved.tensors.items():
            owner, _, rest = name.partition(".")
            if rest:
                parts[owner][rest] = tensor
        self.passes.load_cache(parts["cache"])
        # Copies, in the same memory order: the saved tensors may be views of a mapped file.
        device = self.transformer.device
        self._decoder_state.load_tensors({key: part.to(device, copy=True) for key, part in parts["decoder"].items()})
        self.reference = saved.tensors["reference"].to(device, copy=True)
        self._anchored = saved.anchored
        self._prefilled_prompt = saved.prefilled_prompt
        self._flights.restore(saved.block, saved.flight_steps)
        for index, step in enumerate(saved.flight_steps):
            self._begin(saved.block + index, step, parts["flight"][str(index)].to(device, copy=True))

    def _prime_decoder(self) -> None:
        if self._decoder_state.started:
            return
        primed = self.conditions.primed
        if primed is None:
            self.decoder.prime_decoder(self.conditions.motion[:, :, :PRIMING_LATENTS], self._decoder_state)
        else:
            self._decoder_state.load_tensors(primed.tensors())

    def _local_passes(self, settings: SessionSettings) -> LocalPasses:
        routing = self.conditions.routing
        # Several speakers' audio acts on one sample.
        packed = settings.packed and (routing is None or len(routing) == 1)
        given = PassSettings(settings.shape, settings.schedule, settings.rotary_rounding, settings.cache_dtype, routing)
        return LocalPasses(self.transformer, given, packed=packed)

    def _ask(self) -> bool:
        """Begin what may begin and ask for one pass; false if nothing is left to do."""
        while (block := self._flights.to_begin()) is not None:
            self.passes.keep_pace()
            self._refresh_conditions(block)
            self._begin(block, 0, self._noise(block))
            self._flights.begin()
        flights = self._flights.to_advance()
        if not flights:
            return False
        self._prompt_in_force()
        self.passes.advance([self._item(flight.block, flight.step) for flight in flights])
        self._flights.advance(flights)
        return True

    def _begin(self, block: int, step: int, latents: Tensor) -> None:
        audio = self.transformer.audio_tokens(self.conditions.audio(block))
        pose = None
        if self.conditions.pose is not None:
            pose = queued_copy(self.conditions.pose(block), self.transformer.device)
        self.passes.begin(block, step, latents, audio, pose)

    def _noise(self, block: int) -> Tensor:
        """What a block begins with: float32 [1, 16, 3, h8, w8]."""
        clip, within = divmod(block, self.shape.clip_blocks)
        noise = self.draws.clip_noise(clip, self.transformer.config.in_dim, self.shape)
        first = within * LATENT_FRAMES_PER_BLOCK
        own = noise[:, first : first + LATENT_FRAMES_PER_BLOCK].unsqueeze(0)
        return queued_copy(own, self.transformer.device).float()

    def _item(self, block: int, step: int) -> PassItem:
        return PassItem(block, step, reference_frame(block, self.draws.reference_ahead(block, step)))

    def _conditions_due(self, block: int) -> bool:
        """Whether the conditions in the caches are not those that ``block`` is to see."""
        return self._anchor_due(block) or self._prefilled_prompt != self.conditions.prompt(block)

    def _anchor_due(self, block: int) -> bool:
        clip = block // self.shape.clip_blocks
        return not self._anchored and self._anchor_clip is not None and clip >= self._anchor_clip

    def _refresh_conditions(self, block: int) -> None:
        """Prefill at the start, when the anchor is refreshed at the second clip, and when the prompt changes."""
        due = self._conditions_due(block)
        if self._anchor_due(block):
            self._anchored = True
            if self.block == 0 and self._flights.done:
                # All its steps are asked for, and nobody has taken it yet.
                self.reference = _first_latent(self.passes.latents(0))
        self._use_prompt(self.conditions.prompt(block))
        if due:
            reference = self.reference if self._anchored else self.conditions.reference
            self.prefill(reference, self.conditions.motion)

    def _use_prompt(self, text: str) -> str:
        if self._prompt != text:
            self.passes.use_text(self.transformer.embed_text(self.conditions.context(text)))
            self._prompt = text
        return text

    def _prompt_in_force(self) -> str:
        """The prompt that was prepared last; at first, and after a restore, that of the saved state or the block."""
        if self._prompt is not None:
            return self._prompt
        return self._use_prompt(self._prefilled_prompt or self.conditions.prompt(self.block))


def _weakly(method: Callable[[int], bool]) -> Callable[[int], bool]:
    """``method`` without keeping its session: gigabytes of caches would wait for the cycle collector."""
    weak = weakref.WeakMethod(method)

    def call(block: int) -> bool:
        found = weak()
        assert found is not None
        return found(block)

    return call


def _first_latent(latents: Tensor) -> Tensor:
    """The first latent frame of [1, 16, 3, h8, w8]: [1, 16, 1, h8, w8]."""
    return latents[:, :, :1].clone()
