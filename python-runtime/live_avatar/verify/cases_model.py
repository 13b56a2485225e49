"""Golden cases of the denoiser: time, text, norms, rope, framepack, prefill, audio encoder, stream, anchor, LoRA."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from live_avatar.geometry import BLOCK_FRAMES, LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.model.audio_injector import adaptive_norm
from live_avatar.model.layers import KeyValue, layer_norm
from live_avatar.model.rope import RotaryPositions, RotaryRounding, rotate
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.noise import reference_frame
from live_avatar.sampler import make_schedule
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.take_passes import LocalPasses
from live_avatar.vae.block_decoder import PlainDecoder
from live_avatar.verify.golden import Golden

Outputs = Iterator[tuple[str, Tensor]]
Tensors = dict[str, Tensor]

_STEPS = 4


class ScriptedDraws:
    """The stored noise and reference positions of a golden folder."""

    def __init__(self, noise: list[Tensor], ahead: Tensor) -> None:
        self._noise = noise
        self._ahead = ahead

    def clip_noise(self, clip: int, channels: int, shape: LatentShape) -> Tensor:
        """Noise [channels, latent frames per clip, h8, w8]."""
        return self._noise[clip]

    def reference_ahead(self, block: int, step: int) -> int:
        """The scripted draw."""
        return int(self._ahead[block, step])


def golden_session(
    golden: Golden,
    transformer: CausalAvatarTransformer | None = None,
    rounding: RotaryRounding = "float16",
    anchor_clip: int | None = None,
    routing: Tensor | None = None,
    audio: Tensor | None = None,
    pose: Tensor | None = None,
) -> Session:
    """A fresh session over the shared inputs of a golden folder."""
    inputs = golden.inputs
    features = inputs["in.audio"] if audio is None else audio
    noise = [inputs[f"in.noise.{clip}"] for clip in range(sum(name.startswith("in.noise.") for name in inputs))]
    conditions = Conditions(
        reference=inputs["in.ref"],
        motion=inputs["in.motion"],
        prompt=lambda block: "golden",
        context=lambda text: inputs["in.ctx"],
        audio=lambda block: features[..., block * BLOCK_FRAMES : (block + 1) * BLOCK_FRAMES],
        pose=None if pose is None else lambda block: pose,
        routing=routing,
    )
    settings = SessionSettings(golden.shape, make_schedule(_STEPS), rounding, anchor_clip=anchor_clip)
    draws = ScriptedDraws(noise, inputs["in.rd"])
    return Session(transformer or golden.transformer, PlainDecoder(golden.vae), settings, conditions, draws)


class PassRecorder:
    """Keeps the velocity and the hidden states of every pass a session makes, by (block, step)."""

    def __init__(self, session: Session) -> None:
        self.velocity: dict[tuple[int, int], Tensor] = {}
        self.hidden: dict[tuple[int, int], dict[str, Tensor]] = {}
        self.latent: dict[int, Tensor] = {}
        assert isinstance(session.transformer, CausalAvatarTransformer)
        self._session = session
        self._transformer = session.transformer
        self._step = 0
        self._current: dict[str, Tensor] = {}

    def run(self, blocks: int) -> None:
        """Denoise ``blocks`` blocks."""
        transformer = self._transformer
        layers = transformer.layers()
        handles = [
            layers[0].register_forward_pre_hook(lambda module, args: self._keep("hidden_in", args[0])),
            layers[0].register_forward_hook(lambda module, args, output: self._keep("hidden_block0", output)),
            layers[1].register_forward_pre_hook(lambda module, args: self._keep("hidden_block1_in", args[0])),
            layers[-1].register_forward_hook(lambda module, args, output: self._keep("hidden_last", output)),
            transformer.head.register_forward_hook(lambda module, args, output: self._close(output)),
        ]
        try:
            for block in range(self._session.block, self._session.block + blocks):
                self._step = 0
                self.latent[block] = self._session.denoise_block()[0]
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, name: str, value: Tensor) -> None:
        self._current[name] = value.clone()

    def _close(self, patches: Tensor) -> None:
        shape, key = self._session.shape, (self._session.block, self._step)
        self.velocity[key] = self._transformer.unpatchify(patches, shape.height, shape.width)[0]
        self.hidden[key], self._current = self._current, {}
        self._step += 1


def time(golden: Golden, tensors: Tensors) -> Outputs:
    """Time embedding and schedules."""
    transformer = golden.transformer
    conditions = transformer.time_conditions(tensors["in.t"])
    yield "out.sinusoid", transformer.sinusoid(tensors["in.t"])
    yield "out.e", conditions.head
    yield "out.e0", conditions.block
    for name in tensors:
        if match := re.fullmatch(r"out\.(timesteps|sigmas)_(\d+)", name):
            yield name, torch.tensor(getattr(make_schedule(int(match[2])), match[1]))


def text(golden: Golden, tensors: Tensors) -> Outputs:
    """Text embedding and one cross attention."""
    embedded = golden.transformer.embed_text(golden.inputs["in.ctx"])
    block = golden.transformer.layers()[0]
    normed: Tensor = block.norm3(tensors["in.x"])
    yield "out.embedding", embedded[0, : tensors["out.embedding"].shape[0]]
    yield "out.embedding_last", embedded[0, -1]
    yield "out.norm3", normed
    yield "out.cross", block.cross_attn.cross(normed, block.cross_attn.key_value(embedded))


def norms(golden: Golden, tensors: Tensors) -> Outputs:
    """Norms on inputs so small that a wrong epsilon shows."""
    transformer, states = golden.transformer, tensors["in.x"].float()
    block, injector = transformer.layers()[0], transformer.audio_injector
    shift, scale = injector.modulation(0, tensors["in.temb"].float())
    yield "out.norm1", layer_norm(states, block.eps)
    yield "out.norm3", block.norm3(states)
    yield "out.head_norm", layer_norm(states, transformer.head.eps)
    yield "out.rms_q", block.self_attn.norm_q(states)
    yield "out.rms_inj", injector.projections(0).norm_k(states)
    yield "out.adain", adaptive_norm(states, shift, scale)


def rope(golden: Golden, tensors: Tensors) -> Outputs:
    """Rotary tables and rotated queries and keys."""
    query, key = tensors["in.q"].float(), tensors["in.k"].float()
    for name in tensors:
        if match := re.fullmatch(r"out\.(table|applied|applied_exact)\.noisy_cur(\d+)", name):
            positions = golden.rotary("none" if match[1] == "applied_exact" else "float16")
            table = positions.frames(int(match[2]) + torch.arange(3))
            yield name, table if match[1] == "table" else rotate(query, table)
        elif match := re.fullmatch(r"out\.(table|applied|applied_exact)\.cond_cur(\d+)_rd(\d+)", name):
            positions = golden.rotary("none" if match[1] == "applied_exact" else "float16")
            frame = reference_frame(int(match[2]) // 3, int(match[3]))
            table = positions.condition(frame)
            yield name, table if match[1] == "table" else rotate(key, table)
    if "out.table_rounding" in tensors:
        first = golden.meta("rope")["rounding_position"]
        frames, pairs, _ = tensors["out.table_rounding"].shape
        table = golden.rotary().frames(first + torch.arange(frames))
        yield "out.table_rounding", table[:: golden.shape.frame_tokens, :pairs]


def framepack(golden: Golden, tensors: Tensors) -> Outputs:
    """Motion tokens for several numbers of motion latents."""
    for name in tensors:
        if match := re.fullmatch(r"out\.tokens_(\d+)", name):
            motion = tensors.get(f"in.motion_{match[1]}", golden.inputs["in.motion"]).float()
            yield name, golden.transformer.frame_packer(motion)
    yield "out.table", golden.rotary().motion


def prefill(golden: Golden, tensors: Tensors) -> Outputs:
    """Condition keys and values of every layer."""
    states = {rounding: _prefill_states(golden, rounding) for rounding in ("float16", "none")}
    for name in tensors:
        if match := re.fullmatch(r"out\.cond_(k|v)(_exact)?\.(\d+)", name):
            layer = states["none" if match[2] else "float16"][int(match[3])]
            yield name, (layer.key if match[1] == "k" else layer.value)[0]


def audio_encoder(golden: Golden, tensors: Tensors) -> Outputs:
    """Audio encoder on one block, and the injectors, with one and two speakers."""
    transformer, inputs = golden.transformer, golden.inputs
    features, hidden = inputs["in.audio"][..., BLOCK_FRAMES : 2 * BLOCK_FRAMES], inputs["in.hidden"]
    both = torch.cat([features, inputs["in.audio_actor2"]])
    for suffix, speakers in (("", features), ("2", both)):
        local, whole = transformer.casual_audio_encoder(speakers)
        yield f"out.global{suffix}", whole
        yield f"out.local{suffix}", local
    memory = transformer.audio_memory(features)
    for name in tensors:
        if match := re.fullmatch(r"out\.injected\.(\d+)", name):
            index = int(match[1])
            yield name, transformer.audio_injector(index, hidden, memory[index], None)
    memory = transformer.audio_memory(both)
    yield "out.injected_2actors", transformer.audio_injector(0, hidden, memory[0], _routing(golden))


def stream(golden: Golden, tensors: Tensors) -> Outputs:
    """Streaming passes over several clips, without an anchor refresh."""
    blocks = 1 + max(int(match[1]) for name in tensors if (match := re.match(r"out\.v\.(\d+)", name)))
    recorders: dict[RotaryRounding, PassRecorder] = {}
    roundings: tuple[RotaryRounding, ...] = ("float16", "none")
    for rounding in roundings:
        recorders[rounding] = PassRecorder(golden_session(golden, rounding=rounding))
        recorders[rounding].run(blocks)
    for name in tensors:
        if match := re.fullmatch(r"out\.v(_exact)?\.(\d+)\.(\d+)", name):
            yield name, recorders["none" if match[1] else "float16"].velocity[int(match[2]), int(match[3])]
        elif match := re.fullmatch(r"out\.latent(_exact)?\.(\d+)", name):
            yield name, recorders["none" if match[1] else "float16"].latent[int(match[2])]
        elif match := re.fullmatch(r"out\.(hidden_\w+)", name):
            yield name, recorders["float16"].hidden[_hidden_pass(golden)][match[1]]
        elif match := re.fullmatch(r"out\.v_pose\.0\.(\d+)", name):
            posed = golden_session(golden, pose=golden.inputs["in.pose"])
            yield name, _first_prediction(golden, posed, int(match[1]))
        elif match := re.fullmatch(r"out\.v_2actors\.0\.(\d+)", name):
            inputs = golden.inputs
            both = torch.cat([inputs["in.audio"][..., :BLOCK_FRAMES], inputs["in.audio_actor2"]])
            session = golden_session(golden, routing=_routing(golden), audio=both)
            yield name, _first_prediction(golden, session, int(match[1]))


def anchor(golden: Golden, tensors: Tensors) -> Outputs:
    """Anchor refresh at the second clip with other motion latents."""
    session = golden_session(golden, anchor_clip=1)
    recorder = PassRecorder(session)
    recorder.run(session.shape.clip_blocks)
    session.conditions.motion = session.conditions.motion.flip(2)
    blocks = 1 + max(int(match[1]) for name in tensors if (match := re.match(r"out\.latent\.(\d+)", name)))
    keys: list[Tensor] = []
    assert isinstance(session.passes, LocalPasses)
    cache = session.passes.cache
    written = cache.write_conditions

    def watch(layer: int, condition: KeyValue, rotary: RotaryPositions) -> None:
        keys.append(condition.key[0].clone())
        written(layer, condition, rotary)

    cache.write_conditions = watch  # type: ignore[method-assign]
    recorder.run(blocks - session.block)
    yield "out.cond_k_last", keys[-1]
    for name in tensors:
        if match := re.fullmatch(r"out\.latent\.(\d+)", name):
            yield name, recorder.latent[int(match[1])]


def lora(golden: Golden, tensors: Tensors) -> Outputs:
    """Merged weights from float32 and bfloat16 bases, and a pass with the merged model."""
    golden.lora.check(golden.lora_targets)
    base = golden.transformer.state_dict()
    for name in tensors:
        if match := re.fullmatch(r"out\.merged(_bf16)?\.(.+)", name):
            dtype = torch.bfloat16 if match[1] else torch.float32
            yield name, golden.lora.merge(match[2], base[match[2]].to(dtype))
        elif match := re.fullmatch(r"out\.v_merged\.0\.(\d+)", name):
            merged = golden_session(golden, transformer=golden.load_transformer(golden.lora.merge))
            yield name, _first_prediction(golden, merged, int(match[1]))


def _first_prediction(golden: Golden, session: Session, step: int) -> Tensor:
    """Velocity of block 0 at ``step`` with the unchanged noise as input."""
    return session.predict(golden.inputs["in.noise.0"][None, :, :3], step)[0]


def _routing(golden: Golden) -> Tensor:
    """The stored routing masks, which already say where each speaker acts, as the session takes them."""
    mask: Tensor = golden.inputs["in.mask"]
    return mask[:, :LATENT_FRAMES_PER_BLOCK, ..., 0].flatten(1).unsqueeze(-1)


def _hidden_pass(golden: Golden) -> tuple[int, int]:
    match = re.search(r"block (\d+) step (\d+)", golden.meaning("stream", "out.hidden_in"))
    assert match is not None
    return int(match[1]), int(match[2])


def _prefill_states(golden: Golden, rounding: RotaryRounding) -> list[KeyValue]:
    transformer, inputs = golden.transformer, golden.inputs
    states: list[KeyValue] = []
    transformer.prefill_span(
        transformer.condition_tokens(inputs["in.ref"], inputs["in.motion"]),
        transformer.span,
        transformer.time_conditions(torch.zeros(1)),
        transformer.text_memory(transformer.embed_text(inputs["in.ctx"])),
        RotaryPositions(golden.config.head_dim, golden.shape, rounding, golden.device),
        lambda layer, layer_states: states.append(layer_states),
    )
    return states
