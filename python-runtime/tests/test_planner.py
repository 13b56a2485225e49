from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.errors import UserError
from live_avatar.events import BlockEvent
from live_avatar.file_facts import read_model_sizes, sound_seconds
from live_avatar.footprint import ModelSizes, kv_cache_bytes, memory_use, operations
from live_avatar.geometry import LatentShape, choose_output_size
from live_avatar.layer_span import HeldUnits
from live_avatar.machine import Machine
from live_avatar.model.kv_cache import KvCache
from live_avatar.planner import (
    Plan,
    actual_precisions,
    make_plan,
    plan,
)
from live_avatar.render import RenderJob
from live_avatar.size_fit import largest_size
from live_avatar.speed_record import Speed, SpeedKey, SpeedMeter, cache_folder, read_speed, write_speed
from live_avatar.take import PromptSpan
from live_avatar.vae.config import VaeConfig
from live_avatar.vae.model import VideoVae
from tests.cli_material import CKPT, PORTRAIT, tone

GIB = 2**30
ROOT = Path(__file__).parent.parent
MACHINE = Machine("cpu", "test processor", 16 * GIB, 12 * GIB, 2, native_bf16=False)
PUBLISHED = DitConfig(
    dim=5120,
    num_heads=40,
    ffn_dim=13824,
    num_layers=40,
    audio_dim=1024,
    audio_inject_layers=(0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39),
    text_dim=4096,
)
PUBLISHED_SIZES = ModelSizes(PUBLISHED, 16_295_755_609, 96, 126_892_531, 5_680_910_336, 315_438_720)


def make(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "image": (1920, 1080),
        "audio_seconds": 10.0,
        "requested": (704, 384),
        "infer_frames": 48,
        "sample_steps": 4,
        "num_clip": None,
        "disk_available": 10**13,
        "speed_folder": Path("nowhere"),
    } | changes
    sizes = values.pop("sizes", PUBLISHED_SIZES)
    machine = values.pop("machine", dataclasses.replace(MACHINE, memory_available=500 * GIB))
    return make_plan(sizes, machine, **values)


def job(**changes: Any) -> RenderJob:
    values: dict[str, Any] = {
        "image": PORTRAIT,
        "audio": (CKPT.parent / "media" / "speech_2p3s.wav",),
        "prompts": (PromptSpan(0, "A person talks"),),
        "output": Path("out.mp4"),
        "size": (64, 64),
        "base_seed": 1,
        "infer_frames": 24,
    }
    return RenderJob(**(values | changes))


def test_counts_of_the_golden_run() -> None:
    result = plan(job(), CKPT, None, MACHINE)
    assert (result.size, result.frames, result.clips, result.blocks) == ((64, 64), 58, 3, 5)
    assert (result.tokens.frame, result.tokens.block) == (16, 48)
    assert result.parameters == 1_326_689
    assert result.audio_seconds == pytest.approx(2.3)
    assert [code for code, _ in result.warnings] == ["LORA_OFF"]


def test_the_plan_is_json() -> None:
    values = json.loads(json.dumps(plan(job(), CKPT, "some lora", MACHINE).as_dict(), allow_nan=False))
    assert values["size"] == [64, 64]
    assert values["memory"]["peak"] > values["memory"]["denoiser"]
    assert values["disk"]["peak"] > 0


def test_published_sizes_agree_with_the_specification() -> None:
    assert sum(int(np.prod(shape)) for shape in dit_shapes(PUBLISHED).values()) == PUBLISHED_SIZES.parameters
    result = make()
    assert result.size == (704, 384)
    assert result.tokens.block == 3168
    work = operations(PUBLISHED_SIZES, LatentShape.of_picture(704, 384, 48))
    assert work.step == pytest.approx(120.8e12, rel=0.02)
    assert work.decode == pytest.approx(27.5e12, rel=0.001)
    assert work.prefill == pytest.approx(70e12, rel=0.1)
    small = operations(PUBLISHED_SIZES, LatentShape.of_picture(384, 256, 48))
    assert small.step == pytest.approx(34.7e12, rel=0.02)
    # Spec 12: rings of four steps 41.5 GB and conditions 2.2 GB for each.
    cache = kv_cache_bytes(PUBLISHED, LatentShape.of_picture(704, 384, 48), 4, "bf16")
    assert cache == pytest.approx(41.5e9 + 4 * 2.2e9, rel=0.02)


@pytest.mark.parametrize("steps", [1, 4])
def test_cache_bytes_are_those_of_the_cache(steps: int) -> None:
    config = DitConfig.read(CKPT / "config.json")
    shape = LatentShape.of_picture(128, 64, 36)
    cache = KvCache(
        shape,
        HeldUnits.whole(steps, config.num_layers),
        config.num_heads,
        config.head_dim,
        torch.float32,
        torch.device("cpu"),
    )
    real = sum(tensor.nbytes for tensor in cache.tensors().values())
    prompt = config.num_layers * 2 * 512 * config.dim * 4
    assert kv_cache_bytes(config, shape, steps, "fp32") == real + prompt


