"""The streaming state of a take: history, positions, anchor, prompts, saving."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from live_avatar.errors import Cancelled
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.layer_span import HeldUnits
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue
from live_avatar.model.rope import RotaryPositions, RotaryRounding, rotate
from live_avatar.model.transformer import TimeConditions, block_positions
from live_avatar.noise import SeededDraws, reference_frame
from live_avatar.sampler import make_schedule
from live_avatar.saved_session import SavedSession
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.take_passes import LocalPasses
from live_avatar.vae.block_decoder import PlainDecoder
from live_avatar.vae.frame_copies import PendingFrames
from live_avatar.verify.cases_model import PassRecorder
from live_avatar.verify.golden import Golden
from training.video_forward import WindowConditions, prepare_window, window_velocity

CPU = torch.device("cpu")
SIDE = 8


@pytest.fixture(scope="module")
def golden() -> Golden:
    torch.set_num_threads(1)
    return Golden(Path(__file__).parent / "golden")


def audio_of(golden: Golden) -> Callable[[int], Tensor]:
    features = golden.inputs["in.audio"]

    def audio(block: int) -> Tensor:
        index = (torch.arange(BLOCK_FRAMES) + block * BLOCK_FRAMES) % features.shape[-1]
        return features[..., index]

    return audio


def context_of(golden: Golden) -> Callable[[str], Tensor]:
    """Each prompt its own context."""
    context = golden.inputs["in.ctx"]
    return lambda text: context.roll(len(text), dims=0)[: 23 - len(text)]


def make_session(
    golden: Golden, infer_frames: int = 24, steps: int = 2, rounding: RotaryRounding = "float16", **changes: Any
) -> Session:
    """A session over pictures of 64 x 64."""
    anchor_clip = changes.pop("anchor_clip", 1)
    values: dict[str, Any] = {
        "reference": golden.inputs["in.ref"][..., :SIDE, :SIDE],
        "motion": golden.inputs["in.motion"][..., :SIDE, :SIDE],
        "prompt": lambda block: "one",
        "context": context_of(golden),
        "audio": audio_of(golden),
    }
    settings = SessionSettings(
        LatentShape(SIDE, SIDE, infer_frames), make_schedule(steps), rounding, anchor_clip=anchor_clip
    )
    return Session(
        golden.transformer, PlainDecoder(golden.vae), settings, Conditions(**(values | changes)), SeededDraws(7)
    )


def passes_of(session: Session) -> LocalPasses:
    assert isinstance(session.passes, LocalPasses)
    return session.passes


def cache_of(session: Session) -> KvCache:
    return passes_of(session).cache


def advance(session: Session, blocks: int) -> list[Tensor]:
    """Pictures of the next blocks."""
    return [session.decode_block(session.denoise_block()) for _ in range(blocks)]


def frozen(saved: SavedSession) -> SavedSession:
    """What a file would keep: the live tensors go on changing."""
    tensors = {name: tensor.clone() for name, tensor in saved.tensors.items()}
    return SavedSession(tensors, saved.block, saved.prefilled_prompt, saved.anchored)


def watch_prefills(session: Session) -> list[tuple[int, Tensor, Tensor]]:
    """Filled with (block, reference, motion) of every prefill to come."""
    seen: list[tuple[int, Tensor, Tensor]] = []
    prefill = session.prefill

    def watch(reference: Tensor, motion: Tensor) -> None:
        seen.append((session.block, reference.clone(), motion.clone()))
        prefill(reference, motion)

    session.prefill = watch  # type: ignore[method-assign]
    return seen


# Saving


@pytest.mark.parametrize("block", [1, 2, 3, 4, 6])
def test_a_restored_session_continues_bit_for_bit(golden: Golden, block: int) -> None:
    # Clips of 3 blocks: inside the first clip, at its end, after the anchor, inside the second clip, at its end.
    session = make_session(golden, 36)
    advance(session, block)
    saved = frozen(session.save())
    wanted = advance(session, 5)
    restored = make_session(golden, 36)
    prefills = watch_prefills(restored)
    restored.restore(saved)
    assert (restored.block, restored.clip) == (block, block // 3)
    for expected, found in zip(wanted, advance(restored, 5), strict=True):
        assert torch.equal(expected, found)
    assert [at for at, _, _ in prefills] == ([3] if block <= 3 else [])


def test_a_session_saved_before_its_first_picture_is_still_primed(golden: Golden) -> None:
    session = make_session(golden)
    latents = session.denoise_block()
    saved = frozen(session.save())
    restored = make_session(golden)
    restored.restore(saved)
    assert torch.equal(session.decode_block(latents), restored.decode_block(latents))


def test_a_saved_session_shares_no_memory_with_the_restored_one(golden: Golden) -> None:
    session = make_session(golden)
    advance(session, 1)
    saved = frozen(session.save())
    before = {name: tensor.clone() for name, tensor in saved.tensors.items()}
    restored = make_session(golden)
    restored.restore(saved)
    advance(restored, 3)
    assert all(torch.equal(tensor, saved.tensors[name]) for name, tensor in before.items())


def test_nothing_can_be_saved_before_the_first_block(golden: Golden) -> None:
    with pytest.raises(ValueError, match="before its first block"):
        make_session(golden).save()


@pytest.mark.parametrize("packed", [False, True])
def test_caches_go_with_the_session(golden: Golden, packed: bool) -> None:
    """The next take's caches may not fit beside them, and the collector of cycles comes when it likes."""
    session = make_session(golden)
    if packed:
        settings = SessionSettings(session.shape, session.schedule, packed=True)
        session = Session(session.transformer, session.decoder, settings, session.conditions, session.draws)
    for _ in range(3):
        session.decode_frames(session.denoise_block()).take()
    assert isinstance(session.passes, LocalPasses)
    cache = weakref.ref(session.passes.cache)
    gc.disable()
    try:
        del session
        assert cache() is None
    finally:
        gc.enable()


