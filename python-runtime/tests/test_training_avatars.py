"""Drawn avatars: the same picture every time, splits apart, and measures that read true renderings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.avatars import measures
from training.avatars.appearance import Appearance, combination_key, sample_appearance, split_of
from training.avatars.features import GAP_CLOSED, GAP_OPEN
from training.avatars.fit_measures import compressed
from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.avatars.make_examples import EXAMPLES, write_example
from training.avatars.measure_nets import FOLDER
from training.avatars.performance import (
    expression_weights,
    fake_mouth,
    light_weights,
    performance_from_mouth,
    transition,
)
from training.avatars.renderer import MOUTH, AvatarRenderer, to_uint8


@pytest.fixture(scope="module")
def looks() -> list[Appearance]:
    return [sample_appearance(seed, "test") for seed in range(4)]


@pytest.fixture(scope="module")
def renderer(looks: list[Appearance]) -> AvatarRenderer:
    return AvatarRenderer(looks, cache=True)


def _clip(
    renderer: AvatarRenderer, index: int, frames: int, mood: str = "neutral", light: str = "day"
) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 and the true opening."""
    mouth = fake_mouth(frames, 40 + index)
    play = performance_from_mouth(mouth, mood, seed=index, ramp_frames=1)
    return to_uint8(renderer.render_clip(index, play, light)).numpy(), mouth[:, 0].double().numpy()


def test_splits_are_disjoint_and_sampling_is_repeatable() -> None:
    train = [sample_appearance(seed, "train") for seed in range(300)]
    test = [sample_appearance(seed, "test") for seed in range(300)]
    assert {split_of(look) for look in train} == {"train"}
    assert {split_of(look) for look in test} == {"test"}
    assert not {combination_key(look) for look in train} & {combination_key(look) for look in test}
    assert sample_appearance(7, "test") == test[7]
    assert len({look.hair_style for look in train}) == 10
    glasses = sum(look.glasses != "none" for look in train) / len(train)
    assert 0.2 < glasses < 0.4


def test_render_is_deterministic_and_does_not_depend_on_batching(looks: list[Appearance]) -> None:
    plays = [performance_from_mouth(fake_mouth(9, seed), "happy", seed=seed) for seed in range(2)]
    both = AvatarRenderer(looks[:2]).render(plays, ["night", "studio"])
    assert both.shape == (2, 9, 3, 256, 384)
    assert -1 <= float(both.min()) < float(both.max()) <= 1
    alone = AvatarRenderer(looks[1:2]).render_clip(0, plays[1], "studio")
    assert torch.equal(both[1], alone)


def test_render_refuses_what_does_not_fit(looks: list[Appearance]) -> None:
    renderer = AvatarRenderer(looks[:2])
    play = performance_from_mouth(fake_mouth(4, 1))
    with pytest.raises(ValueError, match="one performance per avatar"):
        renderer.render([play])
    with pytest.raises(ValueError, match="none of"):
        renderer.render_clip(0, play, "noon")
    with pytest.raises(ValueError, match="uint8"):
        measures.mouth_opening(np.zeros((1, 256, 384, 3), np.float32))


def test_performance_rests_on_still_frames_and_nods_with_the_mouth() -> None:
    mouth = torch.cat([torch.zeros(20, 3), fake_mouth(200, 3)])
    play = performance_from_mouth(mouth, seed=5, still_frames=20)
    assert float(play.head[:20].abs().max()) == 0
    assert float(play.blink[:20].max()) == 0
    assert float(play.head[30:, 0].abs().max()) > 0.5
    assert float(play.head.abs().max()) < 6
    loud = performance_from_mouth(torch.cat([torch.zeros(20, 3), torch.ones(200, 3)]), seed=5, still_frames=20)
    assert float((loud.head - play.head)[60:, 1].min()) > 0.5


def test_transition_is_smooth_and_complete() -> None:
    weights = transition(expression_weights("sad", 30), expression_weights("happy", 30), 10, 8)
    assert torch.equal(weights[:10], expression_weights("sad", 10))
    assert torch.equal(weights[18:], expression_weights("happy", 12))
    assert float((weights[1:] - weights[:-1]).abs().max()) < 0.25
    assert torch.allclose(weights.sum(1), torch.ones(30))


def test_lip_gap_is_the_same_number_of_pixels_for_every_avatar(renderer: AvatarRenderer) -> None:
    for index in range(2):
        for opening in (0.0, 0.5, 1.0):
            play = performance_from_mouth(torch.tensor([[opening, 0.0, 0.0]]), still_frames=1)
            inside = renderer.mouth_interior(index, play)[0]
            gap = float(inside[:, 192 - MOUTH[0] - 1 : 192 - MOUTH[0] + 1].sum(0).mean())
            assert gap == pytest.approx(GAP_CLOSED + GAP_OPEN * opening, abs=0.3)


