"""The fast decoder's Triton kernels on the processor, through Triton's interpreter, against plain PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import cast, get_args

import pytest
import torch
from torch import Tensor, nn

from live_avatar.vae.block_decoder import to_bytes
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.fast_decoder import FastDecoder, make_rows
from live_avatar.vae.fast_encoder import fuse_encoder_norms
from live_avatar.vae.fast_rows import Arrangement, ConvolutionInput, PlainRows, Rows, Step, Unfinished
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.layers import ResidualBlock
from live_avatar.vae.model import VideoVae
from live_avatar.vae.norm import RmsNorm

# Read where the kernels are defined, so it must be set before they are imported.
os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton")

RUNTIME = Path(__file__).parents[1]
TINY = VaeConfig((6, 12, 12), 1, (False, True), 4)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def outside_autograd() -> Iterator[None]:
    with torch.no_grad():
        yield


def fused(tile: int = 512) -> Rows:
    rows = make_rows(FastSettings(kernels="triton", row_tile=tile), CPU, pytest.fail)
    assert not isinstance(rows, PlainRows)
    return rows


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def source_shape(arrangement: Arrangement, frames: int, height: int, width: int, channels: int) -> tuple[int, ...]:
    if arrangement == "phases":
        return frames, height // 2 + 1, width // 2 + 1, 4 * channels
    if arrangement == "pairs":
        return frames // 2, height, width, 2 * channels
    return frames, height, width, channels


def compare(unfinished: Unfinished, step: Step, rows: Rows, tolerance: float) -> None:
    """Both ways over copies of the same inputs."""

    def copies() -> tuple[Unfinished, Step]:
        residual = None if unfinished.residual is None else unfinished.residual.clone()
        cache = None if step.cache is None else step.cache.clone()
        return replace(unfinished, residual=residual), replace(step, cache=cache)

    (first, first_step), (second, second_step) = copies(), copies()
    expected, got = PlainRows().finish(first, first_step), rows.finish(second, second_step)
    pairs = [*zip(expected, got, strict=True), (first_step.cache, second_step.cache)]
    for one, other in pairs:
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.dtype == other.dtype
            torch.testing.assert_close(other, one, rtol=tolerance, atol=tolerance)
    if step.target == "stacked" and got.target is not None:
        assert step.cache is not None
        assert torch.equal(got.target[:2], step.cache), "the context frames are copies"


@pytest.mark.parametrize("channels", [5, 96, 192, 384])
@pytest.mark.parametrize("target", get_args(ConvolutionInput))
@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_rows_of_all_widths(channels: int, target: ConvolutionInput, frames: int) -> None:
    shape = (frames, 2, 3, channels)
    unfinished = Unfinished(random(*shape), random(channels, seed=1), random(*shape, seed=2))
    cache = random(2, 2, 3, channels, seed=3)
    step = Step(keep=True, gamma=random(channels, seed=4), silu=True, target=target, cache=cache)
    compare(unfinished, step, fused(), 2e-5)


@pytest.mark.parametrize("arrangement", get_args(Arrangement))
@pytest.mark.parametrize("target", [None, *get_args(ConvolutionInput)])
@pytest.mark.parametrize("parts", ["none", "bias", "residual", "norm", "all"])
def test_arrangements_and_parts(arrangement: Arrangement, target: ConvolutionInput | None, parts: str) -> None:
    channels, frames, height, width = 12, 4, 4, 6
    on = {name: parts in (name, "all") for name in ("bias", "residual", "norm")}
    unfinished = Unfinished(
        random(*source_shape(arrangement, frames, height, width, channels)),
        random(channels * (2 if arrangement == "pairs" else 1), seed=1) if on["bias"] else None,
        random(frames, height, width, channels, seed=2) if on["residual"] else None,
        arrangement,
    )
    step = Step(
        keep=target is None or parts == "all",
        gamma=random(channels, seed=3) if on["norm"] else None,
        silu=parts == "all",
        target=target,
        cache=random(2, height, width, channels, seed=4),
    )
    # A tile of four pixels: the last one of each picture row hangs over.
    compare(unfinished, step, fused(tile=64), 2e-5)


def test_rows_in_half_precision() -> None:
    shape = (3, 3, 5, 96)
    half = torch.bfloat16
    unfinished = Unfinished(random(*shape, dtype=half), random(96, seed=1), random(*shape, seed=2, dtype=half))
    cache = random(2, 3, 5, 96, seed=3, dtype=half)
    step = Step(keep=True, gamma=random(96, seed=4), silu=True, target="folded", cache=cache)
    compare(unfinished, step, fused(), 2e-2)


def test_a_row_of_zeros_stays_finite() -> None:
    unfinished = Unfinished(torch.zeros(1, 1, 2, 96))
    step = Step(gamma=torch.ones(96), silu=True, target="rows")
    assert torch.equal(cast(Tensor, fused().finish(unfinished, step).target), torch.zeros(1, 1, 2, 96))


@pytest.mark.parametrize("taps", [1, 3])
def test_pictures(taps: int) -> None:
    channels = 16 if taps == 3 else 8
    partial, bias = random(taps - 1 + 4, 5, 7, channels), random(3, seed=1)
    results = []
    for rows in (PlainRows(), fused()):
        frames = torch.zeros(4, 5, 7, 3, dtype=torch.uint8)
        # Part of a longer video, as one pass of several sees it.
        values = torch.zeros(3, 6, 5, 7)
        rows.pictures(partial, bias, taps, frames, values[:, 1:5])
        assert torch.equal(frames, to_bytes(values[:, 1:5].transpose(0, 1)))
        assert float(values[:, 0].abs().max()) == float(values[:, 5].abs().max()) == 0
        results.append((frames, values))
    torch.testing.assert_close(results[1][1], results[0][1], rtol=1e-6, atol=1e-6)
    assert len(results[0][0].unique()) > 50


@pytest.mark.parametrize(
    "settings",
    [
        FastSettings(frames_per_pass=3),
        FastSettings(folded_channels=0, upsampling="nearest", head="padded", frames_per_pass=None),
    ],
)
def test_whole_decoder(settings: FastSettings) -> None:
    torch.manual_seed(1)
    vae = VideoVae(TINY).eval().requires_grad_(False)
    vae.use_channels_last()
    fast = FastDecoder(vae, replace(settings, kernels="triton", row_tile=256))
    state, plain = fast.new_decoder_state(), vae.new_decoder_state()
    for block, count in enumerate([1, 3, 3]):
        z = random(1, 4, count, 2, 3, seed=block)
        expected = vae.stream_decode(z, plain, clamp=False)
        got = fast.stream_decode(z, state, clamp=False)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    for (key, one), other in zip(state.tensors().items(), plain.tensors().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4, msg=key)


_COMPILE = """
import re
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from live_avatar.vae.fast_kernels import finish_kernel

