"""Every bad input ends with exit status 2, a code and a sentence, and nothing half-written."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.cli_material import (
    CKPT,
    LORA,
    PORTRAIT,
    SPEECH,
    empty_wav,
    files_in,
    json_lines,
    material,
    picture,
    run,
    tone,
)
from tests.media_material import noise, write_sound


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path / "cache"))
    return tmp_path


def refused(
    capsys: pytest.CaptureFixture[str], folder: Path, expected: str, command: str = "generate", **changes: object
) -> str:
    """The message of a refusal that leaves nothing behind."""
    before = files_in(folder)
    status, out, err = run(capsys, command, *material(save_file=folder / "video" / "a.mp4", **changes))
    assert (status, f"[{expected}]" in err) == (2, True), err
    assert "Traceback" not in err
    assert files_in(folder) == before
    return err + out


def test_images(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "text.png").write_text("no picture")
    (folder / "cut.png").write_bytes(PORTRAIT.read_bytes()[:2000])
    picture(folder / "small.png", 63, 100)
    Image.new("1", (10_100, 10_000)).save(folder / "large.png")
    refused(capsys, folder, "IMAGE_NOT_FOUND", image=folder / "none.png")
    refused(capsys, folder, "IMAGE_UNREADABLE", image=folder / "text.png")
    refused(capsys, folder, "IMAGE_UNREADABLE", image=folder / "cut.png")
    refused(capsys, folder, "IMAGE_UNREADABLE", image=SPEECH)
    refused(capsys, folder, "IMAGE_TOO_SMALL", image=folder / "small.png")
    refused(capsys, folder, "IMAGE_TOO_LARGE", image=folder / "large.png")


def test_sounds(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "text.wav").write_text("no sound")
    write_sound(folder / "nan.wav", np.full((1, 16_000), np.nan, np.float32), 16_000, "pcm_f32le")
    refused(capsys, folder, "AUDIO_NOT_FOUND", audio=folder / "none.wav")
    refused(capsys, folder, "AUDIO_UNREADABLE", audio=folder / "text.wav")
    refused(capsys, folder, "AUDIO_EMPTY", audio=empty_wav(folder / "empty.wav"))
    refused(capsys, folder, "AUDIO_NAN", audio=folder / "nan.wav")
    refused(capsys, folder, "AUDIO_NO_STREAM", audio=PORTRAIT)
    refused(capsys, folder, "AUDIO_NOT_FOUND", audio=f"{SPEECH}+{folder / 'none.wav'}")


@pytest.mark.parametrize("size", ["0*0", "abc", "64", "-64*64", "64*63", "1e3*64", " "])
def test_sizes(capsys: pytest.CaptureFixture[str], folder: Path, size: str) -> None:
    status, _, err = run(capsys, "generate", *material(size=None), f"--size={size}", f"--save_file={folder / 'a.mp4'}")
    assert status == 2
    assert "[SIZE_INVALID]" in err
    assert not files_in(folder)


def test_settings(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    message = refused(capsys, folder, "INFER_FRAMES_INVALID", infer_frames=32)
    assert "24 or 36" in message
    refused(capsys, folder, "INFER_FRAMES_INVALID", infer_frames=0)
    refused(capsys, folder, "STEPS_INVALID", sample_steps=0)
    refused(capsys, folder, "STEPS_INVALID", sample_steps=50)
    refused(capsys, folder, "ARGUMENTS_INVALID", sample_steps="four")
    refused(capsys, folder, "DEVICE_UNAVAILABLE", device="tpu")
    refused(capsys, folder, "DEVICE_UNAVAILABLE", device="cuda:99")


def test_a_size_above_memory_names_the_largest_that_fits(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        total = 2**31
        available = 640 * 2**20

    monkeypatch.setattr("psutil.virtual_memory", Memory)
    picture(folder / "big.png", 1024, 1024)
    changes: dict[str, Any] = {"image": folder / "big.png", "size": "1024*1024"}
    message = refused(capsys, folder, "SIZE_TOO_LARGE_FOR_MEMORY", **changes)
    refused(capsys, folder, "SIZE_TOO_LARGE_FOR_MEMORY", "plan", **changes)
    fits = message.split('--size "')[1].split('"')[0]
    status, out, _ = run(capsys, "plan", *material(**changes | {"size": fits}))
    assert status == 0
    assert fits.replace("*", "x") in out


def test_checkpoints(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    name = "diffusion_pytorch_model.safetensors"
    whole = load_file(CKPT / name)

    def copy(label: str) -> Path:
        shutil.copytree(CKPT, folder / label)
        return folder / label

    refused(capsys, folder, "CHECKPOINT_NOT_FOUND", ckpt_dir=folder / "none")
    partial = copy("partial")
    (partial / "Wan2.1_VAE.safetensors").unlink()
    assert "Wan2.1_VAE" in refused(capsys, folder, "CHECKPOINT_INCOMPLETE", ckpt_dir=partial)
    shards = copy("shards")
    (shards / name).rename(shards / "diffusion_pytorch_model-00001-of-00002.safetensors")
    message = refused(capsys, folder, "CHECKPOINT_SHARD_MISSING", ckpt_dir=shards)
    assert "diffusion_pytorch_model-00002-of-00002.safetensors" in message
    cut = copy("cut")
    (cut / name).write_bytes((CKPT / name).read_bytes()[:-1000])
    refused(capsys, folder, "CHECKPOINT_FILE_TRUNCATED", ckpt_dir=cut)
    refused(capsys, folder, "CHECKPOINT_FILE_TRUNCATED", "plan", ckpt_dir=cut)
    shape = copy("shape")
    save_file({**whole, "head.modulation": torch.zeros(1, 2, 95)}, shape / name)
    assert "head.modulation" in refused(capsys, folder, "CHECKPOINT_SHAPE_MISMATCH", ckpt_dir=shape)
    unsafe = copy("unsafe")
    (unsafe / "Wan2.1_VAE.safetensors").unlink()
    torch.save({"code": _Code(folder / "proof")}, unsafe / "Wan2.1_VAE.pth")
    refused(capsys, folder, "CHECKPOINT_UNSAFE_PICKLE", ckpt_dir=unsafe)
    assert not (folder / "proof").exists()


class _Code:
    """Makes a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self.proof), "w"))


