from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL.Image import Image
from safetensors.torch import load_file

import live_avatar.render_run as render_run
from live_avatar.compute_plan import ComputePlan
from live_avatar.errors import UserError
from live_avatar.events import RenderEvent, StageEvent
from live_avatar.geometry import LatentShape
from live_avatar.image import fit_picture
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.numerics import choose_device, choose_precisions, repeatable
from live_avatar.pipeline import Pipeline, PipelineOptions
from live_avatar.portrait import load_portrait, motion_latents, reference_latent
from live_avatar.render import render
from live_avatar.take import PromptSpan
from live_avatar.vae import block_decoder
from tests.render_material import CHECKPOINT, GOLDEN, PORTRAIT, golden_pipeline, make_job, never

LORA = str(GOLDEN / "lora" / "liveavatar.safetensors")
PROMPT = "A calm person talks &amp; smiles   to the camera."


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / "cases" / "pipeline_tpp.safetensors")


def load(checkpoint: Path = CHECKPOINT, lora: str | None = None, precision: str = "fp32") -> Pipeline:
    return Pipeline.load(PipelineOptions(checkpoint, lora, "cpu", precision))  # type: ignore[arg-type]


def plain_network(pipeline: Pipeline) -> CausalAvatarTransformer:
    assert isinstance(pipeline.denoiser, CausalAvatarTransformer)
    return pipeline.denoiser


def test_loading_tells_how_far_it_is() -> None:
    events: list[RenderEvent] = []
    Pipeline.load(PipelineOptions(CHECKPOINT, LORA, "cpu", "fp32"), events.append)
    stages = [event for event in events if isinstance(event, StageEvent)]
    assert {stage.stage for stage in stages} == {"load"}
    assert [stage.done for stage in stages] == sorted(stage.done for stage in stages)
    assert (stages[0].done, stages[-1].done, stages[-1].total) == (0, 100, 100)
    assert any("LoRA" in stage.text for stage in stages)


def test_the_lora_is_merged_on_the_way_in() -> None:
    plain, merged = golden_pipeline(), load(lora=LORA)
    factors = load_file(LORA)
    name = "blocks.0.self_attn.q"
    down, up = (next(v for k, v in factors.items() if f"{name}.lora_{side}" in k).float() for side in "AB")
    before = plain_network(plain).get_parameter(f"{name}.weight")
    after = plain_network(merged).get_parameter(f"{name}.weight")
    torch.testing.assert_close(after, before + 0.5 * up @ down)
    assert not torch.equal(after, before)
    assert merged.lora_path == Path(LORA)


def test_the_fingerprint_changes_with_weights_lora_and_precision_but_not_with_the_folder(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(CHECKPOINT, copy)
    fingerprints = {
        golden_pipeline().weights_fingerprint,
        load(lora=LORA).weights_fingerprint,
        load(precision="bf16").weights_fingerprint,
    }
    assert len(fingerprints) == 3
    assert load(copy).weights_fingerprint == golden_pipeline().weights_fingerprint
    vae = copy / "Wan2.1_VAE.safetensors"
    data = bytearray(vae.read_bytes())
    data[-1] ^= 1
    vae.write_bytes(data)
    assert load(copy).weights_fingerprint != golden_pipeline().weights_fingerprint


@pytest.mark.parametrize(("lora", "code"), [("absent.safetensors", "LORA_NOT_FOUND")])
def test_a_lora_that_is_not_there_is_an_error(lora: str, code: str) -> None:
    with pytest.raises(UserError) as caught:
        load(lora=lora)
    assert caught.value.code == code


def test_precisions() -> None:
    card, processor = torch.device("cuda"), torch.device("cpu")
    assert choose_precisions("auto", processor).denoiser == torch.float32
    assert choose_precisions("auto", card).denoiser == torch.bfloat16
    assert choose_precisions("auto", card).vae == torch.bfloat16
    assert choose_precisions("fp32", card).vae == torch.float32
    assert choose_precisions("bf16", processor).denoiser == torch.bfloat16


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "mps", "nonsense:x"])
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(UserError) as caught:
        choose_device(name)
    assert caught.value.code == "DEVICE_UNAVAILABLE"