def build(channels, target, capability):
    block = 1 << (channels - 1).bit_length()
    fixed = dict(C=channels, BLOCK_C=block, TILE=4096 // block, ARRANGEMENT=1, HAS_BIAS=True, HAS_RESIDUAL=True,
                 KEEP=True, NORM=True, SILU=True, TARGET=target, ONE_FRAME=False)
    kinds = dict.fromkeys(("frames", "height", "width"), "i32") | {"root": "fp32", "bias": "*fp32", "gamma": "*fp32"}
    names = finish_kernel.arg_names
    signature = {name: "constexpr" if name in fixed else kinds.get(name, "*bf16") for name in names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if signature[name].startswith("*")}
    constants = {(names.index(name),): value for name, value in fixed.items()}
    source = ASTSource(finish_kernel, signature, constants, aligned)
    return compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 4}).asm["ptx"]

for capability in (80, 89, 90):
    for channels in (96, 192, 384):
        for target in (2, 3):
            code = build(channels, target, capability)
            stores = set(re.findall(r"st\\.global\\S*", code))
            loads = set(re.findall(r"ld\\.global\\S*", code))
            print(capability, channels, target, stores, loads)
            assert stores == {"st.global.v4.b32"}, stores
            assert "ld.global.v4.b32" in loads, loads
"""


def refuse_reordering(conv: nn.Module, inputs: tuple[Tensor]) -> None:
    """A convolution is to get its input in the order it reads: on a card it takes gigabytes to bring it into that.

    Which order a tensor of one video has is told by the stride of the video, too.
    """
    assert inputs[0].stride(0) == inputs[0].numel()


def residual_blocks(vae: VideoVae) -> list[ResidualBlock]:
    return [module for module in vae.encoder.modules() if isinstance(module, ResidualBlock)]


def test_whole_encoder() -> None:
    torch.manual_seed(2)
    vae = VideoVae(VaeConfig((6, 12, 12), 1, (False, True), 4)).eval()
    vae.use_channels_last()
    still, moving = random(1, 3, 32, 16, seed=3), random(1, 3, 9, 32, 16, seed=4)
    state = vae.new_encoder_state()
    wanted = [vae.encode_still(still, 17), vae.stream_encode(moving[:, :, :5], state)]
    wanted.append(vae.stream_encode(moving[:, :, 5:], state))
    fuse_encoder_norms(vae, fused())
    for norm, conv in ((block.residual["0"], block.residual["2"]) for block in residual_blocks(vae)):
        assert cast(RmsNorm, norm).fused is not None
        conv.register_forward_pre_hook(refuse_reordering)
    state = vae.new_encoder_state()
    found = [vae.encode_still(still, 17), vae.stream_encode(moving[:, :, :5], state)]
    found.append(vae.stream_encode(moving[:, :, 5:], state))
    for given, expected in zip(found, wanted, strict=True):
        torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="Triton compiles on Linux only")
def test_kernels_compile_for_cards_with_wide_loads_and_stores(tmp_path: Path) -> None:
    """No card is needed to compile. Addresses whose neighbourhood the compiler does not see cost ten times the time."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(RUNTIME)}
    command = [sys.executable, "-c", _COMPILE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "live_avatar.vae.fast_kernels", raising=False)
    monkeypatch.setitem(sys.modules, "triton", cast(ModuleType, None))
    notes: list[str] = []
    assert isinstance(make_rows(FastSettings(), torch.device("cuda"), notes.append), PlainRows)
    assert "Triton is not installed" in notes[0]
    with pytest.raises(ImportError):
        make_rows(FastSettings(kernels="triton"), CPU, notes.append)
