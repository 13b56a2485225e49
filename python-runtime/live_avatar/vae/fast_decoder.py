"""The streaming decoder for a card: fused row kernels, one CUDA graph per block, frames that leave as bytes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from live_avatar.numerics import current_card
from live_avatar.vae.fast_graph import CapturedPass, capture_pass
from live_avatar.vae.fast_program import Caches, FastProgram, Pictures
from live_avatar.vae.fast_rows import PlainRows, Rows
from live_avatar.vae.fast_settings import FastSettings
from live_avatar.vae.frame_copies import FrameCopies, PendingFrames
from live_avatar.vae.model import VideoVae
from live_avatar.vae.timeline import DecoderState


class FastDecoder:
    """Decodes streams of ``vae`` with the same states as :meth:`VideoVae.stream_decode`, equal up to rounding.

    A state's caches live in the decoder's own buffers while it is the one being decoded; another state that comes in
    between moves them out again, so states can be saved, copied, and given to the plain path at any time. One size is
    held at once: the first block of another size frees the buffers of the one before.

    Calls are ordered by the current CUDA stream and never wait for the card, but for the first block of a size, which
    is measured and captured. One thread at a time.

    Args:
        vae: the network; its weights must not change afterwards.
        settings: how to go about it.
        note: told in words when something works otherwise than asked.
    """

    def __init__(
        self, vae: VideoVae, settings: FastSettings | None = None, note: Callable[[str], None] | None = None
    ) -> None:
        self.vae = vae
        self.settings = settings or FastSettings()
        self._note = note or (lambda text: None)
        rows = make_rows(self.settings, vae.conv2.weight.device, self._note)
        self.program = FastProgram(vae, rows, self.settings)
        self._graph_wanted = self.settings.graph and self.program.device.type == "cuda"
        self._copies = FrameCopies(self.program.device)
        self._caches: Caches = {}
        self._shared: dict[str, Tensor] = {}
        self._size: tuple[int, int] | None = None
        self._owner: weakref.ref[DecoderState] | None = None
        self._captured: CapturedPass | None = None

    @property
    def graph_bytes(self) -> int | None:
        """Memory that the captured block keeps, or ``None`` without one."""
        return None if self._captured is None else self._captured.pool_bytes

    @property
    def cache_bytes(self) -> int:
        """Memory of the buffers that hold the current stream's state."""
        return sum(cache.numel() * cache.element_size() for cache in self._caches.values())

    def new_decoder_state(self) -> DecoderState:
        """State of a stream that has seen nothing."""
        return self.vae.new_decoder_state()

    def prepare(self, height: int, width: int) -> None:
        """Do now what the first block of latents ``height`` x ``width`` would do: allocate, measure, capture."""
        with self._on_card():
            self._make_room(height, width)

    def prime_decoder(self, latents: Tensor, state: DecoderState) -> None:
        """As :meth:`VideoVae.prime_decoder`.

        Raises:
            ValueError: the stream has already started.
        """
        if state.started:
            raise ValueError("only a fresh decoder stream can be primed")
        with self._on_card():
            for part in self._parts(latents, state):
                self._decode(part, state)

    def stream_decode(self, latents: Tensor, state: DecoderState, clamp: bool = True) -> Tensor:
        """As :meth:`VideoVae.stream_decode`: frames [1,3,T,H,W] float32 of latents [1,z,L,h,w]."""
        with self._on_card():
            parts = []
            for part in self._parts(latents, state):
                values = self._decode(part, state).values
                # A graph writes into the same memory next time.
                parts.append(values.clamp(-1.0, 1.0) if clamp else values.clone())
            return torch.cat(parts, dim=1)[None] if len(parts) > 1 else parts[0][None]

    def stream_frames(self, latents: Tensor, state: DecoderState) -> PendingFrames:
        """As :meth:`stream_decode`, but the frames as bytes on their way to the processor."""
        with self._on_card():
            parts = [self._decode(part, state).frames.clone() for part in self._parts(latents, state)]
            return self._copies.send(torch.cat(parts) if len(parts) > 1 else parts[0])

    def release(self) -> None:
        """Free the buffers and the graph; the state they held keeps its own copy."""
        self._evict()
        self._captured = None
        self._caches, self._shared, self._size = {}, {}, None

    @contextmanager
    def _on_card(self) -> Iterator[None]:
        """Without gradients, and with the network's card as the current one: kernels and graphs run on that."""
        with torch.no_grad(), current_card(self.program.device):
            yield

    def _parts(self, latents: Tensor, state: DecoderState) -> list[Tensor]:
        """Passes: the first latent of a stream alone, then blocks."""
        if latents.shape[0] != 1:
            raise ValueError(f"the fast decoder takes one video at a time, not {latents.shape[0]}")
        alone = 0 if state.started else 1
        rest = latents[:, :, alone:]
        parts = [latents[:, :, :alone]] if alone else []
        return parts + (list(torch.split(rest, self.settings.block_latents, dim=2)) if rest.shape[2] else [])

    def _decode(self, latents: Tensor, state: DecoderState) -> Pictures:
        _, _, count, height, width = latents.shape
        self._make_room(height, width)
        first = not state.started
        self._adopt(state)
        if self._captured is not None and not first and count == self.settings.block_latents:
            return self._captured.replay(latents)
        pictures = self._new_pictures(count, first)
        self.program.run(latents.to(self.program.device), self._caches, pictures, first=first)
        return pictures

    def _make_room(self, height: int, width: int) -> None:
        if self._size == (height, width):
            return
        self.release()
        # Outside inference mode even if the caller is in it: such tensors could not be written to outside it later.
        with torch.inference_mode(False):
            self._caches = self.program.new_caches(height, width)
            self._shared = {key: cache.permute(3, 0, 1, 2)[None] for key, cache in self._caches.items()}
            self._size = (height, width)
            if self._graph_wanted:
                self._capture(height, width)

    def _capture(self, height: int, width: int) -> None:
        count = self.settings.block_latents
        config = self.program.config
        latents = torch.zeros(1, config.latent_channels, count, height, width, device=self.program.device)
        try:
            self._captured = capture_pass(self.program, latents, self._caches, self._new_pictures(count, first=False))
        except torch.OutOfMemoryError:
            self.release()
            raise
        except RuntimeError as error:
            self._graph_wanted = False
            self._note(
                "The decoder could not be captured as a CUDA graph and runs without one, which is slower at small "
                f"sizes: {str(error).splitlines()[0]}"
            )

    def _new_pictures(self, latents: int, first: bool) -> Pictures:
        assert self._size is not None
        stride = self.program.config.spatial_stride
        count = self.program.frames_of(latents, first)
        return Pictures.empty(count, self._size[0] * stride, self._size[1] * stride, self.program.device)

    def _adopt(self, state: DecoderState) -> None:
        """Bring the state's caches into the buffers, wherever they are."""
        if self._owner is None or self._owner() is not state:
            self._evict()
            self._owner = weakref.ref(state)
        if not state.started:
            for cache in self._caches.values():
                cache.zero_()
        else:
            held = state.tensors()
            for key, shared in self._shared.items():
                # A state that was restored, or decoded by the plain path meanwhile, holds tensors of its own.
                if held[key] is not shared:
                    shared.copy_(held[key])
        state.share(self._shared)

    def _evict(self) -> None:
        """Give the state whose caches are in the buffers a copy of its own."""
        owner = None if self._owner is None else self._owner()
        self._owner = None
        if owner is not None:
            for key, held in owner.tensors().items():
                if held is self._shared[key]:
                    owner.put(key, held)


def make_rows(settings: FastSettings, device: torch.device, note: Callable[[str], None]) -> Rows:
    """The row operations that ``settings`` ask for.

    Raises:
        ImportError: Triton is asked for by name and not installed.
    """
    if settings.kernels == "torch" or (settings.kernels == "auto" and device.type != "cuda"):
        return PlainRows()
    try:
        from live_avatar.vae.fast_kernels import FusedRows
    except ImportError:
        if settings.kernels == "triton":
            raise
        note("Triton is not installed: the decoder runs without fused kernels, at about half its speed.")
        return PlainRows()
    return FusedRows(settings.row_tile, settings.row_warps)
