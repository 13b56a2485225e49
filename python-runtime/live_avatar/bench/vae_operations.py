"""What the single operations of the fast decoder take on a card, each timed alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from live_avatar.vae.fast_program import FastProgram
from live_avatar.vae.fast_rows import Finished, Rows, Step, Unfinished
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.fast_weights import Convolution
from live_avatar.vae.model import VideoVae

_REPEATS = 10
_Result = TypeVar("_Result")


@dataclass(slots=True)
class Operation:
    """One kind of call.

    Attributes:
        kind: ``convolution`` or ``rows``.
        what: shapes, in words.
        ms: of one call.
        work: floating point operations of a convolution, bytes read and written of a row kernel, per call.
        calls: in one block.
    """

    kind: str
    what: str
    ms: float
    work: float
    calls: int = 0

    @property
    def rate(self) -> float:
        """TFLOP/s of a convolution, GB/s of a row kernel."""
        return self.work / (self.ms * (1e9 if self.kind == "convolution" else 1e6))

    def as_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        return {
            "kind": self.kind,
            "what": self.what,
            "ms": self.ms,
            "calls": self.calls,
            "total_ms": self.ms * self.calls,
            "rate": self.rate,
            "unit": "TFLOP/s" if self.kind == "convolution" else "GB/s",
        }


class TimedProgram(FastProgram):
    """The pass, timing every operation the first time it meets its shapes. The numbers it computes mean nothing."""

    def __init__(self, vae: VideoVae, rows: Rows, settings: FastSettings) -> None:
        self.operations: dict[str, Operation] = {}
        super().__init__(vae, _TimedRows(rows, self), settings)

    def convolve(self, conv: Convolution, rows: Tensor) -> Tensor:
        """Time the convolution."""
        shape = "x".join(map(str, conv.weight.shape))
        what = f"{conv.reads} {_shape(rows)} with {shape}"
        products = 2 * conv.weight[0].numel()
        return self.timed("convolution", what, lambda: conv.apply(rows), lambda y: products * y.numel())

    def timed(self, kind: str, what: str, act: Callable[[], _Result], work: Callable[[_Result], float]) -> _Result:
        """Do ``act``, timing it if this is the first of its kind."""
        result = act()
        if what not in self.operations:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            for _ in range(_REPEATS):
                act()
            end.record()
            end.synchronize()
            self.operations[what] = Operation(kind, what, begin.elapsed_time(end) / _REPEATS, work(result))
        self.operations[what].calls += 1
        return result


class _TimedRows:
    def __init__(self, rows: Rows, program: TimedProgram) -> None:
        self._rows = rows
        self._program = program

    def finish(self, unfinished: Unfinished, step: Step) -> Finished:
        parts = [unfinished.arrangement, _shape(unfinished.source)]
        if unfinished.residual is not None:
            parts.append("+ residual")
        if step.keep:
            parts.append("kept")
        if step.target is not None:
            parts.append(f"{'norm, ' if step.gamma is not None else ''}to {step.target}")

        def bytes_moved(finished: Finished) -> float:
            # The two frames of context are read once and written once.
            context = 2 * _bytes(step.cache) if step.target in ("stacked", "folded") else 0
            return _bytes(unfinished.source) + _bytes(unfinished.residual) + sum(map(_bytes, finished)) + context

        return self._program.timed("rows", " ".join(parts), lambda: self._rows.finish(unfinished, step), bytes_moved)

    def pictures(self, partial: Tensor, bias: Tensor, taps: int, frames: Tensor, values: Tensor) -> None:
        self._program.timed(
            "rows",
            f"to pictures {_shape(partial)}, {taps} taps",
            lambda: self._rows.pictures(partial, bias, taps, frames, values),
            lambda _: _bytes(partial) + _bytes(frames) + _bytes(values),
        )


def _bytes(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.numel() * tensor.element_size()


def _shape(tensor: Tensor) -> str:
    return "[" + ",".join(map(str, tensor.shape)) + "]"
