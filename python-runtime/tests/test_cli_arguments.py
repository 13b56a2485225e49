from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from live_avatar.checkpoint.lora import LORA_FILE_NAME, PUBLISHED_LORA
from live_avatar.cli import flags, main
from live_avatar.cli.arguments import boolean, with_underscores
from live_avatar.cli.batch_jobs import make_batch_parser
from live_avatar.cli.flags import check_published_flags
from live_avatar.cli.generate import make_generate_parser
from live_avatar.cli.request import choose_lora, read_request, unfinished_seed
from live_avatar.compute_wishes import ComputeWishes
from live_avatar.errors import UserError
from live_avatar.presets import PRESETS, find_preset
from tests.cli_material import CKPT, LORA, material, run
from tests.render_material import video

ROOT = Path(__file__).parent.parent
MISSION_FLAGS = (
    "prompt image audio size num_clip infer_frames sample_steps sample_guide_scale base_seed load_lora lora_path_dmd "
    "ckpt_dir num_gpus_dit ulysses_size enable_vae_parallel offload_model enable_online_decode server_port fp8 preset"
)


def parse(*words: str) -> argparse.Namespace:
    return make_generate_parser().parse_args(with_underscores(words))


def code_of(*words: str) -> str:
    with pytest.raises(UserError) as caught:
        read_request(parse(*words))
    return caught.value.code


def test_every_flag_of_the_mission_is_known() -> None:
    known = vars(parse())
    assert set(MISSION_FLAGS.split()) <= set(known)


@pytest.mark.parametrize("spelling", ["--ckpt-dir", "--ckpt_dir"])
@pytest.mark.parametrize("joined", [True, False])
def test_both_spellings(spelling: str, joined: bool) -> None:
    words = [f"{spelling}=a-b_c"] if joined else [spelling, "a-b_c"]
    assert parse(*words).ckpt_dir == "a-b_c"


def test_all_flags_take_dashes() -> None:
    for parser in (make_generate_parser(), make_batch_parser()):
        for action in parser._actions:
            for option in action.option_strings:
                assert with_underscores([option.replace("_", "-").replace("__", "--", 1)]) == [option]


def test_values_keep_their_dashes() -> None:
    assert with_underscores(["--prompt", "a-b", "--prompt=x--y-z", "--", "--not-a-flag"]) == [
        "--prompt",
        "a-b",
        "--prompt=x--y-z",
        "--",
        "--not-a-flag",
    ]


def test_abbreviations_are_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "generate", "--imag", "x.png")
    assert (status, out) == (2, "")
    assert "ARGUMENTS_INVALID" in err


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "on"])
def test_booleans(word: str) -> None:
    assert boolean(word) is True


def test_no_boolean() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        boolean("perhaps")


@pytest.mark.parametrize("flag", flags.INERT_FLAGS, ids=lambda flag: flag.name)
def test_flags_that_change_nothing_say_so(flag: flags.InertFlag) -> None:
    words = [f"--{flag.name}", "x"] if flag.takes_value else [f"--{flag.name}"]
    assert check_published_flags(parse(*words)) == [f"--{flag.name}: {flag.note}"]
    assert check_published_flags(parse()) == []


@pytest.mark.parametrize("flag", flags.REFUSED_FLAGS, ids=lambda flag: flag.name)
def test_refused_flags_say_why(flag: flags.RefusedFlag) -> None:
    words = [f"--{flag.name}", "1"] if flag.takes_value else [f"--{flag.name}"]
    with pytest.raises(UserError) as caught:
        check_published_flags(parse(*words))
    assert (caught.value.code, caught.value.why) == (flag.code, flag.why)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--num_gpus_dit", "0"), "RANKS_INVALID"),
        (("--ulysses-size", "2"), "ULYSSES_NOT_BUILT"),
        (("--cut", "rows"), "CUT_INVALID"),
        (("--layers", "20,none"), "LAYERS_INVALID"),
        (("--memory_limit", "0.5"), "MEMORY_LIMIT_INVALID"),
        (("--sample_guide_scale", "5"), "GUIDANCE_UNSUPPORTED"),
        (("--sample_solver", "unipc"), "SCHEDULE_FIXED"),
        (("--sample_shift", "5"), "SCHEDULE_FIXED"),
        (("--task", "t2v-A14B"), "TASK_UNSUPPORTED"),
        (("--fp8", "int4"), "PRECISION_UNKNOWN"),
        (("--preset", "fast"), "PRESET_UNKNOWN"),
        (("--no_load_lora",), "ARGUMENTS_INVALID"),  # beside --lora_path_dmd
        (("--base_seed", "-2"), "SEED_INVALID"),
        (("--base_seed", str(2**63)), "SEED_INVALID"),
        (("--num_clip", "0"), "NUM_CLIP_INVALID"),
        (("--save_file", "video.avi"), "OUTPUT_NOT_MP4"),
    ],
)
def test_values_that_are_refused(words: tuple[str, ...], code: str) -> None:
    assert code_of(*material(), *words) == code


