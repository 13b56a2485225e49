"""Every golden case passes through the real entry point, and engines broken on purpose fail the cases they must."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import live_avatar.model.audio_encoder as audio_encoder
import live_avatar.model.audio_injector as audio_injector
import live_avatar.model.rope as rope
import live_avatar.model.transformer as transformer
import live_avatar.sampler as sampler
import live_avatar.session as session
import live_avatar.take_passes as take_passes
from live_avatar.checkpoint.lora import LoraFile
from live_avatar.layer_span import LayerSpan
from live_avatar.model.kv_cache import KvCache
from live_avatar.model.layers import KeyValue, modulate
from live_avatar.model.motioner import FramePacker
from live_avatar.model.rope import RotaryPositions
from live_avatar.model.transformer import BlockPositions, CausalAvatarTransformer, block_positions
from live_avatar.verify.__main__ import main
from live_avatar.verify.runner import CASES

GOLDEN = Path(__file__).parent / "golden"
Verdicts = dict[str, dict[str, Any]]


def verify(folder: Path, *cases: str) -> tuple[int, Verdicts]:
    """Exit status and verdicts of ``python -m live_avatar.verify``."""
    chosen = [argument for case in cases for argument in ("--case", case)]
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = main(["--golden", str(folder), "--json", *chosen])
    return status, {verdict["case"]: verdict for verdict in json.loads(printed.getvalue())}


def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "somewhere else"))


def rewrite(folder: Path, case: str, change: Callable[[dict[str, Tensor]], object]) -> None:
    path = folder / "cases" / f"{case}.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.fixture(scope="module")
def everything() -> tuple[int, Verdicts]:
    return verify(GOLDEN)


def test_all_cases_together_exit_with_status_0(everything: tuple[int, Verdicts]) -> None:
    status, verdicts = everything
    assert status == 0
    assert verdicts.keys() == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_case(everything: tuple[int, Verdicts], case: str) -> None:
    verdict = everything[1][case]
    assert verdict["passed"], verdict["problem"]
    # The bar itself, so that a loosened table of tolerances does not go unnoticed.
    assert verdict["worst"] <= 2e-4


def test_a_copy_of_the_folder_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    status, verdicts = verify(Path(folder.name), "time", "vae", "t5", "lora", "size", "audio_features")
    assert (status, len(verdicts)) == (0, 6)


def test_the_table_names_case_error_tolerance_and_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--golden", str(GOLDEN), "--case", "size"]) == 0
    head, row, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["case", "max", "abs", "error", "tolerance", "result"]
    assert row.split() == ["size", "0.00e+00", "0.0e+00", "pass"]
    assert total == "1 of 1 cases pass"


@pytest.mark.parametrize(
    ("case", "tensor", "by"),
    [
        ("time", "out.e", 2e-5),
        ("rope", "out.table.noisy_cur12", 1e-7),
        ("norms", "out.adain", 6e-6),
        ("size", "out.pixels_128x128_u8", 1),
        ("fp8", "out.xq_bf16", 1),
        ("prefill", "out.cond_v.5", 4e-5),
        ("prefill", "out.cond_k.0", float("nan")),
    ],
)
def test_one_corrupted_number_fails(tmp_path: Path, case: str, tensor: str, by: float) -> None:
    folder = copy(tmp_path)

    def corrupt(tensors: dict[str, Tensor]) -> None:
        # The smallest value, so that float32 can hold the change.
        values = tensors[tensor].flatten()
        values[values.double().abs().argmin()] += by

    rewrite(folder, case, corrupt)
    status, verdicts = verify(folder, case)
    assert status == 1
    assert tensor in verdicts[case]["problem"]


def test_a_tensor_of_another_shape_fails(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    rewrite(folder, "time", lambda tensors: tensors.update({"out.e": tensors["out.e"][:, :-1].contiguous()}))
    status, verdicts = verify(folder, "time")
    assert status == 1
    assert "out.e is [5, 96], expected [5, 95]" in verdicts["time"]["problem"]


def test_an_expected_tensor_that_is_not_computed_fails(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    rewrite(folder, "text", lambda tensors: tensors.update({"out.novel": torch.zeros(3)}))
    status, verdicts = verify(folder, "text")
    assert (status, verdicts["text"]["problem"]) == (1, "not computed: out.novel")


def test_a_promised_tensor_that_is_not_stored_fails(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    rewrite(folder, "text", lambda tensors: tensors.pop("out.cross"))
    status, verdicts = verify(folder, "text")
    assert (status, verdicts["text"]["problem"]) == (1, "not in its file: out.cross")


@pytest.mark.parametrize("listed", [True, False])
def test_a_case_the_engine_does_not_know_fails(tmp_path: Path, listed: bool) -> None:
    folder = copy(tmp_path)
    for path in (folder / "cases").iterdir():
        if path.stem not in ("time", "inputs"):
            path.unlink()
    (folder / "cases" / "novel.safetensors").write_bytes((folder / "cases" / "time.safetensors").read_bytes())
    manifest = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    names = {"cases/time.safetensors"} | ({"cases/novel.safetensors"} if listed else set())
    facts = manifest["files"]["cases/time.safetensors"]
    manifest["files"] = dict.fromkeys(sorted(names), facts)
    (folder / "golden.json").write_text(json.dumps(manifest), encoding="utf-8")
    status, verdicts = verify(folder)
    assert status == 1
    assert verdicts["time"]["passed"]
    assert verdicts["novel"]["problem"] == "this engine does not know the case"


@pytest.mark.parametrize("damage", ["absent", "truncated"])
def test_a_case_file_that_cannot_be_read_fails(tmp_path: Path, damage: str) -> None:
    folder = copy(tmp_path)
    path = folder / "cases" / "time.safetensors"
    path.unlink() if damage == "absent" else path.write_bytes(path.read_bytes()[:-9])
    status, verdicts = verify(folder, "time", "size")
    assert status == 1
    assert verdicts["time"]["problem"].startswith("its file cannot be read")
    assert verdicts["size"]["passed"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--golden", "absent"], "GOLDEN_UNREADABLE"), (["--golden", str(GOLDEN), "--case", "x"], "GOLDEN_CASE_UNKNOWN")],
)
def test_what_the_user_got_wrong(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


# Broken controls: each is one mistake that a re-implementation could make.


def swap_modulation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transformer, "modulate", lambda states, shift, scale: modulate(states, scale, shift))


def swap_adaptive_norm(patch: pytest.MonkeyPatch) -> None:
    right = audio_injector._AdaptiveNorm.forward
    patch.setattr(audio_injector._AdaptiveNorm, "forward", lambda self, whole: right(self, whole)[::-1])


def adaptive_epsilon(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audio_injector, "ADAPTIVE_EPS", 1e-6)


def one_cache_for_all_steps(patch: pytest.MonkeyPatch) -> None:
    right = KvCache.attend_window

    def shared(self: KvCache, steps: slice, *rest: Any) -> KeyValue:
        return right(self, slice(0, 1), *rest)

    patch.setattr(KvCache, "attend_window", shared)


def history_of_step(chosen: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Blocks see, of earlier blocks, what step ``chosen`` wrote: the last step's is nearly clean, the first's noise."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        right = KvCache.attend_window

        def window(self: KvCache, steps: slice, layer: int, states: KeyValue, index: Tensor, *rest: Any) -> KeyValue:
            own = right(self, steps, layer, states, index, *rest)
            mixed = KeyValue(own.key.clone(), own.value.clone())
            for seen, stored in ((mixed.key, self.key), (mixed.value, self.value)):
                past = torch.ones(seen.shape[1], dtype=torch.bool)
                past[: self.shape.condition_tokens] = False
                past[index[0]] = False
                seen[0, past] = stored[self.units.run(chosen, LayerSpan(layer, layer + 1))][0, : seen.shape[1]][past]
            return mixed

        patch.setattr(KvCache, "attend_window", window)

    return apply


def short_window(patch: pytest.MonkeyPatch) -> None:
    # Only the block itself and the conditions, whatever the ring holds.
    right = KvCache.attend_window

    def window(self: KvCache, steps: slice, layer: int, states: KeyValue, *rest: Any) -> KeyValue:
        whole, conditions = right(self, steps, layer, states, *rest), self.shape.condition_tokens
        parts = ((whole.key, states.key), (whole.value, states.value))
        return KeyValue(*(torch.cat([seen[:, :conditions], own], dim=1) for seen, own in parts))

    patch.setattr(KvCache, "attend_window", window)


def shift_positions(patch: pytest.MonkeyPatch) -> None:
    right = RotaryPositions.frames
    patch.setattr(RotaryPositions, "frames", lambda self, index: right(self, index + 1))


def shift_blocks_only(patch: pytest.MonkeyPatch) -> None:
    def shifted(rotary: RotaryPositions, cache: KvCache, block: Tensor, *rest: Any) -> BlockPositions:
        positions = block_positions(rotary, cache, block, *rest)
        positions.noisy_table = rotary.frames(block.unsqueeze(-1) * 3 + 1 + torch.arange(3))
        return positions

    patch.setattr(take_passes, "block_positions", shifted)


def theta_is_table_length(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rope, "_THETA", 45_000.0)


def still_reference(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(session, "reference_frame", lambda block, ahead: rope.REFERENCE_PREFILL_FRAME)


def motion_oldest_tokens_first(patch: pytest.MonkeyPatch) -> None:
    right = FramePacker.forward

    def reordered(self: FramePacker, motion: Tensor) -> Tensor:
        full = motion.shape[-2] * motion.shape[-1] // 4
        newest, half, quarter = right(self, motion).split([full, full // 4, full // 4], dim=1)
        return torch.cat([quarter, half, newest], dim=1)

    patch.setattr(FramePacker, "forward", reordered)


def motion_newest_frame_first(patch: pytest.MonkeyPatch) -> None:
    right = FramePacker.forward
    patch.setattr(FramePacker, "forward", lambda self, motion: right(self, motion.flip(2)))


def unrounded_table(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        RotaryPositions, "_table", lambda self, angles: torch.stack([angles.cos(), angles.sin()], dim=-1).float()
    )


def always_rounded_table(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        RotaryPositions,
        "_table",
        lambda self, angles: torch.stack([angles.cos(), angles.sin()], dim=-1).float().half().float(),
    )


def table_rounded_once(patch: pytest.MonkeyPatch) -> None:
    # numpy rounds float64 to float16 directly; torch goes through float32, as the published code does.
    def table(self: RotaryPositions, angles: Tensor) -> Tensor:
        exact = torch.stack([angles.cos(), angles.sin()], dim=-1)
        return torch.from_numpy(exact.numpy().astype("float16")).float()

    patch.setattr(RotaryPositions, "_table", table)


def schedule_shifted_once(patch: pytest.MonkeyPatch) -> None:
    right = sampler._shift
    # The first call shifts the smallest level (a number), the second all levels.
    patch.setattr(sampler, "_shift", lambda sigma: right(sigma) if sigma.ndim == 0 else sigma)


def text_without_padding_rows(patch: pytest.MonkeyPatch) -> None:
    right = CausalAvatarTransformer.embed_text
    patch.setattr(CausalAvatarTransformer, "embed_text", lambda self, text: right(self, text)[:, : text.shape[0]])


def audio_with_silence_on_the_left(patch: pytest.MonkeyPatch) -> None:
    right = audio_encoder._AudioConvolutions.forward

    def forward(self: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        silent = features.clone()
        silent[:, : audio_encoder.LEFT_REPLICAS] = 0
        return right(self, silent)

    patch.setattr(audio_encoder._AudioConvolutions, "forward", forward)


def portrait_as_anchor(patch: pytest.MonkeyPatch) -> None:
    right = session.Session.prefill

    def prefill(self: session.Session, reference: Tensor, motion: Tensor) -> None:
        right(self, self.conditions.reference, motion)

    patch.setattr(session.Session, "prefill", prefill)


def lora_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LoraFile, "merge", lambda self, name, weight: weight)


@pytest.mark.parametrize(
    ("break_engine", "fail", "still_pass"),
    [
        pytest.param(swap_modulation, {"prefill", "stream"}, {"time", "rope", "text"}, id="shift and scale"),
        pytest.param(swap_adaptive_norm, {"norms", "audio_encoder", "stream"}, {"prefill"}, id="adaptive norm order"),
        pytest.param(adaptive_epsilon, {"norms"}, {"prefill"}, id="adaptive norm epsilon"),
        pytest.param(one_cache_for_all_steps, {"stream", "aas"}, {"prefill"}, id="one cache for all steps"),
        pytest.param(history_of_step(3), {"stream"}, {"prefill"}, id="clean history"),
        pytest.param(history_of_step(0), {"stream"}, {"prefill"}, id="first step's history"),
        pytest.param(short_window, {"stream"}, {"prefill"}, id="no history"),
        pytest.param(shift_positions, {"rope", "prefill", "stream"}, {"framepack"}, id="positions off by one"),
        pytest.param(shift_blocks_only, {"stream"}, {"rope", "prefill"}, id="block positions off by one"),
        pytest.param(theta_is_table_length, {"rope", "framepack", "prefill"}, {"time"}, id="theta"),
        pytest.param(still_reference, {"stream"}, {"rope", "prefill"}, id="reference not rolled"),
        pytest.param(motion_oldest_tokens_first, {"framepack", "prefill", "stream"}, {"rope"}, id="motion token order"),
        pytest.param(motion_newest_frame_first, {"framepack", "prefill", "stream"}, {"rope"}, id="motion frame order"),
        pytest.param(unrounded_table, {"rope", "framepack", "stream"}, {"time"}, id="table not rounded"),
        pytest.param(always_rounded_table, {"rope", "prefill", "stream"}, {"framepack"}, id="table always rounded"),
        pytest.param(table_rounded_once, {"rope"}, {"time"}, id="table rounded once"),
        pytest.param(schedule_shifted_once, {"time", "stream"}, {"prefill"}, id="second shift missing"),
        pytest.param(text_without_padding_rows, {"text", "prefill"}, {"norms"}, id="text padding missing"),
        pytest.param(audio_with_silence_on_the_left, {"audio_encoder", "stream"}, {"prefill"}, id="audio left context"),
        pytest.param(portrait_as_anchor, {"aas"}, {"prefill"}, id="portrait as anchor"),
        pytest.param(lora_ignored, {"lora"}, {"prefill"}, id="LoRA ignored"),
    ],
)
def test_a_broken_engine_fails(
    break_engine: Callable[[pytest.MonkeyPatch], None],
    fail: set[str],
    still_pass: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_engine(monkeypatch)
    status, verdicts = verify(GOLDEN, *sorted(fail | still_pass))
    assert status == 1
    assert {case for case, verdict in verdicts.items() if not verdict["passed"]} == fail
    # Wrong numbers, not a crash of the control itself.
    assert all("Error" not in verdicts[case]["problem"] for case in fail)