def test_settings_of_torch_are_put_back() -> None:
    cudnn = torch.backends.cudnn
    before = (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32)
    with repeatable(torch.device("cuda")):
        assert (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (False, True, False)
    assert (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == before


def test_a_prompt_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = load()
    first = pipeline.encode_prompts(["a b", "c", "a b"])
    assert list(first) == ["a b", "c"]
    events: list[RenderEvent] = []
    again = pipeline.encode_prompts(["c"], events.append)
    assert again["c"] is first["c"]
    assert events == []
    pipeline.release_encoders()
    assert pipeline.encode_prompts(["c"])["c"] is first["c"]


def test_a_large_text_encoder_is_dropped_after_use(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = load()
    pipeline.encode_prompts(["a"])
    assert pipeline._text is not None
    monkeypatch.setattr("live_avatar.pipeline._KEEP_TEXT_ENCODER_BYTES", 1)
    pipeline.encode_prompts(["b"])
    assert pipeline._text is None


def test_importing_the_interface_is_cheap() -> None:
    code = "import sys, live_avatar.render, live_avatar.pipeline; sys.exit(len({'torch', 'av'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent).returncode == 0


@pytest.fixture
def published_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_black_bars(image: Image, width: int, height: int, border: str) -> Image:
        return fit_picture(image, width, height, "black")

    monkeypatch.setattr("live_avatar.portrait.fit_picture", with_black_bars)


@pytest.mark.usefixtures("published_borders")
def test_conditions_equal_the_reference(golden: dict[str, torch.Tensor]) -> None:
    pipeline = golden_pipeline()
    picture = load_portrait(PORTRAIT, (64, 64))
    assert (picture.width, picture.height) == (64, 64)
    reference = reference_latent(pipeline.vae, picture.pixels)
    torch.testing.assert_close(reference, golden["out.ref.0"], atol=5e-5, rtol=0)
    motion = motion_latents(pipeline.vae, picture.pixels)
    torch.testing.assert_close(motion, golden["out.motion.0"], atol=5e-5, rtol=0)


class GoldenDraws:
    """The recorded random numbers of the reference run."""

    def __init__(self, seed: int) -> None:
        noise = load_file(GOLDEN / "cases" / "pipeline_single.safetensors")
        self._noise = [noise[f"in.noise.{block}"] for block in range(4)]
        self._ahead = load_file(GOLDEN / "cases" / "inputs.safetensors")["in.rd"]

    def clip_noise(self, clip: int, channels: int, shape: LatentShape) -> torch.Tensor:
        return torch.cat(self._noise[2 * clip : 2 * clip + 2], dim=1)

    def reference_ahead(self, block: int, step: int) -> int:
        return int(self._ahead[block, step])


@pytest.mark.usefixtures("published_borders")
def test_a_render_equals_the_reference_from_files_to_pixels(
    golden: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures: list[torch.Tensor] = []

    def keep(block: torch.Tensor) -> torch.Tensor:
        pictures.append(block.clone())
        return to_bytes(block)

    to_bytes = block_decoder.to_bytes
    monkeypatch.setattr(render_run, "SeededDraws", GoldenDraws)
    monkeypatch.setattr(block_decoder, "to_bytes", keep)
    job = make_job(
        tmp_path / "video.mp4", prompts=(PromptSpan(0, PROMPT),), infer_frames=24, sample_steps=4, num_clip=2
    )
    render(job, golden_pipeline(), lambda event: None, never)
    frames = torch.cat(pictures)
    assert frames.shape == (48, 3, 64, 64)
    # The reference drops the first three frames.
    wanted = [int(index) + 3 for index in golden["const.frame_index"]]
    torch.testing.assert_close(frames[wanted], golden["out.frames"], atol=2e-4, rtol=0)


def test_a_plan_without_the_last_step_runs_one_pass_less_and_makes_other_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[slice] = []
    denoise = CausalAvatarTransformer.denoise_span

    def watch(self: CausalAvatarTransformer, *arguments: Any) -> Any:
        passes.append(arguments[5])
        return denoise(self, *arguments)

    monkeypatch.setattr(CausalAvatarTransformer, "denoise_span", watch)
    hashes = []
    for last_step in ("run", "skip"):
        plan = ComputePlan("plain", "float32", "float32", graphs=False, last_step=last_step)
        pipeline = Pipeline.load(PipelineOptions(CHECKPOINT, None, "cpu", "fp32", plan))
        hashes.append(pipeline.weights_fingerprint)
        passes.clear()
        render(make_job(tmp_path / f"{last_step}.mp4", sample_steps=3, num_clip=1), pipeline, lambda event: None, never)
        assert len(passes) == (3 if last_step == "run" else 2)
    assert hashes[0] != hashes[1]