def test_the_same_draws_give_the_same_pictures(golden: Golden) -> None:
    first, second = advance(make_session(golden), 3), advance(make_session(golden), 3)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# Clips


def test_a_clip_comes_block_by_block(golden: Golden) -> None:
    session, told = make_session(golden, 36), list[int]()
    blocks = [pending.take() for pending in session.next_clip(on_block=told.append)]
    assert [len(frames) for frames in blocks] == [BLOCK_FRAMES] * 3
    assert all(frame.shape == (64, 64, 3) and frame.dtype == np.uint8 for frames in blocks for frame in frames)
    pictures = torch.cat(advance(make_session(golden, 36), 3))
    truncated = ((pictures + 1) / 2 * 255).to(torch.uint8).permute(0, 2, 3, 1)
    assert np.array_equal(np.stack([frame for frames in blocks for frame in frames]), truncated.numpy())
    assert (told, session.block, session.clip) == ([0, 1, 2], 3, 1)


def test_a_clip_stops_between_blocks(golden: Golden) -> None:
    session = make_session(golden, 36)
    frames: list[PendingFrames] = []
    with pytest.raises(Cancelled):
        frames.extend(session.next_clip(should_stop=lambda: session.block == 2))
    assert session.block == 2


# Prompts and the anchor


def test_a_new_prompt_refills_the_conditions_and_changes_later_blocks_only(golden: Golden) -> None:
    constant, changing = (
        make_session(golden, 36, prompt=prompt, anchor_clip=None)
        for prompt in (lambda block: "one", lambda block: "one" if block < 2 else "another")
    )
    prefills = watch_prefills(changing)
    wanted, found = advance(constant, 4), advance(changing, 4)
    assert [torch.equal(a, b) for a, b in zip(wanted, found, strict=True)] == [True, True, False, False]
    assert [block for block, _, _ in prefills] == [0, 2]
    assert all(torch.equal(reference, changing.conditions.reference) for _, reference, _ in prefills)
    fresh = make_session(golden, 36, prompt=lambda block: "another")
    fresh.denoise_block()
    assert torch.equal(cache_of(changing).reference_key, cache_of(fresh).reference_key)
    assert not torch.equal(cache_of(changing).reference_key, cache_of(constant).reference_key)