@pytest.mark.parametrize(
    ("index", "mood", "light"), [(0, "neutral", "day"), (1, "happy", "night"), (2, "sad", "evening")]
)
def test_mouth_opening_follows_the_truth(renderer: AvatarRenderer, index: int, mood: str, light: str) -> None:
    frames, truth = _clip(renderer, index, 50, mood, light)
    video = compressed(frames)
    seen = measures.mouth_opening(video)
    assert np.corrcoef(truth, seen)[0, 1] > 0.97
    assert np.polyfit(truth, seen, 1)[0] == pytest.approx(1.0, abs=0.15)
    assert np.corrcoef(truth, measures.mouth_opening(measures.gaussian_blur(video, 1.5)))[0, 1] > 0.93
    moved = np.roll(video, (6, -6), (1, 2))
    assert np.corrcoef(truth, measures.mouth_opening(moved))[0, 1] > 0.93
    assert abs(np.corrcoef(truth, np.random.default_rng(0).permutation(seen))[0, 1]) < 0.5


def test_labels_are_read_from_pixels(renderer: AvatarRenderer) -> None:
    right_expression = right_light = total = 0
    for index in range(4):
        for number, mood in enumerate(EXPRESSIONS):
            light = LIGHTS[(index + number) % len(LIGHTS)]
            frames, _ = _clip(renderer, index, 5, mood, light)
            blurry = measures.gaussian_blur(frames, 1.5)
            right_expression += (measures.expression(frames)[0] == mood) + (measures.expression(blurry)[0] == mood)
            right_light += (measures.light(frames)[0] == light) + (measures.light(blurry)[0] == light)
            total += 2
    assert right_expression >= total - 2
    assert right_light >= total - 1


def test_colours_stay_put_in_a_clip_and_tell_people_apart(renderer: AvatarRenderer) -> None:
    frames, _ = _clip(renderer, 0, 30)
    other, _ = _clip(renderer, 1, 2)
    portrait = to_uint8(renderer.portrait(0)).numpy()[None]
    colours, rest, stranger = (measures.region_colours(f) for f in (frames, portrait, other))
    assert set(colours) == {"hair", "skin", "clothes", "background"}
    for name, lab in colours.items():
        assert lab.shape == (30, 3)
        assert float(measures.delta_e(lab, rest[name]).max()) < 5
    assert max(float(measures.delta_e(stranger[name], rest[name]).min()) for name in rest) > 10


def test_lab_of_known_colours() -> None:
    lab = measures.rgb_to_lab(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert np.allclose(lab, np.array([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]), atol=0.05)


def test_sharpness_and_psnr_notice_blur(renderer: AvatarRenderer) -> None:
    frames, _ = _clip(renderer, 0, 3)
    blurry = measures.gaussian_blur(frames, 1.5)
    assert (measures.sharpness(blurry) < 0.7 * measures.sharpness(frames)).all()
    assert (measures.psnr(frames, frames) > 90).all()
    assert (measures.psnr(frames, blurry) < 45).all()
    noisy = frames.copy()
    noisy[:, :20] = 0
    assert (measures.psnr(frames, noisy, measures.MOUTH_BOX) > 90).all()


def test_light_fades_with_weights(renderer: AvatarRenderer) -> None:
    play = performance_from_mouth(torch.zeros(3, 3), still_frames=3)
    weights = transition(light_weights("day", 3), light_weights("night", 3), 0, 2)
    level = renderer.render_clip(0, play, weights).mean((1, 2, 3))
    assert float(level[0]) > float(level[1])
    assert float(level[1]) == pytest.approx(float(level[2]), abs=1e-4)


def test_stored_networks_are_small() -> None:
    sizes = {path.stem: path.stat().st_size for path in FOLDER.glob("*.json")}
    assert set(sizes) == {"gap", "expression", "light"}
    assert max(sizes.values()) < 50_000


def test_example_portrait(tmp_path: Path) -> None:
    portrait = write_example(EXAMPLES[0], tmp_path)
    with Image.open(portrait) as picture:
        assert (picture.size, picture.mode) == ((1152, 768), "RGB")
    assert portrait.stat().st_size < 300_000
    assert len((tmp_path / "anna" / "prompt.txt").read_text(encoding="utf-8")) > 50
