"""Names and shapes of the diffusion transformer's tensors (spec 2.1), without building it."""

from __future__ import annotations

from live_avatar.checkpoint.config import DitConfig

Shape = tuple[int, ...]


def dit_shapes(config: DitConfig) -> dict[str, Shape]:
    """Shape of every tensor of the published transformer weights, by name."""
    dim, latent = config.dim, config.in_dim
    shapes: dict[str, Shape] = {
        "patch_embedding.weight": (dim, latent, 1, 2, 2),
        "patch_embedding.bias": (dim,),
        "cond_encoder.weight": (dim, config.cond_dim, 1, 2, 2),
        "cond_encoder.bias": (dim,),
        **_linear("text_embedding.0", dim, config.text_dim),
        **_linear("text_embedding.2", dim, dim),
        **_linear("time_embedding.0", dim, config.freq_dim),
        **_linear("time_embedding.2", dim, dim),
        **_linear("time_projection.1", 6 * dim, dim),
        **_linear("head.head", 4 * config.out_dim, dim),
        "head.modulation": (1, 2, dim),
        "trainable_cond_mask.weight": (3, dim),
        "frame_packer.proj.weight": (dim, latent, 1, 2, 2),
        "frame_packer.proj.bias": (dim,),
        "frame_packer.proj_2x.weight": (dim, latent, 2, 4, 4),
        "frame_packer.proj_2x.bias": (dim,),
        "frame_packer.proj_4x.weight": (dim, latent, 4, 8, 8),
        "frame_packer.proj_4x.bias": (dim,),
    }
    for block in range(config.num_layers):
        name = f"blocks.{block}"
        shapes.update(_attention(f"{name}.self_attn", dim))
        shapes.update(_attention(f"{name}.cross_attn", dim))
        shapes.update(_linear(f"{name}.ffn.0", config.ffn_dim, dim))
        shapes.update(_linear(f"{name}.ffn.2", dim, config.ffn_dim))
        shapes.update({f"{name}.norm3.weight": (dim,), f"{name}.norm3.bias": (dim,), f"{name}.modulation": (1, 6, dim)})
    shapes.update(_audio_encoder(config))
    for injector in range(len(config.audio_inject_layers)):
        shapes.update(_attention(f"audio_injector.injector.{injector}", dim))
        shapes.update(_linear(f"audio_injector.injector_adain_layers.{injector}.linear", 2 * dim, dim))
    return shapes


def _linear(name: str, outputs: int, inputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _attention(name: str, dim: int) -> dict[str, Shape]:
    shapes = {f"{name}.norm_{side}.weight": (dim,) for side in "qk"}
    linears = [_linear(f"{name}.{side}", dim, dim) for side in "qkvo"]
    return shapes | {key: shape for linear in linears for key, shape in linear.items()}


def _audio_encoder(config: DitConfig) -> dict[str, Shape]:
    dim, quarter, tokens = config.dim, config.dim // 4, config.num_audio_token
    encoder = "casual_audio_encoder.encoder"
    convolutions = {
        "conv1_local": (quarter * tokens, config.audio_dim),
        "conv1_global": (quarter, config.audio_dim),
        "conv2": (dim // 2, quarter),
        "conv3": (dim, dim // 2),
    }
    shapes: dict[str, Shape] = {
        "casual_audio_encoder.weights": (1, config.audio_layers, 1, 1),
        f"{encoder}.padding_tokens": (1, 1, 1, dim),
        **_linear(f"{encoder}.final_linear", dim, dim),
    }
    for name, (outputs, inputs) in convolutions.items():
        shapes[f"{encoder}.{name}.conv.weight"] = (outputs, inputs, 3)
        shapes[f"{encoder}.{name}.conv.bias"] = (outputs,)
    return shapes
