"""The networks of one checkpoint, loaded once and used for any number of renders. Importing this is cheap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.compute_plan import ComputePlan
from live_avatar.events import EventSink, StageEvent, WarningEvent
from live_avatar.take import Precision

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from live_avatar.audio_features import AudioFeatureExtractor
    from live_avatar.checkpoint.layout import CheckpointLayout
    from live_avatar.checkpoint.lora import LoraFile
    from live_avatar.checkpoint.tensors import Progress
    from live_avatar.denoiser import Denoiser
    from live_avatar.distributed.hired import RankStatus
    from live_avatar.fast.weight_cache import CacheSettings
    from live_avatar.fast.weight_only import SmallForm
    from live_avatar.numerics import Precisions
    from live_avatar.portrait import Portrait
    from live_avatar.portrait_conditions import PortraitConditions, PortraitMemory
    from live_avatar.prompt_cache import PromptCache
    from live_avatar.session import Session
    from live_avatar.session_inputs import Conditions, Draws, SessionSettings
    from live_avatar.text import TextEncoder
    from live_avatar.vae.block_decoder import BlockDecoder
    from live_avatar.vae.model import VideoVae

# A text encoder above this size is not worth keeping in memory for the next prompt (the published one has 11 GB).
_KEEP_TEXT_ENCODER_BYTES = 1 << 30
_REMEMBERED_PROMPTS = 64
_LOAD_TOTAL = 100
_LOAD_VAE_AT = 97
_PERCENT_STEP = 5


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """What to load and where.

    Attributes:
        ckpt_dir: checkpoint folder in the published layout.
        lora: file, folder or hub id of the LoRA, or ``None`` for none.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: see :func:`live_avatar.numerics.choose_plan`.
        plan: how to compute; ``None`` for what suits ``precision`` and the device if memory is no concern.
        weight_cache: where prepared weights are kept between runs; ``None`` for the user's cache.
    """

    ckpt_dir: Path
    lora: str | None
    device: str = "auto"
    precision: Precision = "auto"
    plan: ComputePlan | None = None
    weight_cache: CacheSettings | None = None


@dataclass(frozen=True, slots=True)
class WeightsIdentity:
    """Which weights: their files, whether a LoRA is merged in, and the kind of device."""

    files: str
    with_lora: bool
    device: str

    def fingerprint(self, numerics: str) -> str:
        """Identity of the weights and of their arithmetic (:attr:`ComputePlan.numerics`)."""
        return hashlib.sha256(f"{self.files} {self.with_lora} {numerics} {self.device}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Weights:
    """What would be loaded.

    Attributes:
        lora: its file, or ``None``.
        plan: how they compute.
        identity: of all of them, whatever they are computed with.
    """

    layout: CheckpointLayout
    lora: LoraFile | None
    device: torch.device
    plan: ComputePlan
    precisions: Precisions
    identity: WeightsIdentity

    @property
    def fingerprint(self) -> str:
        """Identity of the weights and of their arithmetic; part of every clip's content hash."""
        return self.identity.fingerprint(self.plan.numerics)


def identify_weights(options: PipelineOptions) -> Weights:
    """Find and identify the files of a model without loading it: a second for the published one.

    Raises:
        UserError: ``DEVICE_UNAVAILABLE``, ``LORA_…`` and ``CHECKPOINT_…`` codes.
    """
    from live_avatar.checkpoint.fingerprint import weights_fingerprint
    from live_avatar.checkpoint.layout import CheckpointLayout
    from live_avatar.models import read_transformer_config
    from live_avatar.numerics import choose_device, choose_plan, precisions_of

    layout = CheckpointLayout.find(options.ckpt_dir)
    device = choose_device(options.device)
    plan = options.plan or choose_plan(options.precision, device, read_transformer_config(layout))
    precisions = precisions_of(plan)
    lora = None if options.lora is None else _checked_lora(layout, options.lora)
    files = layout.files if lora is None else (*layout.files, lora.path)
    identity = WeightsIdentity(weights_fingerprint(files), lora is not None, device.type)
    return Weights(layout, lora, device, plan, precisions, identity)


