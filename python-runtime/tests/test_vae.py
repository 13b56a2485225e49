"""The causal VAE against reference numbers, against diffusers, and against itself in other chunkings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from live_avatar.errors import UserError
from live_avatar.geometry import choose_output_size
from live_avatar.image import fit_picture, open_picture, picture_to_tensor
from live_avatar.vae.config import PUBLISHED_LATENT_MEAN, PUBLISHED_LATENT_STD, VaeConfig
from live_avatar.vae.model import VideoVae

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = 3e-5


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return {name: tensor.float() for name, tensor in load_file(GOLDEN / "ckpt" / "Wan2.1_VAE.safetensors").items()}


@pytest.fixture(scope="module")
def vae(weights: dict[str, Tensor]) -> VideoVae:
    return VideoVae.from_state_dict(weights)


@pytest.fixture(scope="module")
def case() -> dict[str, Tensor]:
    return {name: tensor.float() for name, tensor in load_file(GOLDEN / "cases" / "vae.safetensors").items()}


@pytest.fixture(autouse=True)
def outside_autograd() -> Iterator[None]:
    """As the engine runs it; tests of training switch gradients on."""
    with torch.no_grad():
        yield


def video(frames: int, seed: int = 0, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, frames, 16, 24, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def latents(frames: int, seed: int = 0, batch: int = 1) -> Tensor:
    return torch.randn(batch, 16, frames, 2, 3, generator=torch.Generator().manual_seed(seed))


def worst(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return float((a.float() - b.float()).abs().max())


def states_differ(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Largest difference, as a share of the layer's own range where that exceeds 1."""
    assert a
    assert a.keys() == b.keys()
    return max(worst(a[key], b[key]) / max(1.0, float(a[key].abs().max())) for key in a)


# --- reference numbers ---


@pytest.mark.parametrize("frames", [1, 9, 17])
def test_encode_matches_reference(vae: VideoVae, case: dict[str, Tensor], frames: int) -> None:
    got = vae.encode(case["in.video"][None, :, :frames])
    assert worst(got[0], case[f"out.latent_{frames}"]) < TOLERANCE


@pytest.mark.parametrize("frames", [5, 73])
def test_encode_still_matches_reference(vae: VideoVae, case: dict[str, Tensor], frames: int) -> None:
    got = vae.encode_still(case["in.video"][None, :, 0], frames)
    assert worst(got[0], case[f"out.latent_still{frames}"]) < TOLERANCE


def test_decode_matches_reference(vae: VideoVae, case: dict[str, Tensor]) -> None:
    assert worst(vae.decode(case["in.z"][None])[0], case["out.decoded"]) < TOLERANCE


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_stream_decode_matches_reference(vae: VideoVae, case: dict[str, Tensor], chunk: int) -> None:
    state = vae.new_decoder_state()
    parts = [vae.stream_decode(part, state) for part in torch.split(case["in.z"][None], chunk, dim=2)]
    assert worst(torch.cat(parts, dim=2)[0], case["out.decoded"]) < TOLERANCE
    assert worst(vae.stream_decode(case["in.z2"][None], state)[0], case["out.stream_next12"]) < TOLERANCE


def test_published_statistics(case: dict[str, Tensor]) -> None:
    assert worst(torch.tensor(PUBLISHED_LATENT_MEAN), case["const.mean"]) < 1e-6
    assert worst(torch.tensor(PUBLISHED_LATENT_STD), case["const.std"]) < 1e-6


def portrait() -> Tensor:
    """The picture of the end-to-end runs, as the published pipelines feed it to the VAE: [1,3,64,64]."""
    picture = open_picture(GOLDEN / "media" / "e2e.png")
    width, height = choose_output_size(4096, picture.width, picture.height)
    return picture_to_tensor(fit_picture(picture.image, width, height, border="black"))[None]


@pytest.mark.parametrize(
    ("pipeline", "reference_frames", "motion_frames"), [("pipeline_single", 5, 365), ("pipeline_tpp", 1, 73)]
)
def test_conditioning_latents_match_reference(
    vae: VideoVae, pipeline: str, reference_frames: int, motion_frames: int
) -> None:
    expected = load_file(GOLDEN / "cases" / f"{pipeline}.safetensors")
    image = portrait()
    assert worst(vae.encode_still(image, reference_frames)[:, :, -1:], expected["out.ref.0"]) < 5e-5
    assert worst(vae.encode_still(image, motion_frames)[:, :, -19:], expected["out.motion.0"]) < 5e-5


