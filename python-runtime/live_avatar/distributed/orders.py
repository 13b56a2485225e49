"""What the lead tells a follower about a model and a take, as JSON values and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from live_avatar.compute_plan import ComputePlan
from live_avatar.distributed.stage import TakeTimes
from live_avatar.fast.placement import Placement
from live_avatar.fast.weight_cache import CacheSettings
from live_avatar.geometry import LatentShape
from live_avatar.model.transformer import TimeConditions
from live_avatar.sampler import Schedule
from live_avatar.take_passes import PassSettings


@dataclass(frozen=True, slots=True)
class RankModel:
    """What a rank loads, and onto what.

    Attributes:
        ckpt_dir, lora: see :class:`live_avatar.pipeline.PipelineOptions`.
        device: ``cpu`` or ``cuda:N`` as the rank's own machine numbers them.
        plan: how it computes.
        memory_limit: bytes of the card that it may take, or ``None``.
    """

    ckpt_dir: Path
    lora: str | None
    device: str
    plan: ComputePlan
    weight_cache: CacheSettings | None = None
    memory_limit: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON values that :func:`read_model` reads."""
        cache = self.weight_cache
        return {
            "ckpt_dir": str(self.ckpt_dir.resolve()),
            "lora": self.lora,
            "device": self.device,
            "plan": self.plan.as_dict(),
            "weight_cache": None if cache is None else {**asdict(cache), "folder": _text(cache.folder)},
            "memory_limit": self.memory_limit,
        }


def read_model(value: dict[str, Any]) -> RankModel:
    """From what :meth:`RankModel.as_dict` gave."""
    plan = ComputePlan(**{**value["plan"], "placement": Placement(**value["plan"]["placement"])})
    cache = value["weight_cache"]
    if cache is not None:
        folder = None if cache["folder"] is None else Path(cache["folder"])
        cache = CacheSettings(**{**cache, "folder": folder})
    return RankModel(Path(value["ckpt_dir"]), value["lora"], value["device"], plan, cache, value["memory_limit"])


def take_message(settings: PassSettings, times: TakeTimes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Facts and tensors, on the processor, of a take that begins."""
    shape, schedule = settings.shape, settings.schedule
    facts = {
        "shape": [shape.height, shape.width, shape.infer_frames],
        "timesteps": list(schedule.timesteps),
        "sigmas": list(schedule.sigmas),
        "rotary_rounding": settings.rotary_rounding,
        "cache_dtype": None if settings.cache_dtype is None else str(settings.cache_dtype).removeprefix("torch."),
    }
    tensors = {
        "schedule.head": times.schedule.head,
        "schedule.block": times.schedule.block,
        "conditions.head": times.conditions.head,
        "conditions.block": times.conditions.block,
    }
    if settings.routing is not None:
        tensors["routing"] = settings.routing
    return facts, {name: tensor.cpu() for name, tensor in tensors.items()}


def read_take(
    facts: dict[str, Any], tensors: dict[str, Tensor], device: torch.device
) -> tuple[PassSettings, TakeTimes]:
    """From what :func:`take_message` gave; the times are on ``device``."""
    dtype = facts["cache_dtype"]
    settings = PassSettings(
        LatentShape(*facts["shape"]),
        Schedule(tuple(facts["timesteps"]), tuple(facts["sigmas"])),
        facts["rotary_rounding"],
        None if dtype is None else getattr(torch, dtype),
        tensors.get("routing"),
    )
    there = {name: tensor.to(device) for name, tensor in tensors.items()}
    return settings, TakeTimes(
        TimeConditions(there["schedule.head"], there["schedule.block"]),
        TimeConditions(there["conditions.head"], there["conditions.block"]),
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())
