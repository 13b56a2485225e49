"""The causal video VAE: 4 frames and 8x8 pixels to one latent position, streaming with explicit state (spec 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import torch
from torch import Tensor, nn

from live_avatar.errors import UserError
from live_avatar.vae.config import PUBLISHED_LATENT_MEAN, PUBLISHED_LATENT_STD, VaeConfig
from live_avatar.vae.decoder import Decoder
from live_avatar.vae.encoder import Encoder
from live_avatar.vae.layers import CausalConv3d, channels_last
from live_avatar.vae.timeline import (
    DecoderState,
    EncoderState,
    EncoderTimeline,
    PrimingTimeline,
    StillTimeline,
    repeat_last,
)

# Latents per pass outside autograd; changes only speed and memory. On a CPU one latent's activations just fit the
# cache: decoding three at once takes 1.4 to 1.8 times as long.
_LATENTS_PER_PASS_CPU = 1
_LATENTS_PER_PASS_GPU = 3


class VideoVae(nn.Module):
    """Causal video VAE with the parameter names of ``Wan2.1_VAE.pth``.

    Video is [B,3,T,H,W] in [-1,1], H and W multiples of 8, T = 1 + 4k from the start of a stream and a multiple of 4
    afterwards. Normalised latents are [B,z,L,H/8,W/8] float32, L = 1 + k. Weights may be float32 or bfloat16; norms
    take their sum in float32, latent statistics stay float32.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        latents = config.latent_channels
        self.encoder = Encoder(config)
        self.conv1 = nn.Conv3d(2 * latents, 2 * latents, 1)
        self.conv2 = nn.Conv3d(latents, latents, 1)
        self.decoder = Decoder(config)
        published = latents == len(PUBLISHED_LATENT_MEAN)
        mean = PUBLISHED_LATENT_MEAN if published else (0.0,) * latents
        std = PUBLISHED_LATENT_STD if published else (1.0,) * latents
        self.register_buffer("latent_mean", torch.tensor(mean, device="cpu"), persistent=False)
        self.register_buffer("latent_std", torch.tensor(std, device="cpu"), persistent=False)
        for name, module in self.named_modules():
            if isinstance(module, CausalConv3d):
                module.key = name
        self._encoder_keys = [m.key for m in self.encoder.modules() if isinstance(m, CausalConv3d)]
        self._decoder_keys = [m.key for m in self.decoder.modules() if isinstance(m, CausalConv3d)]

    @classmethod
    def from_state_dict(
        cls,
        weights: Mapping[str, Tensor],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Build the network that fits ``weights`` and load them, strictly.

        Args:
            weights: published names -> tensors.

        Raises:
            UserError: ``VAE_WEIGHTS_INVALID`` when names or shapes do not fit.
        """
        config = VaeConfig.from_state_dict({name: tensor.shape for name, tensor in weights.items()})
        with torch.device("meta"):
            vae = cls(config)
        try:
            vae.load_state_dict(dict(weights), strict=True, assign=True)
        except (RuntimeError, ValueError) as error:
            raise UserError(
                "VAE_WEIGHTS_INVALID",
                "The VAE weights cannot be used.",
                f"Their names or shapes do not fit together: {error}",
                "Point to an unmodified Wan2.1_VAE.pth or a VAE exported by this project.",
                field="checkpoint",
            ) from error
        vae.to(device=device, dtype=dtype)
        vae.use_channels_last()
        return vae.eval().requires_grad_(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # The statistics stay float32 whatever dtype the weights take: rounded, they would shift every latent.
        mean, std = self.latent_mean, self.latent_std
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.latent_mean = mean.to(self.latent_mean.device)
        self.latent_std = std.to(self.latent_std.device)
        return self

    def use_channels_last(self) -> None:
        """Store convolution weights channels last, as the activations are, to save a reordering on each call."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
            elif isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)

    def normalise(self, latents: Tensor) -> Tensor:
        """Raw posterior means [B,z,L,h,w] to the unit scale the video model works in, float32."""
        return (latents.float() - _per_channel(self.latent_mean)) / _per_channel(self.latent_std)

    def denormalise(self, latents: Tensor) -> Tensor:
        """Undo :meth:`normalise`, float32."""
        return latents.float() * _per_channel(self.latent_std) + _per_channel(self.latent_mean)

    def new_encoder_state(self) -> EncoderState:
        """State of an encoder stream that has seen nothing."""
        return EncoderState(self._encoder_keys)

    def new_decoder_state(self) -> DecoderState:
        """State of a decoder stream that has seen nothing."""
        return DecoderState(self._decoder_keys)

    def encode(self, frames: Tensor) -> Tensor:
        """Encode a whole video.

        Args:
            frames: [B,3,1+4k,H,W] in [-1,1].

        Returns:
            Normalised posterior means [B,z,1+k,H/8,W/8], float32.
        """
        return self.stream_encode(frames, self.new_encoder_state())

    def encode_still(self, image: Tensor, frames: int) -> Tensor:
        """What :meth:`encode` gives for ``image`` [B,3,H,W] repeated ``frames`` = 1+4k times, at a bounded cost.

        A still video is constant in time after a few frames of every layer; only frames that differ are computed.
        """
        self._check_frames(frames, started=False)
        mean, _ = self._moments(image.unsqueeze(2), StillTimeline(frames))
        latents = (frames - 1) // self.config.temporal_stride + 1
        return repeat_last(self.normalise(mean), latents - mean.shape[2])

    def stream_encode(self, frames: Tensor, state: EncoderState) -> Tensor:
        """Encode the next frames of a stream and advance ``state``.

        Args:
            frames: [B,3,T,H,W] in [-1,1]; T = 1+4k in the first call, a multiple of 4 afterwards.

        Returns:
            Normalised latents [B,z,L,H/8,W/8], float32; 1+k in the first call, T/4 afterwards.
        """
        return self.normalise(self.stream_encode_moments(frames, state)[0])

    def stream_encode_moments(self, frames: Tensor, state: EncoderState) -> tuple[Tensor, Tensor]:
        """Like :meth:`stream_encode` but the raw posterior: (mean, log variance), not normalised, not clamped."""
        self._check_frames(frames.shape[2], started=state.started)
        start = 0 if state.started else 1
        step = self._latents_per_pass(frames) * self.config.temporal_stride
        sizes = [start] * start + _pass_sizes(frames.shape[2] - start, step)
        passes = [self._moments(part, state) for part in torch.split(frames, sizes, dim=2)]
        return torch.cat([mean for mean, _ in passes], dim=2), torch.cat([variance for _, variance in passes], dim=2)

    def decode(self, latents: Tensor, clamp: bool = True) -> Tensor:
        """Decode a whole video.

        Args:
            latents: normalised, [B,z,L,H/8,W/8].
            clamp: limit the frames to [-1,1].

        Returns:
            [B,3,1+4(L-1),H,W] float32.
        """
        return self.stream_decode(latents, self.new_decoder_state(), clamp)

    def stream_decode(self, latents: Tensor, state: DecoderState, clamp: bool = True) -> Tensor:
        """Decode the next latents [B,z,L,H/8,W/8] of a stream and advance ``state``.

        Returns:
            Frames [B,3,T,H,W] float32: the first latent of a stream gives 1 frame, every later one 4.
        """
        x = self._decoder_input(latents)
        passes = [self.decoder(part, state).float() for part in torch.split(x, self._latents_per_pass(x), dim=2)]
        frames = torch.cat(passes, dim=2)
        return frames.clamp(-1.0, 1.0) if clamp else frames

    def prime_decoder(self, latents: Tensor, state: DecoderState) -> None:
        """Bring a fresh ``state`` to where :meth:`stream_decode` of ``latents`` would leave it, without the pictures.

        Equal up to float32 rounding, at about two thirds of the cost; normalised ``latents`` [B,z,L,H/8,W/8].

        Raises:
            ValueError: the stream has already started.
        """
        if state.started:
            raise ValueError("only a fresh decoder stream can be primed")
        self.decoder.prime(self._decoder_input(latents), PrimingTimeline(state))

    def _moments(self, frames: Tensor, timeline: EncoderTimeline) -> tuple[Tensor, Tensor]:
        moments = self.conv1(self.encoder(channels_last(frames.to(self.conv1.weight.dtype)), timeline))
        mean, log_variance = moments.float().chunk(2, dim=1)
        return mean, log_variance

    def _decoder_input(self, latents: Tensor) -> Tensor:
        x: Tensor = self.conv2(channels_last(self.denormalise(latents).to(self.conv2.weight.dtype)))
        return x

    def _latents_per_pass(self, x: Tensor) -> int:
        if torch.is_grad_enabled():
            return x.shape[2]  # Training: one graph per chunk.
        return _LATENTS_PER_PASS_CPU if x.device.type == "cpu" else _LATENTS_PER_PASS_GPU

    def _check_frames(self, frames: int, started: bool) -> None:
        stride = self.config.temporal_stride
        if frames < 1 or (frames - (0 if started else 1)) % stride:
            expected = f"a multiple of {stride}" if started else f"one more than a multiple of {stride}"
            raise ValueError(f"{frames} frames do not fit the encoder; it takes {expected}")


def _per_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1, 1)


def _pass_sizes(total: int, size: int) -> list[int]:
    return [size] * (total // size) + ([total % size] if total % size else [])