@pytest.mark.parametrize("prime", [True, False])
def test_streamed_frames_match_reference_pipeline(vae: VideoVae, prime: bool) -> None:
    case = load_file(GOLDEN / "cases" / "pipeline_tpp.safetensors")
    state = vae.new_decoder_state()
    motion = vae.encode_still(portrait(), 73)[:, :, :7]
    if prime:
        vae.prime_decoder(motion, state)
    else:
        vae.stream_decode(motion, state)
    blocks = [vae.stream_decode(case[f"out.latent.{block}"][None], state) for block in range(4)]
    frames = torch.cat(blocks, dim=2)[0, :, 3:].transpose(0, 1)
    assert len(frames) == 45
    assert worst(frames[case["const.frame_index"]], case["out.frames"]) < 2e-4


# --- diffusers as an independent truth ---


def diffusers_name(name: str) -> str:
    """Published parameter name to that of diffusers (spec 5.6)."""
    name = re.sub(r"^conv1\.", "quant_conv.", name)
    name = re.sub(r"^conv2\.", "post_quant_conv.", name)
    name = re.sub(r"^(encoder|decoder)\.conv1\.", r"\1.conv_in.", name)
    name = re.sub(r"\.middle\.(0|2)\.", lambda m: f".mid_block.resnets.{int(m[1]) // 2}.", name)
    name = name.replace(".middle.1.", ".mid_block.attentions.0.")
    name = name.replace(".head.0.gamma", ".norm_out.gamma").replace(".head.2.", ".conv_out.")
    name = name.replace(".downsamples.", ".down_blocks.")

    def up(match: re.Match[str]) -> str:
        stage, layer = divmod(int(match[1]), 4)
        return f".up_blocks.{stage}." + ("upsamplers.0." if layer == 3 else f"resnets.{layer}.")

    name = re.sub(r"\.upsamples\.(\d+)\.", up, name)
    for old, new in (("0.gamma", "norm1.gamma"), ("2.", "conv1."), ("3.gamma", "norm2.gamma"), ("6.", "conv2.")):
        name = name.replace(f".residual.{old}", f".{new}")
    return name.replace(".shortcut.", ".conv_shortcut.")


def test_equals_diffusers() -> None:
    from diffusers import AutoencoderKLWan

    torch.manual_seed(3)
    ours = VideoVae(VaeConfig.of_width(8)).requires_grad_(False)
    for name, parameter in ours.named_parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.1 + (1.0 if name.endswith("gamma") else 0.0))
    theirs = AutoencoderKLWan(base_dim=8).requires_grad_(False)
    theirs.load_state_dict({diffusers_name(name): tensor for name, tensor in ours.state_dict().items()}, strict=True)
    frames = video(13)
    expected = theirs.encode(frames).latent_dist
    mean, log_variance = ours.stream_encode_moments(frames, ours.new_encoder_state())
    assert worst(mean, expected.mean) < 1e-5
    assert worst(log_variance.clamp(-30.0, 20.0), expected.logvar) < 1e-5
    assert worst(ours.decode(ours.normalise(expected.mean)), theirs.decode(expected.mean).sample) < 1e-5


# --- streaming ---


def test_stream_encode_equals_one_shot(vae: VideoVae) -> None:
    frames = video(17)
    expected = vae.encode(frames)
    for sizes in ([1, 4, 4, 4, 4], [5, 12], [17], [9, 4, 4]):
        state = vae.new_encoder_state()
        got = torch.cat([vae.stream_encode(chunk, state) for chunk in torch.split(frames, sizes, dim=2)], dim=2)
        assert worst(got, expected) < 1e-5


def test_batched_streams_do_not_mix(vae: VideoVae) -> None:
    both = torch.cat([latents(4, 1), latents(4, 2)])
    together = vae.decode(both)
    assert worst(together[:1], vae.decode(both[:1])) < 1e-5
    assert worst(together[1:], vae.decode(both[1:])) < 1e-5