class Pipeline:
    """Denoiser and VAE in memory; text and speech encoders are loaded when first needed. Make it with :meth:`load`.

    Attributes:
        layout: where the files lie.
        lora_path: the LoRA that is merged in, or ``None``.
        denoiser, vae: the networks; decoder: the decoding half of the VAE, as a take uses it.
        device, plan, precisions: where and how they compute.
        identity: of the weights, whatever they are computed with.
        accepted_weights: fingerprints that finished clips may have instead: of other arithmetic within the same wishes.
    """

    def __init__(
        self,
        layout: CheckpointLayout,
        lora_path: Path | None,
        denoiser: Denoiser,
        vae: VideoVae,
        decoder: BlockDecoder,
        device: torch.device,
        plan: ComputePlan,
        precisions: Precisions,
        identity: WeightsIdentity,
    ) -> None:
        self.layout = layout
        self.lora_path = lora_path
        self.denoiser = denoiser
        self.vae = vae
        self.decoder = decoder
        self.device = device
        self.plan = plan
        self.precisions = precisions
        self.identity = identity
        self.accepted_weights: frozenset[str] = frozenset()
        self._text: TextEncoder | None = None
        self._speech: AudioFeatureExtractor | None = None
        self._prompts: dict[str, Tensor] = {}
        self._kept_prompts: PromptCache | None = None
        self._portraits: PortraitMemory | None = None

    @classmethod
    def load(cls, options: PipelineOptions, on_event: EventSink | None = None) -> Pipeline:
        """Read the denoiser, with the LoRA merged on the way in, and the VAE. Emits ``load`` stages out of 100.

        Raises:
            UserError: ``DEVICE_UNAVAILABLE``, ``LORA_…``, ``VAE_WEIGHTS_INVALID`` and any ``CHECKPOINT_…`` code.
        """
        from live_avatar.models import load_denoiser

        def report(done: int, text: str, code: str) -> None:
            if on_event is not None:
                on_event(StageEvent("load", done, _LOAD_TOTAL, text, code))

        def warn(code: str, text: str) -> None:
            if on_event is not None:
                on_event(WarningEvent(code, text))

        report(0, "Looking at the model files", "MODEL_LOOKING")
        weights = identify_weights(options)
        words = ("Loading the video model", "MODEL_LOADING")
        if weights.lora is not None:
            words = ("Loading the video model and merging its LoRA", "MODEL_LOADING_LORA")
        denoiser = load_denoiser(weights, options.weight_cache, _percent(lambda done: report(done, *words)), warn)
        report(_LOAD_VAE_AT, "Loading the picture codec", "CODEC_LOADING")
        vae, decoder = load_codec(weights, warn)
        report(_LOAD_TOTAL, "The model is loaded", "MODEL_LOADED")
        path = None if weights.lora is None else weights.lora.path
        return cls(
            weights.layout,
            path,
            denoiser,
            vae,
            decoder,
            weights.device,
            weights.plan,
            weights.precisions,
            weights.identity,
        )

    @property
    def weights_fingerprint(self) -> str:
        """Identity of all weights and precisions; part of every clip's content hash."""
        return self.identity.fingerprint(self.plan.numerics)

    def new_session(self, settings: SessionSettings, conditions: Conditions, draws: Draws) -> Session:
        """A take on these networks; the one before is over."""
        from live_avatar.session import Session

        return Session(self.denoiser, self.decoder, settings, conditions, draws)

    def ranks(self) -> Sequence[RankStatus]:
        """What the processes do that compute with this one: none."""
        return ()

    def close(self) -> None:
        """End what would not end with this object: nothing."""

    def replan(self, plan: ComputePlan) -> None:
        """Compute otherwise with the weights that are in memory. No session of before may go on.

        Args:
            plan: its :attr:`ComputePlan.loading` has to be that of the plan in force.
        """
        if plan.loading != self.plan.loading:
            raise ValueError("the plan needs other weights in memory")
        if plan.text_encoder != self.plan.text_encoder:
            self._text = self._kept_prompts = None
        if plan.keep_primed != self.plan.keep_primed:
            self._portraits = None
        before, self.plan = self.plan, plan
        if plan.engine == "plain":
            return
        from live_avatar.fast.assembly import FastSettings, fast_transformer
        from live_avatar.fast.transformer import FastTransformer

        settings = FastSettings.of_plan(plan)
        if settings == FastSettings.of_plan(before):
            return
        assert isinstance(self.denoiser, FastTransformer)
        network, layers = self.denoiser.network, self.denoiser.layers
        # Its graphs and caches first: both at once might not fit.
        del self.denoiser
        self.denoiser = fast_transformer(network, settings, layers)

    def encode_prompts(self, texts: Iterable[str], on_event: EventSink | None = None) -> dict[str, Tensor]:
        """Text encoder outputs [L, text_dim] of the given cleaned prompts.

        Recent prompts are remembered, and those of a large encoder kept on disk too: it is loaded only for others, and
        dropped again.
        """
        wanted = list(dict.fromkeys(texts))
        missing = [text for text in wanted if text not in self._prompts]
        for index, text in enumerate(missing):
            if on_event is not None:
                on_event(StageEvent("prompt", index, len(missing), "Reading the prompt", "PROMPT_READING"))
            self._prompts[text] = self._encoded(text)
        if missing and on_event is not None:
            on_event(StageEvent("prompt", len(missing), len(missing), "The prompt is read", "PROMPT_READ"))
        if self._large_text_encoder:
            self._text = None
        contexts = {text: self._prompts[text] for text in wanted}
        for text in list(self._prompts)[:-_REMEMBERED_PROMPTS]:
            del self._prompts[text]
        return contexts

    @property
    def _text_device(self) -> torch.device:
        import torch

        return torch.device("cpu") if self.plan.text_encoder == "host" else self.device

    @property
    def _text_form(self) -> SmallForm | None:
        return "int8" if self.plan.text_encoder == "int8" else None

    @property
    def _large_text_encoder(self) -> bool:
        return self.layout.text_encoder.stat().st_size > _KEEP_TEXT_ENCODER_BYTES

    def _encoded(self, text: str) -> Tensor:
        if not self._large_text_encoder:
            return self._text_encoder().encode(text)
        kept = self._prompt_cache()
        context = kept.read(text)
        if context is None:
            context = self._text_encoder().encode(text)
            kept.write(text, context.cpu())
        return context.to(self.device)

    def _prompt_cache(self) -> PromptCache:
        from live_avatar.prompt_cache import PromptCache, text_encoder_identity

        if self._kept_prompts is None:
            identity = text_encoder_identity(self.layout, self.precisions.denoiser, self._text_device, self._text_form)
            self._kept_prompts = PromptCache(identity)
        return self._kept_prompts

    def portrait(self, portrait: Portrait) -> PortraitConditions:
        """The conditions that a portrait gives; those of the last one are remembered."""
        from live_avatar.portrait_conditions import PortraitMemory

        if self._portraits is None:
            self._portraits = PortraitMemory(self.vae, self.decoder, keep_primed=self.plan.keep_primed)
        return self._portraits.conditions(portrait)

    def speech(self) -> AudioFeatureExtractor:
        """The speech feature extractor, loaded on first use."""
        if self._speech is None:
            from live_avatar.models import load_audio

            self._speech = load_audio(self.layout, self.precisions.denoiser, self.device)
        return self._speech

    def release_encoders(self) -> None:
        """Drop the text and speech encoders from memory; they are loaded again when needed."""
        self._text = None
        self._speech = None

    def _text_encoder(self) -> TextEncoder:
        if self._text is None:
            from live_avatar.models import load_text

            self._text = load_text(self.layout, self.precisions.denoiser, self._text_device, self._text_form)
        return self._text