@pytest.mark.parametrize(
    "words",
    [
        ("--num_gpus_dit", "1", "--ulysses_size", "1"),
        ("--sample_guide_scale", "0"),
        ("--sample_solver", "euler", "--sample_shift", "3.0"),
        ("--task", "s2v-14B"),
    ],
)
def test_values_that_are_what_happens_anyway(words: tuple[str, ...]) -> None:
    assert read_request(parse(*material(), *words)).notes == ()


def test_presets_and_what_wins_over_them() -> None:
    words = material(size=None, sample_steps=None)
    job = read_request(parse(*words, "--preset", "Quick preview")).job
    assert (job.size, job.num_clip, job.sample_steps) == ((384, 256), 10, 3)
    job = read_request(parse(*words, "--preset", "high-resolution", "--num_clip", "3", "--size", "64x64")).job
    assert (job.size, job.num_clip, job.sample_steps) == ((64, 64), 3, 4)
    job = read_request(parse(*words)).job
    assert (job.size, job.num_clip, job.sample_steps) == ((704, 384), None, 4)


def test_every_preset_is_found_by_name_and_title() -> None:
    for preset in PRESETS.values():
        assert find_preset(preset.name) is preset
        assert find_preset(preset.title) is preset


def test_precision() -> None:
    assert read_request(parse(*material(fp8="bf16"))).model.precision == "bf16"
    assert read_request(parse(*material(), "--fp8")).model.precision == "fp8"
    assert read_request(parse(*material())).model.precision == "auto"


def test_choices_of_how_a_card_computes() -> None:
    assert read_request(parse(*material())).wishes == ComputeWishes()
    words = (
        *("--memory-limit", "24", "--t5_cpu", "--offload_model", "True", "--offload_kv_cache", "false"),
        *("--last-step", "skip", "--step_order", "packed", "--weight_cache", "/tmp/weights"),
    )
    assert read_request(parse(*material(), *words)).wishes == ComputeWishes(
        memory_limit=24 * 10**9,
        layers="host",
        cache="device",
        text_encoder="host",
        steps="packed",
        last_step="skip",
        weight_cache="/tmp/weights",
    )
    for wrong in (("--offload_model", "perhaps"), ("--step_order", "backwards"), ("--last_step", "maybe")):
        with pytest.raises(UserError) as caught:
            parse(*wrong)
        assert caught.value.code == "ARGUMENTS_INVALID"


def test_another_last_step_is_another_video() -> None:
    same, other = (read_request(parse(*material(base_seed=1), *words)).job for words in ((), ("--last_step", "skip")))
    assert same.output != other.output


def test_several_speakers() -> None:
    job = read_request(parse(*material(audio="a.wav + b.wav", speaker_masks="m.png+n.png", pose_video="p.mp4"))).job
    assert job.audio == (Path("a.wav"), Path("b.wav"))
    assert job.speaker_masks == (Path("m.png"), Path("n.png"))
    assert job.pose_video == Path("p.mp4")


def test_a_plus_in_a_file_name(tmp_path: Path) -> None:
    path = tmp_path / "a+b.wav"
    path.touch()
    assert read_request(parse(*material(audio=path))).job.audio == (path,)


def test_lora_choice(tmp_path: Path) -> None:
    ckpt = tmp_path / "models" / "ckpt"
    ckpt.mkdir(parents=True)
    assert choose_lora(ckpt, None) is None
    assert choose_lora(ckpt, PUBLISHED_LORA) == PUBLISHED_LORA
    published = tmp_path / "models" / "LiveAvatar" / LORA_FILE_NAME
    published.parent.mkdir()
    published.touch()
    assert choose_lora(ckpt, None) == PUBLISHED_LORA
    own = ckpt / "lora" / LORA_FILE_NAME
    own.parent.mkdir()
    own.touch()
    assert choose_lora(ckpt, None) == choose_lora(ckpt, PUBLISHED_LORA) == str(own)
    assert choose_lora(ckpt, "other.safetensors") == "other.safetensors"
    assert flags.PUBLISHED_LORA == PUBLISHED_LORA


def test_lora_flags() -> None:
    def lora(*words: str) -> str | None:
        return read_request(parse(*material(lora_path_dmd=None), *words)).model.lora

    assert lora() is None
    assert lora("--load_lora") == PUBLISHED_LORA
    assert lora("--load_lora", "true") == PUBLISHED_LORA
    assert lora("--load-lora=false") is None
    assert lora("--no-load-lora") is None
    assert lora("--lora_path_dmd", str(LORA)) == str(LORA)


