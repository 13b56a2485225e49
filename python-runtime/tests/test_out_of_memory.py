"""A card that runs out of memory in the middle of a take, or is lost; faults are thrown in at random moments."""

from __future__ import annotations

import copy
import random
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from live_avatar.compute_plan import ComputePlan
from live_avatar.errors import UserError
from live_avatar.fast.assembly import FastSettings, fast_transformer, take_over_layers
from live_avatar.fast.ladder import Descent
from live_avatar.fast.out_of_memory import fault_of, survive_out_of_memory
from live_avatar.fast.placement import Placement
from live_avatar.fast.rungs import Rung
from live_avatar.fast.streamed_layers import StreamedLayers, host_layer
from live_avatar.fast.transformer import FastTransformer
from live_avatar.fast.weights import LayerStore, layer_tensors
from live_avatar.saved_session import SavedSession
from live_avatar.session import Session
from live_avatar.verify.golden import Golden
from tests.test_fast_transformer import make_session

CPU = torch.device("cpu")
BLOCKS = 10
FIRST = ComputePlan("flat", "float32", "float32", steps="packed", kernels="plain")
# As the ladder gives them: the same numbers all the way down.
WAY_DOWN = [
    replace(FIRST, graphs=False),
    replace(FIRST, graphs=False, steps="sequential"),
    replace(FIRST, graphs=False, steps="sequential", placement=Placement(resident_layers=1)),
    replace(FIRST, graphs=False, placement=Placement(resident_layers=0), streamed_cache=True),
]


@pytest.fixture(scope="module")
def golden() -> Golden:
    torch.set_num_threads(1)
    return Golden(Path(__file__).parent / "golden")


class Ladder:
    """The plans above, one after the other."""

    def below(self, failed: ComputePlan, free: int | None = None) -> Rung | None:
        position = WAY_DOWN.index(failed) + 1 if failed in WAY_DOWN else 0
        if position == len(WAY_DOWN):
            return None
        rung: Any = type("Rung", (), {"plan": WAY_DOWN[position]})
        return rung  # type: ignore[no-any-return]

    def descent(self, failed: ComputePlan, rung: Rung, why: str) -> Descent:
        return Descent(failed, rung.plan, "less", why)


class Faults:
    """Raises ``error`` when a pass of a denoiser is asked for the given times over all runs."""

    def __init__(self, at: set[int], error: RuntimeError) -> None:
        self.at = at
        self.error = error
        self.calls = 0

    def into(self, denoiser: FastTransformer) -> None:
        for name in ("denoise_span", "prefill_span"):
            setattr(denoiser, name, self._watched(getattr(denoiser, name)))

    def _watched(self, method: Any) -> Any:
        def act(*arguments: Any) -> Any:
            self.calls += 1
            held = torch.empty(1000)
            result = method(*arguments)
            if self.calls in self.at:
                # After the pass: the caches were written, so going on without restoring would show.
                raise self.error
            del held
            return result

        return act


class Job:
    """A render in small: blocks decoded to frames, the state kept after every second block."""

    def __init__(self, golden: Golden, faults: Faults) -> None:
        self.golden = golden
        self.faults = faults
        self.frames: list[NDArray[np.uint8]] = []
        self.saved: SavedSession | None = None
        self.session: Session | None = None
        self.plans: list[ComputePlan] = []
        self.told: list[Descent] = []
        self.released: list[bool] = []
        self._old: weakref.ref[FastTransformer] | None = None

    def run(self, plan: ComputePlan) -> int:
        self.plans.append(plan)
        if self._old is not None:
            self.released.append(self._old() is None)
        denoiser = build(self.golden, plan)
        self.faults.into(denoiser)
        session = self.session = make_session(self.golden, denoiser, packed=plan.steps == "packed")
        self._old = weakref.ref(denoiser)
        if self.saved is not None:
            session.restore(self.saved)
        del self.frames[session.block :]
        while session.block < BLOCKS:
            self.frames.append(np.stack(session.decode_frames(session.denoise_block()).take()))
            if session.block % 2 == 0:
                self.saved = kept(session.save())
        return len(self.frames)

    def release(self) -> None:
        self.session = None

    def survive(self) -> int:
        return survive_out_of_memory(
            self.run,
            WAY_DOWN[0],
            Ladder(),
            release=self.release,
            tell=self.told.append,
        )


def kept(saved: SavedSession) -> SavedSession:
    return replace(saved, tensors={name: tensor.clone() for name, tensor in saved.tensors.items()})