def test_a_new_prompt_in_a_restored_session(golden: Golden) -> None:
    prompts: list[Callable[[int], str]] = [lambda block: "one", lambda block: "one" if block < 3 else "another"]
    session = make_session(golden, 48, prompt=prompts[0])
    advance(session, 3)
    saved = frozen(session.save())
    wanted = make_session(golden, 48, prompt=prompts[1])
    advance(wanted, 3)
    restored = make_session(golden, 48, prompt=prompts[1])
    restored.restore(saved)
    assert torch.equal(advance(wanted, 1)[0], advance(restored, 1)[0])


@pytest.mark.parametrize("infer_frames", [12, 24, 36])
def test_the_second_clip_is_anchored_on_the_first_latent(golden: Golden, infer_frames: int) -> None:
    session = make_session(golden, infer_frames)
    prefills = watch_prefills(session)
    first = session.denoise_block()
    for _ in range(3 * session.shape.clip_blocks - 1):
        session.denoise_block()
    (start, portrait, motion), (refresh, anchor, later_motion) = prefills
    assert (start, refresh) == (0, session.shape.clip_blocks)
    assert torch.equal(portrait, session.conditions.reference)
    assert torch.equal(anchor, first[:, :, :1])
    assert torch.equal(motion, later_motion)


def test_without_an_anchor_the_portrait_stays(golden: Golden) -> None:
    session = make_session(golden, 12, anchor_clip=None)
    prefills = watch_prefills(session)
    for _ in range(3):
        session.denoise_block()
    assert len(prefills) == 1


def test_a_prompt_that_changes_with_the_anchor_refills_once(golden: Golden) -> None:
    session = make_session(golden, prompt=lambda block: "one" if block < 2 else "another")
    prefills = watch_prefills(session)
    for _ in range(4):
        session.denoise_block()
    assert [block for block, _, _ in prefills] == [0, 2]
    assert torch.equal(prefills[1][1], session.reference)


def test_the_first_prompt_after_the_anchor_keeps_the_anchor(golden: Golden) -> None:
    session = make_session(golden, prompt=lambda block: "one" if block < 3 else "another")
    prefills = watch_prefills(session)
    for _ in range(4):
        session.denoise_block()
    assert [block for block, _, _ in prefills] == [0, 2, 3]
    assert torch.equal(prefills[2][1], prefills[1][1])


# History and positions (spec appendix B)


@pytest.mark.parametrize("infer_frames", [12, 24, 36, 48])
def test_window_and_ring(infer_frames: int) -> None:
    shape = LatentShape(SIDE, SIDE, infer_frames)
    tokens, conditions, blocks = shape.frame_tokens, shape.condition_tokens, infer_frames // 12
    cache = KvCache(shape, HeldUnits.whole(1, 1), 1, 6, torch.float32, CPU)
    rotary = RotaryPositions(6, shape, "none", CPU)
    cache.key[:, :conditions] = -1.0
    for block in range(3 * blocks + 2):
        ahead = 4 + block % 27
        at = torch.tensor([block])
        frame = reference_frame(block, ahead)
        assert frame == max(30, 3 * block + ahead)
        positions = block_positions(rotary, cache, at, torch.tensor([frame]), cache.visible_tokens(block))
        first = conditions + (3 * block % (3 * blocks)) * tokens
        assert positions.ring_index.tolist() == [list(range(first, first + 3 * tokens))]
        assert positions.visible == conditions + 3 * tokens * min(block + 1, blocks)
        assert torch.equal(positions.noisy_table[0], rotary.frames(3 * block + torch.arange(3)))
        assert torch.equal(positions.reference_table[0], rotary.frames(torch.tensor([frame])))
        states = KeyValue(*(torch.full((1, 3 * tokens, 1, 6), float(block)) for _ in range(2)))
        window = cache.attend_window(
            slice(0, 1), 0, states, positions.ring_index, positions.reference_table, positions.visible
        )
        seen = Counter(int(value) for value in window.value[0, conditions:, 0, 0])
        assert seen == dict.fromkeys(range(max(0, block - blocks + 1), block + 1), 3 * tokens)
        assert bool((window.key[0, tokens:conditions] == -1.0).all())