def load_codec(weights: Weights, warn: Callable[[str, str], None]) -> tuple[VideoVae, BlockDecoder]:
    """The video codec, and its decoding half as the plan wants it.

    Args:
        warn: told (code, text) of what works otherwise than planned.
    """
    from live_avatar.models import load_vae
    from live_avatar.vae.block_decoder import make_decoder
    from live_avatar.vae.fast_encoder import speed_up_encoder

    vae = load_vae(weights.layout, weights.precisions.vae, weights.device)
    fast = weights.plan.engine == "flat" and weights.device.type == "cuda"
    if fast:
        speed_up_encoder(vae)
    return vae, make_decoder(vae, "fast" if fast else "plain", note=lambda note: warn("DECODER_FALLBACK", note))


def _checked_lora(layout: CheckpointLayout, name: str) -> LoraFile:
    """The LoRA file, known to fit this model, before any weight is read."""
    from live_avatar.checkpoint.lora import lora_targets, read_lora, resolve_lora
    from live_avatar.models import read_transformer_config

    lora = read_lora(resolve_lora(name, layout.root.parent))
    lora.check(lora_targets(read_transformer_config(layout)))
    return lora


def _percent(report: Callable[[int], None]) -> Progress:
    """Bytes done to percents, reported in steps of five."""
    last = -_PERCENT_STEP

    def progress(done: int, total: int) -> None:
        nonlocal last
        percent = done * _LOAD_VAE_AT // max(1, total)
        if percent >= last + _PERCENT_STEP:
            last = percent
            report(percent)

    return progress
