"""Golden cases of whole pipelines, from picture, sound and prompt to frames (spec section 8).

The product renders with the multi-process semantics ("tpp"); the single-process ones exist here only, to be checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from live_avatar.audio_features import frame_features
from live_avatar.geometry import BLOCK_FRAMES, FRAMES_PER_LATENT, LatentShape, choose_output_size
from live_avatar.image import fit_picture, open_picture, picture_to_tensor
from live_avatar.model.motioner import MOTION_LATENT_FRAMES
from live_avatar.sampler import make_schedule
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.vae.block_decoder import PlainDecoder
from live_avatar.verify.cases_model import ScriptedDraws
from live_avatar.verify.cases_parts import model_sound
from live_avatar.verify.golden import Golden

Outputs = Iterator[tuple[str, Tensor]]
Tensors = dict[str, Tensor]

_STEPS = 4
_CLIPS = 2
MOTION_FRAMES = 73
# The single-process pipeline repeats a 5-frame still 73 times.
STILL_FRAMES = 5
LONG_STILL_FRAMES = STILL_FRAMES * MOTION_FRAMES
# Both published pipelines drop these from the start of the video.
DROPPED_FRAMES = 3


@dataclass(slots=True)
class _Run:
    session: Session
    latents: list[Tensor]
    first_step: Tensor
    reference: Tensor
    motion: Tensor
    context: Tensor


def tpp(golden: Golden, tensors: Tensors) -> Outputs:
    """The multi-process pipeline, which is the product's default."""
    still = _still(golden)
    run = _start(golden, golden.vae.encode(still[:, :, None]), golden.vae.encode_still(still, MOTION_FRAMES), 1)
    frames = []
    for block in range(_CLIPS * run.session.shape.clip_blocks):
        frames.append(run.session.decode_block(_denoise(run)))
        if block == 0:
            yield "out.ref.1", run.session.reference
    yield from _common(run, tensors)
    yield "out.frames", torch.cat(frames)[DROPPED_FRAMES:][tensors["const.frame_index"]]


def single(golden: Golden, tensors: Tensors) -> Outputs:
    """The single-process pipeline: pictures decoded at the end, clip by clip, each in re-encoded context."""
    run, video = _start_single(golden, anchor_clip=None)
    for _ in range(_CLIPS * run.session.shape.clip_blocks):
        _denoise(run)
    yield from _common(run, tensors)
    frames = []
    for clip in range(_CLIPS):
        made = _decode_clip(golden, run, video, clip)
        video = _append(video, made)
        frames.append(made)
    yield "out.frames", _pick_frames(frames, tensors)


def single_online(golden: Golden, tensors: Tensors) -> Outputs:
    """The single-process pipeline that decodes the first clip at once and anchors on it."""
    run, video = _start_single(golden, anchor_clip=1)
    per_clip = run.session.shape.clip_blocks
    for _ in range(per_clip):
        _denoise(run)
    frames = [_decode_clip(golden, run, video, 0)]
    video = _append(video, frames[0])
    motion = golden.vae.encode(video)
    run.session.conditions.motion = motion[:, :, -MOTION_LATENT_FRAMES:]
    yield "out.ref.1", run.session.reference
    yield "out.motion.1", run.session.conditions.motion
    for _ in range(per_clip * (_CLIPS - 1)):
        _denoise(run)
    frames.append(_decode_clip(golden, run, video, 1))
    yield from _common(run, tensors)
    yield "out.frames", _pick_frames(frames, tensors)


def _still(golden: Golden) -> Tensor:
    height, width = golden.settings["e2e_size"]
    picture = open_picture(golden.folder / "media" / "e2e.png").image
    width, height = choose_output_size(height * width, *picture.size)
    return picture_to_tensor(fit_picture(picture, width, height, border="black"))[None].to(golden.device)


def _start(golden: Golden, reference: Tensor, motion: Tensor, anchor_clip: int | None) -> _Run:
    features = golden.audio_extractor.features(model_sound(golden.folder / "media" / "speech_2p3s.wav"))
    context = golden.text_encoder.encode(golden.settings["prompt"])
    shape = LatentShape(reference.shape[-2], reference.shape[-1], golden.settings["infer_frames"])
    # The three pipeline cases share one set of noise, stored with the first.
    stored = golden.case("pipeline_single")
    blocks = [stored[f"in.noise.{block}"] for block in range(_CLIPS * shape.clip_blocks)]
    noise = [
        torch.cat(blocks[clip * shape.clip_blocks : (clip + 1) * shape.clip_blocks], dim=1) for clip in range(_CLIPS)
    ]
    conditions = Conditions(
        reference=reference,
        motion=motion[:, :, -MOTION_LATENT_FRAMES:],
        prompt=lambda block: golden.settings["prompt"],
        context=lambda text: context,
        audio=lambda block: frame_features(features, block * BLOCK_FRAMES, BLOCK_FRAMES),
    )
    settings = SessionSettings(shape, make_schedule(_STEPS), anchor_clip=anchor_clip)
    draws = ScriptedDraws(noise, golden.inputs["in.rd"])
    session = Session(golden.transformer, PlainDecoder(golden.vae), settings, conditions, draws)
    return _Run(session, [], torch.empty(0), reference, conditions.motion, context)


def _start_single(golden: Golden, anchor_clip: int | None) -> tuple[_Run, Tensor]:
    still = _still(golden)
    reference = golden.vae.encode_still(still, STILL_FRAMES)[:, :, 1:2]
    motion = golden.vae.encode_still(still, LONG_STILL_FRAMES)
    video = still[:, :, None].expand(-1, -1, LONG_STILL_FRAMES, -1, -1)
    return _start(golden, reference, motion, anchor_clip), video


def _denoise(run: _Run) -> Tensor:
    session = run.session
    if session.block == 0:
        noise = session.draws.clip_noise(0, session.transformer.config.in_dim, session.shape)[None, :, :3]
        run.first_step = noise + session.schedule.delta(0) * session.predict(noise, 0)
    latents = session.denoise_block()
    run.latents.append(latents)
    return latents


def _decode_clip(golden: Golden, run: _Run, video: Tensor, clip: int) -> Tensor:
    """Pictures of one clip, decoded after the re-encoded latents of everything shown before it."""
    per_clip = run.session.shape.clip_blocks
    clip_latents = torch.cat(run.latents[clip * per_clip : (clip + 1) * per_clip], dim=2)
    frames = golden.vae.decode(torch.cat([golden.vae.encode(video), clip_latents], dim=2))
    shown = clip_latents.shape[2] * FRAMES_PER_LATENT - (DROPPED_FRAMES if clip == 0 else 0)
    return frames[:, :, -shown:]


def _append(video: Tensor, frames: Tensor) -> Tensor:
    """The running video of constant length with the newest frames at its end."""
    newest = frames[:, :, -MOTION_FRAMES:]
    return torch.cat([video[:, :, : video.shape[2] - newest.shape[2]], newest], dim=2)


def _pick_frames(clips: list[Tensor], tensors: Tensors) -> Tensor:
    return torch.cat(clips, dim=2)[0].transpose(0, 1)[tensors["const.frame_index"]]


def _common(run: _Run, tensors: Tensors) -> Outputs:
    for name in tensors:
        if match := re.fullmatch(r"out\.latent\.(\d+)", name):
            yield name, run.latents[int(match[1])][0]
    yield "out.latent_step1.0", run.first_step[0]
    yield "out.ref.0", run.reference
    yield "out.motion.0", run.motion
    yield "out.context", run.context