def test_interleaved_streams_are_independent(vae: VideoVae) -> None:
    a, b = latents(4, 1), latents(4, 2)
    state_a, state_b = vae.new_decoder_state(), vae.new_decoder_state()
    parts = []
    for i in range(4):
        parts.append(vae.stream_decode(a[:, :, i : i + 1], state_a))
        vae.stream_decode(b[:, :, i : i + 1], state_b)
    assert worst(torch.cat(parts, dim=2), vae.decode(a)) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_decoder_state_continues_bit_exactly(
    weights: dict[str, Tensor], tmp_path: Path, dtype: torch.dtype
) -> None:
    vae = VideoVae.from_state_dict(weights, dtype=dtype)
    z = latents(5)
    state = vae.new_decoder_state()
    vae.stream_decode(z[:, :, :2], state)
    save_file({key: tensor.contiguous() for key, tensor in state.tensors().items()}, tmp_path / "state.safetensors")
    expected = vae.stream_decode(z[:, :, 2:], state)
    restored = vae.new_decoder_state()
    restored.load_tensors(load_file(tmp_path / "state.safetensors"))
    assert torch.equal(vae.stream_decode(z[:, :, 2:], restored), expected)


def test_saved_encoder_state_continues_bit_exactly(vae: VideoVae) -> None:
    frames = video(13)
    state = vae.new_encoder_state()
    vae.stream_encode(frames[:, :, :5], state)
    restored = vae.new_encoder_state()
    restored.load_tensors(state.clone().tensors())
    assert torch.equal(vae.stream_encode(frames[:, :, 5:], state), vae.stream_encode(frames[:, :, 5:], restored))


def test_clone_is_independent(vae: VideoVae) -> None:
    z = latents(4)
    state = vae.new_decoder_state()
    vae.stream_decode(z[:, :, :2], state)
    branch = state.clone()
    vae.stream_decode(latents(2, seed=9), branch)
    assert worst(vae.stream_decode(z[:, :, 2:], state), vae.decode(z)[:, :, 5:]) < 1e-5


def test_state_of_another_network_is_refused(vae: VideoVae) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        vae.new_decoder_state().load_tensors({"decoder.conv1": torch.zeros(1)})


@pytest.mark.parametrize("frames", [1, 2, 7, 12])
def test_priming_leaves_the_state_of_a_decode(vae: VideoVae, frames: int) -> None:
    z = latents(frames)
    decoded, primed = vae.new_decoder_state(), vae.new_decoder_state()
    vae.stream_decode(z, decoded)
    vae.prime_decoder(z, primed)
    assert states_differ(decoded.tensors(), primed.tensors()) < 1e-5
    following = latents(2, seed=5)
    assert worst(vae.stream_decode(following, decoded), vae.stream_decode(following, primed)) < 1e-5


def test_priming_needs_a_fresh_state(vae: VideoVae) -> None:
    state = vae.new_decoder_state()
    vae.prime_decoder(latents(1), state)
    with pytest.raises(ValueError, match="fresh"):
        vae.prime_decoder(latents(1), state)


@pytest.mark.parametrize("frames", [1, 5, 9, 13, 41, 117, 125])
def test_encode_still_equals_encode_of_repeats(vae: VideoVae, frames: int) -> None:
    image = video(1, seed=4)[:, :, 0]
    expected = vae.encode(image.unsqueeze(2).expand(-1, -1, frames, -1, -1))
    assert worst(vae.encode_still(image, frames), expected) < 1e-6


@pytest.mark.parametrize("frames", [0, 2, 4, 6])
def test_wrong_frame_counts_are_refused(vae: VideoVae, frames: int) -> None:
    with pytest.raises(ValueError, match="frames do not fit"):
        vae.encode_still(video(1)[:, :, 0], frames)
    if frames:
        with pytest.raises(ValueError, match="frames do not fit"):
            vae.stream_encode(video(frames), vae.new_encoder_state())


def test_continuation_takes_multiples_of_four(vae: VideoVae) -> None:
    state = vae.new_encoder_state()
    vae.stream_encode(video(1), state)
    with pytest.raises(ValueError, match="multiple of 4"):
        vae.stream_encode(video(5), state)


