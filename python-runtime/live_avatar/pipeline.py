"""The networks of one checkpoint, loaded once and used for any number of renders. Importing this is cheap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.events import EventSink, StageEvent
from live_avatar.take import Precision

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from live_avatar.audio_features import AudioFeatureExtractor
    from live_avatar.checkpoint.layout import CheckpointLayout
    from live_avatar.checkpoint.lora import LoraFile
    from live_avatar.checkpoint.tensors import Progress
    from live_avatar.model.transformer import CausalAvatarTransformer
    from live_avatar.numerics import Precisions
    from live_avatar.text import TextEncoder
    from live_avatar.vae import VideoVae

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
        precision: see :func:`live_avatar.numerics.choose_precisions`.
    """

    ckpt_dir: Path
    lora: str | None
    device: str = "auto"
    precision: Precision = "auto"


@dataclass(frozen=True, slots=True)
class Weights:
    """What would be loaded.

    Attributes:
        lora: its file, or ``None``.
        fingerprint: identity of all weights and precisions; part of every clip's content hash.
    """

    layout: CheckpointLayout
    lora: LoraFile | None
    device: torch.device
    precisions: Precisions
    fingerprint: str


def identify_weights(options: PipelineOptions) -> Weights:
    """Find and identify the files of a model without loading it: a second for the published one.

    Raises:
        UserError: ``DEVICE_UNAVAILABLE``, ``LORA_…`` and ``CHECKPOINT_…`` codes.
    """
    from live_avatar.checkpoint.fingerprint import weights_fingerprint
    from live_avatar.checkpoint.layout import CheckpointLayout
    from live_avatar.numerics import choose_device, choose_precisions

    layout = CheckpointLayout.find(options.ckpt_dir)
    device = choose_device(options.device)
    precisions = choose_precisions(options.precision, device)
    lora = None if options.lora is None else _checked_lora(layout, options.lora)
    files = layout.files if lora is None else (*layout.files, lora.path)
    described = f"{weights_fingerprint(files)} {lora is not None} {precisions.denoiser} {precisions.vae}"
    return Weights(layout, lora, device, precisions, hashlib.sha256(described.encode()).hexdigest())


class Pipeline:
    """Denoiser and VAE in memory; text and speech encoders are loaded when first needed. Make it with :meth:`load`.

    Attributes:
        layout: where the files lie.
        lora_path: the LoRA that is merged in, or ``None``.
        transformer, vae: the networks.
        device, precisions: where and how they compute.
        weights_fingerprint: identity of all weights and precisions; part of every clip's content hash.
    """

    def __init__(
        self,
        layout: CheckpointLayout,
        lora_path: Path | None,
        transformer: CausalAvatarTransformer,
        vae: VideoVae,
        device: torch.device,
        precisions: Precisions,
        weights_fingerprint: str,
    ) -> None:
        self.layout = layout
        self.lora_path = lora_path
        self.transformer = transformer
        self.vae = vae
        self.device = device
        self.precisions = precisions
        self.weights_fingerprint = weights_fingerprint
        self._text: TextEncoder | None = None
        self._speech: AudioFeatureExtractor | None = None
        self._prompts: dict[str, Tensor] = {}

    @classmethod
    def load(cls, options: PipelineOptions, on_event: EventSink | None = None) -> Pipeline:
        """Read the denoiser, with the LoRA merged on the way in, and the VAE. Emits ``load`` stages out of 100.

        Raises:
            UserError: ``DEVICE_UNAVAILABLE``, ``LORA_…``, ``VAE_WEIGHTS_INVALID`` and any ``CHECKPOINT_…`` code.
        """
        from live_avatar.models import load_transformer, load_vae

        def report(done: int, text: str) -> None:
            if on_event is not None:
                on_event(StageEvent("load", done, _LOAD_TOTAL, text))

        report(0, "Looking at the model files")
        weights = identify_weights(options)
        layout, lora, device, precisions = weights.layout, weights.lora, weights.device, weights.precisions
        transformer = load_transformer(
            layout,
            precisions.denoiser,
            device,
            transform=None if lora is None else lora.merge,
            progress=_percent(report, "Loading the video model" + ("" if lora is None else " and merging its LoRA")),
        )
        report(_LOAD_VAE_AT, "Loading the picture codec")
        vae = load_vae(layout, precisions.vae, device)
        report(_LOAD_TOTAL, "The model is loaded")
        path = None if lora is None else lora.path
        return cls(layout, path, transformer, vae, device, precisions, weights.fingerprint)

    def encode_prompts(self, texts: Iterable[str], on_event: EventSink | None = None) -> dict[str, Tensor]:
        """Text encoder outputs [L, text_dim] of the given cleaned prompts; recent prompts are remembered.

        The encoder is loaded for it, and dropped again if it is large.
        """
        wanted = list(dict.fromkeys(texts))
        missing = [text for text in wanted if text not in self._prompts]
        for index, text in enumerate(missing):
            if on_event is not None:
                on_event(StageEvent("prompt", index, len(missing), "Reading the prompt"))
            self._prompts[text] = self._text_encoder().encode(text)
        if missing and on_event is not None:
            on_event(StageEvent("prompt", len(missing), len(missing), "The prompt is read"))
        if self._text is not None and _parameter_bytes(self._text.model) > _KEEP_TEXT_ENCODER_BYTES:
            self._text = None
        contexts = {text: self._prompts[text] for text in wanted}
        for text in list(self._prompts)[:-_REMEMBERED_PROMPTS]:
            del self._prompts[text]
        return contexts

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

            self._text = load_text(self.layout, self.precisions.denoiser, self.device)
        return self._text


def _checked_lora(layout: CheckpointLayout, name: str) -> LoraFile:
    """The LoRA file, known to fit this model, before any weight is read."""
    from live_avatar.checkpoint.lora import lora_targets, read_lora, resolve_lora
    from live_avatar.models import read_transformer_config

    lora = read_lora(resolve_lora(name, layout.root.parent))
    lora.check(lora_targets(read_transformer_config(layout)))
    return lora


def _percent(report: Callable[[int, str], None], text: str) -> Progress:
    """Bytes done to percents, reported in steps of five."""
    last = -_PERCENT_STEP

    def progress(done: int, total: int) -> None:
        nonlocal last
        percent = done * _LOAD_VAE_AT // max(1, total)
        if percent >= last + _PERCENT_STEP:
            last = percent
            report(percent, text)

    return progress


def _parameter_bytes(model: torch.nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