def test_decoder_state_is_that_of_the_decoder() -> None:
    vae = VideoVae(VaeConfig.of_width(8)).eval()
    state = vae.new_decoder_state()
    with torch.inference_mode():
        vae.stream_decode(torch.zeros(1, 16, 4, 8, 16), state)
    real = sum(tensor.nbytes for tensor in state.tensors().values())
    shape = LatentShape(8, 16, 48)
    sizes = dataclasses.replace(PUBLISHED_SIZES, vae_width=8)
    from live_avatar.footprint import decoder_state_bytes

    assert decoder_state_bytes(sizes, shape, "fp32") == pytest.approx(real, rel=0.02)


def test_sizes_are_read_from_headers_and_guessed_from_a_pth(tmp_path: Path) -> None:
    sizes = read_model_sizes(CheckpointLayout.find(CKPT))
    assert sizes.vae_width == 4
    assert sizes.parameters == 1_326_689
    for path in CKPT.rglob("*"):
        if path.is_file() and not path.name.startswith("Wan2.1_VAE"):
            copy = tmp_path / path.relative_to(CKPT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    from safetensors.torch import load_file

    weights = {name: tensor.float() for name, tensor in load_file(CKPT / "Wan2.1_VAE.safetensors").items()}
    torch.save(weights, tmp_path / "Wan2.1_VAE.pth")
    guessed = read_model_sizes(CheckpointLayout.find(tmp_path))
    assert guessed.vae_width in (4, 5)
    assert guessed.vae_parameters == pytest.approx(sizes.vae_parameters, rel=0.3)


def test_precisions_are_those_of_the_engine() -> None:
    from live_avatar.numerics import choose_precisions

    names = {torch.float32: "fp32", torch.bfloat16: "bf16"}
    machine = Machine.detect("cpu")
    for precision in ("auto", "fp32", "bf16"):
        real = choose_precisions(precision, torch.device("cpu"))
        planned = actual_precisions(precision, machine)
        assert planned == (names[real.denoiser], names[real.vae])
    assert actual_precisions("auto", dataclasses.replace(machine, device="cuda:0")) == ("bf16", "bf16")


def test_too_little_memory_names_a_size_that_fits() -> None:
    roomy = make(requested=(1280, 720))
    machine = dataclasses.replace(MACHINE, memory_available=roomy.memory.peak - GIB)
    with pytest.raises(UserError) as caught:
        make(requested=(1280, 720), machine=machine)
    assert caught.value.code == "SIZE_TOO_LARGE_FOR_MEMORY"
    width, height = (int(side) for side in caught.value.hint.split('"')[1].split("*"))
    fitting = make(requested=(width, height), machine=machine)
    assert fitting.size == (width, height)
    assert width * height < roomy.size[0] * roomy.size[1]


def test_a_model_that_fits_at_no_size() -> None:
    with pytest.raises(UserError) as caught:
        make(machine=MACHINE)
    assert caught.value.code == "MEMORY_TOO_SMALL"


@given(st.integers(64, 3000), st.integers(64, 3000), st.integers(64 * 64, 10**6), st.integers(64 * 64, 10**6))
def test_largest_size_is_stable_and_fits(width: int, height: int, area: int, limit: int) -> None:
    size = choose_output_size(area, width, height)
    found = largest_size((width, height), size, lambda w, h: w * h <= limit)
    if found is not None:
        assert found[0] * found[1] <= min(limit, max(area, size[0] * size[1]))
        assert choose_output_size(found[0] * found[1], width, height) == found


def test_more_costs_more() -> None:
    def peak(**changes: Any) -> int:
        values: dict[str, Any] = {"steps": 4, "precision": "bf16", "vae_precision": "bf16", "on_cuda": False} | changes
        shape = values.pop("shape", LatentShape.of_picture(704, 384, 48))
        return memory_use(PUBLISHED_SIZES, shape, **values).peak

    assert peak() < peak(steps=5) < peak(steps=6)
    assert peak() < peak(precision="fp32")
    assert peak(shape=LatentShape.of_picture(384, 256, 48)) < peak() < peak(shape=LatentShape.of_picture(704, 384, 96))


def test_a_clip_limit_is_said() -> None:
    result = make(num_clip=3)
    assert (result.frames, result.clips) == (144, 3)
    assert result.left_out_seconds == pytest.approx(10.0 - 144 / 25)
    assert dict(result.warnings)["AUDIO_CUT"]
    assert make(num_clip=100).warnings == ()


def test_a_small_disk_is_said() -> None:
    assert "DISK_TOO_SMALL" in dict(make(disk_available=10**6).warnings)


def test_measured_speed_beats_the_estimate(tmp_path: Path) -> None:
    first = make(speed_folder=tmp_path)
    assert first.forecast.basis == "estimate"
    assert write_speed(first.speed_key, Speed(2.0, 10.0), tmp_path)
    second = make(speed_folder=tmp_path)
    assert second.forecast.basis == "measured"
    assert second.forecast.seconds == pytest.approx(10 + 2 * second.blocks)
    assert second.forecast.frames_per_second == pytest.approx(6.0)
    assert make(speed_folder=tmp_path, sample_steps=3).forecast.basis == "estimate"


def test_an_unknown_card_has_no_forecast() -> None:
    card = Machine("cuda:0", "new card", 80 * GIB, 500 * GIB, 8, native_bf16=True)
    assert make(machine=card).forecast.basis == "unknown"
    known = dataclasses.replace(card, peak_operations=8e14)
    forecast = make(machine=known).forecast
    assert forecast.basis == "estimate"
    assert forecast.seconds_per_block is not None
    assert 1 < forecast.seconds_per_block < 4  # an H200 takes 0.9 s with tuned kernels


def test_speed_record_survives_anything(tmp_path: Path) -> None:
    key = make().speed_key
    assert read_speed(key, tmp_path) is None
    (tmp_path / "speed.json").write_text("[broken")
    assert read_speed(key, tmp_path) is None
    assert write_speed(key, Speed(1.5, 3.0), tmp_path)
    assert read_speed(key, tmp_path) == Speed(1.5, 3.0)
    assert read_speed(dataclasses.replace(key, width=64), tmp_path) is None
    (tmp_path / "speed.json").write_text(json.dumps({key.name: {"seconds_per_block": "x"}}))
    assert read_speed(key, tmp_path) is None
    (tmp_path / "file").write_text("")
    assert not write_speed(key, Speed(1.0, 1.0), tmp_path / "file" / "below")


def test_speed_record_is_bounded(tmp_path: Path) -> None:
    key = make().speed_key
    keys: list[SpeedKey] = [dataclasses.replace(key, width=64 * n) for n in range(1, 212)]
    for other in keys:
        write_speed(other, Speed(1.0, 1.0), tmp_path)
    assert read_speed(keys[0], tmp_path) is None
    assert read_speed(keys[-1], tmp_path) is not None


def test_cache_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_meter_leaves_the_first_block_out() -> None:
    meter = SpeedMeter()
    assert meter.speed() is None
    for seconds in (9.0, 2.0, 2.2, 30.0):
        meter.observe(BlockEvent(0, 0, 4, seconds))
    speed = meter.speed()
    assert speed is not None
    assert speed.seconds_per_block == 2.2


def test_sound_length_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "live.webm"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48_000)
        samples = np.zeros((1, 960), np.float32)
        for number in range(100):
            frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            frame.sample_rate, frame.pts = 48_000, number * 960
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert sound_seconds(path) == pytest.approx(2.0, abs=0.05)
    assert sound_seconds(tone(tmp_path / "a.wav", 1.5)) == pytest.approx(1.5)


