"""Triton's interpreter for tests without a card; import it before anything that imports Triton.

The interpreter's cast to e4m3 loses the carry of a mantissa that rounds up (1.97 becomes 1.0); torch's cast, which is
that of the hardware, takes its place.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("TRITON_INTERPRET", "1")
pytest.importorskip("triton")

from triton.runtime import interpreter

_convert = interpreter._convert_float


def _convert_float(values: Any, source: Any, target: Any, rounding: Any) -> Any:
    if str(source) == "fp32" and str(target) == "fp8e4nv":
        codes = torch.from_numpy(np.ascontiguousarray(values)).to(torch.float8_e4m3fn)
        return codes.view(torch.uint8).numpy().reshape(values.shape)
    return _convert(values, source, target, rounding)


interpreter._convert_float = _convert_float
