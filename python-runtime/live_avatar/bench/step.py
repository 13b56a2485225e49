"""What the parts of a render cost once the model is loaded: conditions, denoising steps, decoding, compressing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from live_avatar.audio_features import frame_features
from live_avatar.bench.figures import Figure, of_samples
from live_avatar.bench.profile import shares
from live_avatar.bench.settings import SEED, Setup
from live_avatar.bench.sound import write_looped
from live_avatar.bench.stopwatch import settled_time, timed
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_SECOND, LatentShape
from live_avatar.media.audio_file import decode_audio
from live_avatar.media.segments import SegmentWriter
from live_avatar.media.viewer_sound import ViewerSound
from live_avatar.noise import SeededDraws
from live_avatar.pipeline import Pipeline, PipelineOptions
from live_avatar.portrait import load_portrait, motion_latents, reference_latent
from live_avatar.sampler import make_schedule
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.text import clean_prompt

_MS = 1000.0


class _StepClock(SeededDraws):
    """The draws of a take, noting when each denoising step asks for its own: that is where the step begins."""

    def __init__(self, seed: int, on_cuda: bool) -> None:
        super().__init__(seed)
        self.on_cuda = on_cuda
        self.starts: list[float] = []

    def reference_ahead(self, block: int, step: int) -> int:
        """As :meth:`SeededDraws.reference_ahead`."""
        self.starts.append(settled_time(self.on_cuda))
        return super().reference_ahead(block, step)


def measure_step(setup: Setup) -> Iterator[Figure]:
    """A session fed block by block as a render does it, measured from the block on at which its caches are full.

    Raises:
        UserError: any fault of the model or the material.
    """
    pipeline = Pipeline.load(PipelineOptions(setup.ckpt_dir, setup.lora, setup.device))
    on_cuda = pipeline.device.type == "cuda"
    with tempfile.TemporaryDirectory(prefix="live-avatar-bench-") as folder:
        yield from _measure(setup, pipeline, on_cuda, Path(folder))


def _measure(setup: Setup, pipeline: Pipeline, on_cuda: bool, folder: Path) -> Iterator[Figure]:
    portrait = load_portrait(setup.image, setup.size)
    shape = LatentShape.of_picture(portrait.width, portrait.height, setup.infer_frames)
    seconds, reference = timed(lambda: reference_latent(pipeline.vae, portrait.pixels), on_cuda)
    note = f"{portrait.width}*{portrait.height}, {shape.block_tokens} tokens a block"
    yield Figure("portrait: reference latent", seconds * _MS, "ms", note=note)
    seconds, motion = timed(lambda: motion_latents(pipeline.vae, portrait.pixels), on_cuda)
    yield Figure("portrait: motion latents", seconds * _MS, "ms")

    prompt = clean_prompt(setup.prompt)
    pipeline.encode_prompts(["warm up"])
    seconds, contexts = timed(lambda: pipeline.encode_prompts([prompt]), on_cuda)
    yield Figure("prompt: text encoder", seconds * _MS, "ms")

    recording = folder / "sound.wav"
    write_looped(setup.audio, setup.seconds, recording)
    seconds, sound = timed(lambda: decode_audio(recording, folder))
    viewer = ViewerSound(recording, sound.source_sha256, folder).path()
    yield Figure("sound: decode, resample, AAC", seconds * _MS / setup.seconds, "ms/s", note="per second of sound")
    extractor = pipeline.speech()
    samples = np.asarray(sound.model_sound())
    seconds, features = timed(lambda: extractor.features(samples), on_cuda)
    note = f"per second of sound, {setup.seconds:g} s at once"
    yield Figure("sound: speech features", seconds * _MS / setup.seconds, "ms/s", note=note)

    draws = _StepClock(SEED, on_cuda)
    conditions = Conditions(
        reference=reference,
        motion=motion,
        prompt=lambda block: prompt,
        context=contexts.__getitem__,
        audio=lambda block: _looped_features(features, block),
    )
    settings = SessionSettings(shape, make_schedule(setup.sample_steps))
    session = Session(pipeline.denoiser, pipeline.decoder, settings, conditions, draws)
    seconds, _ = timed(lambda: session.prefill(reference, motion), on_cuda)
    note = f"prompt and {shape.condition_tokens} tokens through all layers"
    yield Figure("prefill of the caches", seconds * _MS, "ms", note=note)
    pictures: list[Tensor] = []
    yield from _blocks(setup, session, draws, on_cuda, pictures)
    if setup.profile:
        for name, share in shares(session.denoise_block, on_cuda).items():
            yield Figure(f"denoise: share of {name}", share * 100, "%", note="of the operations' time in one block")
    yield _compression(pictures, folder, viewer, portrait.width, portrait.height)


def _blocks(
    setup: Setup, session: Session, draws: _StepClock, on_cuda: bool, pictures: list[Tensor]
) -> Iterator[Figure]:
    """Denoise and decode; the pictures come into ``pictures``."""
    # The first clip fills the caches; the block after it refreshes the anchor.
    for _ in range(session.shape.clip_blocks + 1):
        session.decode_block(session.denoise_block())
    steps, denoising, decoding = [], [], []
    for _ in range(setup.blocks):
        draws.starts.clear()
        seconds, latents = timed(session.denoise_block, on_cuda)
        ends = [*draws.starts[1:], settled_time(on_cuda)]
        steps += [(end - start) * _MS for start, end in zip(draws.starts, ends, strict=True)]
        denoising.append(seconds * _MS)
        seconds, decoded = timed(partial(session.decode_block, latents), on_cuda)
        decoding.append(seconds * _MS)
        pictures.append(decoded)
    of_blocks = f"of {setup.blocks} blocks of {BLOCK_FRAMES} frames"
    yield of_samples("denoise: one step", steps, "ms", of_blocks)
    yield of_samples(f"denoise: a block, {setup.sample_steps} steps", denoising, "ms", of_blocks)
    yield of_samples("decode: a block", decoding, "ms", of_blocks)
    both = [(one + other) / _MS for one, other in zip(denoising, decoding, strict=True)]
    rate = BLOCK_FRAMES * len(both) / sum(both)
    yield Figure("denoise and decode", rate, "frames/s", note=f"{rate / FRAMES_PER_SECOND:.2f} of real time")


def _compression(pictures: list[Tensor], folder: Path, viewer: Path, width: int, height: int) -> Figure:
    frames = [
        frame
        for block in pictures
        for frame in ((block + 1) * 127.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    ]
    with SegmentWriter(folder / "clips", width, height, viewer) as writer:
        seconds, clip = timed(lambda: writer.write_clip(0, 0, frames))
    note = f"H.264, {clip.bytes * 8 / 1000 / (clip.frames / FRAMES_PER_SECOND):,.0f} kbit/s with the sound"
    return Figure("compress", clip.frames / seconds, "frames/s", note=note)


def _looped_features(features: Tensor, block: int) -> Tensor:
    """Features of a block, the sound being repeated."""
    blocks = max(1, features.shape[1] * FRAMES_PER_SECOND // (30 * BLOCK_FRAMES))
    return frame_features(features, block % blocks * BLOCK_FRAMES, BLOCK_FRAMES)
