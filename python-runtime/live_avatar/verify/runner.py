"""Runs golden cases and judges every output tensor against its tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from safetensors import SafetensorError
from torch import Tensor

from live_avatar.numerics import repeatable
from live_avatar.verify import cases_model, cases_parts, cases_pipeline
from live_avatar.verify.golden import Golden

Case = Callable[[Golden, dict[str, Tensor]], Iterator[tuple[str, Tensor]]]

CASES: dict[str, Case] = {
    "time": cases_model.time,
    "text": cases_model.text,
    "norms": cases_model.norms,
    "rope": cases_model.rope,
    "framepack": cases_model.framepack,
    "prefill": cases_model.prefill,
    "audio_encoder": cases_model.audio_encoder,
    "stream": cases_model.stream,
    "aas": cases_model.anchor,
    "lora": cases_model.lora,
    "vae": cases_parts.vae,
    "audio_features": cases_parts.audio_features,
    "t5": cases_parts.t5,
    "size": cases_parts.size,
    "fp8": cases_parts.fp8,
    "pipeline_single": cases_pipeline.single,
    "pipeline_tpp": cases_pipeline.tpp,
    "pipeline_single_online": cases_pipeline.single_online,
}


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest allowed difference: ``absolute + relative * |expected|``."""

    absolute: float
    relative: float = 0.0


_BFLOAT16_ULP = 2.0**-7

# Per case (pattern of tensor names, tolerance), first match counts: the figures stated with the golden data.
TOLERANCES: dict[str, tuple[tuple[str, Tolerance], ...]] = {
    "time": (
        ("out.timesteps_*", Tolerance(0, 1e-7)),
        ("out.sigmas_*", Tolerance(0, 1e-7)),
        ("*", Tolerance(1e-5)),
    ),
    "text": (("*", Tolerance(1e-5)),),
    "norms": (("*", Tolerance(5e-6)),),
    "rope": (("out.table*", Tolerance(0)), ("*", Tolerance(1e-6))),
    "framepack": (("out.table", Tolerance(0)), ("*", Tolerance(2e-5))),
    "prefill": (("*", Tolerance(3e-5)),),
    "audio_encoder": (("*", Tolerance(1e-5)),),
    "stream": (("*", Tolerance(3e-5)),),
    "aas": (("*", Tolerance(3e-5)),),
    "vae": (("*", Tolerance(3e-5)),),
    "audio_features": (
        ("out.*.bucket_index_*", Tolerance(0)),
        ("out.stereo_resampled", Tolerance(1e-5)),
        ("*", Tolerance(2e-4)),
    ),
    "t5": (("*", Tolerance(2e-5)),),
    "lora": (("out.merged_bf16.*", Tolerance(0)), ("out.merged.*", Tolerance(1e-6)), ("*", Tolerance(3e-5))),
    "size": (("*", Tolerance(0)),),
    "fp8": (
        ("out.*scale*", Tolerance(0, 1e-7)),
        ("out.y_*", Tolerance(0, _BFLOAT16_ULP)),
        ("*", Tolerance(0)),
    ),
    "pipeline_single": (("out.frames", Tolerance(2e-4)), ("*", Tolerance(5e-5))),
    "pipeline_tpp": (("out.frames", Tolerance(2e-4)), ("*", Tolerance(5e-5))),
    "pipeline_single_online": (
        ("out.frames", Tolerance(2e-4)),
        ("out.motion.1", Tolerance(2e-4)),
        ("*", Tolerance(5e-5)),
    ),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of one case.

    Attributes:
        worst: largest absolute difference; tolerance: the one that applied to the tensor named ``tensor``, which is the
            one nearest to (or furthest beyond) its limit.
        problem: why the case failed, or None.
    """

    case: str
    worst: float
    tolerance: float
    tensor: str
    problem: str | None

    @property
    def passed(self) -> bool:
        """Whether every output was there and within tolerance."""
        return self.problem is None


@torch.no_grad()
def run_case(golden: Golden, name: str) -> Verdict:
    """Compute every output of a case and compare."""
    case = CASES.get(name)
    if case is None:
        return _not_run(name, "this engine does not know the case")
    try:
        tensors = golden.case(name)
    except (OSError, SafetensorError) as error:
        return _not_run(name, f"its file cannot be read: {error}")
    missing = {tensor for tensor in tensors if tensor.startswith("out.")}
    if absent := golden.outputs(name) - missing:
        return _not_run(name, f"not in its file: {_first(absent)}")
    if not missing:
        return _not_run(name, "it expects nothing")
    nearest, worst, problem = (-1.0, "", 0.0), 0.0, None
    try:
        # What the cases make themselves (positions, time steps) belongs on the same device as what they read.
        for tensor, found in _on_device(golden, case, tensors):
            if tensor not in missing:
                continue
            missing.discard(tensor)
            found, expected = found.cpu(), tensors[tensor].cpu()
            if found.shape != expected.shape:
                problem = problem or f"{tensor} is {list(found.shape)}, expected {list(expected.shape)}"
                continue
            tolerance = _tolerance(name, tensor)
            difference = (found.double() - expected.double()).abs()
            limit = tolerance.absolute + tolerance.relative * expected.double().abs()
            largest = float(difference.max())
            # NaN must fail, so the comparison asks for "within", never for "beyond".
            within = bool((difference <= limit).all())
            share = 0.0 if within and largest == 0 else largest / max(float(limit.max()), 1e-30)
            if not within:
                problem = problem or f"{tensor} is off by {largest:.2e}"
                share = max(share, 1.0 + largest)
            worst = max(worst, largest)
            if share > nearest[0] or nearest[1] == "":
                nearest = (share, tensor, float(limit.max()))
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if problem is None and missing:
        problem = f"not computed: {_first(missing)}"
    return Verdict(name, worst, nearest[2], nearest[1], problem)


def _on_device(golden: Golden, case: Case, tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    with torch.device(golden.device), repeatable(golden.device):
        yield from case(golden, tensors)


def _not_run(case: str, problem: str) -> Verdict:
    return Verdict(case, float("nan"), float("nan"), "", problem)


def _first(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3])


def _tolerance(case: str, tensor: str) -> Tolerance:
    return next(tolerance for pattern, tolerance in TOLERANCES[case] if fnmatchcase(tensor, pattern))