def test_the_reference_is_placed_anew_and_motion_once() -> None:
    torch.manual_seed(0)
    shape = LatentShape(SIDE, SIDE, 12)
    tokens = shape.frame_tokens
    cache = KvCache(shape, HeldUnits.whole(2, 1), 2, 12, torch.float32, CPU)
    rotary = RotaryPositions(12, shape, "float16", CPU)
    condition = KeyValue(*(torch.randn(1, shape.condition_tokens, 2, 12) for _ in range(2)))
    cache.write_conditions(0, condition, rotary)
    states = KeyValue(*(torch.randn(1, 3 * tokens, 2, 12) for _ in range(2)))
    for step, frame in ((0, 30), (1, 41), (0, 77)):
        table = rotary.frames(torch.tensor([[frame]]))
        index = cache.ring_index(torch.tensor([0]))
        window = cache.attend_window(slice(step, step + 1), 0, states, index, table, cache.visible_tokens(0))
        wanted = torch.cat([rotate(condition.key, rotary.condition(frame)), states.key], dim=1)
        assert torch.equal(window.key, wanted)
        assert torch.equal(window.value, torch.cat([condition.value, states.value], dim=1))


@torch.no_grad()
@pytest.mark.parametrize("infer_frames", [12, 36, 48])
def test_cached_passes_equal_one_pass_without_caches(golden: Golden, infer_frames: int) -> None:
    """Over more blocks than the ring holds, against a form of the model that keeps no cache at all."""
    session = make_session(golden, infer_frames, steps=1, anchor_clip=None)
    blocks = session.shape.clip_blocks + 2
    recorder = PassRecorder(session)
    recorder.run(blocks)
    inputs, draws, audio = golden.inputs, session.draws, audio_of(golden)
    context = torch.zeros(1, golden.config.text_len, golden.config.text_dim)
    embedded = context_of(golden)("one")
    context[0, : len(embedded)] = embedded
    frames = [[reference_frame(block, draws.reference_ahead(block, 0)) for block in range(blocks)]]
    conditions = WindowConditions(
        inputs["in.ref"][..., :SIDE, :SIDE],
        inputs["in.motion"][..., :SIDE, :SIDE],
        context,
        torch.zeros(1, blocks, dtype=torch.long),
        torch.zeros(1, dtype=torch.long),
        torch.cat([audio(block) for block in range(blocks)], dim=-1),
        torch.zeros(1, dtype=torch.long),
        torch.tensor(frames),
    )
    window = prepare_window(golden.transformer, conditions, passes_of(session).rotary)
    clips = -(-blocks // session.shape.clip_blocks)
    noise = torch.cat([draws.clip_noise(clip, 16, session.shape) for clip in range(clips)], 1)[None, :, : 3 * blocks]
    velocity = window_velocity(golden.transformer, noise, torch.tensor([1000.0]), window, session.shape)
    for block in range(blocks):
        wanted = velocity[0, :, 3 * block : 3 * block + 3]
        torch.testing.assert_close(recorder.velocity[block, 0], wanted, atol=2e-5, rtol=0)


@torch.inference_mode()
def test_two_steps_in_one_pass_equal_two_passes(golden: Golden) -> None:
    """A block at its second step and the next block at its first: what a packed sampler runs once the ring is full."""
    first = 3
    alone, packed = make_session(golden), make_session(golden)
    for session in (alone, packed):
        for _ in range(first):
            session.denoise_block()
    model, shape, schedule = golden.transformer, alone.shape, alone.schedule
    audio, draws = audio_of(golden), alone.draws
    noise = [
        draws.clip_noise(block // 2, 16, shape)[None, :, 3 * (block % 2) : 3 * (block % 2) + 3]
        for block in (first, first + 1)
    ]
    halfway = noise[0] + schedule.delta(0) * alone.predict(noise[0], 0)
    torch.testing.assert_close(packed.predict(noise[0], 0), alone.predict(noise[0], 0), atol=0, rtol=0)
    second = alone.predict(halfway, 1)
    alone.block += 1
    next_first = alone.predict(noise[1], 0)

    blocks = torch.tensor([first + 1, first])
    ahead = [draws.reference_ahead(int(block), step) for step, block in enumerate(blocks)]
    frames = torch.tensor([reference_frame(int(block), by) for block, by in zip(blocks, ahead, strict=True)])
    time = model.time_conditions(torch.tensor(schedule.timesteps))
    cache = cache_of(packed)
    velocity = model.denoise_span(
        torch.cat([noise[1], halfway]),
        model.span,
        TimeConditions(time.head, time.block),
        block_positions(passes_of(packed).rotary, cache, blocks, frames, cache.visible_tokens(first)),
        cache,
        slice(0, 2),
        model.text_memory(model.embed_text(context_of(golden)("one"))),
        model.audio_memory(torch.cat([audio(int(block)) for block in blocks])),
    )
    torch.testing.assert_close(velocity, torch.cat([next_first, second]), atol=1e-5, rtol=0)
    torch.testing.assert_close(cache.value, cache_of(alone).value, atol=1e-5, rtol=0)


def test_a_take_goes_on_beyond_the_published_table(golden: Golden) -> None:
    session = make_session(golden, rounding="none")
    advance(session, 3)
    # Over two hours into the video; the ring then holds blocks 19998 and 19999.
    session.block = 19_998
    far = [session.denoise_block() for _ in range(4)]
    assert 3 * session.block > 45_000
    assert all(bool(latents.isfinite().all()) for latents in far)
    # Reference, ring and block move together; motion stays behind, so pictures change slowly, not wildly.
    near = make_session(golden, rounding="none")
    advance(near, 4)
    assert 0.5 < float(far[-1].std() / near.denoise_block().std()) < 2.0


# Several speakers


def test_speakers_whose_regions_share_the_picture_add_up_to_one(golden: Golden) -> None:
    tokens = 3 * LatentShape(SIDE, SIDE, 24).frame_tokens
    left = torch.zeros(tokens, 1)
    left[::2] = 1
    audio = audio_of(golden)
    one = make_session(golden)
    same = make_session(
        golden, audio=lambda block: audio(block).repeat(2, 1, 1, 1), routing=torch.stack([left, 1 - left])
    )
    torch.testing.assert_close(one.denoise_block(), same.denoise_block(), atol=1e-5, rtol=0)


def test_a_speaker_acts_where_it_is_routed_to(golden: Golden) -> None:
    tokens = 3 * LatentShape(SIDE, SIDE, 24).frame_tokens
    routing = torch.zeros(2, tokens, 1)
    routing[0, : tokens // 2], routing[1, tokens // 2 :] = 1, 1
    model, audio = golden.transformer, audio_of(golden)
    first, second = audio(0), golden.inputs["in.audio_actor2"]
    hidden = golden.inputs["in.hidden"][:, :tokens]
    apart = [model.audio_injector(0, hidden, model.audio_memory(sound)[0], None) for sound in (first, second)]
    both = model.audio_injector(0, hidden, model.audio_memory(torch.cat([first, second]))[0], routing)
    torch.testing.assert_close(both, torch.where(routing[0] > 0, *apart), atol=1e-6, rtol=0)


def test_speakers_cannot_share_a_batch(golden: Golden) -> None:
    model, hidden = golden.transformer, golden.inputs["in.hidden"].repeat(2, 1, 1)
    memory = model.audio_memory(torch.cat([audio_of(golden)(0), golden.inputs["in.audio_actor2"]]))
    with pytest.raises(ValueError, match="2 speakers"):
        model.audio_injector(0, hidden, memory[0], torch.ones(2, hidden.shape[1], 1))
