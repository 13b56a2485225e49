"""Attention back ends of the flat pass, behind one function, chosen at start by what the machine has.

All attend from the queries of a block to a window of the cache in place, without a mask. Keys of the window are
contiguous rows, the samples of a batch lie a cache apart.
"""

from __future__ import annotations

import importlib.util
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import torch
import torch.nn.functional as functional
from torch import Tensor

from live_avatar.fast.products import RowValues
from live_avatar.numerics import current_card

AttentionName = Literal["cudnn-float8", "flash3-float8", "flash3", "sdpa", "sdpa-float8-cache"]
ATTENTION_NAMES: tuple[AttentionName, ...] = get_args(AttentionName)

# Unnormalised softmax weights lie in 0..1; e4m3 ends at 2**-9, so they are moved up by 2**8 before the cast.
_WEIGHT_SCALE = 256.0
_HOPPER = (9, 0)


class Attention(Protocol):
    """One way to attend.

    Attributes:
        name: see :func:`choose_attention`.
        query_dtype, cache_dtype: what queries and the cache must be stored in.
    """

    name: AttentionName
    query_dtype: torch.dtype
    cache_dtype: torch.dtype

    def attend(self, query: Tensor, key: Tensor, value: Tensor, value_scale: Tensor) -> RowValues | Tensor:
        """Attend without a mask.

        Args:
            query: [B, T, heads, head_dim].
            key, value: views [B, S, heads, head_dim] of the cache.
            value_scale: [B * T, 1] float32, all equal: the factor that undoes the scaling of stored values.

        Returns:
            [B * T, D], quantised if that costs nothing here.
        """


class SdpaAttention:
    """torch's own attention, cuDNN's kernel where it applies; an e4m3 cache is widened for each call.

    Args:
        dtype: of the computation.
        cache_dtype: of the cache; e4m3 halves its memory and costs the widening.
    """

    def __init__(self, dtype: torch.dtype, cache_dtype: torch.dtype) -> None:
        self.name: AttentionName = "sdpa" if cache_dtype == dtype else "sdpa-float8-cache"
        self.query_dtype = dtype
        self.cache_dtype = cache_dtype

    def attend(self, query: Tensor, key: Tensor, value: Tensor, value_scale: Tensor) -> RowValues | Tensor:
        """See :class:`Attention`."""
        key, value = key.to(query.dtype), value.to(query.dtype)
        mixed = plain_attention(query, key, value).flatten(0, 1).flatten(1)
        # The scale is a power of two, so this is exact.
        return mixed if self.cache_dtype == self.query_dtype else mixed * value_scale.to(mixed.dtype)


