"""A saved state whose keys and values are in another form than the cache that is to go on with them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from live_avatar.fp8 import E4M3_MAX
from live_avatar.saved_session import SavedSession

_KEY, _VALUE, _SCALE, _SCALED = (f"cache.{name}" for name in ("key", "value", "value_scale", "scaled"))
# As the cache itself leaves for values to come (fast/cache.py).
_HEADROOM = 4.0


def in_cache_form(saved: SavedSession, dtype: torch.dtype) -> SavedSession:
    """``saved`` with keys and values of ``dtype``; itself if they are, or if it is none of a flat pass.

    Between wide and e4m3 values are scaled by a power of two per layer, as the flat pass does.
    """
    tensors = saved.tensors
    key, value = tensors.get(_KEY), tensors.get(_VALUE)
    if key is None or value is None or _SCALE not in tensors or value.dtype == dtype:
        return saved
    float8 = dtype == torch.float8_e4m3fn
    scale = tensors[_SCALE].float().clone()
    new_key = torch.empty_like(key, dtype=dtype)
    new_value = torch.empty_like(value, dtype=dtype)
    # Layer by layer: the whole in float32 would be four times the cache.
    for layer in range(key.shape[1]):
        wide = value[:, layer].float()
        if value.dtype == torch.float8_e4m3fn:
            wide = wide * scale[layer]
            scale[layer] = 1.0
        if float8:
            largest = wide.abs().amax().clamp_min(1e-6) * (_HEADROOM / E4M3_MAX)
            scale[layer] = torch.exp2(torch.ceil(torch.log2(largest)))
            wide = wide / scale[layer]
        new_key[:, layer] = _cast(key[:, layer].float(), dtype)
        new_value[:, layer] = _cast(wide, dtype)
    changed = {
        _KEY: new_key,
        _VALUE: new_value,
        _SCALE: scale.to(tensors[_SCALE].dtype),
        _SCALED: torch.full_like(tensors[_SCALED], int(float8)),
    }
    return replace(saved, tensors={**tensors, **changed})


def _cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    if dtype == torch.float8_e4m3fn:
        return values.clamp(-E4M3_MAX, E4M3_MAX).to(dtype)
    return values.to(dtype)