def test_a_rotated_portrait_counts_as_shown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100), "gray").save(tmp_path / "a.jpg", exif=exif)
    result = plan(job(image=tmp_path / "a.jpg", size=(192, 128)), CKPT, None, MACHINE)
    assert result.image == (100, 200)
    assert result.size[0] < result.size[1]


@pytest.mark.parametrize(
    ("device", "code"),
    [("tpu", "DEVICE_UNAVAILABLE"), ("cpu:1", "DEVICE_UNAVAILABLE"), ("cuda:x", "DEVICE_UNAVAILABLE")],
)
def test_devices_that_do_not_exist(device: str, code: str) -> None:
    with pytest.raises(UserError) as caught:
        Machine.detect(device)
    assert caught.value.code == code


@pytest.mark.parametrize("machine", ["Machine.detect('cpu'), None", "describe_card('RTX 4090:24')"])
def test_planning_needs_no_torch(machine: str) -> None:
    program = (
        "import sys; from pathlib import Path; from live_avatar.planner import make_plan;"
        "from live_avatar.fast.described_card import describe_card;"
        "from live_avatar.file_facts import read_model_sizes;"
        "from live_avatar.checkpoint.layout import CheckpointLayout; from live_avatar.machine import Machine;"
        f"sizes = read_model_sizes(CheckpointLayout.find(Path({str(CKPT)!r})));"
        f"machine, card = {machine};"
        "make_plan(sizes, machine, card=card, image=(100, 100), audio_seconds=1.0, requested=(64, 64),"
        "infer_frames=24, sample_steps=4, num_clip=None, disk_available=10**9);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
