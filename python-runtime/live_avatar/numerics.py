"""Which precision a device computes in, and what makes a run repeat exactly."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch

from live_avatar.checkpoint.config import DitConfig
from live_avatar.compute_plan import ComputePlan, WideForm
from live_avatar.errors import UserError
from live_avatar.events import DeviceMemory
from live_avatar.take import Precision

# Tensor cores take e4m3 operands from Ada on.
FIRST_FLOAT8_CAPABILITY = (8, 9)
# The published network is 5,120 wide; below this its products are too small to gain by e4m3.
_LARGE_WIDTH = 2048
_FORMS: dict[torch.dtype, WideForm] = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


@dataclass(frozen=True, slots=True)
class Precisions:
    """Compute precision of each part of the model.

    Attributes:
        denoiser: the diffusion transformer and its caches, and the text and speech encoders.
        vae: the video codec.
    """

    denoiser: torch.dtype
    vae: torch.dtype


def choose_device(name: str) -> torch.device:
    """The device meant by ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: ``DEVICE_UNAVAILABLE``.
    """
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise _unavailable(name, "That is not the name of a device.") from error
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise _unavailable(name, "Only processors (cpu) and NVIDIA cards (cuda) are supported.")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = device.index or 0
    if index >= count:
        raise _unavailable(name, f"PyTorch sees {count} NVIDIA card{'' if count == 1 else 's'} on this computer.")
    return torch.device("cuda", index)


def choose_precisions(precision: Precision, device: torch.device) -> Precisions:
    """Precisions for a request on a device.

    ``auto``: bfloat16 on a card; on a processor float32 for the denoiser, and for the VAE bfloat16 where the processor
    multiplies it natively (the VAE has no feedback into the denoiser, so its rounding cannot add up).
    """
    if precision == "fp32":
        return Precisions(torch.float32, torch.float32)
    if precision in ("bf16", "fp8") or device.type == "cuda":
        return Precisions(torch.bfloat16, torch.bfloat16)
    return Precisions(torch.float32, torch.bfloat16 if processor_multiplies_bf16() else torch.float32)


def choose_plan(precision: Precision, device: torch.device, config: DitConfig) -> ComputePlan:
    """How to compute on a device whose memory is no concern.

    ``auto``: as published on a processor. On a card the flat pass, e4m3 where the tensor cores multiply it and the
    network is large; a small one gains nothing by it and computes in bfloat16. ``fp8`` keeps weights and caches in e4m3
    everywhere: half the memory, and no gain in speed where the device cannot multiply it.
    """
    precisions = choose_precisions(precision, device)
    weights, vae = _FORMS[precisions.denoiser], _FORMS[precisions.vae]
    if precision == "fp8":
        return ComputePlan("flat", "float8", vae, "float8")
    if device.type == "cpu" or precision == "fp32":
        return ComputePlan("plain", weights, vae=vae, graphs=False)
    quick = torch.cuda.get_device_capability(device) >= FIRST_FLOAT8_CAPABILITY
    if precision == "auto" and quick and config.dim >= _LARGE_WIDTH:
        return ComputePlan("flat", "float8", vae, "float8", keep_primed=True)
    return ComputePlan("flat", "bfloat16", vae, keep_primed=True)


def precisions_of(plan: ComputePlan) -> Precisions:
    """Compute precision of each part under ``plan``."""
    denoiser = torch.float32 if plan.weights == "float32" else torch.bfloat16
    return Precisions(denoiser, torch.float32 if plan.vae == "float32" else torch.bfloat16)


def processor_multiplies_bf16() -> bool:
    """Whether the processor has instructions for bfloat16 products (AVX512-BF16, AMX, or BF16 of ARM)."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    # Older releases of torch answer only for x86.
    checks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(check is not None and bool(check()) for check in checks)


def current_card(device: torch.device) -> AbstractContextManager[object]:
    """Within it ``device`` is this thread's card: kernels that are not torch's run there, wherever their data lie."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Within this context the same inputs give the same bits on the same machine, with the same number of threads.

    The one place of the engine that touches process-wide settings of torch; they are put back at the end. On a card,
    cuDNN must pick the same convolution every time and keep all float32 digits. The engine's operations on a processor
    are repeatable as they are.
    """
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before = (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32)
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = False, True, False
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = before


def device_memory(device: torch.device) -> DeviceMemory | None:
    """Memory that this process has on a card, or ``None`` on a processor. From any thread."""
    if device.type != "cuda":
        return None
    return DeviceMemory(torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device))


def return_unused_memory() -> None:
    """Give memory that the C library keeps after a large act back to the system, where it can (glibc).

    Listening to a minute of speech takes and frees about 100 MB in odd sizes; left alone, what stays of it differs
    from segment to segment, and a long render seems to grow.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _unavailable(name: str, why: str) -> UserError:
    return UserError(
        "DEVICE_UNAVAILABLE", f'The device "{name}" cannot be used.', why, 'Use "auto" or "cpu".', field="device"
    )
