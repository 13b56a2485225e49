"""Small takes on several ranks, and the same takes in one process, for the tests of many cards."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from live_avatar.checkpoint.layout import CheckpointLayout
from live_avatar.denoiser import Denoiser
from live_avatar.distributed.cut import LEAD, Cut, cut_balanced, cut_by_layers, cut_by_steps
from live_avatar.distributed.gathering import Gathering, HereGathering
from live_avatar.distributed.orders import RankModel
from live_avatar.distributed.team import Formation, Team
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.models import load_denoiser, load_vae
from live_avatar.noise import SeededDraws
from live_avatar.numerics import choose_plan
from live_avatar.pipeline import PipelineOptions, identify_weights
from live_avatar.sampler import make_schedule
from live_avatar.saved_session import SavedSession, SlicedTensor
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.take import Precision
from live_avatar.take_passes import PassSettings
from live_avatar.vae.block_decoder import PlainDecoder
from live_avatar.vae.model import VideoVae
from live_avatar.verify.golden import Golden

GOLDEN = Path(__file__).parent / "golden"
SIDE = 8
LAYERS = 6
STEPS = 2

CUTS: dict[str, Cut] = {
    "2 by layers": cut_by_layers(STEPS, [3, 3]),
    "2 by steps": cut_by_steps(LAYERS, [1, 1]),
    "2, the lead decodes only": cut_by_layers(STEPS, [0, LAYERS]),
    "3 by layers, uneven": cut_by_layers(STEPS, [1, 3, 2]),
    "3 by steps, the lead decodes only": cut_by_steps(LAYERS, [0, 1, 1]),
    "4 by layers": cut_by_layers(STEPS, [1, 2, 1, 2]),
    "4 by steps, balanced": cut_balanced(STEPS, LAYERS, [2, 3, 4, 3]),
}


@functools.cache
def golden() -> Golden:
    """The golden folder; its networks in float32 on the processor, one thread."""
    torch.set_num_threads(1)
    return Golden(GOLDEN)


def model_of_rank(precision: Precision = "fp32") -> RankModel:
    """The golden checkpoint on the processor."""
    config = golden().config
    plan = choose_plan(precision, torch.device("cpu"), config)
    return RankModel(GOLDEN / "ckpt", None, "cpu", plan)


def load_lead(cut: Cut, model: RankModel) -> Denoiser:
    """The lead's own layers."""
    options = PipelineOptions(model.ckpt_dir, model.lora, model.device, plan=model.plan)
    return load_denoiser(identify_weights(options), part=cut.part_of(LEAD))


def take_settings(device: torch.device, **changes: Any) -> tuple[SessionSettings, Conditions]:
    """A take with an anchor at the second clip and a new prompt in it; clips of two blocks, 64 x 64."""
    inputs = golden().inputs
    context = inputs["in.ctx"]
    settings = {"steps": STEPS, "infer_frames": 24} | changes
    features = inputs["in.audio"]

    def audio(block: int) -> Tensor:
        return features[..., (torch.arange(BLOCK_FRAMES) + block * BLOCK_FRAMES) % features.shape[-1]]

    conditions = Conditions(
        reference=inputs["in.ref"][..., :SIDE, :SIDE].to(device),
        motion=inputs["in.motion"][..., :SIDE, :SIDE].to(device),
        prompt=lambda block: "one" if block < 5 else "another",
        context=lambda text: context.roll(len(text), dims=0)[: 23 - len(text)],
        audio=audio,
    )
    shape = LatentShape(SIDE, SIDE, settings["infer_frames"])
    return SessionSettings(shape, make_schedule(settings["steps"])), conditions


@functools.cache
def vae_on(device: torch.device) -> VideoVae:
    """The golden VAE beside the denoiser it decodes for."""
    return load_vae(CheckpointLayout.find(GOLDEN / "ckpt"), torch.float32, device)


def single_session(denoiser: Denoiser, **changes: Any) -> Session:
    """The take in one process."""
    settings, conditions = take_settings(denoiser.device, **changes)
    return Session(denoiser, PlainDecoder(vae_on(denoiser.device)), settings, conditions, SeededDraws(7))


@contextmanager
def team_of(cut: Cut, gathering: Gathering | None = None, **changes: Any) -> Iterator[tuple[Team, Denoiser]]:
    """Ranks with the golden checkpoint across them, ended in the end."""
    model = changes.pop("model", None) or model_of_rank()
    formation = Formation(cut, (model,) * cut.ranks, **({"transport": "host"} | changes))
    team = Team(formation, gathering or HereGathering())
    try:
        denoiser = load_lead(cut, model)
        team.connect(denoiser)
        yield team, denoiser
    finally:
        team.close()


def team_session(team: Team, denoiser: Denoiser, **changes: Any) -> Session:
    """The take on all ranks of ``team``."""
    settings, conditions = take_settings(denoiser.device, **changes)
    given = PassSettings(settings.shape, settings.schedule, settings.rotary_rounding, settings.cache_dtype)
    passes = team.new_passes(denoiser, given)
    decoder, draws = PlainDecoder(vae_on(denoiser.device)), SeededDraws(7)
    return Session(denoiser, decoder, settings, conditions, draws, passes, team.formation.order)


def pictures(session: Session, blocks: int) -> list[Tensor]:
    """The next blocks, decoded."""
    return [session.decode_block(session.denoise_block()) for _ in range(blocks)]


def kept(saved: SavedSession) -> SavedSession:
    """What a file would keep: the live tensors go on changing."""
    tensors = {name: _whole(sliced) for name, sliced in saved.slices.items()}
    tensors |= {name: tensor.clone() for name, tensor in saved.tensors.items()}
    return SavedSession(tensors, saved.block, saved.prefilled_prompt, saved.anchored, saved.flight_steps)


def _whole(sliced: SlicedTensor) -> Tensor:
    with closing(sliced.slices()) as slices:
        return torch.cat([part.reshape(-1).cpu() for part in slices]).view(sliced.shape)


def followers() -> list[psutil.Process]:
    """Followers of this process; tests before in the same process may have left children of other kinds."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and any("follower" in word for word in child.cmdline()):
                found.append(child)
    return found
