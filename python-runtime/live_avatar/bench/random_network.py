"""The published network with drawn weights, and takes on random conditions: what every measurement of a card needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from live_avatar.checkpoint.config import DitConfig
from live_avatar.checkpoint.dit_shapes import dit_shapes
from live_avatar.checkpoint.drawn import Drawing
from live_avatar.fast.products import WeightFormat
from live_avatar.fast.weights import ResidentLayers, make_layer, step_tensor_names
from live_avatar.geometry import BLOCK_FRAMES, LatentShape
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.noise import SeededDraws
from live_avatar.sampler import make_schedule
from live_avatar.session import Session
from live_avatar.session_inputs import Conditions, SessionSettings
from live_avatar.take_passes import TakePasses
from live_avatar.vae.block_decoder import PlainDecoder
from live_avatar.vae.model import VideoVae

PUBLISHED = DitConfig(
    dim=5120,
    num_heads=40,
    ffn_dim=13824,
    num_layers=40,
    audio_dim=1024,
    audio_inject_layers=(0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39),
    text_dim=4096,
)


@dataclass(slots=True)
class Network:
    """Random weights on a card: the parts a pass needs once, and all layers in one form."""

    network: CausalAvatarTransformer
    layers: ResidentLayers


def random_network(config: DitConfig, form: WeightFormat, device: torch.device, drawing: Drawing) -> Network:
    """Draw the published network layer by layer, so that no more than one layer is there in full precision."""
    shapes = dit_shapes(config)

    def tensor(name: str) -> Tensor:
        return drawing.of(name, shapes[name], torch.bfloat16)(device)

    layers = [make_layer(config, layer, tensor, form) for layer in range(config.num_layers)]
    taken = {name for layer in range(config.num_layers) for name in step_tensor_names(config, layer)}
    with torch.device("meta"):
        network = CausalAvatarTransformer(config)
    for name in shapes:
        if name not in taken:
            owner, _, leaf = name.rpartition(".")
            setattr(network.get_submodule(owner), leaf, nn.Parameter(tensor(name), requires_grad=False))
    return Network(network.requires_grad_(False).eval(), ResidentLayers(layers))


def random_conditions(config: DitConfig, shape: LatentShape, device: torch.device) -> Conditions:
    """One speaker, one prompt, the same features for every block; portrait latents included."""
    generator = torch.Generator().manual_seed(5)

    def draw(*size: int) -> Tensor:
        return torch.randn(size, generator=generator)

    features = draw(1, config.audio_layers, config.audio_dim, BLOCK_FRAMES)
    context = draw(60, config.text_dim).to(device)
    return Conditions(
        reference=draw(1, config.in_dim, 1, shape.height, shape.width).to(device),
        motion=draw(1, config.in_dim, 19, shape.height, shape.width).to(device),
        prompt=lambda block: "prompt",
        context=lambda text: context,
        audio=lambda block: features,
    )


def random_session(
    network: CausalAvatarTransformer | Any,
    shape: LatentShape,
    vae: VideoVae,
    *,
    packed: bool,
    steps: int = 4,
    passes: TakePasses | None = None,
) -> Session:
    """A session on random conditions."""
    conditions = random_conditions(network.config, shape, network.device)
    settings = SessionSettings(shape, make_schedule(steps), packed=packed)
    return Session(network, PlainDecoder(vae), settings, conditions, SeededDraws(3), passes)