def test_the_made_up_name_is_the_same_for_the_same_command() -> None:
    def output(**changes: object) -> Path:
        return video(read_request(parse(*material(**changes))).job)

    assert output() == output()
    assert (
        len({output(), output(prompt="Something else entirely now"), output(sample_steps=2), output(base_seed=1)}) == 4
    )
    assert output().parent == Path("output")
    assert output(save_dir="there").parent == Path("there")
    assert output(save_file="here/a.mp4", save_dir="there") == Path("here/a.mp4")


def test_seed_of_an_unfinished_run_is_used_again(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    first = read_request(parse(*material(save_file=video)))
    assert not first.seed_given
    folder = first.job.folder
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"seed": 77}))
    assert read_request(parse(*material(save_file=video))).job.base_seed == 77
    assert read_request(parse(*material(save_file=video, base_seed="-1"))).job.base_seed == 77
    assert read_request(parse(*material(save_file=video, base_seed=5))).job.base_seed == 5
    for broken in ("{", "[]", '{"seed": "x"}', '{"seed": -1}'):
        (folder / "job.json").write_text(broken)
        assert unfinished_seed(folder) is None


def test_random_seeds_differ() -> None:
    assert len({read_request(parse(*material())).job.base_seed for _ in range(5)}) > 1


@pytest.mark.parametrize("name", ["image", "audio", "prompt"])
def test_what_is_required(name: str) -> None:
    assert code_of(*material(**{name: None})) == f"{name.upper()}_MISSING"


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "generat")
    assert status == 2
    assert "COMMAND_UNKNOWN" in err
    assert "generate" in err


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys)
    assert status == 2
    assert all(name in out for name in ("generate", "batch", "inspect", "plan", "verify", "bench", "worker"))


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "generate", "--json", "--size", "abc", *material(size=None))
    assert (status, err) == (2, "")
    error = json.loads(out)
    assert (error["kind"], error["code"], error["field"]) == ("error", "SIZE_INVALID", "size")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_fault_of_the_program_leaves_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, as_json: bool
) -> None:
    def fail(options: object) -> None:
        raise RuntimeError("the unforeseen")

    monkeypatch.setenv("AVATAR_STUDIO_CACHE", str(tmp_path))
    monkeypatch.setattr("live_avatar.cli.generate.read_request", fail)
    status, out, err = run(capsys, "generate", *(["--json"] if as_json else []))
    assert status == 1
    [log] = (tmp_path / "logs").iterdir()
    assert "RuntimeError: the unforeseen" in log.read_text()
    assert str(log) in (json.loads(out)["log"] if as_json else err)


def test_a_log_file_that_cannot_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, _, err = run(capsys, "generate", *material(log_file=tmp_path / "file" / "log"))
    assert status == 2
    assert "LOG_NOT_WRITABLE" in err


def test_subcommands_of_others_are_called_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    class Module:
        @staticmethod
        def main(arguments: list[str]) -> int:
            seen.append(arguments)
            return 7

    monkeypatch.setattr(importlib, "import_module", lambda name: Module)
    assert [main([name, "--x", "y"]) for name in ("verify", "bench", "worker")] == [7, 7, 7]
    assert seen == [["--x", "y"]] * 3


def test_a_reader_that_goes_away_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        @staticmethod
        def main(arguments: list[str]) -> int:
            raise BrokenPipeError

    class Stdout(io.StringIO):
        def fileno(self) -> int:
            return 99

    moved: list[int] = []
    monkeypatch.setattr(importlib, "import_module", lambda name: Module)
    monkeypatch.setattr(sys, "stdout", Stdout())
    monkeypatch.setattr(os, "dup2", lambda source, target: moved.append(target))
    assert main(["inspect"]) == 0
    assert moved == [99]


@pytest.mark.parametrize("command", [[], ["generate"], ["batch"], ["plan"], ["inspect"]])
def test_help_needs_nothing_heavy(command: list[str]) -> None:
    program = (
        "import sys\nfrom live_avatar.cli import main\n"
        f"try:\n    main({[*command, '--help']!r})\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'torch', 'numpy', 'transformers', 'av', 'PIL', 'tqdm'} & set(sys.modules)\nassert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "usage: live-avatar" in result.stdout


def test_the_module_can_be_run() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "live_avatar", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("live-avatar ")


def test_default_folder_is_named_when_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, "inspect")
    assert status == 2
    assert str(Path("ckpt/Wan2.2-S2V-14B")) in err
    assert CKPT.is_dir()