def plain_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[B, T, heads, head_dim] from keys and values [B, S, heads, head_dim], by the best kernel torch has here."""
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    with _kernel_order(query.device):
        return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)


def _kernel_order(device: torch.device) -> AbstractContextManager[Any]:
    if device.type != "cuda":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    order = [
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.MATH,
    ]
    context: AbstractContextManager[Any] = sdpa_kernel(order, set_priority=True)
    return context


class Flash3Attention:
    """An installed flash-attn 3 (Hopper); it reads an e4m3 cache directly and answers in bfloat16."""

    def __init__(self, *, float8: bool) -> None:
        import flash_attn_interface

        self._function = flash_attn_interface.flash_attn_func
        self.name: AttentionName = "flash3-float8" if float8 else "flash3"
        self.query_dtype = self.cache_dtype = torch.float8_e4m3fn if float8 else torch.bfloat16

    def attend(self, query: Tensor, key: Tensor, value: Tensor, value_scale: Tensor) -> RowValues | Tensor:
        """See :class:`Attention`."""
        answer = self._function(query, key, value)
        mixed: Tensor = answer[0] if isinstance(answer, tuple) else answer
        mixed = mixed.flatten(0, 1).flatten(1)
        return mixed if self.name == "flash3" else mixed * value_scale.to(mixed.dtype)


class CudnnFloat8Attention:
    """cuDNN's e4m3 attention (Hopper, data-centre Blackwell) through nvidia-cudnn-frontend; e4m3 in and out.

    The output has the scale of the stored values: a mean of values is no larger than they are.
    """

    def __init__(self, device: torch.device) -> None:
        import cudnn

        self._cudnn = cudnn
        self._device = device
        with current_card(device):
            self._handle = cudnn.create_handle()
        self._plans: dict[tuple[object, ...], _Plan] = {}
        self._one = torch.ones(1, 1, 1, 1, device=device)
        self._weight_scale = torch.full((1, 1, 1, 1), _WEIGHT_SCALE, device=device)
        self._weight_descale = torch.full((1, 1, 1, 1), 1.0 / _WEIGHT_SCALE, device=device)
        self.name: AttentionName = "cudnn-float8"
        self.query_dtype = self.cache_dtype = torch.float8_e4m3fn

    def attend(self, query: Tensor, key: Tensor, value: Tensor, value_scale: Tensor) -> RowValues | Tensor:
        """See :class:`Attention`."""
        states = [part.transpose(1, 2) for part in (query, key, value)]
        signature = tuple((tuple(part.shape), part.stride()) for part in states)
        plan = self._plans.get(signature)
        if plan is None:
            plan = self._plans[signature] = self._plan(states)
        mixed = torch.empty_like(query)
        tensors = [*states, self._one, self._one, self._one, self._weight_descale, self._weight_scale, self._one]
        pack = dict(zip(plan.inputs, tensors, strict=True)) | {plan.output: mixed.transpose(1, 2)}
        self._cudnn.set_stream(handle=self._handle, stream=torch.cuda.current_stream(self._device).cuda_stream)
        plan.graph.execute(pack, plan.workspace, handle=self._handle)
        return RowValues(mixed.flatten(0, 1).flatten(1), value_scale)

    def _plan(self, states: list[Tensor]) -> _Plan:
        types = self._cudnn.data_type
        graph = self._cudnn.pygraph(
            io_data_type=types.FP8_E4M3,
            intermediate_data_type=types.FLOAT,
            compute_data_type=types.FLOAT,
            handle=self._handle,
        )
        inputs = [
            graph.tensor(name=name, dim=list(part.shape), stride=list(part.stride()), data_type=types.FP8_E4M3)
            for name, part in zip(("query", "key", "value"), states, strict=True)
        ]
        names = ("descale_q", "descale_k", "descale_v", "descale_s", "scale_s", "scale_o")
        single = [1, 1, 1, 1]
        scales = {name: graph.tensor(name=name, dim=single, stride=single, data_type=types.FLOAT) for name in names}
        query = states[0]
        output, _, *largest = graph.sdpa_fp8(
            q=inputs[0],
            k=inputs[1],
            v=inputs[2],
            **scales,
            attn_scale=1.0 / math.sqrt(query.shape[-1]),
            generate_stats=False,
            use_causal_mask=False,
        )
        dense = torch.empty_like(query.transpose(1, 2)).transpose(1, 2)
        output.set_output(True).set_dim(list(dense.shape)).set_stride(list(dense.stride()))
        output.set_data_type(types.FP8_E4M3)
        for tensor in largest:
            # Nobody reads them, and as outputs each costs a launch.
            tensor.set_output(False).set_dim(single).set_stride(single).set_data_type(types.FLOAT)
        graph.build([self._cudnn.heur_mode.A, self._cudnn.heur_mode.FALLBACK])
        workspace = torch.empty(max(1, graph.get_workspace_size()), dtype=torch.uint8, device=self._device)
        return _Plan(graph, [*inputs, *scales.values()], output, workspace)


@dataclass(slots=True)
class _Plan:
    """A built cuDNN graph for one set of shapes, with its own workspace."""

    graph: Any
    inputs: list[Any]
    output: Any
    workspace: Tensor


def available_attention(device: torch.device) -> list[AttentionName]:
    """Back ends that this machine has, best first."""
    if device.type != "cuda":
        return ["sdpa", "sdpa-float8-cache"]
    hopper = torch.cuda.get_device_capability(device) == _HOPPER
    names: list[AttentionName] = []
    if hopper and importlib.util.find_spec("flash_attn_interface") is not None:
        names += ["flash3-float8"]
    if torch.cuda.get_device_capability(device)[0] in (9, 10) and importlib.util.find_spec("cudnn") is not None:
        names += ["cudnn-float8"]
    if hopper and importlib.util.find_spec("flash_attn_interface") is not None:
        names += ["flash3"]
    return [*names, "sdpa", "sdpa-float8-cache"]


def make_attention(name: AttentionName, dtype: torch.dtype, device: torch.device) -> Attention:
    """The back end called ``name``; ``dtype`` is that of unquantised activations.

    Raises:
        ImportError, RuntimeError: it does not work here.
    """
    match name:
        case "cudnn-float8":
            return CudnnFloat8Attention(device)
        case "flash3-float8":
            return Flash3Attention(float8=True)
        case "flash3":
            return Flash3Attention(float8=False)
        case "sdpa":
            return SdpaAttention(dtype, dtype)
        case "sdpa-float8-cache":
            return SdpaAttention(dtype, torch.float8_e4m3fn)