def build(golden: Golden, plan: ComputePlan) -> FastTransformer:
    network = copy.deepcopy(golden.transformer)
    settings = FastSettings(
        weights="float32", attention="sdpa", kernels="plain", graphs=False, streamed_cache=plan.streamed_cache
    )
    resident = take_over_layers(network, "float32")
    layers: LayerStore = resident
    if plan.placement.resident_layers is not None:
        layers = StreamedLayers(
            [
                layer if index < plan.placement.resident_layers else host_layer(layer_tensors(layer), CPU)
                for index, layer in enumerate(resident.walk())
            ],
            CPU,
        )
    return fast_transformer(network, settings, layers)


@pytest.fixture(scope="module")
def undisturbed(golden: Golden) -> NDArray[np.uint8]:
    job = Job(golden, Faults(set(), RuntimeError()))
    job.run(WAY_DOWN[1])
    return np.stack(job.frames)


@pytest.mark.parametrize("seed", range(4))
def test_the_pictures_are_those_of_an_undisturbed_run(
    golden: Golden, undisturbed: NDArray[np.uint8], seed: int
) -> None:
    # About ten blocks of three passes: the later moments may not come, the first always does.
    moments = set(random.Random(seed).sample(range(1, 25), 1 + seed % 3))
    error: RuntimeError = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    if seed % 2:
        error = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)")
    job = Job(golden, Faults(moments, error))
    assert job.survive() == BLOCKS
    assert 1 <= len(job.told) <= len(moments)
    assert job.plans == WAY_DOWN[: len(job.told) + 1]
    assert all(descent.why and not descent.changes_numbers for descent in job.told)
    difference = np.abs(np.stack(job.frames).astype(int) - undisturbed.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
    # What a failed run held was let go before anything new was built.
    assert job.released == [True] * len(job.told)


def test_a_missed_restore_would_show(golden: Golden, undisturbed: NDArray[np.uint8]) -> None:
    """The fault comes after the caches were written: only the saved state brings the pictures back."""
    job = Job(golden, Faults(set(), RuntimeError()))
    session = make_session(golden, build(golden, WAY_DOWN[1]))
    for _ in range(4):
        session.denoise_block()
    session.predict(torch.ones(1, 16, 3, 16, 16), 1)
    wrong = np.stack([np.stack(session.decode_frames(session.denoise_block()).take())])
    assert np.abs(wrong[0].astype(int) - undisturbed[4].astype(int)).max() > 3
    assert not job.plans


def test_nothing_below_is_the_same_fault(golden: Golden) -> None:
    job = Job(golden, Faults(set(range(1, 1000)), torch.OutOfMemoryError("CUDA out of memory.")))
    with pytest.raises(torch.OutOfMemoryError):
        job.survive()
    assert job.plans == WAY_DOWN


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: unspecified launch failure",
        "CUDA error: uncorrectable ECC error encountered",
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
        "CUDA error: device-side assert triggered",
        "CUDA error: GPU is lost",
    ],
)
def test_a_lost_card_ends_the_job_in_words(golden: Golden, words: str) -> None:
    job = Job(golden, Faults({5}, RuntimeError(words)))
    with pytest.raises(UserError) as caught:
        job.survive()
    assert caught.value.code == "DEVICE_LOST"
    assert words in caught.value.why
    # What was saved is there for the next start.
    assert job.plans == WAY_DOWN[:1]


def test_other_mistakes_are_not_hidden(golden: Golden) -> None:
    job = Job(golden, Faults({5}, RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        job.survive()
    assert not job.told


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "memory"),
        (RuntimeError("Triton Error [CUDA]: out of memory"), "memory"),
        (RuntimeError("CUDA error: out of memory"), "memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "lost"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), None),
        (ValueError("out of memory"), None),
    ],
)
def test_faults_are_told_apart(error: Exception, fault: str | None) -> None:
    assert fault_of(error) == fault


def test_tensors_of_a_failed_run_are_free_before_the_next() -> None:
    alive: list[weakref.ref[Tensor]] = []
    seen: list[bool] = []

    def run(plan: ComputePlan) -> str:
        seen.append(all(reference() is None for reference in alive))
        big = torch.zeros(10)
        alive.append(weakref.ref(big))
        if plan != WAY_DOWN[2]:
            try:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            except torch.OutOfMemoryError as error:
                raise RuntimeError("CUDA out of memory, told anew") from error
        return "done"

    result = survive_out_of_memory(run, WAY_DOWN[0], Ladder(), release=lambda: None, tell=lambda step: None)
    assert result == "done"
    assert seen == [True, True, True]