def test_the_unsafe_pickle_is_really_unsafe(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(_Code(tmp_path / "proof"))).close()
    assert (tmp_path / "proof").exists()


def test_loras(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    factors = load_file(LORA)
    save_file({f"elsewhere.{key}": value for key, value in factors.items()}, folder / "other.safetensors")
    save_file(dict(list(factors.items())[:2]), folder / "part.safetensors")
    refused(capsys, folder, "LORA_NOT_FOUND", lora_path_dmd=folder / "none.safetensors")
    refused(capsys, folder, "LORA_NOT_FOUND", lora_path_dmd="Somebody/Something")
    refused(capsys, folder, "LORA_MATCHES_NOTHING", lora_path_dmd=folder / "other.safetensors")
    refused(capsys, folder, "LORA_MISMATCH", lora_path_dmd=folder / "part.safetensors")


def test_outputs(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    video = folder / "video" / "a.mp4"
    video.parent.mkdir()
    video.write_bytes(b"precious")
    refused(capsys, folder, "OUTPUT_EXISTS")
    assert video.read_bytes() == b"precious"
    video.unlink()
    video.mkdir()
    refused(capsys, folder, "OUTPUT_IS_FOLDER")


def test_an_output_below_a_file(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "video").write_text("in the way")
    refused(capsys, folder, "OUTPUT_NOT_WRITABLE")


def converted(folder: Path) -> dict[str, Path]:
    """Pictures that are unusual but fine."""
    base = Image.open(PORTRAIT).convert("RGB")
    paths = {name: folder / name for name in ("cmyk.jpg", "deep.png", "animated.gif", "grey.webp", "turned.jpg")}
    base.convert("CMYK").save(paths["cmyk.jpg"])
    Image.fromarray(np.full((100, 90), 30_000, np.uint16)).save(paths["deep.png"])
    base.save(paths["animated.gif"], save_all=True, append_images=[base.rotate(5)])
    base.convert("L").save(paths["grey.webp"])
    exif = Image.Exif()
    exif[0x0112] = 6
    base.save(paths["turned.jpg"], exif=exif)
    return paths


def test_unusual_pictures_are_used(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for name, path in converted(folder).items():
        status, out, err = run(capsys, "plan", "--json", *material(image=path))
        assert status == 0, err
        width, height = Image.open(PORTRAIT).size
        shown = [height, width] if name == "turned.jpg" else [width, height]
        assert json_lines(out)[0]["image"] == shown, name


def test_unusual_sounds_are_used_with_a_warning(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    left = noise(2.5, 16_000)
    mp3 = write_sound(folder / "whole.mp3", noise(5, 44_100), 44_100, "libmp3lame")
    (folder / "cut.mp3").write_bytes(mp3.read_bytes()[: mp3.stat().st_size // 2])
    cases = {
        tone(folder / "telephone.wav", 2.5, 8000): "AUDIO_LOW_RATE",
        write_sound(folder / "left.wav", np.concatenate([left, np.zeros_like(left)]), 16_000): "AUDIO_CHANNEL_SILENT",
        folder / "cut.mp3": None,
    }
    for path, code in cases.items():
        status, out, err = run(capsys, "plan", "--json", *material(audio=path))
        assert status == 0, err
        warned = {line["code"] for line in json_lines(out) if line["kind"] == "warning"}
        assert code is None or code in warned