# --- weights, statistics, precision, training ---


def test_config_is_read_from_shapes(weights: dict[str, Tensor]) -> None:
    config = VaeConfig.from_state_dict({name: tensor.shape for name, tensor in weights.items()})
    assert config == VaeConfig.of_width(4)
    assert (config.spatial_stride, config.temporal_stride) == (8, 4)


def test_parameter_names_are_the_published_ones(weights: dict[str, Tensor], vae: VideoVae) -> None:
    assert {name: tensor.shape for name, tensor in vae.state_dict().items()} == {n: t.shape for n, t in weights.items()}


@pytest.mark.parametrize(
    "damage",
    [
        lambda w: w.pop("encoder.conv1.weight"),
        lambda w: w.pop("decoder.head.2.bias"),
        lambda w: w.update({"extra.weight": torch.zeros(1)}),
        lambda w: w.update({"latent_mean": torch.zeros(16)}),
        lambda w: w.update({"decoder.head.2.weight": torch.zeros(3, 5, 3, 3, 3)}),
        lambda w: w.clear(),
    ],
)
def test_damaged_weights_are_refused(weights: dict[str, Tensor], damage: Callable[[dict[str, Tensor]], object]) -> None:
    damaged = dict(weights)
    damage(damaged)
    with pytest.raises(UserError) as caught:
        VideoVae.from_state_dict(damaged)
    assert caught.value.code == "VAE_WEIGHTS_INVALID"


def test_statistics_stay_float32(weights: dict[str, Tensor]) -> None:
    vae = VideoVae.from_state_dict(weights, dtype=torch.bfloat16)
    assert vae.latent_mean.dtype == torch.float32
    assert float(vae.latent_mean[0]) == pytest.approx(-0.7571, abs=1e-7)


def test_bfloat16_is_close(weights: dict[str, Tensor], case: dict[str, Tensor]) -> None:
    vae = VideoVae.from_state_dict(weights, dtype=torch.bfloat16)
    frames = vae.decode(case["in.z"][None])[0]
    assert frames.dtype == torch.float32
    assert float((frames - case["out.decoded"]).pow(2).mean().sqrt()) < 0.02


def test_clamp_can_be_skipped(vae: VideoVae, case: dict[str, Tensor]) -> None:
    z = case["in.z"][None, :, :2]
    free = vae.decode(z, clamp=False)
    assert float(free.abs().max()) > 1.0
    assert torch.equal(free.clamp(-1, 1), vae.decode(z))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.08)])
def test_training_computes_what_the_engine_does(
    weights: dict[str, Tensor], dtype: torch.dtype, tolerance: float
) -> None:
    vae = VideoVae.from_state_dict(weights, dtype=dtype)
    frames, z = video(9), latents(3)
    encoded, decoded = vae.encode(frames), vae.decode(z)
    with torch.enable_grad():
        assert worst(vae.encode(frames), encoded) < tolerance
        assert worst(vae.decode(z), decoded) < tolerance


@pytest.mark.parametrize("autocast", [False, True])
@torch.enable_grad()
def test_gradients_flow_inside_a_chunk_only(autocast: bool) -> None:
    torch.manual_seed(0)
    vae = VideoVae(VaeConfig.of_width(4))
    encoder_state, decoder_state = vae.new_encoder_state(), vae.new_decoder_state()
    frames = video(9, batch=2)
    for chunk in torch.split(frames, [5, 4], dim=2):
        chunk = chunk.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            mean, _ = vae.stream_encode_moments(chunk, encoder_state)
            out = vae.stream_decode(vae.normalise(mean), decoder_state, clamp=False)
        assert out.shape == chunk.shape
        vae.zero_grad()
        (gradient,) = torch.autograd.grad((out - chunk.detach()).abs().mean(), chunk, retain_graph=True)
        (out - chunk.detach()).abs().mean().backward()
        assert float(gradient.abs().sum()) > 0
        assert all(
            p.grad is not None and bool(p.grad.isfinite().all()) for n, p in vae.named_parameters() if "time" not in n
        )
        encoder_state.detach()
        decoder_state.detach()
    assert not any(tensor.requires_grad for tensor in decoder_state.tensors().values())
